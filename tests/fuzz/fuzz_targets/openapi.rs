#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| resly_fuzz::openapi(data));
