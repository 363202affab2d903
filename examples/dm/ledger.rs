//! What was said, where it is to be shown, and what became of it.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use subrosa::MessageId;

use crate::who::Who;

/// Something that was said.
struct Said {
    by: Who,
    digest: [u8; 32],
    /// How often each device's app was told, with just these words.
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
    pub(crate) confirmed: usize,
    pub(crate) expired: usize,
}

impl Ledger {
    /// Something was said; all these devices have to show it.
    pub(crate) fn said(&mut self, id: MessageId, by: Who, text: &str, audience: &[Who]) {
        let said = Said {
            by,
            digest: Sha256::digest(text).into(),
            shown: audience.iter().map(|who| (*who, 0)).collect(),
            confirmed: false,
            expired: false,
        };
        self.0.insert(id, said);
    }

    /// A device shows this; whether it should, as the words of this author.
    pub(crate) fn shown(&mut self, id: MessageId, by: Who, text: &str, on: Who) -> bool {
        let Some(said) = self.0.get_mut(&id) else { return false };
        let genuine = said.by == by && said.digest == <[u8; 32]>::from(Sha256::digest(text));
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
        self.0.values().all(|said| said.is_shown() && (said.confirmed || said.expired))
    }

    /// What became of all that was said.
    pub(crate) fn outcome(&self) -> Outcome {
        let count = |which: &dyn Fn(&&Said) -> bool| self.0.values().filter(which).count();
        let times = || self.0.values().flat_map(|said| said.shown.values());
        Outcome {
            said: self.0.len(),
            due: times().count(),
            once: times().filter(|times| **times == 1).count(),
            confirmed: count(&|said| said.confirmed),
            expired: count(&|said| said.expired && !said.confirmed),
        }
    }
}
