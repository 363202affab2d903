#![no_main]

#[allow(dead_code, reason = "a part of it is for the seeds")]
#[path = "../../tests/fuzz_targets/attachment.rs"]
mod body;
#[allow(dead_code, reason = "each target uses a part of it")]
#[path = "../../tests/fuzz_targets/input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
