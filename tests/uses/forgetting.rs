//! An app that keeps its messages in memory alone, and its account in a file of SQLite: of a
//! message that has disappeared nothing is left on the disk.

use std::fs;
use std::path::Path;
use std::time::Duration;

use subrosa::store::SqliteStore;
use subrosa::testing::ManualClock;
use subrosa::{Content, EventKind, Messenger, Options, Timestamp};

use crate::net::{Net, Shown, introduce, settle, user};

const HOUR: Duration = Duration::from_secs(60 * 60);

const TEXT: &str = "sub rosa dictum";

/// Whether the text stands in the file, or in the log beside it.
fn has_text(file: &Path) -> bool {
    let beside = file.parent().unwrap().read_dir().unwrap();
    let files = beside.map(|entry| entry.unwrap().path());
    let mut files = files.filter(|path| path.to_str().unwrap().starts_with(file.to_str().unwrap()));
    let has = |path| fs::read(path).unwrap().windows(TEXT.len()).any(|at| at == TEXT.as_bytes());
    files.any(has)
}

#[test]
fn what_has_disappeared_is_in_no_file_either() {
    let (net, folder) = (Net::default(), tempfile::tempdir().unwrap());
    let clock = ManualClock::new(Timestamp::from_secs(1_800_000_000));
    let [hers, his] = ["alice", "bob"].map(|name| folder.path().join(name));
    let open = |file: &Path, name| {
        let store = SqliteStore::open(file).unwrap();
        let options = Options::default().clock(clock.clone());
        Messenger::open(store, options).unwrap().or_create(&user(name)).unwrap()
    };
    let (mut alice, mut bob) = (open(&hers, "alice"), open(&his, "bob"));
    introduce(&net, &mut alice, &mut bob);
    let text = Content::text(TEXT).disappearing(HOUR);
    let id = alice.send(user("bob"), text).unwrap();
    net.carry(&mut alice).unwrap();
    net.take_in(&mut bob).unwrap();
    assert!(has_text(&hers) && has_text(&his));
    let (mut her_app, mut his_app) = (Shown::default(), Shown::default());
    settle(&net, &mut [(&mut alice, &mut her_app), (&mut bob, &mut his_app)]);
    assert_eq!(his_app.texts(), [TEXT]);
    bob.mark_read(&user("alice"), &[id]).unwrap();
    for _ in 0..3 {
        clock.advance(24 * HOUR);
        settle(&net, &mut [(&mut alice, &mut her_app), (&mut bob, &mut his_app)]);
    }
    for app in [&her_app, &his_app] {
        let gone = |kind: &EventKind| matches!(kind, EventKind::Disappeared { .. });
        assert_eq!(app.0.values().filter(|kind| gone(kind)).count(), 1);
    }
    assert!(!has_text(&hers) && !has_text(&his));
}
