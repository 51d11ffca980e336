//! [`kforge_fuzz::llm_server`] for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kforge_fuzz::llm_server(data));
