//! What a transport carries (SPEC.md, sections 5.2 and 6.3).

use prost::Message as _;

use super::fields::{bytes_field_len, message_len, put_bytes, put_head, take_field};
use super::generated::v1;
use super::keys::SignedDeviceList;
use super::{DecodeError, decode, fixed, required};

/// The longest envelope, in bytes.
///
/// Twice the longest content, so that padding, several shards and a handshake with
/// 16 devices always fit; small enough for any mailbox to hold thousands.
pub const MAX_ENVELOPE_LEN: usize = 128 * 1024;

/// Field numbers of `Envelope` and `Message`.
mod field {
    pub(super) const MESSAGE: u32 = 1;
    pub(super) const HEAD: u32 = 1;
    pub(super) const SEALED: u32 = 2;
}

/// Tag, salt and masked header of a ratchet message, in bytes.
pub(crate) const HEAD_LEN: usize = 60;

/// Prekey ids (8 + 8 bytes) and a tag.
pub(crate) const SEALED_PREKEY_IDS_LEN: usize = 32;

/// The longest sealed [`Initiator`]: nine blocks of 512 bytes and a tag. Eight
/// hold the longest device list, one more the fields around it.
const MAX_SEALED_INITIATOR_LEN: usize = 9 * 512 + 16;

/// An envelope, decoded but not opened.
///
/// ```
/// use subrosa::wire::Envelope;
///
/// assert!(Envelope::decode(b"not an envelope").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Envelope {
    /// A message of a session that the receiver should have.
    Message(Message),
    /// A message with the handshake of its session in front.
    FirstMessage {
        /// The initiator's half of the key agreement.
        handshake: Handshake,
        /// The message.
        message: Message,
    },
}

impl Envelope {
    /// Decodes an envelope from a transport.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is too long or not an envelope; delete it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if let Some(message) = Message::in_envelope(bytes) {
            return Ok(Self::Message(message));
        }
        let v1::Envelope { kind } = decode(bytes, MAX_ENVELOPE_LEN, "envelope")?;
        match required(kind, "envelope")? {
            v1::envelope::Kind::Message(message) => Ok(Self::Message(Message::from_raw(message)?)),
            v1::envelope::Kind::FirstMessage(first) => {
                let v1::FirstMessage { handshake, message } = first;
                Ok(Self::FirstMessage {
                    handshake: Handshake::from_raw(required(handshake, "handshake")?)?,
                    message: Message::from_raw(required(message, "message")?)?,
                })
            }
            // No session is concerned: `Link` and `GroupMessage` decode them.
            v1::envelope::Kind::Link(_) | v1::envelope::Kind::GroupMessage(_) => {
                Err(DecodeError::Malformed("envelope"))
            }
        }
    }

    /// The ratchet message, whichever kind this is.
    #[must_use]
    pub fn message(&self) -> &Message {
        match self {
            Self::Message(message) | Self::FirstMessage { message, .. } => message,
        }
    }

    /// The bytes that a transport carries.
    pub(crate) fn encode(self) -> Vec<u8> {
        let (handshake, message) = match self {
            Self::Message(message) => return message.encode_in_envelope(),
            Self::FirstMessage { handshake, message } => (handshake, message),
        };
        let first = v1::FirstMessage {
            handshake: Some(handshake.into_raw()),
            message: Some(message.into_raw()),
        };
        v1::Envelope { kind: Some(v1::envelope::Kind::FirstMessage(first)) }.encode_to_vec()
    }
}

/// A ratchet message: protected header and sealed payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Tag, salt, masked header.
    pub(crate) head: [u8; HEAD_LEN],
    /// The sealed payload.
    pub(crate) sealed: Vec<u8>,
}

impl Message {
    /// The tag by which a receiver finds the session: 8 bytes that look random.
    #[must_use]
    pub fn tag(&self) -> [u8; 8] {
        let (tag, _) = self.head.split_first_chunk().unwrap_or((&[0; 8], &[]));
        *tag
    }

    /// Tag and salt: what names the message to both sides.
    #[must_use]
    pub(crate) fn name(&self) -> [u8; 16] {
        let (name, _) = self.head.split_first_chunk().unwrap_or((&[0; 16], &[]));
        *name
    }

    /// The message of an envelope with nothing else in it, written as everybody writes it;
    /// whatever else protobuf allows is read by its records.
    fn in_envelope(mut envelope: &[u8]) -> Option<Self> {
        if envelope.len() > MAX_ENVELOPE_LEN {
            return None;
        }
        let mut fields = take_field(field::MESSAGE, &mut envelope)?;
        let head = take_field(field::HEAD, &mut fields)?;
        let sealed = take_field(field::SEALED, &mut fields)?;
        if !envelope.is_empty() || !fields.is_empty() || sealed.len() <= 16 {
            return None;
        }
        Some(Self { head: head.try_into().ok()?, sealed: sealed.to_vec() })
    }

