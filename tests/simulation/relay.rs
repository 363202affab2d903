//! Mailboxes: they lose, repeat, reorder and delay, until peace comes.

use std::collections::BTreeMap;
use std::time::Duration;

use subrosa::{Address, Timestamp};

use crate::dice::Dice;

/// A piece of mail.
#[derive(Clone)]
pub(crate) struct Mail {
    pub(crate) from: Address,
    pub(crate) envelope: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct Relay {
    /// By address, when it arrives and how many were sent before it.
    mailboxes: BTreeMap<Address, BTreeMap<(Timestamp, u64), Mail>>,
    sent: u64,
    /// Of a thousand envelopes, how many are lost and how many come twice.
    pub(crate) lost: usize,
    pub(crate) twice: usize,
}

impl Relay {
    /// Takes an envelope for a mailbox.
    pub(crate) fn carry(&mut self, to: &Address, mail: &Mail, now: Timestamp, dice: &mut Dice) {
        let peace = self.lost == 0 && self.twice == 0;
        if dice.happens(self.lost) {
            return;
        }
        for _ in 0..1 + usize::from(dice.happens(self.twice)) {
            let delay = if peace { Duration::ZERO } else { dice.delay() };
            self.sent += 1;
            let mailbox = self.mailboxes.entry(to.clone()).or_default();
            mailbox.insert((now.after(delay), self.sent), mail.clone());
        }
    }

    /// The mail that has arrived, with what names it here.
    pub(crate) fn arrived(&self, at: &Address, now: Timestamp) -> Vec<((Timestamp, u64), Mail)> {
        let Some(mailbox) = self.mailboxes.get(at) else { return Vec::new() };
        let mail = mailbox.range(..=(now, u64::MAX));
        mail.map(|(key, mail)| (*key, mail.clone())).collect()
    }

    pub(crate) fn delete(&mut self, at: &Address, key: (Timestamp, u64)) {
        self.mailboxes.get_mut(at).unwrap().remove(&key);
    }

    /// From now on all mail arrives, what is under way within a day.
    pub(crate) fn peace(&mut self, now: Timestamp) {
        (self.lost, self.twice) = (0, 0);
        for mailbox in self.mailboxes.values_mut() {
            let mail = std::mem::take(mailbox).into_iter();
            mailbox.extend(mail.map(|((at, number), mail)| ((at.min(now), number), mail)));
        }
    }
}
