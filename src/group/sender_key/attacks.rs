//! What a member can do who has everybody's chain keys, and lies.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::names::Names;
use super::{
    DecryptError, Outgoing, ReceivingChain, SenderChains, SenderKeyError, SendingChain, Unverified,
};
use crate::address::{Address, DeviceId, UserId};
use crate::crypto::SigningKey;
use crate::group::{GroupId, Head};
use crate::identity::View;
use crate::ratchet::Chain;
use crate::session::Content;
use crate::timestamp::Timestamp;
use crate::wire::{
    Control, DecodeError, GroupMessage, MessageId, Payload, Replaced, SenderKeyDistribution, pad,
};

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const GROUP: GroupId = GroupId::from_bytes([1; 32]);
const ROSTER: Head = Head::from_bytes([2; 32]);

fn address(user: &str) -> Address {
    Address { user: UserId::new(user).unwrap(), device: DeviceId::new(7).unwrap() }
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(5)
}

fn sender(rng: &mut ChaCha8Rng) -> SendingChain {
    SendingChain::begin(GROUP, address("alice"), NOW, rng)
}

/// The chain as a member can go on with it who got it handed over: in this name, and with a
/// signing key of his own.
fn forger(
    distribution: &SenderKeyDistribution,
    group_id: GroupId,
    name: &str,
    rng: &mut ChaCha8Rng,
) -> SendingChain {
    let chain_id = distribution.chain_id;
    let names = Names { group_id, sender: address(name), chain_id };
    let key = distribution.chain_key.duplicate();
    let chain = Chain { key, next: distribution.iteration };
    let seed = distribution.header_seed.duplicate();
    SendingChain::new(names, chain, seed, SigningKey::generate(rng), NOW, None)
}

fn say(chain: &mut SendingChain, rng: &mut ChaCha8Rng) -> GroupMessage {
    let id = MessageId::generate(rng);
    let outgoing = Outgoing { id, content: b"words", view: View(3), roster: ROSTER };
    let sent = chain.encrypt(&outgoing, rng).unwrap().saved();
    GroupMessage::decode(&sent.envelope).unwrap()
}

fn opens(chain: &mut ReceivingChain, message: &GroupMessage) -> bool {
    chain.decrypt(message, &ROSTER, NOW).is_ok_and(|received| {
        matches!(received.saved().content, Content::Message { plaintext, .. }
            if plaintext.as_bytes() == b"words")
    })
}

fn refused(chain: &mut ReceivingChain, message: &GroupMessage, with: DecryptError) {
    let before = chain.record();
    assert_eq!(chain.decrypt(message, &ROSTER, NOW).unwrap_err(), with);
    assert_eq!(chain.record(), before);
}

#[test]
fn a_member_who_has_the_chain_cannot_forge_for_its_sender() {
    let rng = &mut rng();
    let mut alice = sender(rng);
    let distribution = alice.distribution();
    let mut bob = ReceivingChain::accept(&distribution, address("alice")).unwrap();
    let mut carol = forger(&distribution, GROUP, "alice", rng);
    let forged = [say(&mut carol, rng), say(&mut carol, rng)];
    for message in &forged {
        assert_eq!(bob.peek(message).unwrap().roster, [2; 16]);
        refused(&mut bob, message, DecryptError::NotOpened);
    }
    let genuine = [say(&mut alice, rng), say(&mut alice, rng)];
    assert!(opens(&mut bob, &genuine[0]));
    // Neither can he say that she was rolled back, nor sign what she sealed.
    refused(&mut bob, &forged[0], DecryptError::NotOpened);
    let resigned = GroupMessage { signature: forged[1].signature, ..genuine[1].clone() };
    refused(&mut bob, &resigned, DecryptError::NotOpened);
    assert!(opens(&mut bob, &genuine[1]));
}

