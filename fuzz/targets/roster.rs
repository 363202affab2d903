#![no_main]

#[allow(dead_code, reason = "the steps are named for the seeds")]
#[path = "../../tests/fuzz_targets/roster.rs"]
mod body;
#[allow(dead_code, reason = "each target uses a part of it")]
#[path = "../../tests/fuzz_targets/input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
