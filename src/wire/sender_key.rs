//! Messages to a group, and the handing-over of the keys that open them (SPEC.md,
//! section 14).

use std::fmt;

use prost::Message as _;
use rand_core::CryptoRng;

use super::envelope::MAX_ENVELOPE_LEN;
use super::generated::v1;
use super::{DecodeError, decode, fixed, required};
use crate::crypto::Secret;

/// Tag, salt and masked header of a group message, in bytes.
pub(crate) const GROUP_HEAD_LEN: usize = 36;

/// Names one of the chains that a device has sent in to a group: random.
///
/// Eight bytes, so that the key of a chain fits the smallest size class whatever else the
/// message says. Two chains of one device and group with the same id have a chance of
/// 2⁻⁶⁴, and whoever makes them on purpose does it to his own messages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId([u8; 8]);

impl ChainId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// A new random id.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 8];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Debug for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainId({:016x})", u64::from_be_bytes(self.0))
    }
}

/// A message to a group, decoded but not opened: protected header, sealed payload and
/// signature.
///
/// ```
/// use subrosa::wire::GroupMessage;
///
/// assert!(GroupMessage::decode(b"not an envelope").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMessage {
    /// Tag, salt, masked header.
    pub(crate) head: [u8; GROUP_HEAD_LEN],
    /// The sealed payload.
    pub(crate) sealed: Vec<u8>,
    /// The sender's signature over all of it.
    pub(crate) signature: [u8; 64],
}

impl GroupMessage {
    /// Decodes an envelope from a transport, if it is one of a group.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if it is too long or of another kind
    /// ([`Envelope`](super::Envelope) decodes those of sessions).
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "group message";
        let v1::Envelope { kind } = decode(bytes, MAX_ENVELOPE_LEN, WHAT)?;
        let Some(v1::envelope::Kind::GroupMessage(raw)) = kind else {
            return Err(DecodeError::Malformed(WHAT));
        };
        let v1::GroupMessage { head, sealed, signature } = raw;
        if sealed.len() <= 16 {
            return Err(DecodeError::Malformed(WHAT));
        }
        Ok(Self { head: fixed(&head, WHAT)?, sealed, signature: fixed(&signature, WHAT)? })
    }

    /// The envelope that a transport carries.
    pub(crate) fn encode(self) -> Vec<u8> {
        let Self { head, sealed, signature } = self;
        let raw = v1::GroupMessage { head: head.to_vec(), sealed, signature: signature.to_vec() };
        v1::Envelope { kind: Some(v1::envelope::Kind::GroupMessage(raw)) }.encode_to_vec()
    }

    /// The tag by which a receiver finds the chain: 8 bytes that look random.
    #[must_use]
    pub fn tag(&self) -> [u8; 8] {
        let (tag, _) = self.head.split_first_chunk().unwrap_or((&[0; 8], &[]));
        *tag
    }
}

/// The chain before, and how many messages were sent in it: by that a receiver notices
/// what it lacks at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// Which chain.
    pub chain_id: ChainId,
    /// How many messages it had.
    pub length: u32,
}

/// A sender's chain as it stands now, for one device of a member's: to be sent in a
/// session with that device ([`Control::SenderKey`](super::Control)), made anew each time.
///
/// # Security
///
/// Never signed, so that nobody can show to others whose key it is.
pub struct SenderKeyDistribution {
    pub(crate) group_id: [u8; 32],
    pub(crate) chain_id: ChainId,
    pub(crate) chain_key: Secret<32>,
    pub(crate) header_seed: Secret<32>,
    /// Not checked.
    pub(crate) verifying_key: [u8; 32],
    pub(crate) iteration: u32,
    pub(crate) replaced: Option<Replaced>,
    pub(crate) missed: u32,
    pub(crate) replaced_missed: u32,
    pub(crate) ended: Option<Replaced>,
    pub(crate) lost_before: u32,
}

