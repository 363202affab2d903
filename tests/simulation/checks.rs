//! What has to hold in peace.

use std::collections::{BTreeMap, BTreeSet};

use subrosa::UserId;

use crate::dice::DAY;
use crate::world::World;

/// How much repair there may be between two devices on one day.
const EVERY_DAY: usize = 24;
const A_MESSAGE: usize = 4;

/// In how many days at the end there is nothing to carry any more.
const QUIET_DAYS: u64 = 5;

impl World {
    pub(crate) fn check_peace(&self) {
        self.check_messages();
        self.check_traffic();
        self.check_rest();
    }

    /// Every message was shown, or somebody was told.
    ///
    /// That nothing is shown twice is checked when it is shown: once on each disk. A disk
    /// that is restored begins with what its backup had; a copy with what the original had.
    /// So allowed is no more than this:
    ///
    /// - what was sent from a disk that was then restored over, or from a copy that ended,
    ///   may be lost without a word: nobody who could say so remembers it;
    /// - what was shown from such a disk counts as shown;
    /// - what came from somebody who was blocked is dropped unseen.
    fn check_messages(&self) {
        let nobody = Vec::new();
        for sender in &self.devices {
            let mut missing: BTreeMap<&UserId, Vec<_>> = BTreeMap::new();
            for (id, to) in &sender.database.promised {
                let receiver = self.devices.iter().find(|device| device.user == *to).unwrap();
                let gone = self.forgotten.get(to).unwrap_or(&nobody);
                let shown = receiver.database.shown.contains_key(id)
                    || gone.iter().any(|database| database.shown.contains_key(id));
                let blocked = self.blocked.contains(&(to.clone(), sender.user.clone()))
                    || self.blocked.contains(&(sender.user.clone(), to.clone()));
                if !shown && !sender.database.failed.contains(id) && !blocked {
                    missing.entry(to).or_default().push(id);
                }
            }
            for (to, missing) in missing {
                let receiver = self.devices.iter().find(|device| device.user == *to).unwrap();
                let told = receiver.database.lost.get(&sender.user).copied().unwrap_or(0);
                assert!(
                    told >= missing.len() as u64,
                    "seed {}: {} has not got {missing:?} of {}, and was told of {told} lost",
                    self.seed,
                    to,
                    sender.user,
                );
            }
        }
    }

    /// Repair is bounded: on any day with right clocks, a device sends another one at most
    /// [`EVERY_DAY`] envelopes that are no new messages, and [`A_MESSAGE`] for each message
    /// that the two ever wrote to each other (four sessions a day, in each of which
    /// everything without a receipt goes again, or a receipt for it comes back).
    ///
    /// What the app itself sends quietly does not count.
    pub(crate) fn check_traffic(&self) {
        let written = |from: &UserId, to: &UserId| -> usize {
            let lanes = self.traffic.iter().filter(|((a, b, _), _)| a == from && b == to);
            lanes.map(|(_, traffic)| traffic.messages).sum()
        };
        for ((from, to, day), traffic) in &self.traffic {
            if *day <= self.peace_on {
                continue;
            }
            let most = EVERY_DAY + A_MESSAGE * (written(from, to) + written(to, from));
            assert!(
                traffic.quiet <= traffic.by_app + most,
                "seed {}: {from} sends {to} {} envelopes of repair on day {day}, not {most}",
                self.seed,
                traffic.quiet - traffic.by_app,
            );
        }
    }

    /// Nothing moves any more.
    fn check_rest(&self) {
        let today = self.now.as_secs() / DAY.as_secs();
        for ((from, to, day), traffic) in &self.traffic {
            let all = traffic.messages + traffic.quiet;
            assert!(
                *day + QUIET_DAYS < today || all == 0,
                "seed {}: {from} sends {to} {all} envelopes on day {day} of {today}",
                self.seed
            );
        }
    }

    /// Whoever has talked can talk: at once, or if one of the two was restored or copied
    /// within two weeks. (Who was restored to a time before they met knows nothing of the
    /// other, and the other notices by its silence.)
    pub(crate) fn say_last_words(&mut self) {
        let count = self.devices.len();
        // And somebody with the last one, who may never have met.
        let mut pairs = BTreeSet::from([(0, count - 1), (count - 1, 0)]);
        for i in 0..count {
            for to in self.devices[i].database.promised.values() {
                let other = self.devices.iter().position(|device| device.user == *to).unwrap();
                pairs.extend([(i, other), (other, i)]);
            }
        }
        for (i, other) in pairs {
            let (one, to) = (self.devices[i].user.clone(), self.devices[other].user.clone());
            if self.blocks(i, &to) || self.blocks(other, &one) {
                continue;
            }
            let id = self.send(i, other).unwrap();
            let restored = [&one, &to].iter().any(|user| self.forgotten.contains_key(*user));
            for step in 0..if restored { 14 } else { 1 } {
                if step > 0 {
                    self.pass(DAY);
                }
                self.rest(step);
                if self.devices[other].database.shown.contains_key(&id) {
                    break;
                }
            }
            assert!(
                self.devices[other].database.shown.contains_key(&id),
                "seed {}: {one} cannot write to {to}",
                self.seed
            );
        }
    }
}