#[test]
fn forgeries_among_many_messages_cost_no_genuine_one() {
    let rng = &mut rng();
    let mut alice = sender(rng);
    let distribution = alice.distribution();
    let mut bob = ReceivingChain::accept(&distribution, address("alice")).unwrap();
    let mut carol = forger(&distribution, GROUP, "alice", rng);
    let mut messages: Vec<_> = (0..600).map(|_| say(&mut alice, rng)).collect();
    for place in [0, 255, 256, 400] {
        messages.insert(place, say(&mut carol, rng));
    }
    let batch = messages.iter().map(|message| bob.prepare(message, &ROSTER).unwrap()).collect();
    let verified = Unverified::verify_batch(batch);
    let wrong = verified.iter().enumerate().filter(|(_, result)| result.is_err());
    assert!(wrong.map(|(place, _)| place).eq([0, 255, 256, 400]));
    for verified in verified.into_iter().flatten() {
        let content = bob.open(verified, NOW).unwrap().saved().content;
        assert!(matches!(content, Content::Message { .. }));
    }
    assert_eq!((bob.next(), bob.missing().count()), (600, 0));
}

#[test]
fn a_message_that_comes_twice_in_a_batch_opens_once() {
    let rng = &mut rng();
    let mut alice = sender(rng);
    let mut bob = ReceivingChain::accept(&alice.distribution(), address("alice")).unwrap();
    let message = say(&mut alice, rng);
    let batch = [&message; 2].map(|message| bob.prepare(message, &ROSTER).unwrap());
    let [first, second] =
        Unverified::verify_batch(batch.into()).try_into().map_err(|_| "two messages").unwrap();
    assert!(bob.open(first.unwrap(), NOW).is_ok());
    assert_eq!(bob.open(second.unwrap(), NOW).unwrap_err(), DecryptError::Duplicate);
    // What was verified for one chain is opened by no other.
    let mut other = ReceivingChain::accept(&sender(rng).distribution(), address("alice")).unwrap();
    let message = say(&mut alice, rng);
    let verified = bob.prepare(&message, &ROSTER).unwrap().verify().unwrap();
    assert_eq!(other.open(verified, NOW).unwrap_err(), DecryptError::Unknown);
}

#[test]
fn no_member_has_the_tags_of_another() {
    let rng = &mut rng();
    let alice = sender(rng);
    let distribution = alice.distribution();
    let hers = ReceivingChain::accept(&distribution, address("alice")).unwrap();
    // The very same keys, handed over as his own.
    let his = ReceivingChain::accept(&distribution, address("carol")).unwrap();
    let elsewhere = SenderKeyDistribution { group_id: [9; 32], ..distribution };
    let elsewhere = ReceivingChain::accept(&elsewhere, address("alice")).unwrap();
    let tags = |chain: &ReceivingChain| -> Vec<_> {
        (0..1000).map(|iteration| chain.header_key().tag(iteration)).collect()
    };
    let hers = tags(&hers);
    for other in [tags(&his), tags(&elsewhere)] {
        assert!(other.iter().all(|tag| !hers.contains(tag)));
    }
}

#[test]
fn a_message_moved_to_another_group_sender_or_roster_is_refused() {
    let rng = &mut rng();
    let mut alice = sender(rng);
    let distribution = alice.distribution();
    let mut bob = ReceivingChain::accept(&distribution, address("alice")).unwrap();
    let message = say(&mut alice, rng);
    // The same keys in two groups, or in two names: somebody handed over what he was given.
    let moved = SenderKeyDistribution { group_id: [9; 32], ..distribution.clone() };
    let mut moved = ReceivingChain::accept(&moved, address("alice")).unwrap();
    refused(&mut moved, &message, DecryptError::Unknown);
    let mut renamed = ReceivingChain::accept(&distribution, address("carol")).unwrap();
    refused(&mut renamed, &message, DecryptError::Unknown);
    // And where the tag is made to fit.
    let fitting = say(&mut forger(&distribution, GroupId::from_bytes([9; 32]), "alice", rng), rng);
    let spliced = GroupMessage { head: fitting.head, ..message.clone() };
    refused(&mut moved, &spliced, DecryptError::NotOpened);

    let other = Head::from_bytes([3; 32]);
    assert_eq!(bob.decrypt(&message, &other, NOW).unwrap_err(), DecryptError::OtherRoster);
    let mut same_start = *ROSTER.as_bytes();
    same_start[31] ^= 1;
    let same_start = Head::from_bytes(same_start);
    assert_eq!(bob.decrypt(&message, &same_start, NOW).unwrap_err(), DecryptError::NotOpened);
    assert!(opens(&mut bob, &message));
}

