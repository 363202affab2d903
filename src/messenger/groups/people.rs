//! Who is a member where: by this, what is of a group may be said between strangers.

use zeroize::Zeroizing;

use super::super::work::Work;
use super::super::{Consent, Error, table};
use crate::address::{Address, UserId};
use crate::group::{GroupId, Member};
use crate::identity::AccountKey;

fn key_of(member: &Member, group: &GroupId) -> Vec<u8> {
    let rest = [group.as_bytes().as_slice(), member.key().as_bytes()].concat();
    table::of_user(member.user(), &rest)
}

impl Work<'_> {
    /// Since which of the group's heads somebody is a member of it.
    pub(super) fn member_since(
        &self,
        member: &Member,
        group: &GroupId,
    ) -> Result<Option<u32>, Error> {
        let row = self.view.get(table::MEMBERS, &key_of(member, group))?;
        let since = row.and_then(|row| row.as_slice().try_into().ok());
        Ok(since.map(u32::from_be_bytes))
    }

    pub(super) fn note_membership(&mut self, member: &Member, group: &GroupId, since: u32) {
        let since = Zeroizing::new(since.to_be_bytes().to_vec());
        self.view.put(table::MEMBERS, key_of(member, group), since);
    }

    pub(super) fn forget_membership(&mut self, member: &Member, group: &GroupId) {
        self.view.delete(table::MEMBERS, key_of(member, group));
    }

    /// The groups that a user is a member of, under whatever key, with that key.
    pub(super) fn memberships(&self, user: &UserId) -> Result<Vec<(GroupId, AccountKey)>, Error> {
        let rows = self.view.scan_prefix(table::MEMBERS, &table::of_user(user, &[]))?;
        Ok(rows.iter().filter_map(|(key, _)| split(key)).collect())
    }

    /// Whether this is a device of a member's, in a group that is ours too.
    pub(super) fn is_of_member(
        &mut self,
        device: &Address,
        group: &GroupId,
    ) -> Result<bool, Error> {
        let ours = self.known(group)?.is_some_and(|known| known.member);
        let list = self.list_of(&device.user)?.filter(|list| list.device(device.device).is_some());
        match list {
            Some(list) if ours => Ok(self.member_since(&Member::of(&list), group)?.is_some()),
            _ => Ok(false),
        }
    }

    /// Whether this user, under the key that we know, and we take part in a group.
    pub(in crate::messenger) fn shares_group(&mut self, user: &UserId) -> Result<bool, Error> {
        let contact = self.contact(user)?;
        if contact.consent == Consent::Blocked {
            return Ok(false);
        }
        let mut key = contact.key();
        for (group, member) in self.memberships(user)? {
            // Until their list is known, it is the group that says who they are.
            if *key.get_or_insert(member) == member
                && self.known(&group)?.is_some_and(|known| known.may_speak(self.now))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn split(key: &[u8]) -> Option<(GroupId, AccountKey)> {
    let (_, rest) = table::split_user(key)?;
    let (group, key) = rest.split_first_chunk::<32>()?;
    Some((GroupId::from_bytes(*group), AccountKey::from_bytes(key.try_into().ok()?)?))
}
