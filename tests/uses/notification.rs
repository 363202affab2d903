//! An app on a phone, and its notification extension: another process, which opens the same
//! file, gets one envelope with the push message, and has to show that envelope's banner.

use std::path::Path;

use subrosa::store::SqliteStore;
use subrosa::{Content, EventKind, Incoming, Messenger, Received, UserId};

use crate::net::{Net, Shown, introduce, open, settle, user};

/// What the extension does in its few seconds: nothing over the network, no event marked
/// as done. Gives the banner, if there is anything to show.
fn extension(file: &Path, from: &UserId, envelope: &[u8]) -> Option<String> {
    let mut device = open(SqliteStore::open(file).unwrap(), "bob").unwrap();
    let received = device.receive(Incoming::new(envelope).claimed_from(from)).unwrap();
    let Received::Opened(ids) = received else { return None };
    // Older events may stand before it that the app has not looked at yet.
    while let Some(event) = device.next_event().unwrap() {
        if ids.contains(&event.id)
            && let EventKind::Message(message) = event.kind
        {
            return Some(format!("{}: {}", message.from, message.content));
        }
    }
    None
}

fn push(net: &Net, to: &Messenger) -> Vec<u8> {
    net.waiting(to.address()).pop().unwrap()
}

#[test]
fn an_extension_shows_the_banner_of_its_own_envelope() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("account");
    let net = Net::default();
    let mut alice = open(SqliteStore::open(folder.path().join("alice")).unwrap(), "alice").unwrap();
    let mut bob = open(SqliteStore::open(&file).unwrap(), "bob").unwrap();
    introduce(&net, &mut alice, &mut bob);
    let (alerts, from) = (net.alerts(), user("alice"));

    let mut banners = Vec::new();
    for text in ["first", "second", "third"] {
        alice.send(user("bob"), Content::text(text)).unwrap();
        net.carry(&mut alice).unwrap();
        // The app is open all the while, and does nothing.
        banners.push(extension(&file, &from, &push(&net, &bob)));
    }
    let expected = ["alice: first", "alice: second", "alice: third"].map(str::to_owned);
    assert_eq!(banners, expected.map(Some));
    assert_eq!(net.alerts() - alerts, 3);
    // The same push message once more shows nothing.
    assert_eq!(extension(&file, &from, &push(&net, &bob)), None);

    // The app comes to the front: the mailbox has nothing new, and every message is told.
    let (mut alices, mut bobs) = (Shown::default(), Shown::default());
    for envelope in net.waiting(bob.address()) {
        assert_eq!(bob.receive(&envelope).unwrap(), Received::Duplicate);
    }
    settle(&net, &mut [(&mut bob, &mut bobs), (&mut alice, &mut alices)]);
    assert_eq!(bobs.texts(), ["first", "second", "third"]);

    // A receipt deserves no push message; should one come all the same, it shows nothing.
    let alerts = net.alerts();
    let message = alice.send(user("bob"), Content::text("fourth")).unwrap();
    net.carry(&mut alice).unwrap();
    bob.receive(&push(&net, &bob)).unwrap();
    net.carry(&mut bob).unwrap();
    alice.send(user("bob"), Content::read(&[message])).unwrap();
    net.carry(&mut alice).unwrap();
    assert_eq!(net.alerts() - alerts, 1);
    assert_eq!(extension(&file, &from, &push(&net, &bob)), None);
    // What lies in the mailbox and is no envelope is no news either.
    assert_eq!(extension(&file, &from, b"buy our watches"), None);
}
