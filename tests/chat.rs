//! `examples/chat`: two terminals talk over a relay, and one is started again.

mod terminal;

use terminal::{Terminal, relay};

#[test]
fn two_terminals_talk_and_one_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_relay, address) = relay();
    let mut bob = Terminal::account("bob", folder, &address);
    bob.sees("-- connected");
    let mut alice = Terminal::account("alice", folder, &address);
    alice.types("hello?");
    alice.sees("to whom?");
    alice.types("/to bob");
    alice.types("meet me under the rose");
    alice.sees("#1 to bob: meet me under the rose");
    alice.sees("#1 ✓");

    bob.sees("request from alice: meet me under the rose");
    bob.types("/to alice");
    bob.types("/accept");
    alice.sees("#1 ✓✓");
    bob.types("at eight?");
    alice.sees("bob: at eight?");
    bob.sees("#1 ✓✓ read");

    alice.types("/number");
    bob.types("/number");
    let number = |line: String| line.split_once(": ").unwrap().1.to_owned();
    assert_eq!(number(alice.sees("compare with")), number(bob.sees("compare with")));

    // Alice writes while Bob is away; he has his history when he comes back.
    bob.quits();
    alice.types("bring the \u{1b}[31mcamera");
    alice.sees("#2 ✓");
    let mut bob = Terminal::account("bob", folder, &address);
    bob.sees("alice: bring the ·[31mcamera");
    alice.sees("#2 ✓✓ read");
    let shown = bob.quits();
    let history: Vec<_> = shown.iter().take_while(|line| !line.starts_with("You are")).collect();
    assert_eq!(history, ["request from alice: meet me under the rose", "you to alice: at eight?"]);
    alice.quits();
}

#[test]
fn what_is_written_without_a_relay_is_sent_later() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // A port where nobody listens any more.
    let (gone, nowhere) = relay();
    drop(gone);
    let mut alice = Terminal::account("alice", folder, &nowhere);
    alice.sees("not connected");
    alice.types("/to bob");
    alice.types("are you there?");
    alice.sees("#1 to bob");
    alice.quits();

    let (_relay, address) = relay();
    let mut bob = Terminal::account("bob", folder, &address);
    // Bob's prekeys come first, else there is no such user.
    bob.sees("-- connected");
    let mut alice = Terminal::account("alice", folder, &address);
    bob.sees("request from alice: are you there?");
    bob.types("/to alice");
    bob.types("/block");
    bob.sees("blocked");
    alice.types("/to nobody");
    alice.types("hello?");
    alice.sees("#1 to nobody failed: NoSuchUser");
}

#[test]
fn bad_arguments_get_a_clear_error() {
    for arguments in [&["--what"][..], &["a", "b", "c"], &["relay", "here"], &[""]] {
        assert_eq!(Terminal::start("chat", arguments, "").ends(), Some(1), "{arguments:?}");
    }
}
