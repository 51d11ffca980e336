//! [`kforge_fuzz::http_bytes`] for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kforge_fuzz::http_bytes(data));
