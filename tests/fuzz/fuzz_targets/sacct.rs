#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| namdrunner_fuzz::sacct(data));
