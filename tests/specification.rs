//! The specification names tests, and the tests exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every function in the Rust files below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let code = fs::read_to_string(&path).unwrap();
            let names = code.lines().filter_map(|line| line.trim().strip_prefix("fn "));
            found.extend(names.filter_map(|rest| rest.split('(').next().map(str::to_owned)));
        }
    }
}

#[test]
fn every_promise_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut existing = BTreeSet::new();
    functions(&root.join("src"), &mut existing);
    functions(&root.join("tests"), &mut existing);
    let specification = fs::read_to_string(root.join("proto/SPEC.md")).unwrap();
    let table = |heading: &str| -> Vec<String> {
        let section = specification.split("\n##").find(|text| text.contains(heading)).unwrap();
        let lines = section.lines().filter(|line| line.starts_with("| "));
        lines.skip(2).map(str::to_owned).collect()
    };
    let promises = table(" 1. Promises, and the test that attacks each");
    assert_eq!(promises.len(), 10);
    let invariants = table(" 13.8 Invariants, and the test that attacks each");
    assert_eq!(invariants.len(), 11);
    for promise in promises.iter().chain(&invariants) {
        let attacks = promise.rsplit(" | ").next().unwrap().split('`').skip(1).step_by(2);
        let attacks: Vec<_> = attacks.collect();
        assert!(!attacks.is_empty(), "{promise}");
        for attack in attacks {
            assert!(existing.contains(attack), "no test is called {attack}");
        }
    }
}
