//! Every derivation of SPEC.md by itself.

use serde_json::{Value, json};

use super::model::{self, array, cat};
use super::{Draws, NOW, Party, hex};
use crate::crypto::{Label, Secret, chain_step, expand, hkdf, hmac_parts};
use crate::handshake::{HandshakeId, PrekeySecret};
use crate::identity::View;
use crate::timestamp::Timestamp;
use crate::wire::{Handshake, MessageId};

pub(super) fn vectors() -> Value {
    let draws = &mut Draws::new(2);
    let (one, other) = (Party::new("alice", draws), Party::new("bob", draws));
    json!({
        "device_entry_proof": device_entry_proof(&one),
        "device_list_hash": device_list_hash(&one),
        "view": view(&one, &other),
        "safety_number_half": safety_number_half(&one),
        "prekey_halves": prekey_halves(draws),
        "prekey_signature": prekey_signature(&one, draws),
        "handshake_id": handshake_id(draws),
        "root": [root(draws, false), root(draws, true)],
        "chain": chain(draws),
        "header_key": header_key(draws),
        "message": message(draws),
        "short_id": short_id(draws),
        "post_quantum": [post_quantum(draws, 1), post_quantum(draws, 258)],
    })
}

fn device_entry_proof(party: &Party) -> Value {
    let message = model::device_entry_message(
        &party.user,
        &party.account_key(),
        party.device_id,
        &party.identity_key(),
    );
    let proof = model::sign(&party.signing_seed, "subrosa/1 device entry", &message);
    assert_eq!(party.device.sign(Label::DEVICE_ENTRY, &message).to_bytes(), proof);
    json!({
        "user_id": hex(&party.user),
        "account_key": hex(party.account_key()),
        "device_id": party.device_id,
        "identity_key": hex(party.identity_key()),
        "signing_seed": hex(party.signing_seed),
        "message": hex(&message),
        "signed": hex(cat(&[b"subrosa/1 device entry\0", &message])),
        "proof": hex(proof),
    })
}

fn device_list_hash(party: &Party) -> Value {
    let list = party.account.device_list();
    let hash = model::list_hash(&list.signed().list);
    assert_eq!(list.hash(), &hash);
    json!({ "list": hex(&list.signed().list), "hash": hex(hash) })
}

fn view(sender: &Party, recipient: &Party) -> Value {
    let (own, theirs) = (sender.account.device_list(), recipient.account.device_list());
    let view = model::view(own.hash(), theirs.hash());
    assert_eq!(View::new(own, theirs).0, u64::from_le_bytes(view));
    json!({
        "sender_list_hash": hex(own.hash()),
        "recipient_list_hash": hex(theirs.hash()),
        "view": hex(view),
        "view_number": u64::from_le_bytes(view).to_string(),
    })
}

fn safety_number_half(party: &Party) -> Value {
    let f = model::safety_hash(&party.user, &party.account_key());
    json!({
        "user_id": hex(&party.user),
        "account_key": hex(party.account_key()),
        "f": hex(f),
        "digits_text": model::safety_digits(&f),
    })
}

fn prekey_halves(draws: &mut Draws) -> Value {
    let seed: [u8; 32] = draws.bytes();
    let (x25519, mlkem768) = model::prekey_halves(&seed);
    let halves: Secret<96> = expand(&Secret::copy_from(&seed), Label::PREKEY_HALVES, &[]);
    assert!(halves.matches(&cat(&[&x25519, &mlkem768])));
    json!({
        "seed": hex(seed),
        "x25519_private": hex(x25519),
        "mlkem768_seed": hex(mlkem768),
        "x25519": hex(model::dh_public(&x25519)),
        "mlkem768": hex(model::kem_public(&mlkem768)),
    })
}

fn prekey_signature(owner: &Party, draws: &mut Draws) -> Value {
    let secret = PrekeySecret::signed(&owner.device, Timestamp::from_secs(NOW), draws);
    let prekey = &secret.public().prekey;
    let message = model::prekey_message(&owner.user, owner.device_id, prekey);
    let sp = cat(&[b"subrosa/1 prekey\0", &message]);
    let signature = model::sign(&owner.signing_seed, "subrosa/1 prekey", &message);
    let id = &model::sha256(&[&sp])[..8];
    assert_eq!((secret.public().signature, &secret.id().as_bytes()[..]), (signature, id));
    json!({
        "user_id": hex(&owner.user),
        "device_id": owner.device_id,
        "prekey": hex(prekey),
        "signing_seed": hex(owner.signing_seed),
        "sp": hex(&sp),
        "signature": hex(signature),
        "id": hex(id),
    })
}

fn handshake_id(draws: &mut Draws) -> Value {
    let handshake = Handshake {
        ephemeral: draws.bytes(),
        prekey_ids: draws.bytes(),
        kem_ciphertext: draws.bytes::<1088>().to_vec(),
        initiator: draws.bytes::<528>().to_vec(),
    };
    let Handshake { ephemeral, prekey_ids, kem_ciphertext, initiator } = &handshake;
    let label = b"subrosa/1 handshake id\0";
    let id = model::sha256(&[label, ephemeral, prekey_ids, kem_ciphertext, initiator]);
    assert_eq!(HandshakeId::of(&handshake).as_bytes(), &id);
    json!({
        "ephemeral": hex(ephemeral),
        "prekey_ids": hex(prekey_ids),
        "kem_ciphertext": hex(kem_ciphertext),
        "initiator": hex(initiator),
        "handshake_id": hex(id),
    })
}

