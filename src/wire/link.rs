//! What links a device before there are sessions (SPEC.md, section 12).

use prost::Message as _;

use super::envelope::MAX_ENVELOPE_LEN;
use super::generated::v1;
use super::keys::{DeviceEntry, SignedDeviceList};
use super::{DecodeError, decode, fixed, required};

/// What every link envelope seals, in bytes, padding included: the size class (7.1) of the
/// longest device list, so that no length says anything.
pub(crate) const PADDED_LINK_LEN: usize = 4352;

/// A link envelope, decoded but not opened: nonce, ciphertext and tag.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) sealed: [u8; Self::SEALED_LEN],
}

impl Link {
    /// Bytes of what is sealed: nonce and tag are around it.
    pub(crate) const SEALED_LEN: usize = 24 + PADDED_LINK_LEN + 16;

    /// Decodes an envelope from a transport, if it is one of linking.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "link envelope";
        let v1::Envelope { kind } = decode(bytes, MAX_ENVELOPE_LEN, WHAT)?;
        match required(kind, WHAT)? {
            v1::envelope::Kind::Link(v1::Link { sealed }) => {
                Ok(Self { sealed: fixed(&sealed, WHAT)? })
            }
            _ => Err(DecodeError::Malformed(WHAT)),
        }
    }

    /// The envelope that a transport carries.
    pub(crate) fn encode(sealed: Vec<u8>) -> Vec<u8> {
        v1::Envelope { kind: Some(v1::envelope::Kind::Link(v1::Link { sealed })) }.encode_to_vec()
    }
}

/// What the primary device says to one that wants to be linked. Nothing of it is verified.
#[derive(Debug)]
pub(crate) struct LinkOffer {
    pub(crate) device_list: SignedDeviceList,
    pub(crate) primary: u32,
}

impl LinkOffer {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "link offer";
        let v1::LinkOffer { device_list, primary } = decode(bytes, PADDED_LINK_LEN, WHAT)?;
        Ok(Self { device_list: SignedDeviceList::from_raw(required(device_list, WHAT)?)?, primary })
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let device_list = Some(self.device_list.into_raw());
        v1::LinkOffer { device_list, primary: self.primary }.encode_to_vec()
    }
}

/// What the device says to that. Nothing of it is verified.
#[derive(Debug)]
pub(crate) struct LinkReply {
    pub(crate) entry: DeviceEntry,
}

impl LinkReply {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const WHAT: &str = "link reply";
        let v1::LinkReply { entry } = decode(bytes, PADDED_LINK_LEN, WHAT)?;
        Ok(Self { entry: DeviceEntry::from_raw(required(entry, WHAT)?)? })
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        v1::LinkReply { entry: Some(self.entry.into_raw()) }.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Envelope;

    #[test]
    fn the_longest_offer_fits_and_a_link_envelope_is_no_other() {
        let list = vec![7; super::super::MAX_DEVICE_LIST_LEN - 64 - 5];
        let device_list = SignedDeviceList { list, signature: [7; 64] };
        let offer = LinkOffer { device_list, primary: u32::MAX }.encode();
        assert!(offer.len() < PADDED_LINK_LEN);
        assert!(LinkOffer::decode(&offer).is_ok());
        let envelope = Link::encode(vec![1; Link::SEALED_LEN]);
        assert!(Link::decode(&envelope).is_ok());
        assert!(Envelope::decode(&envelope).is_err());
        assert!(Link::decode(&Link::encode(vec![1; Link::SEALED_LEN - 1])).is_err());
        for length in 0..envelope.len() {
            assert!(Link::decode(&envelope[..length]).is_err());
        }
        for length in 0..offer.len() {
            let cut = LinkOffer::decode(&offer[..length]);
            assert!(cut.is_err() || cut.is_ok_and(|offer| offer.primary == 0));
            assert!(LinkReply::decode(&offer[..length]).is_err());
        }
    }
}
