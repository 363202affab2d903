#![no_main]

#[allow(dead_code, reason = "the steps are for the seeds")]
#[path = "../../tests/fuzz_targets/verification.rs"]
mod body;
#[allow(dead_code, reason = "each target uses a part of it")]
#[path = "../../tests/fuzz_targets/input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
