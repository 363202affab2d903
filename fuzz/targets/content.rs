#![no_main]

#[path = "../../tests/fuzz_targets/content.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
