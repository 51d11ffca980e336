//! [`kforge_fuzz::plan_json`] for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kforge_fuzz::plan_json(data));
