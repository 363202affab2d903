//! Groups in a backup: what they are, and no chain.

use std::sync::Arc;

use super::super::Error;
use super::super::work::Work;
use super::known::Known;
use crate::group::{GroupId, Roster};
use crate::wire::stored::messenger::BackedUpGroup;

impl Work<'_> {
    /// All groups that we have not left.
    pub(in crate::messenger) fn groups_to_back_up(&mut self) -> Result<Vec<BackedUpGroup>, Error> {
        let mut groups = Vec::new();
        for group in self.all_groups()? {
            let (known, roster) = (self.known(&group)?, self.roster(&group)?);
            if let (Some(known), Some(roster)) = (known, roster) {
                groups.push(BackedUpGroup {
                    group_id: group.as_bytes().to_vec(),
                    known: Some(known.to_record()),
                    roster: roster.record().to_vec(),
                });
            }
        }
        Ok(groups)
    }

    /// Begins with the groups of a backup.
    pub(in crate::messenger) fn restore_groups(
        &mut self,
        groups: &[BackedUpGroup],
    ) -> Result<(), Error> {
        for raw in groups {
            let group = raw.group_id.as_slice().try_into().ok().map(GroupId::from_bytes);
            let known = raw.known.as_ref().and_then(Known::from_record);
            let roster = Roster::from_record(&raw.roster).ok();
            if let (Some(group), Some(mut known), Some(roster)) = (group, known, roster)
                && roster.group() == group
            {
                // Heads before are another device's.
                known.heads = 0;
                let roster = Arc::new(roster);
                self.enter(None, (*roster).clone(), known)?;
            }
        }
        Ok(())
    }
}