/// What a device may lack of what was sent to it before its chain is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Before {
    /// From which message of the chain on all was sent to it.
    pub first: u32,
    /// How many messages at the end of the replaced chain it may lack with that chain.
    pub replaced_missed: u32,
    /// The last chain before the replaced one that it has, if it may lack that one.
    pub ended: Option<Replaced>,
    /// How many messages of the chains between those two it may lack.
    pub lost: u32,
}

impl SenderKeyDistribution {
    /// Which group.
    #[must_use]
    pub fn group_id(&self) -> &[u8; 32] {
        &self.group_id
    }

    /// Which of the sender's chains in that group.
    #[must_use]
    pub fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// The number of the first message that it opens.
    #[must_use]
    pub fn iteration(&self) -> u32 {
        self.iteration
    }

    /// The chain that it replaces: to be closed, if the receiver has it.
    #[must_use]
    pub fn replaced(&self) -> Option<Replaced> {
        self.replaced
    }

    /// Whether it says to replace itself: nonsense, by which nothing ends.
    pub(crate) fn names_itself(&self) -> bool {
        self.replaced.is_some_and(|replaced| replaced.chain_id == self.chain_id)
    }

    /// How many messages right before that one were sent to this receiver too: what of them
    /// has not come otherwise is missing.
    #[must_use]
    pub fn missed(&self) -> u32 {
        self.missed
    }

    /// The same of the replaced chain: how many at its end were sent to this receiver, of
    /// which it is not known that it has that chain at all.
    #[must_use]
    pub fn replaced_missed(&self) -> u32 {
        self.replaced_missed
    }

    /// A chain of before the replaced one that ended too, without a word of that so far: the
    /// last one that this receiver has said it has.
    #[must_use]
    pub fn ended(&self) -> Option<Replaced> {
        self.ended
    }

    /// How many messages were sent to this receiver in chains between those two.
    #[must_use]
    pub fn lost_before(&self) -> u32 {
        self.lost_before
    }

    /// The same, for a device that may lack this of what was sent before.
    #[must_use]
    pub fn for_reader(mut self, before: &Before) -> Self {
        let Before { first, replaced_missed, ended, lost } = *before;
        self.missed = self.iteration.saturating_sub(first);
        (self.replaced_missed, self.ended, self.lost_before) = (replaced_missed, ended, lost);
        self
    }

    /// The answer that says that it has been saved.
    #[must_use]
    pub fn acknowledgement(&self) -> SenderKeyAcknowledgement {
        SenderKeyAcknowledgement { group_id: self.group_id, chain_id: self.chain_id }
    }

    /// How many bytes it takes in a control message.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.to_raw().encoded_len()
    }

    pub(super) fn from_raw(raw: &v1::SenderKeyDistribution) -> Result<Self, DecodeError> {
        const WHAT: &str = "sender key";
        let v1::SenderKeyDistribution {
            group_id,
            chain_id,
            chain_key,
            header_seed,
            verifying_key,
            iteration,
            replaced_chain_id,
            replaced_length,
            missed,
            replaced_missed,
            ended_chain_id,
            ended_length,
            lost_before,
        } = raw;
        let secret = |bytes: &[u8]| required(Secret::from_slice(bytes), WHAT);
        let chain = |id: &[u8], length| match id {
            [] => Ok(None),
            id => Ok(Some(Replaced { chain_id: ChainId(fixed(id, WHAT)?), length })),
        };
        Ok(Self {
            group_id: fixed(group_id, WHAT)?,
            chain_id: ChainId(fixed(chain_id, WHAT)?),
            chain_key: secret(chain_key)?,
            header_seed: secret(header_seed)?,
            verifying_key: fixed(verifying_key, WHAT)?,
            iteration: *iteration,
            replaced: chain(replaced_chain_id, *replaced_length)?,
            missed: *missed,
            replaced_missed: *replaced_missed,
            ended: chain(ended_chain_id, *ended_length)?,
            lost_before: *lost_before,
        })
    }

    pub(super) fn to_raw(&self) -> v1::SenderKeyDistribution {
        let id = |chain: Option<Replaced>| chain.map_or_else(Vec::new, |c| c.chain_id.0.to_vec());
        let length = |chain: Option<Replaced>| chain.map_or(0, |chain| chain.length);
        v1::SenderKeyDistribution {
            group_id: self.group_id.to_vec(),
            chain_id: self.chain_id.0.to_vec(),
            chain_key: self.chain_key.expose().to_vec(),
            header_seed: self.header_seed.expose().to_vec(),
            verifying_key: self.verifying_key.to_vec(),
            iteration: self.iteration,
            replaced_chain_id: id(self.replaced),
            replaced_length: length(self.replaced),
            missed: self.missed,
            replaced_missed: self.replaced_missed,
            ended_chain_id: id(self.ended),
            ended_length: length(self.ended),
            lost_before: self.lost_before,
        }
    }
}