fn root(draws: &mut Draws, with_pq: bool) -> Value {
    let (root_key, dh): ([u8; 32], [u8; 32]) = (draws.bytes(), draws.bytes());
    let pq = if with_pq { draws.bytes::<32>().to_vec() } else { Vec::new() };
    let step = model::kdf_rk(&root_key, &dh, &pq);
    let keys: Secret<96> = hkdf(&Secret::copy_from(&root_key), &[&dh, &pq], Label::ROOT, &[]);
    assert!(keys.matches(&cat(&[&step.root_key, &step.chain_key, &step.next_header_key])));
    json!({
        "root_key": hex(root_key),
        "dh": hex(dh),
        "pq": hex(pq),
        "next_root_key": hex(step.root_key),
        "chain_key": hex(step.chain_key),
        "next_header_key": hex(step.next_header_key),
    })
}

fn chain(draws: &mut Draws) -> Value {
    let first: [u8; 32] = draws.bytes();
    let mut chain_key = first;
    let mut steps = Vec::new();
    for _ in 0..3 {
        let (message_key, next) = model::kdf_ck(&chain_key);
        let ours = chain_step(&Secret::copy_from(&chain_key));
        assert!(ours.message_key.matches(&message_key) && ours.chain_key.matches(&next));
        steps.push(json!({ "message_key": hex(message_key), "next_chain_key": hex(next) }));
        chain_key = next;
    }
    json!({ "chain_key": hex(first), "steps": steps })
}

fn header_key(draws: &mut Draws) -> Value {
    let header_key: [u8; 32] = draws.bytes();
    let (tag_key, mask_key) = model::header_keys(&header_key);
    let keys: Secret<64> = expand(&Secret::copy_from(&header_key), Label::HEADER, &[]);
    assert!(keys.matches(&cat(&[&tag_key, &mask_key])));
    let tags = [0_u32, 1, 2, 255, 256, 25_000, 0xff_fffe]
        .map(|number| json!({ "number": number, "tag": hex(model::tag(&tag_key, number)) }));
    json!({
        "header_key": hex(header_key),
        "tag_key": hex(tag_key),
        "mask_key": hex(mask_key),
        "tags": tags,
    })
}

fn message(draws: &mut Draws) -> Value {
    let (tag_key, mask_key): ([u8; 32], [u8; 32]) = (draws.bytes(), draws.bytes());
    let (message_key, ad): ([u8; 32], [u8; 32]) = (draws.bytes(), draws.bytes());
    let (salt, ratchet_key): ([u8; 8], [u8; 32]) = (draws.bytes(), draws.bytes());
    let (number, previous_length, pq_epoch) = (5, 70_000, 3);
    let padded = model::pad(b"an encoded payload", 256);
    let header = model::header(&ratchet_key, number, previous_length, pq_epoch);
    let tag = model::tag(&tag_key, number);
    let mask_nonce = model::mask_nonce(&tag, &salt);
    let masked = model::mask(&mask_key, &mask_nonce, &header);
    let key = model::message_aead_key(&message_key, &salt);
    let nonce = model::message_nonce(&salt);
    let covered = cat(&[&ad, &tag, &salt, &header]);
    let sealed = model::seal(&key, &nonce, &covered, &padded);
    let head = cat(&[&tag, &salt, &masked]);
    assert!(expand::<32>(&Secret::copy_from(&message_key), Label::MESSAGE, &[&salt]).matches(&key));
    assert_eq!(crate::crypto::seal(&key, &nonce, &covered, &padded), sealed);
    json!({
        "tag_key": hex(tag_key),
        "mask_key": hex(mask_key),
        "message_key": hex(message_key),
        "associated_data": hex(ad),
        "salt": hex(salt),
        "ratchet_key": hex(ratchet_key),
        "number": number,
        "previous_length": previous_length,
        "pq_epoch": pq_epoch,
        "padded_payload": hex(&padded),
        "header": hex(&header),
        "tag": hex(tag),
        "mask_nonce": hex(mask_nonce),
        "masked": hex(&masked),
        "key": hex(key),
        "nonce": hex(nonce),
        "aead_associated_data": hex(&covered),
        "sealed": hex(&sealed),
        "head": hex(&head),
        "message": hex(cat(&[&model::pb_bytes(1, &head), &model::pb_bytes(2, &sealed)])),
    })
}

fn short_id(draws: &mut Draws) -> Value {
    let id: [u8; 16] = draws.bytes();
    let number = u32::from_le_bytes(array(&id[..4]));
    assert_eq!(MessageId::from_bytes(id).short().0, number);
    json!({ "message_id": hex(id), "short_id_number": number })
}

fn post_quantum(draws: &mut Draws, epoch: u32) -> Value {
    let (seed, randomness): ([u8; 64], [u8; 32]) = (draws.bytes(), draws.bytes());
    let key = model::kem_public(&seed);
    let (ciphertext, shared) = model::encapsulate(&key, &randomness);
    let confirmation = model::pq_confirmation(&shared, epoch);
    let secret = Secret::copy_from(&shared);
    let label = Label::PQ_CONFIRM.as_bytes();
    assert!(hmac_parts(&secret, &[label, &epoch.to_be_bytes()]).matches(&confirmation));
    json!({
        "epoch": epoch,
        "mlkem_seed": hex(seed),
        "encapsulation_randomness": hex(randomness),
        "encapsulation_key": hex(&key),
        "ciphertext": hex(&ciphertext),
        "shared_secret": hex(shared),
        "confirmation": hex(confirmation),
        "pq": hex(model::pq_secret(&shared, epoch, &key, &ciphertext)),
    })
}
