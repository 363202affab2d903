//! What is kept of groups for thirty days, and then forgotten.

use super::super::happening::Happening;
use super::super::work::Work;
use super::super::{Error, table};
use super::chains::place_of;
use crate::session::KEPT_TIME;
use crate::store::Table;
use crate::timestamp::Timestamp;
use crate::wire::stored::{
    self,
    messenger::{HeldEnvelope, SentToGroup},
};

impl Work<'_> {
    /// Forgets chains that are over, and the keys of what will not come any more.
    pub(in crate::messenger) fn sweep_chains(&mut self, key: &[u8]) -> Result<(), Error> {
        if self.now.since(self.steady_since) <= KEPT_TIME {
            // What was closed before the clock leapt may look old, and is not.
            return Ok(());
        }
        let Some((group, sender)) = place_of(key) else { return Ok(()) };
        let mut chains = self.chains(&group, &sender)?;
        let (lost, rows, tags) = chains.expire(self.now).into_parts();
        self.save_chains(&chains, &rows, &tags);
        self.keep_chains(chains);
        if lost > 0 {
            self.tell(Happening::Lost { from: sender, count: u64::from(lost) });
        }
        Ok(())
    }

    /// Forgets what was sent to a group, or waits for one of its heads, for too long.
    pub(in crate::messenger) fn sweep_group(&mut self, table: Table, key: &[u8], row: &[u8]) {
        if table == table::GROUP_HELD && key.len() == 32 {
            // How many bytes there are.
            return;
        }
        let at = if table == table::SENT {
            stored::decode::<SentToGroup>(row, "sent message").map(|row| row.sent_at)
        } else {
            stored::decode::<HeldEnvelope>(row, "held envelope").map(|row| row.held_at)
        };
        // Dated by a clock that was behind, it looks old and is not.
        let at = Timestamp::from_millis(at.unwrap_or(0)).max(self.steady_since);
        if self.now.since(at) > KEPT_TIME {
            self.view.delete(table, key.to_vec());
        }
    }
}