impl Clone for SenderKeyDistribution {
    fn clone(&self) -> Self {
        Self {
            chain_key: self.chain_key.duplicate(),
            header_seed: self.header_seed.duplicate(),
            ..*self
        }
    }
}

impl PartialEq for SenderKeyDistribution {
    fn eq(&self, other: &Self) -> bool {
        let Self { group_id, chain_id, chain_key, header_seed, .. } = self;
        let Self { verifying_key, iteration, replaced, missed, replaced_missed, .. } = self;
        let Self { ended, lost_before, .. } = self;
        (group_id, chain_id, iteration) == (&other.group_id, &other.chain_id, &other.iteration)
            && (verifying_key, replaced) == (&other.verifying_key, &other.replaced)
            && (missed, replaced_missed) == (&other.missed, &other.replaced_missed)
            && (ended, lost_before) == (&other.ended, &other.lost_before)
            && chain_key.matches(other.chain_key.expose())
            && header_seed.matches(other.header_seed.expose())
    }
}

impl Eq for SenderKeyDistribution {}

impl fmt::Debug for SenderKeyDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderKeyDistribution")
            .field("group_id", &self.group_id)
            .field("chain_id", &self.chain_id)
            .field("iteration", &self.iteration)
            .field("replaced", &self.replaced)
            .field("missed", &self.missed)
            .field("replaced_missed", &self.replaced_missed)
            .field("ended", &self.ended)
            .field("lost_before", &self.lost_before)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::SenderKeyDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SenderKeyDistribution(..)")
    }
}

/// Says that a chain has been saved. Comes in a session, so it is known from whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SenderKeyAcknowledgement {
    /// Which group.
    pub group_id: [u8; 32],
    /// Which of the receiver's chains in that group.
    pub chain_id: ChainId,
}

impl SenderKeyAcknowledgement {
    pub(super) fn from_raw(raw: &v1::SenderKeyAcknowledgement) -> Result<Self, DecodeError> {
        const WHAT: &str = "sender key acknowledgement";
        let v1::SenderKeyAcknowledgement { group_id, chain_id } = raw;
        Ok(Self { group_id: fixed(group_id, WHAT)?, chain_id: ChainId(fixed(chain_id, WHAT)?) })
    }

    pub(super) fn into_raw(self) -> v1::SenderKeyAcknowledgement {
        let Self { group_id, chain_id } = self;
        v1::SenderKeyAcknowledgement { group_id: group_id.to_vec(), chain_id: chain_id.0.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Envelope;

    #[test]
    fn a_group_message_comes_back_and_is_no_envelope_of_a_session() {
        let message =
            GroupMessage { head: [7; GROUP_HEAD_LEN], sealed: vec![9; 272], signature: [3; 64] };
        let bytes = message.clone().encode();
        assert_eq!(GroupMessage::decode(&bytes).as_ref(), Ok(&message));
        assert_eq!(message.tag(), [7; 8]);
        assert!(Envelope::decode(&bytes).is_err());
        for length in 0..bytes.len() {
            assert!(GroupMessage::decode(&bytes[..length]).is_err());
        }
        let short = GroupMessage { sealed: vec![9; 16], ..message };
        assert!(GroupMessage::decode(&short.encode()).is_err());
    }
}
