//! The sending half: a new ratchet key when one is due, then a key for the message
//! (SPEC.md, sections 6.2 and 6.3).

use rand_core::CryptoRng;

use super::chain::{Chain, MAX_CHAIN_LEN, SendingChain, associated_data, nonce};
use super::header::{Head, Header, HeaderKey};
use super::{Log, OurKey, Ratchet, RowKey, root_step};
use crate::crypto::{DhSecretKey, seal};

/// Why nothing can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The chain is full until the peer has answered.
    ChainFull,
    /// No ratchet key of the peer's is known, or it is degenerate.
    NoPeerKey,
}

impl Ratchet {
    /// Does what is due before a message: the sending half of a step, the
    /// post-quantum key pair or encapsulation. On error nothing has changed.
    pub(crate) fn prepare_send(
        &mut self,
        log: &mut Log,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), SendError> {
        match &self.sending {
            None => self.sending_half(rng)?,
            Some(sending) if sending.chain.next >= MAX_CHAIN_LEN => {
                return Err(SendError::ChainFull);
            }
            Some(_) => {}
        }
        if let Some(dropped) = self.post_quantum.before_send(rng) {
            log.rows.extend((0..dropped).map(RowKey::Shards));
            log.rows.push(RowKey::Answer);
        }
        Ok(())
    }

    fn sending_half(&mut self, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(), SendError> {
        let theirs = self.theirs.as_ref().ok_or(SendError::NoPeerKey)?;
        let private = DhSecretKey::generate(rng);
        let shared = private.agree(theirs).map_err(|_| SendError::NoPeerKey)?;
        let secret = self.post_quantum.secret_to_introduce();
        let step = root_step(&self.root_key, &shared, secret);
        if secret.is_some() {
            self.post_quantum.advance();
        }
        let header_key = std::mem::replace(&mut self.next_sending_header_key, step.next_header_key);
        self.root_key = step.root_key;
        self.ours = Some(OurKey { public: private.public_key(), private: Some(private) });
        self.sending = Some(SendingChain {
            chain: Chain { key: step.chain_key, next: 0 },
            header_key: HeaderKey::new(header_key),
            pq_epoch: self.post_quantum.epochs_mixed(),
        });
        Ok(())
    }

    /// The field for a message whose padding has room for `count` shards.
    pub(crate) fn shards(&mut self, count: usize) -> Vec<u8> {
        self.post_quantum.next_field(count)
    }

    /// Seals a padded payload with the next key of the sending chain.
    ///
    /// After [`Self::prepare_send`]; `None` without it.
    pub(crate) fn seal(
        &mut self,
        payload: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<(Head, Vec<u8>)> {
        let sending = self.sending.as_mut()?;
        let header = Header {
            ratchet_key: *self.ours.as_ref()?.public.as_bytes(),
            number: sending.chain.next,
            previous_length: self.previous_length,
            pq_epoch: sending.pq_epoch,
        };
        let (message_key, chain) = sending.chain.step();
        let mut salt = [0; 8];
        rng.fill_bytes(&mut salt);
        let head = sending.header_key.protect(&header, salt);
        let ad = associated_data(&self.associated_data, &head, &header);
        let sealed = message_key.with_salted(&salt, |key| seal(key, &nonce(&salt), &ad, payload));
        sending.chain = chain;
        Some((head, sealed))
    }
}
