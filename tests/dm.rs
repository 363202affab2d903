//! `examples/dm`, the README's first command, runs to its end; bad arguments get a clear
//! error.

use std::collections::BTreeMap;
use std::env::{self, consts};
use std::fs;
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Cargo builds the examples before it runs the tests.
fn run(arguments: &[&str]) -> Output {
    let test = env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program = target.join("examples").join(format!("dm{}", consts::EXE_SUFFIX));
    assert!(program.exists(), "`cargo build --example dm` comes first");
    Command::new(program).args(arguments).output().unwrap()
}

/// What it prints without arguments.
fn transcript() -> &'static str {
    static TRANSCRIPT: OnceLock<String> = OnceLock::new();
    TRANSCRIPT.get_or_init(|| {
        let output = run(&[]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    })
}

/// The words behind each place where this stands.
fn words_after<'a>(text: &'a str, what: &str) -> Vec<&'a str> {
    let word = |rest: &'a str| rest.split([' ', '\n']).next().unwrap();
    text.split(what).skip(1).map(word).collect()
}

/// How many lines are just this.
fn count(text: &str, line: &str) -> usize {
    text.lines().filter(|other| *other == line).count()
}

#[test]
fn everything_arrives_exactly_once() {
    let text = transcript();
    assert!(!text.contains("!!") && !text.contains("NOT"), "{text}");
    let sum = text.lines().find(|line| line.contains("messages were written")).unwrap();
    let numbers: Vec<usize> = sum.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [said, due, once, confirmed, receipts] = numbers[..] else { panic!("{sum}") };
    // Each on one device before the laptop is there, on two when it is, in the group on three.
    assert!(said < due && due < 3 * said && once == due, "{sum}");
    assert!(confirmed <= receipts && receipts < said, "{sum}");
    for bobs in ["Bob's phone ", "Bob's laptop"] {
        let line = format!("{bobs} has the same file, byte for byte");
        assert_eq!(count(text, &line), 1, "{text}");
    }
}

#[test]
fn a_laptop_is_linked_by_the_code_that_both_show() {
    let text = transcript();
    let digits = [words_after(text, "below it "), words_after(text, "it, and shows ")].concat();
    let [shown, read] = digits[..] else { panic!("{text}") };
    assert_eq!(shown.trim_end_matches(';'), read);
    for who in ["Alice", "Bob's phone", "Bob's laptop"] {
        assert_eq!(
            count(text, &format!("      {who} sees the laptop on Bob's list of devices")),
            1
        );
    }
    // Alice's, the phone's, the laptop's.
    let numbers: Vec<_> = text.split("safety number ").skip(1).collect();
    let numbers: Vec<_> = numbers.iter().map(|rest| rest.lines().next().unwrap()).collect();
    assert!(numbers.len() == 3 && numbers.iter().all(|number| *number == numbers[0]), "{text}");
    let mailbox = words_after(text, &format!("{shown} reads "))[0];
    assert!(words_after(text, "| ").iter().filter(|seen| **seen == mailbox).count() > 20, "{text}");
}

/// Who is to show what this device's user says.
fn readers(who: &str, said: &str, linked: bool, carol: bool) -> Vec<&'static str> {
    let all = ["Alice", "Bob's phone", "Bob's laptop", "Carol"];
    let there = |reader: &&str| match *reader {
        "Bob's laptop" => linked,
        "Carol" => carol,
        _ => true,
    };
    let reads = |reader: &&str| match (who, *reader) {
        _ if who == *reader => false,
        _ if said.starts_with("in Roses: ") => true,
        ("Alice", "Carol") => said.starts_with("to Carol: "),
        ("Alice", _) => !said.starts_with("to Carol: "),
        ("Carol", reader) => reader == "Alice",
        (_, reader) => reader != "Carol",
    };
    all.into_iter().filter(there).filter(reads).collect()
}

#[test]
fn what_is_written_on_one_device_is_shown_on_all_others() {
    let text = transcript();
    let mut expected = BTreeMap::new();
    let (mut linked, mut carol) = (false, true);
    for line in text.lines() {
        linked |= line == "== Bob writes and reads on both";
        carol &= line != "== Alice removes Carol";
        let Some((who, said)) = line.split_once(" | ").and_then(|(left, _)| {
            let (who, said) = left.split_at_checked(13)?;
            Some((who.trim_end(), said.trim_end()))
        }) else {
            continue;
        };
        // The last is said whenever somebody waits for an answer.
        if ["--", "seals ", "in Roses: Have you all"].iter().any(|skip| said.starts_with(skip)) {
            continue;
        }
        if ["Alice", "Bob's phone", "Bob's laptop", "Carol"].contains(&who) {
            for reader in readers(who, said, linked, carol) {
                let said = said.strip_prefix("to Carol: ").unwrap_or(said);
                *expected.entry((reader, said)).or_insert(0) += 1;
            }
        }
    }
    assert!(expected.len() > 60, "{text}");
    for ((reader, said), times) in expected {
        let shown = ["reads", "has a request:", "shows as his own:"].map(|does| {
            let shows = format!("      {reader} {does} {}", said.trim_end_matches('…'));
            let same = |line: &&str| match said.ends_with('…') {
                true => line.starts_with(&shows),
                false => **line == shows,
            };
            text.lines().filter(same).count()
        });
        assert_eq!(shown.iter().sum::<usize>(), times, "{reader}: {said}\n{text}");
    }
}

