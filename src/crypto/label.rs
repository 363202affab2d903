//! Every label of the protocol, in one table (SPEC.md, section 2.3), and those of what
//! is stored sealed, which no other implementation ever sees.

/// The purpose of a derivation, a hash or a signature. No two purposes share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label(&'static str);

macro_rules! labels {
    ($(#[$all_doc:meta])* $all:ident: $($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        impl Label {
            $($(#[$doc])* pub(crate) const $name: Self = Self(concat!("subrosa/1 ", $text));)*

            $(#[$all_doc])*
            #[cfg(test)]
            pub(crate) const $all: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

labels! {
    /// All of the protocol.
    ALL:
    /// The start of every handshake's transcript (5.2).
    SUITE = "X25519 Ed25519 ML-KEM-768 SHA-256 ChaCha20-Poly1305";
    /// A device's proof that it agrees to be listed (3.2).
    DEVICE_ENTRY = "device entry";
    /// The account key's signature over a device list, and the list's hash (3.3).
    DEVICE_LIST = "device list";
    /// The pair of device lists that a message goes by (3.4).
    VIEW = "view";
    /// One half of a safety number (3.5).
    SAFETY_NUMBER = "safety number";
    /// Both private halves of a prekey from its seed (4.1).
    PREKEY_HALVES = "prekey halves";
    /// The signature over a prekey, and its id (4.2).
    PREKEY = "prekey";
    /// `MixKey` (5.2).
    HANDSHAKE_KEY = "handshake key";
    /// Stands in the transcript where a one-time prekey would (5.2).
    NO_ONE_TIME_PREKEY = "no one-time prekey";
    /// The keys that a handshake gives to a session (5.2).
    SESSION = "session";
    /// The hash that names a handshake (5.4).
    HANDSHAKE_ID = "handshake id";
    /// `KDF_RK` (6.2).
    ROOT = "root";
    /// Tag key and mask key from a header key (6.3).
    HEADER = "header";
    /// The AEAD key of a message from its message key and salt (6.3).
    MESSAGE = "message";
    /// The confirmation behind a post-quantum ciphertext (6.6).
    PQ_CONFIRM = "pq confirm";
    /// The secret of a post-quantum epoch (6.6).
    PQ_SECRET = "pq secret";
    /// What a link code says of a device's keys (12.1).
    LINK_CODE = "link code";
    /// Six digits that two people compare (12.1).
    SHORT_LINK_CODE = "short link code";
    /// The key of what is said to a device that is being linked (12.2).
    LINK_TO_DEVICE = "link to device";
    /// The key of what it says to the primary (12.2).
    LINK_TO_PRIMARY = "link to primary";
    /// The key of a backup (12.4).
    BACKUP = "backup";
    /// The checksum of a recovery key (12.4).
    RECOVERY_KEY = "recovery key";
    /// The signature over a change of a group, and the change's hash (13.2).
    GROUP_CHANGE = "group change";
    /// The hash of a roster, as seals name it (13.3).
    GROUP_ROSTER = "group roster";
    /// The hash that names a state of a group (13.5).
    GROUP_HEAD = "group head";
    /// The header key of a sender's chain from its header seed (14.2).
    SENDER_HEADER = "sender header";
    /// The hash that names a sender's chain (14.2).
    SENDER_CHAIN = "sender chain";
    /// The signature over a group message (14.3).
    GROUP_MESSAGE = "group message";
    /// The sender's device list that a group message goes by (14.3).
    GROUP_VIEW = "group view";
    /// The hash by which an answer names what it answers (10.3).
    QUOTED = "quoted";
    /// What a quiz says of its answer while it is open (10.4).
    QUIZ_ANSWER = "quiz answer";
    /// The keys of a call's sound and pictures (10.5).
    CALL_MEDIA = "call media";
    /// The AEAD key of an attachment, and its head (15.2).
    ATTACHMENT = "attachment";
    /// The emoji that two people compare (16.2).
    EMOJI = "emoji";
    /// The key of what confirms them (16.2).
    EMOJI_MAC = "emoji mac";
    /// The hash by which a responder is bound to its key (16.2).
    EMOJI_COMMITMENT = "emoji commitment";
}

labels! {
    /// All of an encrypted store.
    STORED:
    /// The key that wraps a store's own key, from the key or passphrase given for it.
    STORE_WRAP = "store wrap";
    /// The key under which rows are named, from the store's own key.
    STORE_NAME = "store name";
    /// The key under which values are sealed, from the store's own key.
    STORE_VALUE = "store value";
}

impl Label {
    /// Its bytes.
    #[inline]
    pub(crate) const fn as_bytes(self) -> &'static [u8] {
        self.0.as_bytes()
    }
}

/// The input of `HMAC` in `KDF_CK` that gives a message key (6.2).
pub(super) const MESSAGE_KEY_INPUT: &[u8] = &[1];

/// The input of `HMAC` in `KDF_CK` that gives the next chain key (6.2).
pub(super) const CHAIN_KEY_INPUT: &[u8] = &[2];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn labels_are_distinct_and_none_is_the_start_of_another_with_its_terminator() {
        let all = || Label::ALL.iter().chain(Label::STORED);
        let distinct: HashSet<_> = all().map(|label| label.as_bytes()).collect();
        assert_eq!(distinct.len(), all().count());
        assert!(distinct.iter().all(|label| !label.contains(&0)));
    }
}
