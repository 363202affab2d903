//! What is kept of groups for thirty days, and then forgotten.

use std::time::Duration;

use super::super::happening::Happening;
use super::super::work::Work;
use super::super::{Error, table};
use super::chains::place_of;
use crate::group::GroupId;
use crate::session::KEPT_TIME;
use crate::store::Table;
use crate::timestamp::Timestamp;
use crate::wire::stored::{
    self,
    messenger::{AskedOften, HeldEnvelope, SentToGroup},
};

/// How long it is kept how often something was done within an hour.
const COUNTED: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a group is known of which we are no member: longer than others ask about what we
/// said before, by which we would seem to have forgotten it.
const LEFT_KEPT: Duration = Duration::from_secs(37 * 24 * 60 * 60);

impl Work<'_> {
    /// Looks whether a row of groups is to be forgotten.
    pub(in crate::messenger) fn sweep_group(
        &mut self,
        table: Table,
        key: &[u8],
        row: &[u8],
    ) -> Result<(), Error> {
        if table == table::CHAINS {
            return self.sweep_chains(key);
        }
        if table == table::GROUPS {
            return self.sweep_known(key);
        }
        let (at, kept) = if table == table::SENT {
            let sent = stored::decode::<SentToGroup>(row, "sent message");
            (sent.map_or(0, |row| row.sent_at), KEPT_TIME)
        } else if table == table::PARTS {
            (row.first_chunk().map_or(0, |at| u64::from_be_bytes(*at)), KEPT_TIME)
        } else if is_held(table, key) {
            let held = stored::decode::<HeldEnvelope>(row, "held envelope");
            (held.map_or(0, |row| row.held_at), KEPT_TIME)
        } else if table == table::ASKED && is_count(key) {
            (stored::decode::<AskedOften>(row, "count").map_or(0, |row| row.since), COUNTED)
        } else {
            // How many bytes are held, and what is asked for: it goes with what it is of.
            return Ok(());
        };
        if at > self.now.as_millis() && is_held(table, key) {
            // Dated while the clock was ahead.
            return self.date_anew(table, key, row);
        }
        // Dated by a clock that was behind, it looks old and is not.
        let at = Timestamp::from_millis(at).max(self.steady_since);
        if self.now.since(at) > kept {
            self.view.delete(table, key.to_vec());
        }
        Ok(())
    }

    fn date_anew(&mut self, table: Table, key: &[u8], row: &[u8]) -> Result<(), Error> {
        if let Ok(mut held) = stored::decode::<HeldEnvelope>(row, "held envelope") {
            held.held_at = self.now.as_millis();
            self.view.put(table, key.to_vec(), stored::encode(&held));
        }
        Ok(())
    }

    /// Forgets chains that are over, and the keys of what will not come any more.
    fn sweep_chains(&mut self, key: &[u8]) -> Result<(), Error> {
        if self.now.since(self.steady_since) <= KEPT_TIME {
            // What was closed before the clock leapt may look old, and is not.
            return Ok(());
        }
        let Some(place) = place_of(key) else { return Ok(()) };
        let here = self.cache.groups.chains.contains_key(&place);
        let (group, sender) = place;
        let is_member = self.is_of_member(&sender, &group)?;
        let mut chains = self.chains(&group, &sender)?;
        if !is_member {
            self.ask_for_nothing(&group, &sender)?;
            let ((), rows, tags) = chains.leave(self.now).into_parts();
            self.save_chains(&chains, &rows, &tags)?;
        }
        let (lost, rows, tags) = chains.expire(self.now).into_parts();
        self.save_chains(&chains, &rows, &tags)?;
        if here {
            self.keep_chains(chains);
        }
        if lost > 0 {
            self.tell(Happening::Lost { from: sender, count: u64::from(lost) });
        }
        Ok(())
    }

    /// Forgets a group of which we have been no member for long.
    fn sweep_known(&mut self, key: &[u8]) -> Result<(), Error> {
        let Ok(group) = key.try_into().map(GroupId::from_bytes) else { return Ok(()) };
        let Some(at) = self.known(&group)?.and_then(|known| known.gone_at) else { return Ok(()) };
        if self.now.since(at.max(self.steady_since)) > LEFT_KEPT {
            self.forget_group(&group)?;
        }
        Ok(())
    }
}

/// Whether a row is a message that waits for its head, or something that was said too early.
fn is_held(table: Table, key: &[u8]) -> bool {
    table == table::EARLY || (table == table::GROUP_HELD && key.len() != 32)
}

/// Whether a key is of what is counted: device, group, what.
fn is_count(key: &[u8]) -> bool {
    table::split_device(key).is_some_and(|(_, rest)| rest.len() == 33)
}