#[test]
fn a_sender_key_with_a_weak_or_second_public_key_is_refused() {
    let rng = &mut rng();
    let distribution = sender(rng).distribution();
    let with_key = |verifying_key| {
        let distribution = SenderKeyDistribution { verifying_key, ..distribution.clone() };
        ReceivingChain::accept(&distribution, address("alice")).map(|_| ()).unwrap_err()
    };
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let mut second_one = [0xff; 32];
    (second_one[0], second_one[31]) = (0xee, 0x7f);
    for key in [[0; 32], one, minus_one, second_one, [0xff; 32]] {
        assert_eq!(with_key(key), SenderKeyError::InvalidKey);
    }
}

#[test]
fn a_sender_key_that_counts_too_far_or_comes_with_other_keys_is_refused() {
    let rng = &mut rng();
    let mut alice = sender(rng);
    let distribution = alice.distribution();
    let far = SenderKeyDistribution { iteration: 1001, ..distribution.clone() };
    let error = ReceivingChain::accept(&far, address("alice")).map(|_| ()).unwrap_err();
    assert_eq!(error, SenderKeyError::TooFar);

    let bob = ReceivingChain::accept(&distribution, address("alice")).unwrap();
    assert_eq!(bob.is_of(&distribution, &address("alice")), Ok(true));
    assert_eq!(bob.is_of(&distribution, &address("carol")), Ok(false));
    say(&mut alice, rng);
    assert_eq!(bob.is_of(&alice.distribution(), &address("alice")), Ok(true));
    let other = sender(rng).distribution();
    assert_eq!(bob.is_of(&other, &address("alice")), Ok(false));
    let mixed = SenderKeyDistribution { chain_id: distribution.chain_id, ..other };
    assert_eq!(bob.is_of(&mixed, &address("alice")), Err(SenderKeyError::OtherKeys));
}

#[test]
fn a_group_message_with_a_control_message_in_it_is_malformed_and_used_up() {
    let rng = &mut rng();
    let mut alice = sender(rng);
    let mut bob = ReceivingChain::accept(&alice.distribution(), address("alice")).unwrap();
    let payload = |control: Option<Control>, body: &[u8]| {
        let payload = Payload {
            body: crate::crypto::SecretBytes::new(body.to_vec()),
            seq: 0,
            last: None,
            seen: None,
            view: 0,
            control,
            shards: Vec::new(),
        };
        let mut payload = payload.encode(|length| length).to_vec();
        pad(&mut payload, 256);
        payload
    };
    let hostile = [
        payload(Some(Control::Sign), b""),
        payload(None, b"fifteen bytes.."),
        payload(None, b""),
        vec![0; 256],
        vec![0xff; 256],
    ];
    for padded in hostile {
        let message = alice.seal(&padded, &ROSTER, rng);
        let message = GroupMessage::decode(&message.envelope).unwrap();
        let received = bob.decrypt(&message, &ROSTER, NOW).unwrap().saved();
        assert!(matches!(received.content, Content::Malformed(DecodeError::Malformed(_))));
        refused(&mut bob, &message, DecryptError::Duplicate);
    }
    let message = say(&mut alice, rng);
    assert!(opens(&mut bob, &message));
}

#[test]
fn a_chain_that_names_itself_as_replaced_ends_nothing() {
    let mut rng = rng();
    let mut alice = sender(&mut rng);
    let mut bob = SenderChains::new(GROUP, address("alice"));
    bob.take_in(&alice.distribution(), NOW).unwrap().saved();
    let messages: Vec<_> = (0..4).map(|_| say(&mut alice, &mut rng)).collect();
    let mut next = sender(&mut rng).distribution();
    next.replaced = Some(Replaced { chain_id: next.chain_id, length: 0 });
    next.ended = Some(Replaced { chain_id: alice.chain_id(), length: 1 });
    let taken = bob.take_in(&next, NOW).unwrap().saved();
    assert!(!taken.known && taken.closed.is_none());
    let chain = bob.chain_mut(alice.chain_id()).unwrap();
    assert!(messages.iter().all(|message| opens(chain, message)));
}
