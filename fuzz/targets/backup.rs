#![no_main]

#[allow(dead_code, reason = "a part of it is for the seeds")]
#[path = "../../tests/fuzz_targets/backup.rs"]
mod body;
#[allow(dead_code, reason = "each target uses a part of it")]
#[path = "../../tests/fuzz_targets/input.rs"]
mod input;
#[allow(dead_code, reason = "each target uses a part of it")]
#[path = "../../tests/fuzz_targets/sealing.rs"]
mod sealing;
#[allow(dead_code, reason = "each target uses a part of it")]
#[path = "../../tests/protocol/side.rs"]
mod side;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
