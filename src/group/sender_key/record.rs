//! Chains as stored records (`stored_sender_key.proto`).

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::handover::{Handover, State as HandoverState};
use super::missing::Missing;
use super::names::Names;
use super::receiving::State;
use super::{MAX_CHAIN_LEN, ReceivingChain, SendingChain};
use crate::address::{Address, DeviceId, UserId};
use crate::crypto::{Secret, SigningKey, VerifyingKey};
use crate::group::GroupId;
use crate::ratchet::{Chain, ReceivingChain as Ahead, Saved};
use crate::session::Rows;
use crate::timestamp::Timestamp;
use crate::wire::stored::{self, sender_key as records};
use crate::wire::{ChainId, DecodeError, Replaced};

const WHAT: &str = "sender key record";
const MALFORMED: DecodeError = DecodeError::Malformed(WHAT);

impl SendingChain {
    /// The record to keep, secret (`stored_sender_key.proto`, `SendingChain`).
    #[must_use]
    pub fn record(&self) -> Zeroizing<Vec<u8>> {
        let replaced = self.replaced.as_ref();
        stored::encode(&records::SendingChain {
            group_id: self.names.group_id.as_bytes().to_vec(),
            user_id: self.names.sender.user.as_bytes().to_vec(),
            device_id: self.names.sender.device.get(),
            chain_id: self.names.chain_id.as_bytes().to_vec(),
            chain_key: self.chain.key.expose().to_vec(),
            next: self.chain.next,
            header_seed: self.header_seed.expose().to_vec(),
            signing_seed: self.signing_key.seed().expose().to_vec(),
            begun_at: self.begun_at.as_millis(),
            replaced_chain_id: replaced_chain_id(replaced),
            replaced_length: replaced.map_or(0, |chain| chain.length),
        })
    }

    /// The chain that [`Self::record`] was made of.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the record is damaged: begin another chain.
    pub fn from_record(bytes: &[u8]) -> Result<Self, DecodeError> {
        let raw: records::SendingChain = stored::decode(bytes, WHAT)?;
        let names = names(&raw.group_id, &raw.user_id, raw.device_id, &raw.chain_id)?;
        let replaced = replaced(&raw.replaced_chain_id, raw.replaced_length)?;
        let chain = Chain { key: secret(&raw.chain_key)?, next: length(raw.next)? };
        let signing_key = SigningKey::from_seed(secret(&raw.signing_seed)?);
        let begun_at = Timestamp::from_millis(raw.begun_at);
        let header_seed = secret(&raw.header_seed)?;
        Ok(Self::new(names, chain, header_seed, signing_key, begun_at, replaced))
    }
}

impl ReceivingChain {
    /// The record to keep, secret (`stored_sender_key.proto`, `ReceivingChain`).
    #[must_use]
    pub fn record(&self) -> Zeroizing<Vec<u8>> {
        let chain_key = match &self.state {
            State::Open(ahead) => ahead.chain.key.expose().to_vec(),
            State::Closed { .. } => Vec::new(),
        };
        let replaced = self.replaced.as_ref();
        stored::encode(&records::ReceivingChain {
            group_id: self.names.group_id.as_bytes().to_vec(),
            user_id: self.names.sender.user.as_bytes().to_vec(),
            device_id: self.names.sender.device.get(),
            chain_id: self.names.chain_id.as_bytes().to_vec(),
            verifying_key: self.verifying_key.as_bytes().to_vec(),
            header_seed: self.header_seed.expose().to_vec(),
            chain_key,
            first: self.first,
            next: self.next(),
            missing: self.missing.to_bytes(),
            replaced_chain_id: replaced_chain_id(replaced),
            replaced_length: replaced.map_or(0, |chain| chain.length),
            closed_at: self.closed_at().map_or(0, Timestamp::as_millis),
            superseded_at: self.superseded_at.map_or(0, Timestamp::as_millis),
        })
    }

    /// A row beside the record as it is now, secret; `None` if there is none any more, so
    /// that it is to be deleted.
    #[must_use]
    pub fn row(&self, iteration: u32) -> Option<Zeroizing<Vec<u8>>> {
        self.with_row(iteration, super::iteration::Iteration::encode)
    }

    /// Every row that may have been saved: to be deleted with the chain.
    pub fn row_keys(&self) -> impl Iterator<Item = u32> + use<> {
        self.first..self.next()
    }

