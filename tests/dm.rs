//! `examples/dm`, the README's first command, runs to its end; bad arguments get a clear
//! error.

use std::env::{self, consts};
use std::fs;
use std::process::{Command, Output};

/// Cargo builds the examples before it runs the tests.
fn run(arguments: &[&str]) -> Output {
    let test = env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program = target.join("examples").join(format!("dm{}", consts::EXE_SUFFIX));
    assert!(program.exists(), "`cargo build --example dm` comes first");
    Command::new(program).args(arguments).output().unwrap()
}

#[test]
fn everything_arrives_exactly_once() {
    let output = run(&[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("the same file, byte for byte"), "{text}");
    assert!(!text.contains("!!") && !text.contains("NOT"), "{text}");
}

#[test]
fn any_file_can_be_sent() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> =
        (0..50_000_u32).map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()[0]).collect();
    for (name, bytes) in [("any bytes", &bytes[..]), ("nothing", &[])] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let output = run(&[path.to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn bad_arguments_get_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    for (arguments, error) in [
        (&["no such file"][..], "cannot read"),
        (&[folder], "is a directory"),
        (&["--option"], "unknown option"),
        (&["one", "two"], "too many arguments"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.starts_with("dm: ") && text.contains(error), "{text}");
        assert!(output.stdout.is_empty());
    }
}
