//! Every input that a fuzzer found worth keeping, on every compiler (`fuzz/README.md`).
//!
//! `UPDATE_CORPORA=1 cargo test --test corpora` writes the seeds anew first.

use std::path::Path;
use std::{env, fs};

#[path = "fuzz_targets/attachment.rs"]
mod attachment;
#[path = "fuzz_targets/backup.rs"]
mod backup;
#[path = "fuzz_targets/bundle.rs"]
mod bundle;
#[path = "fuzz_targets/content.rs"]
mod content;
#[path = "fuzz_targets/conversation.rs"]
mod conversation;
#[path = "fuzz_targets/device_list.rs"]
mod device_list;
#[path = "fuzz_targets/envelope.rs"]
mod envelope;
#[path = "fuzz_targets/group.rs"]
mod group;
#[path = "fuzz_targets/handshake.rs"]
mod handshake;
#[path = "fuzz_targets/input.rs"]
mod input;
#[path = "fuzz_targets/link.rs"]
mod link;
#[path = "fuzz_targets/messenger.rs"]
mod messenger;
#[path = "fuzz_targets/publication.rs"]
mod publication;
#[path = "fuzz_targets/records.rs"]
mod records;
#[path = "fuzz_targets/roster.rs"]
mod roster;
#[path = "fuzz_targets/sealing.rs"]
mod sealing;
#[path = "fuzz_targets/seeds.rs"]
mod seeds;
#[path = "protocol/side.rs"]
mod side;
#[path = "fuzz_targets/verification.rs"]
mod verification;

use seeds::Seeds;

fn replay(target: &str, run: fn(&[u8]), seeds: fn() -> Seeds) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    if !fuzz.exists() {
        println!("skipped: the packaged crate comes without its corpora");
        return;
    }
    let corpus = fuzz.join("corpus").join(target);
    if env::var_os("UPDATE_CORPORA").is_some() {
        fs::create_dir_all(&corpus).unwrap();
        for (name, input) in seeds() {
            fs::write(corpus.join(format!("seed-{name}")), input).unwrap();
        }
    }
    let mut count = 0;
    for file in fs::read_dir(&corpus).unwrap() {
        let path = file.unwrap().path();
        // Captured, and so shown only if this one fails.
        println!("{}", path.display());
        run(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 0, "{} is empty", corpus.display());
}

#[test]
fn attachments() {
    replay("attachment", attachment::run, seeds::attachments);
}

#[test]
fn backups() {
    replay("backup", backup::run, seeds::backups);
}

#[test]
fn bundles() {
    replay("bundle", bundle::run, seeds::bundles);
}

#[test]
fn contents() {
    replay("content", content::run, seeds::contents);
}

#[test]
fn conversations() {
    replay("conversation", conversation::run, seeds::conversations);
}

#[test]
fn device_lists() {
    replay("device_list", device_list::run, seeds::device_lists);
}

#[test]
fn envelopes() {
    replay("envelope", envelope::run, seeds::envelopes);
}

#[test]
fn groups() {
    replay("group", group::run, seeds::groups);
}

#[test]
fn handshakes() {
    replay("handshake", handshake::run, seeds::handshakes);
}

#[test]
fn links() {
    replay("link", link::run, seeds::links);
}

#[test]
fn messengers() {
    replay("messenger", messenger::run, seeds::messengers);
}

#[test]
fn publications() {
    replay("publication", publication::run, seeds::publications);
}

#[test]
fn rosters() {
    replay("roster", roster::run, seeds::rosters);
}

#[test]
fn stored_records() {
    replay("records", records::run, seeds::records);
}

#[test]
fn verifications() {
    replay("verification", verification::run, seeds::verifications);
}
