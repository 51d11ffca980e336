//! [`kforge_fuzz::interface_toml`] for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kforge_fuzz::interface_toml(data));
