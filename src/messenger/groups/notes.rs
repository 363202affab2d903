//! What comes of groups in a session: told apart by who deals with it.

use super::super::work::Work;
use super::super::{Error, EventId};
use crate::address::Address;
use crate::content::{GroupNote, GroupSaid};
use crate::group::GroupId;
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
        match said {
            GroupSaid::Part(part) => self.take_group_part(address, &group, part, events),
            GroupSaid::Copy(copy) => self.take_group_copy(address, &group, &copy, events),
            GroupSaid::Unknown => Ok(()),
        }
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
