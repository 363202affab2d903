//! The layers of the crate: imports go down only, and each outside crate has its one
//! place.

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up.
const LAYERS: [&str; 16] = [
    "address",
    "timestamp",
    "crypto",
    "store",
    "wire",
    "identity",
    "handshake",
    "ratchet",
    "session",
    "group",
    "content",
    "attachment",
    "directory",
    "messenger",
    "testing",
    "lib",
];

/// Outside crates, and the only layers that may name them.
const PLACES: [(&str, &[&str]); 14] = [
    ("argon2", &["crypto"]),
    ("chacha20", &["crypto"]),
    ("chacha20poly1305", &["crypto"]),
    ("ed25519_dalek", &["crypto"]),
    ("hkdf", &["crypto"]),
    ("hmac", &["crypto"]),
    ("libcrux_chacha20poly1305", &["crypto"]),
    ("libcrux_ml_kem", &["crypto"]),
    ("sha2", &["crypto"]),
    ("x25519_dalek", &["crypto"]),
    ("prost", &["wire"]),
    ("rand", &["store", "attachment", "messenger"]),
    ("reed_solomon_erasure", &["ratchet"]),
    ("rusqlite", &["store"]),
];

struct Source {
    layer: usize,
    path: PathBuf,
    code: String,
}

fn layer_of(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == name)
}

fn is_test_only(path: &Path) -> bool {
    let name = path.file_stem().unwrap();
    name == "attacks"
        || name == "wycheproof"
        || path.components().any(|c| c.as_os_str() == "vectors")
        || path.ends_with("store/tests")
        || path.ends_with("roster/tests")
}

fn collect(folder: &Path, layer: Option<usize>, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let layer = layer.or_else(|| layer_of(name));
        if is_test_only(&path) || name == "generated" {
            continue;
        }
        let layer = layer.unwrap_or_else(|| panic!("{} has no layer", path.display()));
        if path.is_dir() {
            collect(&path, Some(layer), sources);
        } else {
            let code = fs::read_to_string(&path).unwrap();
            // Inline tests stand at the end of a file and may look up.
            let inline = ["", "pub(super) "].map(|of| format!("#[cfg(test)]\n{of}mod tests {{"));
            let end = inline.iter().filter_map(|start| code.find(start)).min();
            let code = &code[..end.unwrap_or(code.len())];
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = lines.collect::<Vec<_>>().join("\n");
            sources.push(Source { layer, path, code });
        }
    }
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), None, &mut sources);
    assert!(sources.len() > 30);
    sources
}

/// The names that follow each `prefix` in the code.
fn names_after<'a>(code: &'a str, prefix: &str) -> Vec<&'a str> {
    let after = code.split(prefix).skip(1);
    let name = |rest: &'a str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next();
    after.filter_map(name).collect()
}

#[test]
fn imports_go_down_only() {
    for Source { layer, path, code } in sources() {
        assert!(!code.contains("use crate::{"), "{}: one layer a line", path.display());
        for name in names_after(&code, "crate::") {
            // What is not a layer is re-exported from the ground.
            let below = layer_of(name).is_none_or(|imported| imported <= layer);
            assert!(below, "{} reaches up to {name}", path.display());
        }
    }
}

#[test]
fn each_outside_crate_has_its_one_place() {
    for (outside, places) in PLACES {
        for Source { layer, path, code } in sources() {
            let named = code.contains(&format!("{outside}::"));
            assert!(
                !named || places.contains(&LAYERS[layer]),
                "{} names {outside}",
                path.display()
            );
        }
    }
}

#[test]
fn generated_code_is_seen_by_the_wire_alone() {
    for Source { layer, path, code } in sources() {
        let sees = code.contains("generated::");
        assert!(!sees || LAYERS[layer] == "wire", "{}", path.display());
    }
}