    fn encode_in_envelope(&self) -> Vec<u8> {
        let length = bytes_field_len(field::HEAD, self.head.len())
            + bytes_field_len(field::SEALED, self.sealed.len());
        let mut bytes = Vec::with_capacity(message_len(field::MESSAGE, length));
        put_head(field::MESSAGE, length, &mut bytes);
        put_bytes(field::HEAD, &self.head, &mut bytes);
        put_bytes(field::SEALED, &self.sealed, &mut bytes);
        bytes
    }

    fn from_raw(raw: v1::Message) -> Result<Self, DecodeError> {
        let v1::Message { head, sealed } = raw;
        if sealed.len() <= 16 {
            return Err(DecodeError::Malformed("message"));
        }
        Ok(Self { head: fixed(&head, "message head")?, sealed })
    }

    fn into_raw(self) -> v1::Message {
        v1::Message { head: self.head.to_vec(), sealed: self.sealed }
    }
}

/// The initiator's half of the key agreement, as values (SPEC.md, section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// `E`.
    pub(crate) ephemeral: [u8; 32],
    /// `c1`.
    pub(crate) prekey_ids: [u8; SEALED_PREKEY_IDS_LEN],
    /// `ct`.
    pub(crate) kem_ciphertext: Vec<u8>,
    /// `c2`.
    pub(crate) initiator: Vec<u8>,
}

impl Handshake {
    /// `E`: the initiator's ephemeral key, made for this handshake alone.
    #[must_use]
    pub fn ephemeral(&self) -> &[u8; 32] {
        &self.ephemeral
    }

    /// Decodes a handshake that was stored by [`Self::encode`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::from_raw(decode(bytes, MAX_ENVELOPE_LEN, "handshake")?)
    }

    /// The bytes for a stored record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.clone().into_raw().encode_to_vec()
    }

    fn from_raw(raw: v1::Handshake) -> Result<Self, DecodeError> {
        const WHAT: &str = "handshake";
        let v1::Handshake { ephemeral, prekey_ids, kem_ciphertext, initiator } = raw;
        if initiator.len() % 512 != 16
            || !(512..=MAX_SEALED_INITIATOR_LEN).contains(&initiator.len())
        {
            return Err(DecodeError::Malformed(WHAT));
        }
        if kem_ciphertext.len() != crate::crypto::CIPHERTEXT_LEN {
            return Err(DecodeError::Malformed(WHAT));
        }
        Ok(Self {
            ephemeral: fixed(&ephemeral, WHAT)?,
            prekey_ids: fixed(&prekey_ids, WHAT)?,
            kem_ciphertext,
            initiator,
        })
    }

    fn into_raw(self) -> v1::Handshake {
        v1::Handshake {
            ephemeral: self.ephemeral.to_vec(),
            prekey_ids: self.prekey_ids.to_vec(),
            kem_ciphertext: self.kem_ciphertext,
            initiator: self.initiator,
        }
    }
}

/// What `c2` of a handshake seals: who the initiator says it is.
#[derive(Debug, Clone)]
pub(crate) struct Initiator {
    pub(crate) device_list: SignedDeviceList,
    pub(crate) device_id: u32,
    pub(crate) generation: u64,
}

impl Initiator {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let raw = decode(bytes, MAX_SEALED_INITIATOR_LEN, "initiator")?;
        let v1::Initiator { device_list, device_id, generation } = raw;
        Ok(Self {
            device_list: SignedDeviceList::from_raw(required(device_list, "initiator")?)?,
            device_id,
            generation,
        })
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        v1::Initiator {
            device_list: Some(self.device_list.into_raw()),
            device_id: self.device_id,
            generation: self.generation,
        }
        .encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_and_written_as_protobuf_has_it_whatever_the_damage() {
        let message = Message { head: [7; HEAD_LEN], sealed: vec![9; 200] };
        let bytes = Envelope::Message(message.clone()).encode();
        let kind = Some(v1::envelope::Kind::Message(message.clone().into_raw()));
        assert_eq!(bytes, v1::Envelope { kind }.encode_to_vec());
        assert_eq!(Message::in_envelope(&bytes), Some(message));
        let by_records = |bytes: &[u8]| match v1::Envelope::decode(bytes).ok()?.kind? {
            v1::envelope::Kind::Message(message) => Message::from_raw(message).ok(),
            _ => None,
        };
        let check = |bytes: &[u8]| {
            if let Some(message) = Message::in_envelope(bytes) {
                assert_eq!(Some(message), by_records(bytes));
            }
        };
        (0..bytes.len()).for_each(|length| check(&bytes[..length]));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            check(&damaged);
        }
        check(&[bytes.as_slice(), &bytes].concat());
    }
}
