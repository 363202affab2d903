#![no_main]

#[path = "../../tests/fuzz_targets/publication.rs"]
mod body;
#[allow(dead_code, reason = "each target uses a part of it")]
#[path = "../../tests/protocol/side.rs"]
mod side;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
