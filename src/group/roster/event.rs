//! What is told of a group: what changed, and by whom.

use super::{ChangeId, Member, Refused, Role, Setting};
use crate::address::UserId;

/// What has changed in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RosterEvent {
    /// Somebody's role is another. Who is no member any more must get no further message:
    /// rotate the sender key.
    Role {
        /// Whose.
        member: Member,
        /// What he was; `None`: not a member.
        before: Option<Role>,
        /// What he is.
        now: Option<Role>,
        /// Who did it; `None`: nobody. It is so because something else counts no longer, or
        /// again.
        by: Option<Member>,
    },
    /// A setting is another.
    Setting {
        /// Its new value.
        setting: Setting,
        /// Who did it; `None` as above.
        by: Option<Member>,
    },
    /// A change counted and does no longer. If it was this user's, he may want it again.
    Voided {
        /// The change.
        change: ChangeId,
        /// Whose it was.
        author: Member,
    },
    /// A change that did not count does so (again).
    Restored {
        /// The change.
        change: ChangeId,
        /// Whose it is.
        author: Member,
    },
    /// The owner has sealed: what came before is closed.
    Sealed {
        /// The seal.
        seal: ChangeId,
        /// The owner from now on.
        owner: Member,
    },
    /// The owner has sealed something else than what the changes amount to; it stands.
    RosterDiffers {
        /// The seal.
        seal: ChangeId,
    },
    /// An owner has made two seals that exclude each other: he lies, or his device was
    /// restored from a copy.
    TwoSeals {
        /// The one that is followed; `None`: a person has to choose.
        followed: Option<ChangeId>,
        /// One that is not followed.
        other: ChangeId,
    },
    /// One user is a member under two account keys.
    TwoKeys {
        /// The user.
        user: UserId,
    },
}

/// Why a group stands still: nothing can be sent in it, nor changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// There are two seals of one owner; see [`Roster::follow`](super::Roster::follow).
    TwoSeals {
        /// Those that a person can choose from.
        seals: Vec<ChangeId>,
    },
    /// The owner has sealed a roster that is not what the changes amount to, and it is not
    /// known yet: ask for it.
    RosterMissing {
        /// The seal.
        seal: ChangeId,
    },
}

/// What became of an update.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Changes that are new here and valid.
    pub accepted: Vec<ChangeId>,
    /// Changes that were refused, and why.
    pub refused: Vec<(ChangeId, Refused)>,
    /// How many changes wait for something that they name: see
    /// [`Roster::ask`](super::Roster::ask).
    pub held: usize,
    /// What has changed.
    pub events: Vec<RosterEvent>,
}

impl Inserted {
    /// Adds what became of what was inserted after it.
    pub(crate) fn append(&mut self, next: Self) {
        let Self { accepted, refused, held, events } = next;
        self.accepted.extend(accepted);
        self.refused.extend(refused);
        self.events.extend(events);
        self.held = held;
    }
}
