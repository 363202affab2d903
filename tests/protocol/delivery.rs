//! Promise 6: every delivered message opens exactly once, whatever the network does.

use crate::side::{pair, text};

#[test]
fn two_sides_that_alternate_pass_two_post_quantum_epochs() {
    let (mut alice, mut bob) = pair(1);
    let mut turns = 0;
    while alice.peer().sessions()[0].epochs_mixed() < 4 {
        turns += 1;
        assert!(turns < 200, "no epoch after 200 turns");
        let envelope = alice.send(b"ping").unwrap();
        assert_eq!(text(&bob.receive(&envelope).unwrap()), b"ping");
        bob.reload();
        let envelope = bob.send(b"pong").unwrap();
        assert_eq!(text(&alice.receive(&envelope).unwrap()), b"pong");
        alice.reload();
    }
    eprintln!("{turns} turns");
}
