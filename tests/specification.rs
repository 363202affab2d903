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
    let section = |name: &str, count: usize| -> Vec<&str> {
        let section = specification.split("\n##").find(|text| text.contains(name)).unwrap();
        let promises = section.lines().filter(|line| line.starts_with("| ")).skip(2);
        let promises: Vec<_> = promises.collect();
        assert_eq!(promises.len(), count);
        promises
    };
    let sections = [
        section(" 1. Promises", 10),
        section("# 13.8 Invariants", 11),
        section("# 13.10 What members tell each other", 5),
        section("# 14.7 Security", 16),
        section("# 15.4 Security", 5),
        section("# 16.4 Security", 4),
    ];
    for promise in sections.into_iter().flatten() {
        let attacks = promise.rsplit(" | ").next().unwrap().split('`').skip(1).step_by(2);
        let attacks: Vec<_> = attacks.collect();
        assert!(!attacks.is_empty(), "{promise}");
        for attack in attacks {
            assert!(existing.contains(attack), "no test is called {attack}");
        }
    }
}
