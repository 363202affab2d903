//! `proto/vectors` says what this crate does.
//!
//! Every file is made anew and compared with the one that is checked in;
//! `UPDATE_VECTORS=1 cargo test --lib vectors` writes them. `model` is SPEC.md a second
//! time: what the crate makes and what the model makes must be the same bytes.

mod attachment;
mod backups;
mod content;
mod content_kinds;
mod conversation;
mod derivations;
mod device_lists;
mod draws;
mod emoji;
mod erasure;
mod handshakes;
mod labels;
mod links;
mod model;
mod padding;
mod party;
mod prekeys;
mod ratchet;
mod rosters;
mod safety_numbers;
mod sender_keys;
mod shown;
mod steps;

use std::path::Path;
use std::{env, fs};

use serde_json::Value;

use draws::Draws;
use party::Party;

/// All of them together, in bytes.
const MAX_SIZE: u64 = 1_700_000;

/// When everything happens, in seconds.
const NOW: u64 = 1_790_000_000;

fn hex(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Adds the members of `more`.
fn with(mut object: Value, more: Value) -> Value {
    let (Some(members), Value::Object(more)) = (object.as_object_mut(), more) else {
        panic!("two objects");
    };
    members.extend(more);
    object
}

/// Compares a file with what it should hold, or writes it.
fn check(name: &str, fresh: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/vectors");
    let path = folder.join(name);
    if env::var_os("UPDATE_VECTORS").is_some() {
        let mut text = serde_json::to_string_pretty(fresh).unwrap();
        text.push('\n');
        fs::write(&path, text).unwrap();
    }
    let checked_in: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(
        &checked_in == fresh,
        "{name} differs: UPDATE_VECTORS=1 cargo test --lib vectors, and mind what SPEC.md says"
    );
    let sizes = fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
    assert!(sizes.sum::<u64>() < MAX_SIZE);
}

#[test]
fn labels() {
    check("labels.json", &labels::vectors());
}

#[test]
fn derivations() {
    check("derivations.json", &derivations::vectors());
}

#[test]
fn device_lists() {
    check("device_lists.json", &device_lists::vectors());
}

#[test]
fn prekeys() {
    check("prekeys.json", &prekeys::vectors());
}

#[test]
fn handshakes() {
    check("handshakes.json", &handshakes::vectors());
}

#[test]
fn ratchet() {
    check("ratchet.json", &ratchet::vectors());
}

#[test]
fn erasure() {
    check("erasure.json", &erasure::vectors());
}

#[test]
fn padding() {
    check("padding.json", &padding::vectors());
}

#[test]
fn safety_numbers() {
    check("safety_numbers.json", &safety_numbers::vectors());
}

#[test]
fn rosters() {
    check("rosters.json", &rosters::vectors());
}

#[test]
fn content() {
    check("content.json", &with(content::vectors(), content_kinds::vectors()));
}

#[test]
fn shown() {
    check("shown.json", &shown::vectors());
}

#[test]
fn links() {
    check("links.json", &links::vectors());
}

#[test]
fn backups() {
    check("backups.json", &backups::vectors());
}

#[test]
fn emoji() {
    check("emoji.json", &emoji::vectors());
}

#[test]
fn attachment() {
    check("attachment.json", &attachment::vectors());
}

#[test]
fn sender_keys() {
    check("sender_keys.json", &sender_keys::vectors());
}
