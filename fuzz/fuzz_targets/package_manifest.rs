//! [`kforge_fuzz::package_manifest`] for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kforge_fuzz::package_manifest(data));