#[test]
fn whoever_was_removed_from_a_group_reads_nothing_new() {
    let text = transcript();
    for who in ["Bob's phone", "Bob's laptop", "Carol"] {
        assert_eq!(count(text, &format!("      {who} is invited to Roses by alice")), 1, "{text}");
        assert_eq!(count(text, &format!("      {who} sees that alice has removed carol")), 1);
    }
    let given = text.lines().find(|line| line.starts_with("Carol        is given by the relay"));
    let numbers: Vec<usize> = given.unwrap().split(' ').filter_map(|n| n.parse().ok()).collect();
    let [envelopes, .., opened, new] = numbers[..] else { panic!("{given:?}") };
    assert!(envelopes > 8 && (opened, new) == (0, 0), "{given:?}");
    let (_, after) = text.split_once("== Alice removes Carol").unwrap();
    assert!(!after.contains("      Carol reads") && after.contains("the cake is for Carol"));
}

#[test]
fn what_people_send_is_the_same_on_all_four_devices() {
    let text = transcript();
    for what in [
        "the picture and the voice note, byte for byte",
        "a rose below it, of Carol's",
        "\"At seven, I think.\"",
        "the ferry before Carol's place, 2 to 1",
        "nothing of the offer, four weeks after it was read",
        "her good morning",
    ] {
        assert_eq!(count(text, &format!("  **  On all four devices: {what}")), 1, "{text}");
    }
    // Each of the three others fetches the picture, and each the voice note.
    let (_, group) = text.split_once("== They send a picture").unwrap();
    let (group, _) = group.split_once("== Alice removes Carol").unwrap();
    let fetches = group.lines().filter(|line| line.contains(" -- fetches and opens it"));
    assert_eq!(fetches.count(), 6, "{text}");
    // What is said later has not left before.
    let (_, later) = group.split_once("== Alice writes what is to be said").unwrap();
    let (before, after) = later.split_once("half of the time is over").unwrap();
    assert!(!before.contains('|') && after.contains("Good morning!"), "{text}");
}

#[test]
fn two_who_compare_emoji_see_the_same() {
    let text = transcript();
    let (_, compared) = text.split_once("== Alice and Carol compare emoji").unwrap();
    let (compared, _) = compared.split_once("Both ").unwrap();
    let [alice, carol] = ["Alice        sees ", "Carol        sees "].map(|who| {
        let line = compared.lines().rfind(|line| line.starts_with(who)).unwrap();
        line.split_once(" sees ").unwrap().1
    });
    assert!(alice == carol && alice.split(' ').count() == 7, "{text}");
}

#[test]
fn the_post_quantum_ratchet_heals_whoever_is_copied() {
    let text = transcript();
    for with in ["Alice", "Bob's laptop"] {
        let healed = text.lines().filter(|line| {
            line.starts_with(&format!("  **  Bob's phone and {with} mix in epoch "))
                && line.contains(": healed ")
        });
        assert_eq!(healed.count(), 1, "{text}");
    }
    assert!(text.contains("the post-quantum ratchet has healed"), "{text}");
}

#[test]
fn any_file_can_be_sent_though_parts_of_it_are_lost() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> =
        (0..3_000_000_u32).map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()[0]).collect();
    for (name, bytes) in [("any bytes", &bytes[..]), ("nothing", &[])] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let output = run(&[path.to_str().unwrap()]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        let (_, file) = text.split_once("== Alice sends ").unwrap();
        let (file, _) = file.split_once("== The end").unwrap();
        assert_eq!(file.matches(" -- fetches and opens it").count(), 2, "{text}");
        let lost: usize =
            words_after(file, " parts: ").iter().map(|n| n.parse::<usize>().unwrap()).sum();
        assert!(bytes.is_empty() || lost > 0, "{text}");
        assert_eq!(file.matches(" has the same file, byte for byte").count(), 2, "{text}");
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
