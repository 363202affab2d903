#![no_main]

#[path = "../../tests/fuzz_targets/device_list.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
