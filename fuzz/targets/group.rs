#![no_main]

#[path = "../../tests/fuzz_targets/group.rs"]
mod body;
#[allow(dead_code, reason = "each target uses a part of it")]
#[path = "../../tests/fuzz_targets/input.rs"]
mod input;
#[allow(dead_code, reason = "each target uses a part of it")]
#[path = "../../tests/protocol/side.rs"]
mod side;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
