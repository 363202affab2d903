//! Receipts: owed for every message that may be sent again, sent many at a time, never to
//! a stranger.

use zeroize::Zeroizing;

use super::errand::Urgency;
use super::work::Work;
use super::{Error, table};
use crate::address::{Address, UserId};
use crate::content::{Frame, RECEIPT_IDS, Receipt, ReceiptKind, Said};
use crate::session::Numbers;
use crate::wire::MessageId;

/// What stands in front of the key of a receipt that may be sent, and of one that waits
/// until its sender is accepted.
const DUE: u8 = 0;
const WAITS: u8 = 1;

/// How many receipts are sent in one commit.
const RECEIPTS_A_COMMIT: usize = 256;

impl Work<'_> {
    /// Notes that a message is to be confirmed.
    pub(super) fn owe_receipt(&mut self, to: &Address, id: MessageId, talking: bool) {
        let first = if talking { DUE } else { WAITS };
        let key = [&[first], table::of_device(to, id.as_bytes()).as_slice()].concat();
        let now = self.now.as_millis().to_be_bytes().to_vec();
        self.view.put(table::RECEIPTS, key, Zeroizing::new(now));
    }

    /// A request was accepted: what was received until then is confirmed.
    pub(super) fn release_receipts(&mut self, user: &UserId) -> Result<(), Error> {
        let prefix = [&[WAITS], table::of_user(user, &[]).as_slice()].concat();
        for (key, value) in self.view.scan_prefix(table::RECEIPTS, &prefix)? {
            let due = [&[DUE], key.get(1..).unwrap_or_default()].concat();
            self.view.delete(table::RECEIPTS, key);
            self.view.put(table::RECEIPTS, due, value);
        }
        Ok(())
    }

    /// Somebody was blocked: nothing is confirmed any more.
    pub(super) fn drop_receipts(&mut self, user: &UserId) -> Result<(), Error> {
        for first in [DUE, WAITS] {
            let prefix = [&[first], table::of_user(user, &[]).as_slice()].concat();
            for (key, _) in self.view.scan_prefix(table::RECEIPTS, &prefix)? {
                self.view.delete(table::RECEIPTS, key);
            }
        }
        Ok(())
    }

    /// Sends receipts that are owed; says whether there may be more.
    pub(super) fn send_receipts(&mut self) -> Result<bool, Error> {
        let rows = self.view.scan(table::RECEIPTS, &[DUE], RECEIPTS_A_COMMIT)?;
        let full = rows.len() == RECEIPTS_A_COMMIT;
        let mut owed: Vec<(Address, Vec<MessageId>)> = Vec::new();
        for (key, _) in rows {
            let Some((&DUE, rest)) = key.split_first() else { return self.send_owed(owed, false) };
            if let Some((address, id)) = table::split_device(rest)
                && let Ok(id) = id.try_into()
            {
                let id = MessageId::from_bytes(id);
                match owed.last_mut() {
                    Some((last, ids)) if *last == address => ids.push(id),
                    _ => owed.push((address, vec![id])),
                }
            }
            self.view.delete(table::RECEIPTS, key);
        }
        self.send_owed(owed, full)
    }

    fn send_owed(
        &mut self,
        owed: Vec<(Address, Vec<MessageId>)>,
        more: bool,
    ) -> Result<bool, Error> {
        for (to, ids) in owed {
            for ids in ids.chunks(RECEIPT_IDS) {
                let said =
                    Said::Receipt(Receipt { kind: ReceiptKind::Delivered, ids: ids.to_vec() });
                let frame = Frame { sent_at: self.now, said }.encode();
                let id = MessageId::generate(&mut self.rng);
                if let Some(sent) = self.encrypt_content(&to, id, &frame, Numbers::Unnumbered)? {
                    self.carry(&to, sent.envelope, Urgency::Quiet, None);
                }
            }
        }
        Ok(more)
    }
}
