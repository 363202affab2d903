//! Envelopes from anywhere: the decoder, and a device that has a session.

use std::thread_local;

use subrosa::handshake::HandshakeId;
use subrosa::session::PeerRow;
use subrosa::wire::{DecodeError, Envelope, MAX_ENVELOPE_LEN};

use crate::side::{Rows, START, Side, load, pair};

thread_local! {
    static RECEIVER: Side = sender_and_receiver().1;
}

/// Who writes the envelopes that open, and to whom; then an answer on its way back.
pub(crate) fn sender_and_receiver() -> (Side, Side, Vec<u8>) {
    let (mut sender, mut receiver) = pair(START);
    let envelope = sender.send(b"begins a chain").unwrap();
    receiver.receive(&envelope).unwrap();
    let answer = receiver.send(b"begins another").unwrap();
    (sender, receiver, answer)
}

pub(crate) fn run(data: &[u8]) {
    let envelope = match Envelope::decode(data) {
        Err(error) => {
            let too_long = matches!(error, DecodeError::TooLong { .. });
            assert_eq!(too_long, data.len() > MAX_ENVELOPE_LEN);
            return;
        }
        Ok(envelope) => envelope,
    };
    ignores_unknown_fields(data, &envelope);
    RECEIVER.with(|receiver| refused_changes_nothing(receiver, &envelope));
}

/// Field 100, a number.
fn ignores_unknown_fields(data: &[u8], envelope: &Envelope) {
    let longer = [data, &[0xa0, 0x06, 0x01]].concat();
    if longer.len() > MAX_ENVELOPE_LEN {
        return;
    }
    let again = Envelope::decode(&longer).unwrap();
    assert_eq!(&again, envelope);
    assert_eq!(again.message().tag(), envelope.message().tag());
    if let (
        Envelope::FirstMessage { handshake: one, .. },
        Envelope::FirstMessage { handshake: other, .. },
    ) = (envelope, &again)
    {
        assert_eq!(HandshakeId::of(one), HandshakeId::of(other));
    }
}

fn refused_changes_nothing(receiver: &Side, envelope: &Envelope) {
    let mut peer = load(&receiver.rows);
    if peer.decrypt(envelope, receiver.now).is_err() {
        let rows: Rows = receiver
            .rows
            .keys()
            .map(|row: &PeerRow| (*row, peer.row(*row).unwrap().to_vec()))
            .collect();
        assert!(rows == receiver.rows, "a refused envelope changed the state");
    }
}
