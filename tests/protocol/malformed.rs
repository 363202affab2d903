//! Whatever is damaged is refused with a typed error and changes nothing; what is stored
//! never makes the loader panic.

use std::sync::Arc;

use subrosa::UserId;
use subrosa::handshake::{PrekeyBundle, PrekeySecret, ReplayRecord, VerifiedPrekeys};
use subrosa::identity::{Account, Device, DeviceList};
use subrosa::session::{DecryptError, Peer, PeerRow, Session};
use subrosa::wire::{Envelope, SignedDeviceList, SignedPrekey};
use zeroize::Zeroizing;

use crate::side::{Side, pair, text};

/// Every cut, every flipped bit, and one byte more.
fn damaged(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cut = (0..bytes.len()).map(|len| bytes[..len].to_vec());
    let flipped = (0..bytes.len() * 8).map(|bit| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    });
    cut.chain(flipped).chain([[bytes, &[0]].concat()])
}

/// Refuses every damaged form of the envelope, with the state as it was, and then
/// takes the envelope itself.
fn attack(receiver: &mut Side, envelope: &[u8], expected: &[u8]) {
    let before = receiver.state();
    for bytes in damaged(envelope) {
        let error = receiver.receive(&bytes).unwrap_err();
        assert!(receiver.state() == before, "{error:?} changed the state");
        assert!(
            matches!(
                error,
                DecryptError::Decode(_)
                    | DecryptError::Unknown
                    | DecryptError::NotOpened
                    | DecryptError::PeerRolledBack
                    | DecryptError::Handshake(_)
            ),
            "{error:?}"
        );
    }
    assert_eq!(text(&receiver.receive(envelope).unwrap()), expected);
}

#[test]
fn a_damaged_message_is_refused_and_changes_nothing() {
    let (mut initiator, mut responder) = pair(1);
    let skipped = initiator.send(b"skipped").unwrap();
    let current = initiator.send(b"current").unwrap();
    attack(&mut responder, &current, b"current");
    let ahead = initiator.send(b"in the chain").unwrap();
    attack(&mut responder, &ahead, b"in the chain");
    attack(&mut responder, &skipped, b"skipped");
    let next = responder.send(b"next chain").unwrap();
    attack(&mut initiator, &next, b"next chain");
}

#[test]
fn a_damaged_first_message_is_refused_and_changes_nothing() {
    for with_one_time in [true, false] {
        let (mut initiator, mut responder) = (Side::new("alice", 1), Side::new("bob", 2));
        let bundle = responder.bundle(with_one_time);
        initiator.initiate(&UserId::new("bob").unwrap(), &bundle);
        let envelope = initiator.send(b"first").unwrap();
        attack(&mut responder, &envelope, b"first");
        let second = initiator.send(b"second").unwrap();
        attack(&mut responder, &second, b"second");
    }
}

#[test]
fn a_damaged_device_list_is_refused() {
    let side = Side::new("bob", 1);
    let bytes = side.account.device_list().signed().encode();
    for bytes in damaged(&bytes) {
        let list = SignedDeviceList::decode(&bytes).map(DeviceList::verify);
        assert!(!matches!(list, Ok(Ok(_))), "a damaged list was taken");
    }
}

#[test]
fn a_damaged_bundle_is_refused_or_withholds_something() {
    let (initiator, mut responder) = (Side::new("alice", 1), Side::new("bob", 2));
    let bob = UserId::new("bob").unwrap();
    let bytes = responder.bundle(true);
    let genuine = initiator.verify(&bytes, &bob).unwrap();
    assert!(genuine.devices().iter().all(VerifiedPrekeys::has_one_time_prekey));
    for bytes in damaged(&bytes) {
        // A directory can leave out prekeys and devices; it cannot change any.
        if let Ok(bundle) = initiator.verify(&bytes, &bob) {
            assert_eq!(PrekeyBundle::decode(&bytes).unwrap().claimed_user(), Some(bob.clone()));
            assert!(bundle.devices().iter().all(|device| !device.has_one_time_prekey()));
        }
    }
}

#[test]
fn a_damaged_prekey_is_refused() {
    let side = Side::new("bob", 1);
    let bytes = side.signed.public().encode();
    assert_eq!(&SignedPrekey::decode(&bytes).unwrap(), side.signed.public());
    for bytes in damaged(&bytes) {
        assert_ne!(SignedPrekey::decode(&bytes).as_ref(), Ok(side.signed.public()));
    }
}

#[test]
fn an_envelope_has_one_meaning() {
    let (mut initiator, _) = pair(1);
    let bytes = initiator.send(b"text").unwrap();
    let envelope = Envelope::decode(&bytes).unwrap();
    for bytes in damaged(&bytes) {
        assert_ne!(Envelope::decode(&bytes).as_ref(), Ok(&envelope));
    }
}

#[test]
fn damaged_records_never_panic() {
    let (mut initiator, mut responder) = pair(1);
    // Skipped keys, used tags, shards and gaps are in the rows.
    for turn in 0..12 {
        let lost = initiator.send(b"lost").unwrap();
        let envelope = initiator.send(b"text").unwrap();
        responder.receive(&envelope).unwrap();
        if turn % 3 == 0 {
            responder.receive(&lost).unwrap();
        }
        let envelope = responder.send(b"text").unwrap();
        initiator.receive(&envelope).unwrap();
    }
    for bytes in damaged(&initiator.device.record()) {
        let _ = Device::from_record(&bytes);
    }
    for bytes in damaged(&initiator.account.record()) {
        let _ = Account::from_record(&bytes);
    }
    for bytes in damaged(&responder.signed.record()) {
        let _ = PrekeySecret::from_record(&bytes, responder.address());
    }
    let bundle = responder.bundle(false);
    let mut other = Side::new("carol", 5);
    other.initiate(&UserId::new("bob").unwrap(), &bundle);
    let first = other.send(b"noted").unwrap();
    let mut stranger = Side::new("bob", 2);
    stranger.receive(&first).unwrap();
    assert_eq!(stranger.replays.len(), 1);
    for bytes in damaged(&stranger.replays.record().unwrap()) {
        let _ = ReplayRecord::from_record(&bytes);
    }
    for side in [&mut initiator, &mut responder] {
        let rows = Arc::new(side.rows.clone());
        for (damaged_row, genuine) in &*rows {
            for bytes in damaged(genuine) {
                let (damaged_row, rows) = (*damaged_row, Arc::clone(&rows));
                let row = move |row: PeerRow| match row == damaged_row {
                    true => Some(bytes.clone().into()),
                    false => rows.get(&row).map(|bytes| bytes.clone().into()),
                };
                let record: Zeroizing<Vec<u8>> = row(PeerRow::Peer).unwrap();
                let Ok(mut loaded) = Peer::from_record(&record, row) else { continue };
                // What loads also works on: it encodes, and it refuses.
                let garbage = Envelope::decode(&first).unwrap();
                assert!(loaded.peer.decrypt(&garbage, side.now).is_err());
                let _ = loaded.peer.row(PeerRow::Peer);
                let _ = loaded.peer.expire(side.now);
            }
        }
    }
}

#[test]
fn records_of_one_kind_are_not_taken_for_another() {
    let (initiator, responder) = pair(1);
    let session = &responder.rows[&PeerRow::Session(responder.peer().sessions()[0].id())];
    assert!(Device::from_record(session).is_err());
    assert!(Account::from_record(&initiator.device.record()).is_err());
    assert!(Session::from_record(&initiator.device.record(), |_| None).is_err());
    assert!(PrekeyBundle::decode(session).is_err());
}
