//! What a device's app is told, and whether it should be.

use subrosa::content::{Kind, Reference};
use subrosa::{
    Address, Content, Conversation, DeviceId, EmojiEnd, EventKind, FailReason, GroupChange,
    Message, Status, UserId,
};

use super::Talk;
use crate::device::Result;
use crate::who::Who;
use crate::words::words;

impl Talk {
    /// Takes in what a device's app is told.
    pub(super) fn look(&mut self, who: Who) -> Result<()> {
        for event in self.device(who)?.events()? {
            let genuine = match &event {
                EventKind::Message(message) => self.hear(who, message, "reads")?,
                EventKind::Request(message) => self.hear(who, message, "has a request:")?,
                EventKind::OwnMessage(message) => self.hear(who, message, "shows as his own:")?,
                EventKind::Status { status: Status::Sent | Status::Read(_), .. } => true,
                EventKind::Status { message, status: Status::Delivered(_), .. } => {
                    self.ledger.confirmed(*message, who)
                }
                EventKind::Status {
                    message,
                    status: Status::Failed(_, FailReason::Expired),
                    ..
                } => self.ledger.expired(*message, who),
                EventKind::DevicesChanged { user, added, removed } => {
                    self.hear_of_laptop(who, user, added)? && removed.is_empty()
                }
                EventKind::Invited { group, by } => {
                    self.transcript.detail(&format!("      {who} is invited to Roses by {by}"))?;
                    self.group == Some(*group) && by.as_bytes() == b"alice"
                }
                EventKind::GroupChanged { group, by: Some(by), change } => {
                    self.hear_of_change(who, by, change)?;
                    self.group == Some(*group) && by.as_bytes() == b"alice"
                }
                EventKind::CompareEmoji { user, emoji } => {
                    self.emoji.insert(who, *emoji);
                    compares(who, user)
                }
                EventKind::Verified { user } => {
                    self.verified.insert(who);
                    compares(who, user)
                }
                EventKind::EmojiEnded { user, reason: EmojiEnd::Expired } => {
                    self.emoji.remove(&who);
                    compares(who, user)
                }
                EventKind::ReadElsewhere { .. } => Who::BOBS.contains(&who),
                EventKind::Disappeared { author, message } => {
                    self.transcript.detail(&format!("      {who} shows it no more"))?;
                    let name = Reference::new(author.clone(), *message);
                    self.screens.entry(who).or_default().forget(&name)
                }
                EventKind::NoBackup => {
                    let text = format!("      {who} is reminded to make a backup");
                    self.transcript.detail(&text)?;
                    true
                }
                _ => false,
            };
            if !genuine {
                self.alarms += 1;
                self.transcript.say(&format!("  !!  {who}: {event:?}"))?;
            }
        }
        Ok(())
    }

    /// A device shows a message; whether it should.
    fn hear(&mut self, who: Who, message: &Message, does: &str) -> Result<bool> {
        let by = self.who(&message.device)?;
        let genuine = self.ledger.shown(message, by, who);
        let text = words(&message.content);
        let place = match message.conversation {
            Conversation::Group(_) => "in Roses: ",
            _ => "",
        };
        self.transcript.detail(&format!("      {who} {does} {place}{text}"))?;
        let files = self.download(who, &message.content)?;
        let screen = self.screens.entry(who).or_default();
        screen.show(message.name(), message.sent_at, &message.content, files);
        if message.content.expires_after().is_some() && by.user() != who.user() {
            // Its time begins, on the other devices of this person too.
            self.messenger(who)?.mark_read(&message.from, &[message.id])?;
        }
        Ok(genuine)
    }

    /// A device shows what was done to the group.
    fn hear_of_change(&self, who: Who, by: &UserId, change: &GroupChange) -> Result<()> {
        let names = |users: &[UserId]| {
            users.iter().map(UserId::to_string).collect::<Vec<_>>().join(" and ")
        };
        let what = match change {
            GroupChange::Add(users) => format!("has added {}", names(users)),
            GroupChange::Remove(users) => format!("has removed {}", names(users)),
            other => format!("{other:?}"),
        };
        Ok(self.transcript.say(&format!("      {who} sees that {by} {what}"))?)
    }

    /// A device is told of another one of Bob's; whether it is the laptop.
    fn hear_of_laptop(&mut self, who: Who, user: &UserId, added: &[DeviceId]) -> Result<bool> {
        let [device] = *added else { return Ok(false) };
        let address = Address { user: user.clone(), device };
        self.informed.insert(who);
        self.transcript.say(&format!("      {who} sees the laptop on Bob's list of devices"))?;
        Ok(self.addresses.get(&address) == Some(&Who::Laptop))
    }

    /// Reads the files of a message, and opens them.
    fn download(&mut self, who: Who, content: &Content) -> Result<Vec<Vec<u8>>> {
        let Kind::Attachments(attachments) = content.kind() else { return Ok(Vec::new()) };
        let mut files = Vec::new();
        for item in attachments.items() {
            files.push(self.device(who)?.download(item.pointer())?);
            self.transcript.blob(&format!("{who:<12} -- fetches and opens it"))?;
        }
        Ok(files)
    }
}

/// Whether this device's user compares emoji with that one.
fn compares(who: Who, with: &UserId) -> bool {
    let pair = [who.user().as_bytes(), with.as_bytes()];
    pair == [b"alice".as_slice(), b"carol"] || pair == [b"carol".as_slice(), b"alice"]
}
