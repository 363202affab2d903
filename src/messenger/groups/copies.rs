//! Messages to a group for devices that could not read them there: said again to each,
//! in its session.

use super::super::work::Work;
use super::super::{Consent, Error, EventId, table};
use super::own_chain::sent_prefix;
use crate::address::{Address, DeviceId, UserId};
use crate::content::{Content, Frame, GroupCopy, GroupNote, GroupSaid, Said};
use crate::crypto::SecretBytes;
use crate::group::{GroupId, Member};
use crate::timestamp::Timestamp;
use crate::wire::stored::messenger::{Copy, Letter, SentToGroup};
use crate::wire::{ChainId, MessageId, stored};

/// How many messages wait for the first session with somebody's device; what was sent
/// before is not repeated there.
const MOST_WAITING: usize = 100;

impl Work<'_> {
    /// A message of ours to a group, as a device is told it alone; nothing if it is gone, or
    /// was sent before that device's user became a member.
    pub(super) fn group_copy(
        &self,
        group: &GroupId,
        chain_id: ChainId,
        iteration: u32,
        since: u32,
    ) -> Result<Option<SecretBytes>, Error> {
        let number = iteration.to_be_bytes();
        let key = [sent_prefix(group, chain_id).as_slice(), &number].concat();
        let row = self.view.get(table::SENT, &key)?;
        let raw = row.and_then(|row| stored::decode::<SentToGroup>(&row, "sent message").ok());
        let id = raw.as_ref().and_then(|raw| raw.message_id.as_slice().try_into().ok());
        let (Some(raw), Some(id)) = (&raw, id) else { return Ok(None) };
        if raw.heads < since {
            return Ok(None);
        }
        let copy = GroupCopy {
            chain_id,
            iteration,
            message: MessageId::from_bytes(id),
            sent_at: Timestamp::from_millis(raw.sent_at),
            content: Content::from_bytes(&raw.content),
        };
        let note = GroupNote { group: *group, said: GroupSaid::Copy(copy) };
        Ok(Some(Frame { sent_at: self.now, said: Said::Group(note) }.encode()))
    }

    /// There is no session with these devices yet: what was sent waits for one, in these
    /// letters.
    pub(super) fn copy_for_lacking(
        &mut self,
        group: &GroupId,
        chain_id: ChainId,
        iteration: u32,
        lacking: &[Address],
    ) -> Result<Vec<MessageId>, Error> {
        let mut letters = Vec::new();
        let users = lacking.chunk_by(|one, next| one.user == next.user);
        let users: Vec<_> = users.filter_map(|devices| Some((devices.first()?, devices))).collect();
        for (Address { user, .. }, devices) in users {
            let devices: Vec<DeviceId> = devices.iter().map(|address| address.device).collect();
            let letter = self.copy_for(group, chain_id, iteration, user, &devices)?;
            for of in lacking.iter().filter(|of| letter.is_some() && of.user == *user) {
                self.goes_as_copy(group, of)?;
            }
            letters.extend(letter);
        }
        Ok(letters)
    }

    /// The same for one user; without devices, for all that there will be.
    pub(super) fn copy_for(
        &mut self,
        group: &GroupId,
        chain_id: ChainId,
        iteration: u32,
        user: &UserId,
        devices: &[DeviceId],
    ) -> Result<Option<MessageId>, Error> {
        self.fetch(user)?;
        if self.waiting_count(user, MOST_WAITING)? >= MOST_WAITING {
            return Ok(None);
        }
        let Some(frame) = self.group_copy(group, chain_id, iteration, 0)? else { return Ok(None) };
        let Some(member) = self.member_named(group, user)? else { return Ok(None) };
        self.post_to(&member, devices, &frame).map(Some)
    }

    /// The member with this user id: of several the one whom we know, if there is one.
    fn member_named(&mut self, group: &GroupId, user: &UserId) -> Result<Option<Member>, Error> {
        let known = self.list_of(user)?.map(|list| list.account_key());
        let Some(roster) = self.roster(group)? else { return Ok(None) };
        let named = roster.members().map(|(member, _)| member).filter(|m| m.user() == user);
        Ok(named.max_by_key(|member| known == Some(*member.key())).cloned())
    }

    /// Sends something to some of a member's devices, once there are sessions.
    fn post_to(
        &mut self,
        member: &Member,
        devices: &[DeviceId],
        frame: &[u8],
    ) -> Result<MessageId, Error> {
        let (id, user) = (MessageId::generate(&mut self.rng), member.user());
        let mut letter = Letter::default();
        letter.user_id = user.as_bytes().to_vec();
        letter.sent_at = self.now.as_millis();
        letter.own_copy = true;
        letter.waits = true;
        letter.account_key = member.key().as_bytes().to_vec();
        letter.content = frame.to_vec();
        let others = self.list_of(user)?;
        let others = others.iter().flat_map(|list| list.devices()).map(|device| device.id());
        let have_it = others.filter(|id| !devices.contains(id));
        letter.copies.extend(have_it.map(|id| Copy {
            device_id: id.get(),
            seq: 0,
            received: true,
        }));
        self.save_letter(id, &letter);
        self.wait_for_session(user, id);
        self.send_waiting(user)?;
        Ok(id)
    }

    /// A message to a group has come in a session; says whether that was too early.
    pub(super) fn take_group_copy(
        &mut self,
        address: &Address,
        group: &GroupId,
        copy: &GroupCopy,
        events: &mut Vec<EventId>,
    ) -> Result<bool, Error> {
        if self.speaker(address, group)?.is_none() {
            let open = [Consent::Accepted, Consent::Requested];
            let known = self.known(group)?;
            return Ok(known.is_some_and(|k| k.member && open.contains(&k.consent))
                || self.may_be_member(address, group)?);
        }
        self.came_as_copy(group, address, copy.chain_id, copy.iteration)?;
        self.forget_held(group, address, copy.chain_id, copy.iteration)?;
        let content = copy.content.encode_at(copy.sent_at);
        self.take_group_content(address, group, copy.message, &content, events)?;
        Ok(false)
    }
}
