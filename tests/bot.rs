//! `examples/bot` serves a customer, dies, and hands her over to a person.

mod terminal;

use std::path::Path;

use terminal::{Terminal, relay};

fn bot(folder: &Path, relay: &str) -> Terminal {
    let folder = folder.join("shop");
    Terminal::start("bot", &["shop", "carol", folder.to_str().unwrap()], relay)
}

#[test]
fn a_customer_is_greeted_answered_and_handed_over_to_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_relay, address) = relay();
    let mut carol = Terminal::account("carol", folder, &address);
    carol.sees("-- connected");
    let mut first = bot(folder, &address);
    first.sees("shop is open");
    let mut alice = Terminal::account("alice", folder, &address);
    alice.types("/to shop");
    alice.types("is anybody there?");
    alice.sees("shop: Hello, I am a bot. Ask me for our hours");
    alice.types("When are your HOURS?");
    alice.sees("shop: We open at nine and close at six.");
    alice.types("hm");
    alice.sees("shop: Sorry? Ask me for our hours");

    // It dies, and what is asked meanwhile is answered by the next.
    drop(first);
    alice.types("what is the price of a rose?");
    alice.sees("#4 ✓");
    let _second = bot(folder, &address);
    alice.sees("shop: A rose is 3, a dozen is 30.");

    alice.types("I want to talk to a person");
    alice.sees("shop: carol will write to you: accept the request.");
    carol.sees("request from shop: alice asks for a person: I want to talk to a person");
    carol.types("/to alice");
    carol.types("Carol here. What can I do for you?");
    alice.sees("request from carol: Carol here. What can I do for you?");
    alice.types("/to carol");
    alice.types("/accept");
    alice.types("A hundred roses, please.");
    carol.sees("alice: A hundred roses, please.");
    // Each question was answered once.
    let answers = alice.quits().into_iter().filter(|line| line.starts_with("shop: ")).count();
    assert_eq!(answers, 5);
    carol.quits();
}

#[test]
fn bad_arguments_get_a_clear_error() {
    for arguments in [&["shop"][..], &["a", "b", "c", "d"], &["", "carol"]] {
        assert_eq!(Terminal::start("bot", arguments, "").ends(), Some(1), "{arguments:?}");
    }
}
