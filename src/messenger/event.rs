//! What an app is told.

use super::groups::GroupChange;
use super::{Conversation, EventId};
use crate::address::{Address, DeviceId, UserId};
use crate::content::{Content, Kind, Reference, Typing};
use crate::group::{ChangeId, GroupId};
use crate::identity::{AccountKey, Emoji};
use crate::timestamp::Timestamp;
use crate::wire::MessageId;

/// Something that happened. It comes again, with the same id, until
/// [`events_done`](super::Messenger::events_done).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event {
    /// What names it, for ever.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EventKind {
    /// Somebody with whom we talk has written.
    Message(Message),
    /// A stranger has written: show it as a request, answer with
    /// [`accept`](super::Messenger::accept) or [`block`](super::Messenger::block).
    Request(Message),
    /// We have written this on another of our devices: show it, never answer it.
    OwnMessage(Message),
    /// Somebody with whom we talk is typing, or has stopped. Old news is not told.
    Typing {
        /// Who.
        user: UserId,
        /// Whether it began or ended.
        typing: Typing,
    },
    /// We have read these on another of our devices, where the app said so by
    /// [`mark_read`](super::Messenger::mark_read). Of one that has not come yet it is told
    /// again when it does.
    ReadElsewhere {
        /// Who wrote them.
        author: UserId,
        /// Which.
        messages: Vec<MessageId>,
    },
    /// The time of a message that disappears is up: delete it, and what was made of it.
    Disappeared {
        /// Who wrote it; perhaps we.
        author: UserId,
        /// Which: perhaps one that was never told.
        message: MessageId,
    },
    /// What became of a message of ours.
    Status {
        /// Which.
        message: MessageId,
        /// Where it was sent.
        conversation: Conversation,
        /// What became of it.
        status: Status,
    },
    /// Messages that were sent to us will never come: repair has given up.
    Lost {
        /// From which device.
        from: Address,
        /// How many.
        count: u64,
    },
    /// A user comes with another account key. Under the usual policy nothing is sent to
    /// them until [`accept_identity`](super::Messenger::accept_identity).
    IdentityChanged {
        /// Who.
        user: UserId,
        /// The new key.
        key: AccountKey,
        /// The number of the old one had been compared.
        was_verified: bool,
    },
    /// A user's account key has signed two device lists that exclude each other: the
    /// account is in two hands. Nothing is sent to them any more.
    Equivocation {
        /// Who.
        user: UserId,
    },
    /// A user's devices have changed (ours too).
    DevicesChanged {
        /// Whose.
        user: UserId,
        /// What is new.
        added: Vec<DeviceId>,
        /// What is gone.
        removed: Vec<DeviceId>,
    },
    /// A device keeps falling back to an old state: it was restored from a backup that is
    /// not one, or there are two of it.
    DeviceRestored {
        /// Which device.
        device: Address,
    },
    /// This store was restored from a backup, or copied: sessions and prekeys have been
    /// made anew.
    Restored,
    /// Somebody has added us to a group. If we talk with them, we take part; else it is a
    /// request: answer with [`accept`](super::Messenger::accept) or
    /// [`block`](super::Messenger::block).
    Invited {
        /// To which.
        group: GroupId,
        /// By whom.
        by: UserId,
    },
    /// A group is another than it was; what this device did is not told.
    GroupChanged {
        /// Which.
        group: GroupId,
        /// Who did it. `None`: nobody. It is so because something that somebody did counts
        /// no longer (he had no right to it any more), or counts again: people whom he had
        /// added drop out, and whom he had removed are back.
        by: Option<UserId>,
        /// What.
        change: GroupChange,
    },
    /// What somebody did to a group counts no longer. If he still wants it, and may, he does
    /// it again.
    Voided {
        /// In which.
        group: GroupId,
        /// Who had done it.
        by: UserId,
        /// What, by [`Roster::change`](crate::group::Roster::change).
        change: ChangeId,
    },
    /// The owner of a group has sealed it twice: he lies, or his device was restored from a
    /// copy. If none of the two is followed, the group stands still until
    /// [`follow_seal`](super::Messenger::follow_seal).
    TwoSeals {
        /// In which.
        group: GroupId,
        /// The seal that is followed; `None`: a person has to choose.
        followed: Option<ChangeId>,
        /// Another one.
        other: ChangeId,
    },
    /// A user is a member of a group under another account key than the one that is known,
    /// or under two: whoever added them may have added somebody else.
    TwoKeys {
        /// Of which.
        group: GroupId,
        /// Who.
        user: UserId,
    },
    /// Somebody could not be added to a group: there is no such user, or we may not (any
    /// more).
    NotAdded {
        /// To which.
        group: GroupId,
        /// Whom.
        user: UserId,
    },
    /// Show these to the user, who asks the other person whether they see the same: answer
    /// with [`confirm_emoji`](super::Messenger::confirm_emoji) or
    /// [`cancel_emoji`](super::Messenger::cancel_emoji). Newer ones of the same person take
    /// the place of older ones.
    CompareEmoji {
        /// With whom.
        user: UserId,
        /// What both should see.
        emoji: Emoji,
    },
    /// Both people have compared emoji: the account is verified.
    Verified {
        /// Whose.
        user: UserId,
    },
    /// A comparison of emoji has ended, and nothing was verified.
    EmojiEnded {
        /// With whom.
        user: UserId,
        /// Why.
        reason: EmojiEnd,
    },
    /// A device was linked, and there never was a [`backup`](super::Messenger::backup):
    /// without one, losing this device is losing the account.
    NoBackup,
}

