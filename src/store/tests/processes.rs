//! Several processes, and some that end in the middle of it: this test program starts
//! itself.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;
use crate::store::SqliteStore;
use crate::store::conformance::count_up;

/// Tells a started process which file is meant.
const FILE: &str = "SUBROSA_TEST_STORE";

/// Tells it which of several it is.
const NUMBER: &str = "SUBROSA_TEST_NUMBER";

/// Commits of each process that counts.
const STEPS: u64 = 1000;

/// Starts this program with the one test that calls this: there, [`task`] says so.
fn start(test: &str, path: &Path, number: usize) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", &format!("store::tests::processes::{test}"), "--nocapture"])
        .env(FILE, path)
        .env(NUMBER, number.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The file and the number, in a process that was started for a task.
fn task() -> Option<(PathBuf, usize)> {
    let number = env::var(NUMBER).ok()?.parse().ok()?;
    Some((PathBuf::from(env::var_os(FILE)?), number))
}

fn open(path: &Path, number: usize) -> Box<dyn Store> {
    let store = SqliteStore::open(path).unwrap();
    // One file for both kinds: encrypted rows do not disturb the others.
    if number >= 100 {
        Box::new(EncryptedStore::open(store, key()).unwrap())
    } else {
        Box::new(store)
    }
}

fn counts_up(path: &Path, number: usize) {
    let store = open(path, number);
    for step in 0..STEPS {
        count_up(&store, number);
        if step % 100 == 0 {
            store.tidy().unwrap();
        }
    }
}

fn opens_and_counts_once_after_the_other(path: &Path, number: usize) {
    for _ in 0..STEPS / 20 {
        count_up(&open(path, number), number);
    }
}

fn counted(store: &dyn Store, key: &[u8]) -> u64 {
    u64::from_be_bytes(store.get(TABLE, key).unwrap().unwrap().try_into().unwrap())
}

/// Three processes that do this work at once; in each of them, does it.
fn race(test: &str, work: fn(&Path, usize), numbers: [usize; 3], steps: u64) {
    if let Some((path, number)) = task() {
        return work(&path, number);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let children: Vec<Child> = numbers.map(|number| start(test, &path, number)).into();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let store = open(&path, numbers[0]);
    assert_eq!(counted(&store, b"all"), 3 * steps);
    for number in numbers {
        assert_eq!(counted(&store, &number.to_be_bytes()), steps);
    }
    let revision = store.revision().unwrap();
    assert_eq!(revision.as_bytes()[..8], (3 * steps).to_be_bytes(), "a commit counted twice");
}

#[test]
fn processes_that_race_on_one_file_lose_nothing() {
    race("processes_that_race_on_one_file_lose_nothing", counts_up, [0, 1, 2], STEPS);
}

#[test]
fn processes_that_race_on_one_encrypted_file_lose_nothing() {
    let test = "processes_that_race_on_one_encrypted_file_lose_nothing";
    race(test, counts_up, [100, 101, 102], STEPS);
}

#[test]
fn processes_that_open_and_close_one_file_all_the_time_lose_nothing() {
    let test = "processes_that_open_and_close_one_file_all_the_time_lose_nothing";
    race(test, opens_and_counts_once_after_the_other, [0, 1, 2], STEPS / 20);
}

/// Rows that each commit of the process below writes.
const ROWS: u8 = 20;

fn commits_until_it_is_killed(path: &Path, number: usize) {
    let store = open(path, number);
    let mut line = std::io::stdout();
    let mut count = store.get(TABLE, &[0]).unwrap().map_or(0, |value| count_of(&value));
    loop {
        count += 1;
        // Of many sizes: with and without pages of their own.
        let value = [&count.to_be_bytes()[..], &vec![7; usize::try_from(count % 5000).unwrap()]];
        let value = value.concat();
        let keys: Vec<[u8; 1]> = (0..ROWS).map(|key| [key]).collect();
        let writes: Vec<Change<'_>> =
            keys.iter().map(|key| (TABLE, &key[..], Some(&value[..]))).collect();
        write(&store, &writes);
        writeln!(line, "committed {count}").unwrap();
    }
}

fn count_of(value: &[u8]) -> u64 {
    u64::from_be_bytes(*value.first_chunk().unwrap())
}

#[test]
fn a_process_that_is_killed_leaves_a_whole_prefix_of_its_commits() {
    if let Some((path, number)) = task() {
        return commits_until_it_is_killed(&path, number);
    }
    let test = "a_process_that_is_killed_leaves_a_whole_prefix_of_its_commits";
    for number in [0, 100] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let mut last = 0;
        for round in 0..12_u64 {
            let mut child = start(test, &path, number);
            // Not before it has begun, then at some moment within a commit.
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let mut reported = |line: std::io::Result<String>| {
                let count =
                    line.unwrap().split_once("committed ")?.1.trim().parse::<u64>().unwrap();
                Some(count)
            };
            let first = lines.by_ref().find_map(&mut reported).unwrap();
            assert_eq!(first, last + 1, "it goes on where the other was killed");
            std::thread::sleep(Duration::from_micros(3000 + 1377 * round));
            child.kill().unwrap();
            child.wait().unwrap();
            let durable = lines.filter_map(reported).last().unwrap_or(first);

            let store = open(&path, number);
            let rows = store.scan(TABLE, b"", usize::MAX).unwrap();
            assert_eq!(rows.len(), usize::from(ROWS));
            last = count_of(&rows[0].value);
            assert!(rows.iter().all(|row| row.value == rows[0].value), "a part of a commit");
            // The one that was being written may count, though nobody was told so.
            assert!((durable..=durable + 1).contains(&last), "{last} of {durable}");
            assert_eq!(store.revision().unwrap().as_bytes()[..8], last.to_be_bytes());
        }
    }
}
