//! [`kforge_fuzz::archive_row`] for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kforge_fuzz::archive_row(data));