/// Why a comparison of emoji has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmojiEnd {
    /// They do not go on, or have seen other emoji.
    Cancelled,
    /// It has taken longer than ten minutes.
    Expired,
    /// What their device said does not fit together: somebody may sit in between.
    Mismatch,
    /// Their account key has changed meanwhile.
    IdentityChanged,
}

/// What became of a message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Every envelope of it has been carried.
    Sent,
    /// A device of this user has it.
    Delivered(UserId),
    /// This user has read it.
    Read(UserId),
    /// This user has opened what is attached to it: heard it, or seen it in full.
    Viewed(UserId),
    /// It waits: this user's identity has changed.
    Held(UserId),
    /// It is given up.
    Failed(UserId, FailReason),
}

/// Why a message was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailReason {
    /// There is no such user.
    NoSuchUser,
    /// The other end does not take it.
    Refused,
    /// For weeks there was no receipt, or none before it disappeared: it is not known to
    /// have arrived.
    Expired,
}

/// Something that was said.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Message {
    /// What names it, for ever; made by its author.
    pub id: MessageId,
    /// Where it was said.
    pub conversation: Conversation,
    /// Who said it, as the keys prove.
    pub from: UserId,
    /// On which device.
    pub device: Address,
    /// When, by the author's clock.
    pub sent_at: Timestamp,
    /// That is more than a day from now: their clock is wrong, or they want to stand behind
    /// all that others say. Show it where it came in; do not let it outrank what is newer.
    pub from_the_future: bool,
    /// What.
    pub content: Content,
}

impl Message {
    /// What names it.
    #[must_use]
    pub fn name(&self) -> Reference {
        Reference::new(self.from.clone(), self.id)
    }

    /// The message that an edit, a deletion, a reaction, a vote or the end of a poll is
    /// about: of the first two and the last always one of the same author's. Whether there
    /// is such a message, and it was said in this conversation, is for the app to know.
    #[must_use]
    pub fn about(&self) -> Option<Reference> {
        let own = |message| Some(Reference::new(self.from.clone(), message));
        match self.content.kind() {
            Kind::Edit(edit) => own(edit.message()),
            Kind::Delete(message) => own(*message),
            Kind::Closing(closing) => own(closing.message()),
            Kind::Reaction(reaction) => Some(reaction.to().clone()),
            Kind::Vote(vote) => Some(vote.poll().clone()),
            _ => None,
        }
    }
}
