//! The floors of the times: which primitives SPEC.md demands, and where.
//!
//! A floor has what a message or a handshake cannot do without; hashing of transcripts,
//! encoding, copying, wiping, looking up and allocating are what a figure may cost above
//! it.

use std::fmt;

use crate::clock::each;
use crate::primitives::Inputs;
use crate::primitives::Primitive::{
    self, Decapsulate, Ed25519Key, Encapsulate, ExpandBlock, Hmac, KemCheck, KemKey, Mask, Open,
    OpenLarge, Random, Seal, SealLarge, Sha256, Sign, Verify, VerifyTogether, X25519, X25519Key,
};

/// A primitive, how often, and the section of SPEC.md that demands it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part(pub(crate) Primitive, pub(crate) usize, pub(crate) &'static str);

/// What 100 bytes of content are padded to (7.1).
pub(crate) const PADDED_100: usize = 256;

/// What 1,000 bytes of content are padded to (7.1).
pub(crate) const PADDED_1K: usize = 1088;

/// About as many bytes are signed in a device list of one device, in its proof and in a
/// prekey (3.3, 3.2, 4.2).
const SIGNED: [usize; 3] = [210, 100, 1260];

/// A message encrypted in a chain.
pub(crate) const fn encrypt(padded: usize) -> [Part; 6] {
    [
        Part(Hmac, 2, "6.2 KDF_CK"),
        Part(Hmac, 1, "6.3 tag"),
        Part(Random(8), 1, "6.3 salt"),
        Part(Mask, 1, "6.3 masked"),
        Part(ExpandBlock, 1, "6.3 key"),
        Part(Seal(padded), 1, "6.3 sealed"),
    ]
}

/// A message decrypted in a chain.
pub(crate) const fn decrypt(padded: usize) -> [Part; 5] {
    [
        Part(Hmac, 2, "6.2 KDF_CK"),
        Part(Hmac, 1, "6.4 the tag that is now among the next 8"),
        Part(Mask, 1, "6.3 masked"),
        Part(ExpandBlock, 1, "6.3 key"),
        Part(Open(padded), 1, "6.3 sealed"),
    ]
}

/// What is signed of a group message: label, zero byte, what the AEAD covers, and what is
/// sealed (14.3).
const GROUP_SIGNED: usize = 23 + 1 + 100 + PADDED_100 + 16;

/// A message to a group encrypted.
pub(crate) fn group_encrypt() -> Vec<Part> {
    let mut parts = Vec::from(encrypt(PADDED_100));
    parts.push(Part(Sign(GROUP_SIGNED), 1, "14.3 signature"));
    parts
}

/// A message of a group decrypted.
pub(crate) fn group_decrypt() -> Vec<Part> {
    let mut parts = Vec::from(decrypt(PADDED_100));
    parts.push(Part(Verify(GROUP_SIGNED), 1, "14.5 step 4"));
    parts
}

/// The same, one of many that are verified together.
pub(crate) fn group_decrypt_together() -> Vec<Part> {
    let mut parts = Vec::from(decrypt(PADDED_100));
    parts.push(Part(VerifyTogether(GROUP_SIGNED), 1, "14.5 step 4"));
    parts
}

/// What is signed of a change by a device with one parent and one target: label, zero byte,
/// and the bytes of the change (13.2).
const CHANGE_SIGNED: usize = 20 + 1 + 230;

/// A change of a group, of an author whose device list is known.
pub(crate) fn group_change() -> Vec<Part> {
    vec![Part(Verify(CHANGE_SIGNED), 1, "13.2 step 3")]
}

/// The sending half, what the first message of a chain takes beside encrypting.
pub(crate) const SENDING_HALF: [Part; 5] = [
    Part(Random(32), 1, "6.2 ratchet key pair"),
    Part(X25519Key, 1, "6.2 ratchet key pair"),
    Part(X25519, 1, "6.2 DH(new private, their ratchet key)"),
    // Extract, and three blocks.
    Part(Hmac, 4, "6.2 KDF_RK"),
    Part(ExpandBlock, 2, "6.3 tag_key and mask_key of the chain"),
];

