//! What names a chain, and what follows from it (SPEC.md, section 14.2).

use super::header::{Header, MessageHead};
use crate::address::Address;
use crate::crypto::{Label, Secret, expand, sha256};
use crate::group::{GroupId, Head};
use crate::ratchet::HeaderKey;
use crate::wire::ChainId;

/// Bytes of what the AEAD covers beside the payload.
const COVERED_LEN: usize = 32 + 32 + MessageHead::LEN;

/// What names a chain everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) group_id: GroupId,
    pub(super) sender: Address,
    pub(super) chain_id: ChainId,
}

impl Names {
    // CTX = group id || lp(user id) || u32(device id) || chain id
    fn context(&self) -> Vec<u8> {
        let Self { group_id, sender, chain_id } = self;
        [group_id.as_bytes().as_slice(), &sender.to_signed_bytes(), chain_id.as_bytes()].concat()
    }

    // AD = H("subrosa/1 sender chain" || 0x00 || CTX)
    pub(super) fn associated_data(&self) -> [u8; 32] {
        sha256(&[Label::SENDER_CHAIN.as_bytes(), &[0], &self.context()])
    }

    /// Nobody can hand over a chain whose tags are those of another's: `CTX` has the
    /// address that the session vouches for.
    // hk = Expand(header seed, "subrosa/1 sender header" || CTX, 32)
    pub(super) fn header_key(&self, seed: &Secret<32>) -> HeaderKey {
        HeaderKey::new(expand(seed, Label::SENDER_HEADER, &[&self.context()]))
    }
}

/// What the AEAD of a message covers beside the payload, and the signature together with
/// what is sealed: `AD || roster head || tag || salt || header`, the header in the clear.
pub(super) fn covered(
    associated_data: &[u8; 32],
    roster_head: &Head,
    head: &MessageHead,
    header: &Header,
) -> [u8; COVERED_LEN] {
    let mut bytes = [0; COVERED_LEN];
    let (names, rest) = bytes.split_at_mut(32);
    names.copy_from_slice(associated_data);
    let (roster, rest) = rest.split_at_mut(32);
    roster.copy_from_slice(roster_head.as_bytes());
    let clear = MessageHead { masked: header.to_bytes(), ..*head };
    rest.copy_from_slice(&clear.to_bytes::<{ MessageHead::LEN }>());
    bytes
}
