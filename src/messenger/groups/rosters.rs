//! Rosters, stored in rows of bounded size, and what follows when one becomes another.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::due::Job;
use super::super::work::Work;
use super::super::{Error, table};
use super::known::Known;
use crate::crypto::SecretBytes;
use crate::group::{GroupId, Member, Roster};

/// How many bytes of a roster's record stand in one row.
const ROW_LEN: usize = 32 * 1024;

fn row_key(group: &GroupId, number: u32) -> Vec<u8> {
    [group.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

impl Work<'_> {
    /// The roster of a group; nothing if there is none, or it is damaged.
    pub(in crate::messenger) fn roster(
        &mut self,
        group: &GroupId,
    ) -> Result<Option<Arc<Roster>>, Error> {
        if let Some(roster) = self.cache.groups.rosters.get(group) {
            return Ok(Some(Arc::clone(roster)));
        }
        let rows = self.view.scan_prefix(table::ROSTERS, group.as_bytes())?;
        let mut record = SecretBytes::new(Vec::with_capacity(rows.len().saturating_mul(ROW_LEN)));
        rows.iter().for_each(|(_, row)| record.extend_from_slice(row));
        let Ok(roster) = Roster::from_record(&record) else { return Ok(None) };
        if roster.group() != *group {
            return Ok(None);
        }
        let roster = Arc::new(roster);
        self.cache.groups.rosters.insert(*group, Arc::clone(&roster));
        Ok(Some(roster))
    }

    /// Writes those rows of the record that are not as they were.
    pub(super) fn save_roster(&mut self, roster: Arc<Roster>) -> Result<(), Error> {
        let group = roster.group();
        let record = roster.record();
        let mut old = self.view.scan_prefix(table::ROSTERS, group.as_bytes())?.into_iter();
        let mut number = 0_u32;
        for chunk in record.chunks(ROW_LEN) {
            let same = old.next().is_some_and(|(_, row)| row.as_slice() == chunk);
            if !same {
                let row = SecretBytes::new(chunk.to_vec());
                self.view.put(table::ROSTERS, row_key(&group, number), row);
            }
            number = number.saturating_add(1);
        }
        old.for_each(|(key, _)| self.view.delete(table::ROSTERS, key));
        self.touched_groups().groups.insert(group);
        self.cache.groups.rosters.insert(group, roster);
        Ok(())
    }

    /// A roster has become another: everything that follows from it is written. Events are
    /// the caller's to tell.
    pub(super) fn enter(
        &mut self,
        before: Option<&Roster>,
        roster: Roster,
        mut known: Known,
    ) -> Result<(), Error> {
        let group = roster.group();
        let own = self.own()?;
        let us = Member::of(&own.list);
        known.member = roster.role(&us).is_some();
        known.gone_at = (!known.member).then(|| known.gone_at.unwrap_or(self.now));
        known.stopped = roster.stopped().is_some();
        let head = roster.head();
        if known.head != head || known.heads == 0 {
            self.note_new_head(&group, &mut known, &roster)?;
        }
        let members = |roster: &Roster| -> BTreeSet<Member> {
            roster.members().map(|(member, _)| member.clone()).collect()
        };
        let (old, new) = (before.map(members).unwrap_or_default(), members(&roster));
        for gone in old.difference(&new) {
            self.forget_membership(gone, &group);
        }
        for come in new.difference(&old) {
            self.note_membership(come, &group, known.heads);
        }
        if before.is_some_and(|before| before.role(&us).is_some()) && !known.member {
            self.drop_own_chain(&group)?;
        }
        if old != new {
            self.forget_readers(&group);
        }
        self.save_known(&group, known);
        self.save_roster(Arc::new(roster))?;
        self.set_due(Job::GroupHeld, group.as_bytes(), self.now)
    }
}
