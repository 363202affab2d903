//! What has to be done once a day: rotate, expire, forget.

use std::time::Duration;

use zeroize::Zeroizing;

use super::due::Job;
use super::work::Work;
use super::{Error, table};
use crate::store::Table;
use crate::timestamp::Timestamp;

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How many rows one part of a sweep goes through.
const ROWS_A_PART: usize = 64;

/// The tables that are swept, by the number in a job's subject.
const SWEPT: [Table; 13] = [
    table::PEERS,
    table::LETTERS,
    table::SHOWN,
    table::RECEIPTS,
    table::CHAINS,
    table::SENT,
    table::GROUP_HELD,
    table::PARTS,
    table::ASKED,
    table::GROUPS,
    table::FADING,
    table::READ_EARLY,
    table::EARLY,
];

impl Work<'_> {
    pub(super) fn do_daily(&mut self) -> Result<(), Error> {
        self.set_due(Job::Daily, &[], self.now.after(DAY))?;
        self.look_after_prekeys()?;
        self.pending_links()?;
        let own = self.own()?;
        if own.is_awaited() {
            // The second offer may be lost: the directory has the list too.
            self.fetch(&own.address().user)?;
        }
        self.retry_held_now()?;
        self.set_due(Job::GroupUnknown, &[], self.now)?;
        self.cache.tidy = true;
        if self.may_expire {
            for number in 0..SWEPT.len() {
                self.set_due(Job::Sweep, &[u8::try_from(number).unwrap_or(u8::MAX)], self.now)?;
            }
        }
        Ok(())
    }

    /// Goes through some rows of a table; the rest is due at once.
    pub(super) fn sweep(&mut self, subject: &[u8]) -> Result<(), Error> {
        let Some((number, from)) = subject.split_first() else { return Ok(()) };
        let Some(table) = SWEPT.get(usize::from(*number)) else { return Ok(()) };
        if !self.may_expire {
            return Ok(());
        }
        let rows = self.view.scan(*table, from, ROWS_A_PART)?;
        if rows.len() == ROWS_A_PART
            && let Some((last, _)) = rows.last()
        {
            let next = [&[*number], last.as_slice(), &[0]].concat();
            self.set_due(Job::Sweep, &next, self.now)?;
        }
        for (key, row) in rows {
            if *table == table::PEERS {
                self.sweep_peer(&key)?;
            } else if *table == table::LETTERS {
                self.sweep_letter(&key, &row)?;
            } else if *table == table::FADING {
                self.sweep_fading(&key, &row)?;
            } else if [table::SHOWN, table::RECEIPTS, table::READ_EARLY].contains(table) {
                self.sweep_dated(*table, &key, &row);
            } else {
                self.sweep_group(*table, &key, &row)?;
            }
        }
        Ok(())
    }

    /// Forgets a row that holds nothing but its date: that a message was shown or read, or
    /// that it is to be confirmed.
    fn sweep_dated(&mut self, table: Table, key: &[u8], row: &[u8]) {
        let at = row.try_into().ok().map_or(0, u64::from_be_bytes);
        if at > self.now.as_millis() {
            // Dated while the clock was ahead.
            let now = self.now.as_millis().to_be_bytes().to_vec();
            self.view.put(table, key.to_vec(), Zeroizing::new(now));
            return;
        }
        // Dated by a clock that was behind, it looks old and is not; and a message that may
        // still be sent again must not be shown twice.
        let known_since = Timestamp::from_millis(at).max(self.steady_since);
        if self.now.since(known_since) > crate::session::KEPT_TIME {
            self.view.delete(table, key.to_vec());
        }
    }

    fn sweep_peer(&mut self, key: &[u8]) -> Result<(), Error> {
        let Some((address, _)) = table::split_device(key) else { return Ok(()) };
        let here = self.cache.peers.contains_key(&address);
        let mut peer = self.peer(&address)?;
        let step = match self.now.since(self.steady_since) > crate::session::KEPT_TIME {
            true => peer.expire(self.now),
            // What was used before the clock leapt may look old, and is not.
            false => peer.end_what_was_begun_ahead(self.now),
        };
        self.save_step(&peer, step)?;
        if here {
            self.keep_peer(peer);
        }
        Ok(())
    }
}
