//! The ratchet as a stored record, with its rows (`stored.proto`).

use zeroize::Zeroizing;

use super::chain::{Chain, ReceivingChain, SendingChain};
use super::header::HeaderKey;
use super::post_quantum::PostQuantum;
use super::skipped_keys::SkippedKeys;
use super::used_tags::UsedTags;
use super::{NextReceiving, OurKey, Ratchet, RowKey, Saved};
use crate::crypto::{DhPublicKey, DhSecretKey, Secret};
use crate::wire::{DecodeError, stored};

const WHAT: &str = "session record";
const MALFORMED: DecodeError = DecodeError::Malformed(WHAT);

impl Ratchet {
    /// Fills in the fields of the session's record that are the ratchet's.
    pub(crate) fn fill_record(&self, record: &mut stored::Session) {
        let private = self.ours.as_ref().and_then(|key| key.private.as_ref());
        let bytes =
            |key: Option<&DhPublicKey>| key.map_or_else(Vec::new, |key| key.as_bytes().to_vec());
        record.associated_data = self.associated_data.to_vec();
        record.ratchet = Some(stored::Ratchet {
            root_key: self.root_key.expose().to_vec(),
            our_private: private.map_or_else(Vec::new, |key| key.secret().expose().to_vec()),
            our_public: bytes(self.ours.as_ref().map(|key| &key.public)),
            their_public: bytes(self.theirs.as_ref()),
            next_sending_header_key: self.next_sending_header_key.expose().to_vec(),
            next_receiving_header_key: self.next_receiving.header_key.key().expose().to_vec(),
            sending: self.sending.as_ref().map(|sending| {
                let SendingChain { chain, header_key, pq_epoch } = sending;
                chain_record(chain, header_key, *pq_epoch)
            }),
            receiving: self
                .receiving
                .as_ref()
                .map(|receiving| chain_record(&receiving.chain, &receiving.header_key, 0)),
            previous_length: self.previous_length,
            epochs_mixed: self.epochs_mixed(),
        });
        record.post_quantum = Some(self.post_quantum.to_record());
        record.opened = self.opened;
        record.skipped_first = self.skipped.first();
        record.skipped_next = self.skipped.next();
        record.used_first = self.used.first();
        record.shard_rows = self.post_quantum.row_count();
    }

    /// A row as it is now; `None` if it is no more, so is to be deleted.
    pub(crate) fn row(&self, key: RowKey) -> Option<Zeroizing<Vec<u8>>> {
        match key {
            RowKey::Skipped(number) => self.skipped.encode(number),
            RowKey::Used(number) => self.used.encode(number),
            RowKey::UsedBy(tag) => self.used.encode_number_of(tag),
            RowKey::Shards(number) => {
                self.post_quantum.row(number).map(|row| Zeroizing::new(row.to_vec()))
            }
            RowKey::Answer => self.post_quantum.answer().map(|row| Zeroizing::new(row.to_vec())),
        }
    }

    /// Reads what [`Self::fill_record`] wrote, and the rows beside it that almost every
    /// message needs.
    pub(crate) fn from_record(
        record: &stored::Session,
        rows: Saved<RowKey>,
    ) -> Result<Self, DecodeError> {
        let raw = record.ratchet.as_ref().ok_or(MALFORMED)?;
        let ours = match raw.our_public.as_slice() {
            [] => None,
            public => Some(OurKey {
                public: public_key(public)?,
                private: match raw.our_private.as_slice() {
                    [] => None,
                    private => Some(DhSecretKey::from_secret(secret(private)?)),
                },
            }),
        };
        let theirs = match raw.their_public.as_slice() {
            [] => None,
            public => Some(public_key(public)?),
        };
        let sending = raw.sending.as_ref().map(|raw| {
            let (chain, header_key) = chain_from(raw)?;
            Ok::<_, DecodeError>(SendingChain { chain, header_key, pq_epoch: raw.pq_epoch })
        });
        let receiving = raw.receiving.as_ref().map(|raw| {
            let (chain, header_key) = chain_from(raw)?;
            Ok::<_, DecodeError>(ReceivingChain::new(chain, header_key))
        });
        let mut post_quantum = PostQuantum::from_record(
            record.we_initiated,
            raw.epochs_mixed,
            record.post_quantum.as_ref().ok_or(MALFORMED)?,
        )?;
        for number in 0..record.shard_rows.min(255) {
            // A lost row of shards is a few lost shards.
            if let Some(row) = rows.row(RowKey::Shards(number)) {
                post_quantum.restore_row(&row);
            }
        }
        if post_quantum.lacks_answer() {
            post_quantum.restore_answer(&rows.row(RowKey::Answer).ok_or(MALFORMED)?)?;
        }
        let mut skipped =
            SkippedKeys::awaiting(record.skipped_first, record.skipped_next).ok_or(MALFORMED)?;
        for number in record.skipped_first..record.skipped_next {
            if let Some(row) = rows.row(RowKey::Skipped(number)) {
                skipped.restore(number, &row)?;
            }
        }
        let used = UsedTags::saved(record.used_first, record.opened, rows).ok_or(MALFORMED)?;
        Ok(Self {
            associated_data: stored::array(&record.associated_data, WHAT)?,
            root_key: secret(&raw.root_key)?,
            ours,
            theirs,
            next_sending_header_key: secret(&raw.next_sending_header_key)?,
            next_receiving: NextReceiving::new(secret(&raw.next_receiving_header_key)?),
            sending: sending.transpose()?,
            receiving: receiving.transpose()?,
            previous_length: raw.previous_length,
            post_quantum,
            skipped,
            used,
            opened: record.opened,
        })
    }
}

fn chain_record(chain: &Chain, header_key: &HeaderKey, pq_epoch: u32) -> stored::Chain {
    stored::Chain {
        chain_key: chain.key.expose().to_vec(),
        next: chain.next,
        header_key: header_key.key().expose().to_vec(),
        pq_epoch,
    }
}

fn chain_from(raw: &stored::Chain) -> Result<(Chain, HeaderKey), DecodeError> {
    let chain = Chain { key: secret(&raw.chain_key)?, next: raw.next };
    Ok((chain, HeaderKey::new(secret(&raw.header_key)?)))
}

fn secret(bytes: &[u8]) -> Result<Secret<32>, DecodeError> {
    Secret::from_slice(bytes).ok_or(MALFORMED)
}

fn public_key(bytes: &[u8]) -> Result<DhPublicKey, DecodeError> {
    DhPublicKey::from_bytes(bytes).map_err(|_| MALFORMED)
}