/// The receiving half, what such a message takes beside decrypting.
///
/// Of the next 8 tags of the new chain one was known, as the next header key's number 1,
/// and one is in the floor of decrypting.
pub(crate) const RECEIVING_HALF: [Part; 5] = [
    Part(X25519, 1, "6.2 DH(our private, the header's ratchet key)"),
    Part(Hmac, 4, "6.2 KDF_RK"),
    Part(ExpandBlock, 2, "6.3 tag_key and mask_key of the next header key"),
    Part(Hmac, 6, "6.4 tags of the receiving chain's next 8"),
    Part(Hmac, 2, "6.4 tags of the next header key's 0 and 1"),
];

/// The KEM of a post-quantum epoch, both sides.
pub(crate) const EPOCH: [Part; 5] = [
    Part(Random(96), 1, "6.6 seed, Encaps; once an epoch"),
    Part(KemKey, 1, "6.6 ek at a send; once an epoch"),
    Part(KemCheck, 1, "2.2, 6.6 Received: key valid; once an epoch"),
    Part(Encapsulate, 1, "6.6 at a send; once an epoch"),
    Part(Decapsulate, 1, "6.6 Agreed; once an epoch"),
];

/// A file of that length sealed as an attachment.
pub(crate) const fn attachment_encrypt(length: usize) -> [Part; 2] {
    [Part(SealLarge(length), 1, "15.2 chunks"), Part(Sha256(length), 1, "15.2 digest")]
}

/// The same opened from its beginning to its end.
pub(crate) const fn attachment_decrypt(length: usize) -> [Part; 2] {
    [Part(OpenLarge(length), 1, "15.3 tags"), Part(Sha256(length), 1, "15.3 digest")]
}

/// From the bytes of a bundle to the first message, with a one-time prekey.
pub(crate) fn initiate() -> Vec<Part> {
    let [list, proof, prekey] = SIGNED;
    let mut parts = vec![
        Part(Ed25519Key, 2, "2.2 account key, signing key"),
        Part(Verify(list), 1, "3.3 device list"),
        Part(Verify(proof), 1, "3.2 proof"),
        Part(Verify(prekey), 2, "4.2 signed prekey, one-time prekey"),
        Part(KemCheck, 2, "2.2 signed prekey, one-time prekey"),
        Part(Random(64), 1, "5.2 E, Encaps"),
        Part(X25519Key, 1, "5.2 step 2"),
        Part(X25519, 4, "5.2 steps 3, 8 and 10"),
        Part(Encapsulate, 1, "5.2 step 7"),
        // Extract, and two blocks; at the end three blocks.
        Part(Hmac, 3 * 3 + 3, "5.2 MixKey, s"),
        Part(ExpandBlock, 2, "6.3 tag_key and mask_key of the next header key"),
        Part(Hmac, 2, "6.4 tags of the next header key's 0 and 1"),
        Part(Random(64), 1, "6.6 seed"),
        Part(KemKey, 1, "6.6 ek at a send"),
    ];
    parts.extend(SENDING_HALF);
    parts.extend(encrypt(PADDED_100));
    parts
}

/// From the bytes of a first message to its content, with a one-time prekey.
pub(crate) fn respond() -> Vec<Part> {
    let [list, proof, _] = SIGNED;
    let mut parts = vec![
        Part(X25519, 4, "5.2 steps 3, 8 and 10"),
        // Three blocks each.
        Part(ExpandBlock, 2 * 3, "4.1 halves of the signed prekey and the one-time prekey"),
        Part(KemKey, 1, "4.1, the private half from its seed"),
        Part(Decapsulate, 1, "5.2 step 7"),
        Part(Ed25519Key, 2, "2.2 account key, signing key"),
        Part(Verify(list), 1, "3.3 device list"),
        Part(Verify(proof), 1, "3.2 proof"),
        Part(Hmac, 3 * 3 + 3, "5.2 MixKey, s"),
        Part(ExpandBlock, 2, "6.3 tag_key and mask_key of the chain"),
        Part(Hmac, 2, "6.4 tags of the next header key's 0 and 1"),
    ];
    parts.extend(RECEIVING_HALF);
    parts.extend(decrypt(PADDED_100));
    parts
}

/// Nanoseconds that the primitives take together, as the mean of so many times.
pub(crate) fn floor(inputs: &mut Inputs, parts: &[Part], times: usize) -> f64 {
    let took = |Part(primitive, count, _): &Part| inputs.time(*primitive, times * count);
    each(parts.iter().map(took).sum(), times)
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(primitive, count, section) = self;
        write!(f, "{count} × {primitive} ({section})")
    }
}
