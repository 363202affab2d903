//! What comes of groups in a session: told apart by who deals with it.

use zeroize::Zeroizing;

use super::super::receive::{Received, Rejection};
use super::super::work::Work;
use super::super::{Error, EventId, table};
use super::early::as_part;
use crate::address::Address;
use crate::content::{Frame, GroupNote, GroupSaid, Said};
use crate::group::GroupId;
use crate::session::{Content, Delivered};
use crate::wire::Control;

impl Work<'_> {
    /// Somebody says something of a group.
    pub(in crate::messenger) fn take_group_note(
        &mut self,
        address: &Address,
        note: GroupNote,
        events: &mut Vec<EventId>,
    ) -> Result<(), Error> {
        let GroupNote { group, said } = note;
        let said = match said {
            GroupSaid::Part(part) => match self.put_together(address, part)? {
                Some(whole) => as_part(whole),
                None => return Ok(()),
            },
            said => said,
        };
        if self.take_group_said(address, &group, said.clone(), events)? {
            self.keep_early(address, &group, said)?;
            self.may_have_forgotten(address, &group)?;
        }
        Ok(())
    }

    /// Takes what somebody says; says whether that was too early.
    pub(super) fn take_group_said(
        &mut self,
        address: &Address,
        group: &GroupId,
        said: GroupSaid,
        events: &mut Vec<EventId>,
    ) -> Result<bool, Error> {
        match said {
            GroupSaid::Part(part) => self.take_group_news(address, group, &part.bytes, events),
            GroupSaid::Copy(copy) => self.take_group_copy(address, group, &copy, events),
            GroupSaid::Unknown => Ok(false),
        }
    }

    /// Takes what somebody says whom we have blocked: nothing but changes of a group in which
    /// we both are. Others go by them, and nothing tells that we do.
    pub(in crate::messenger) fn take_of_blocked(
        &mut self,
        address: &Address,
        delivered: &Delivered,
    ) -> Result<Received, Error> {
        let rejected = Ok(Received::Rejected(Rejection::Blocked));
        let Content::Message { id, plaintext } = &delivered.content else { return rejected };
        let Said::Group(note) = Frame::decode(plaintext.as_bytes()).said else { return rejected };
        let GroupNote { group, said: GroupSaid::Part(part) } = note else { return rejected };
        let takes_part = self.known(&group)?.is_some_and(|known| known.takes_part());
        if !takes_part || !self.is_of_member(address, &group)? {
            return rejected;
        }
        if delivered.seq != 0 {
            let shown = table::of_user(&address.user, id.as_bytes());
            if self.view.get(table::SHOWN, &shown)?.is_some() {
                return Ok(Received::Duplicate);
            }
            let now = self.now.as_millis().to_be_bytes().to_vec();
            self.view.put(table::SHOWN, shown, Zeroizing::new(now));
        }
        let mut events = Vec::new();
        if let Some(whole) = self.put_together(address, part)? {
            self.take_group_news(address, &group, &whole, &mut events)?;
        }
        Ok(Received::Opened(events))
    }

    /// Takes a control message about a group; says whether it is one.
    pub(in crate::messenger) fn take_group_control(
        &mut self,
        address: &Address,
        control: &Control,
    ) -> Result<bool, Error> {
        match control {
            Control::GroupBehind(behind) => self.answer_behind(address, behind)?,
            Control::SenderKey(distribution) => self.take_sender_key(address, distribution)?,
            Control::SenderKeySaved(saved) => self.chain_is_saved(address, saved)?,
            Control::SenderKeyWanted(group) => {
                self.chain_is_wanted(address, &GroupId::from_bytes(*group))?;
            }
            Control::GroupMessagesWanted(wanted) => self.serve_group(address, wanted)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
