//! What was said, where it is to be shown, and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use subrosa::{Content, Conversation, Message, MessageId};

use crate::who::Who;

/// Something that was said.
struct Said {
    by: Who,
    to: Conversation,
    digest: [u8; 32],
    /// How often each device's app was told, with just this content.
    shown: BTreeMap<Who, usize>,
    /// The author's app was told that it arrived.
    confirmed: bool,
    /// The author's app was told that for weeks there was no receipt.
    expired: bool,
}

impl Said {
    fn is_shown(&self) -> bool {
        self.shown.values().all(|times| *times > 0)
    }

    /// Whether somebody confirms it: nobody does in a group.
    fn has_receipts(&self) -> bool {
        matches!(self.to, Conversation::User(_))
    }

    /// Whether it is for Bob alone, and Alice does not know that he has it.
    fn may_still_go_to_bob(&self) -> bool {
        let to_bob = matches!(&self.to, Conversation::User(user) if user.as_bytes() == b"bob");
        to_bob && !self.confirmed
    }

    /// Where a device shows it.
    fn is_shown_in(&self, place: &Conversation, on: Who) -> bool {
        match &self.to {
            Conversation::User(_) if on.user() != self.by.user() => {
                let author = self.by.user().as_bytes();
                matches!(place, Conversation::User(user) if user.as_bytes() == author)
            }
            to => place == to,
        }
    }
}

/// All that was said.
#[derive(Default)]
pub(crate) struct Ledger(BTreeMap<MessageId, Said>);

/// What is to be true in the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) said: usize,
    /// How often all of it was to be shown, each on several devices.
    pub(crate) due: usize,
    /// How often something was shown where it should, and just once there.
    pub(crate) once: usize,
    /// How many of them were to be confirmed.
    pub(crate) receipts: usize,
    pub(crate) confirmed: usize,
    pub(crate) expired: usize,
}

impl Ledger {
    /// Something was said; all these devices have to show it.
    pub(crate) fn said(
        &mut self,
        id: MessageId,
        by: Who,
        (to, content): (&Conversation, &Content),
        audience: &[Who],
    ) {
        let said = Said {
            by,
            to: to.clone(),
            digest: digest(content),
            shown: audience.iter().map(|who| (*who, 0)).collect(),
            confirmed: false,
            expired: false,
        };
        self.0.insert(id, said);
    }

    /// A device shows this; whether it should, there and as the words of this author.
    pub(crate) fn shown(&mut self, message: &Message, by: Who, on: Who) -> bool {
        let Some(said) = self.0.get_mut(&message.id) else { return false };
        let genuine = said.by == by
            && said.digest == digest(&message.content)
            && said.is_shown_in(&message.conversation, on);
        // What nobody has confirmed goes to a device that was linked meanwhile, too.
        if genuine && on == Who::Laptop && said.may_still_go_to_bob() {
            said.shown.entry(on).or_insert(0);
        }
        match said.shown.get_mut(&on) {
            Some(times) if genuine => {
                *times += 1;
                true
            }
            _ => false,
        }
    }

    /// The author was told that this arrived; whether it was said.
    pub(crate) fn confirmed(&mut self, id: MessageId, by: Who) -> bool {
        let said = self.0.get_mut(&id).filter(|said| said.by == by);
        said.map(|said| said.confirmed = true).is_some()
    }

    /// The author was told that nobody knows whether this arrived; whether it was said.
    pub(crate) fn expired(&mut self, id: MessageId, by: Who) -> bool {
        let said = self.0.get_mut(&id).filter(|said| said.by == by);
        said.map(|said| said.expired = true).is_some()
    }

    /// Everything was shown everywhere.
    pub(crate) fn is_shown(&self) -> bool {
        self.0.values().all(Said::is_shown)
    }

    /// And everybody knows that it was.
    pub(crate) fn is_settled(&self) -> bool {
        self.0
            .values()
            .all(|said| said.is_shown() && (said.confirmed || said.expired || !said.has_receipts()))
    }

    /// Whose words in the group are not shown everywhere yet.
    pub(crate) fn unseen_in_group(&self) -> BTreeSet<Who> {
        let unseen = |said: &&Said| !said.has_receipts() && !said.is_shown();
        self.0.values().filter(unseen).map(|said| said.by).collect()
    }

    /// How much a device has shown.
    pub(crate) fn shown_on(&self, who: Who) -> usize {
        self.0.values().filter_map(|said| said.shown.get(&who)).sum()
    }

    /// What became of all that was said.
    pub(crate) fn outcome(&self) -> Outcome {
        let count = |which: &dyn Fn(&&Said) -> bool| self.0.values().filter(which).count();
        let times = || self.0.values().flat_map(|said| said.shown.values());
        Outcome {
            said: self.0.len(),
            due: times().count(),
            once: times().filter(|times| **times == 1).count(),
            receipts: count(&|said| said.has_receipts()),
            confirmed: count(&|said| said.confirmed),
            expired: count(&|said| said.expired && !said.confirmed),
        }
    }
}

fn digest(content: &Content) -> [u8; 32] {
    Sha256::digest(content.to_bytes()).into()
}