    /// The chain that [`Self::record`] was made of; `rows` is what was saved of
    /// [`Self::row`], and is kept: it is asked when a message comes late or twice.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the record is damaged: drop the chain, and ask for it. A damaged
    /// row is a message whose key is gone.
    pub fn from_record(bytes: &[u8], rows: impl Rows<u32> + 'static) -> Result<Self, DecodeError> {
        let raw: records::ReceivingChain = stored::decode(bytes, WHAT)?;
        let names = names(&raw.group_id, &raw.user_id, raw.device_id, &raw.chain_id)?;
        let verifying_key = VerifyingKey::from_bytes(&raw.verifying_key).map_err(|_| MALFORMED)?;
        let header_seed = secret(&raw.header_seed)?;
        let next = length(raw.next)?;
        if raw.first > next {
            return Err(MALFORMED);
        }
        let missing = Missing::from_bytes(&raw.missing, next).ok_or(MALFORMED)?;
        let header_key = names.header_key(&header_seed);
        let state = match raw.chain_key.as_slice() {
            [] => State::Closed {
                header_key,
                length: next,
                at: Timestamp::from_millis(raw.closed_at),
            },
            key => State::Open(Ahead::new(Chain { key: secret(key)?, next }, header_key)),
        };
        Ok(Self {
            associated_data: names.associated_data(),
            names,
            verifying_key,
            header_seed,
            replaced: replaced(&raw.replaced_chain_id, raw.replaced_length)?,
            state,
            superseded_at: Some(Timestamp::from_millis(raw.superseded_at))
                .filter(|at| *at != Timestamp::default()),
            first: raw.first,
            missing,
            rows: BTreeMap::new(),
            saved: Saved::new(move |row| rows.row(row)),
        })
    }
}

impl Handover {
    /// The record to keep (`stored_sender_key.proto`, `Handover`).
    #[must_use]
    pub fn record(&self) -> Zeroizing<Vec<u8>> {
        let state = match self.state {
            HandoverState::Needed => records::handover::State::Needed,
            HandoverState::Failed => records::handover::State::Failed,
            HandoverState::Sent => records::handover::State::Sent,
            HandoverState::Acknowledged => records::handover::State::Acknowledged,
        };
        stored::encode(&records::Handover { state: state.into(), messages: self.messages })
    }

    /// The state that [`Self::record`] was made of.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the record is damaged: begin anew, with [`Self::needed`].
    pub fn from_record(bytes: &[u8]) -> Result<Self, DecodeError> {
        let raw: records::Handover = stored::decode(bytes, WHAT)?;
        let state = match records::handover::State::try_from(raw.state).map_err(|_| MALFORMED)? {
            records::handover::State::Needed => HandoverState::Needed,
            records::handover::State::Failed => HandoverState::Failed,
            records::handover::State::Sent => HandoverState::Sent,
            records::handover::State::Acknowledged => HandoverState::Acknowledged,
        };
        Ok(Self { state, messages: raw.messages })
    }
}

fn names(group: &[u8], user: &[u8], device: u32, chain: &[u8]) -> Result<Names, DecodeError> {
    Ok(Names {
        group_id: GroupId::from_bytes(stored::array(group, WHAT)?),
        sender: Address {
            user: UserId::new(user).map_err(|_| MALFORMED)?,
            device: DeviceId::new(device).ok_or(MALFORMED)?,
        },
        chain_id: ChainId::from_bytes(stored::array(chain, WHAT)?),
    })
}

fn replaced_chain_id(replaced: Option<&Replaced>) -> Vec<u8> {
    replaced.map_or_else(Vec::new, |chain| chain.chain_id.as_bytes().to_vec())
}

fn replaced(chain_id: &[u8], length: u32) -> Result<Option<Replaced>, DecodeError> {
    match chain_id {
        [] => Ok(None),
        id => {
            let chain_id = ChainId::from_bytes(stored::array(id, WHAT)?);
            Ok(Some(Replaced { chain_id, length }))
        }
    }
}

fn secret(bytes: &[u8]) -> Result<Secret<32>, DecodeError> {
    Secret::from_slice(bytes).ok_or(MALFORMED)
}

fn length(length: u32) -> Result<u32, DecodeError> {
    if length <= MAX_CHAIN_LEN { Ok(length) } else { Err(MALFORMED) }
}
