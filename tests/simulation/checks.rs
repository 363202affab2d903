//! What has to hold in peace.

use std::collections::{BTreeMap, BTreeSet};

use subrosa::{Address, Consent, DeviceId, MessageId, UserId};

use crate::account::Promise;
use crate::dice::DAY;
use crate::process::Device;
use crate::world::World;

/// How much repair there may be between two devices on one day.
const EVERY_DAY: usize = 24;
const A_MESSAGE: usize = 5;

/// In how many days at the end there is nothing to carry any more.
const QUIET_DAYS: u64 = 5;

/// In how many days two devices find each other again if one of them was restored.
pub(crate) const RESTORED_WITHIN: usize = 14;

/// Messages, by the device that has not got them.
pub(crate) type Missing<'a> = BTreeMap<Address, Vec<&'a MessageId>>;

impl World {
    pub(crate) fn check_peace(&self) {
        self.check_messages();
        self.check_what_was_said();
        self.check_outsiders();
        self.check_traffic();
        self.check_rest();
    }

    /// Every message was shown, or somebody was told.
    ///
    /// It has to be shown on each device of its receiver that its sender knew, as
    /// [`Promise`] says, and on each other device of the sender: there as its own. Nothing
    /// is required of a device that was taken off, neither of what it sent nor of what was
    /// sent to it: who takes it off has decided that.
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
        for sender in self.devices.iter().filter(|device| self.is_listed(device)) {
            self.check_who_was_told(sender, self.missing_of(sender));
        }
    }

    /// What a device has sent and others have not shown, by where it is missing.
    pub(crate) fn missing_of<'a>(&'a self, sender: &'a Device) -> Missing<'a> {
        let mut missing = Missing::new();
        for (id, promise) in &sender.database.promised {
            let (from, to) = (&sender.address.user, &promise.to);
            if self.have_blocked(from, to) {
                continue;
            }
            let failed = sender.database.failed.contains(id);
            for address in self.lacking(sender, *id, promise) {
                // A note to oneself that failed, failed on one's own devices.
                if !(failed && address.user == *to) {
                    missing.entry(address).or_default().push(id);
                }
            }
        }
        missing
    }

    /// Whoever has not got something was told that as much is lost.
    pub(crate) fn check_who_was_told(&self, sender: &Device, missing: Missing<'_>) {
        for (to, missing) in missing {
            let told = self.at(&to).database.lost.get(&sender.address).copied().unwrap_or(0);
            assert!(
                told >= missing.len() as u64,
                "seed {}: {to} has not got {missing:?} of {}, and was told of {told} lost",
                self.seed,
                sender.address,
            );
        }
    }

    /// Whether one of the two has ever blocked the other.
    pub(crate) fn have_blocked(&self, one: &UserId, other: &UserId) -> bool {
        self.blocked.contains(&(one.clone(), other.clone()))
            || self.blocked.contains(&(other.clone(), one.clone()))
    }

    /// The devices that have not shown what they should have.
    pub(crate) fn lacking(
        &self,
        sender: &Device,
        id: MessageId,
        promise: &Promise,
    ) -> Vec<Address> {
        let Promise { to, devices, own_devices } = promise;
        let all: Vec<_> = self.listed(self.account_of(to)).iter().copied().collect();
        let receivers = self.still_listed(to, devices.as_ref().unwrap_or(&all));
        let mut lacking: Vec<_> = receivers.filter(|to| !self.has_shown(to, id)).collect();
        let others = self.still_listed(&sender.address.user, own_devices);
        lacking.extend(others.filter(|to| !self.has_shown_as_own(to, id)));
        lacking
    }

    fn still_listed(&self, user: &UserId, devices: &[DeviceId]) -> impl Iterator<Item = Address> {
        let listed = self.listed(self.account_of(user));
        let devices = devices.iter().copied().filter(|device| listed.contains(device));
        devices.map(|device| Address { user: user.clone(), device })
    }

    pub(crate) fn at(&self, address: &Address) -> &Device {
        self.devices.iter().find(|device| device.address == *address).unwrap()
    }

    pub(crate) fn has_shown(&self, address: &Address, id: MessageId) -> bool {
        let gone = self.forgotten.get(address).into_iter().flatten();
        gone.chain([&self.at(address).database]).any(|database| database.shown.contains_key(&id))
    }

    fn has_shown_as_own(&self, address: &Address, id: MessageId) -> bool {
        let gone = self.forgotten.get(address).into_iter().flatten();
        gone.chain([&self.at(address).database]).any(|database| database.own_shown.contains(&id))
    }

    /// Repair is bounded: on any day with right clocks, a device sends another one at most
    /// [`EVERY_DAY`] envelopes that are no new messages, and [`A_MESSAGE`] for each message
    /// that the two ever wrote to each other: four sessions a day, in each of which
    /// everything without a receipt goes again, or a receipt for it comes back; and what
    /// goes again on that day because it has no receipt after 48 hours or 8 days. Between
    /// devices of one person messages are quiet themselves, so there is one more of each.
    ///
    /// What the app itself sends quietly does not count.
    pub(crate) fn check_traffic(&self) {
        let mut alerts: BTreeMap<(&Address, &Address), usize> = BTreeMap::new();
        for ((from, to, _), traffic) in &self.traffic {
            *alerts.entry((from, to)).or_default() += traffic.messages;
        }
        let written = |from: &Address, to: &Address| -> usize {
            match from.user == to.user {
                true => self.said_to_own.get(from).copied().unwrap_or(0),
                false => alerts.get(&(from, to)).copied().unwrap_or(0),
            }
        };
        for ((from, to, day), traffic) in &self.traffic {
            if *day <= self.peace_on {
                continue;
            }
            let messages = written(from, to) + written(to, from) + self.groups.acts;
            let first = if from.user == to.user { written(from, to) } else { 0 };
            let most = EVERY_DAY + A_MESSAGE * messages + first;
            assert!(
                traffic.quiet <= traffic.by_app + most,
                "seed {}: {from} sends {to} {} envelopes of repair on day {day}, not {most}",
                self.seed,
                traffic.quiet - traffic.by_app,
            );
        }
    }

    /// Nothing moves any more, and nobody waits to be linked who could be.
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
        for account in 0..self.accounts.len() {
            let waits = self.waits_to_be_linked(account);
            assert!(!waits, "seed {}: {account} waits to link a device", self.seed);
        }
    }

    /// Whoever has talked can talk: at once, or if one of the two was restored or copied
    /// within two weeks. (Who was restored to a time before they met knows nothing of the
    /// other, and the other notices by its silence.)
    ///
    /// The first message goes to the devices that its sender knows, and shows on both sides
    /// who knows an old list; by the second everybody knows the newest.
    pub(crate) fn say_last_words(&mut self) {
        let count = self.accounts.len();
        // And somebody with the last one, who may never have met.
        let mut pairs = BTreeSet::from([(0, count - 1), (count - 1, 0)]);
        for i in 0..self.devices.len() {
            let account = self.devices[i].account;
            for Promise { to, .. } in self.devices[i].database.promised.values() {
                let other = self.account_of(to);
                pairs.extend([(account, other), (other, account)]);
            }
        }
        pairs.extend((0..count).map(|account| (account, account)));
        for newest_list in [false, true] {
            let mut late = Vec::new();
            for (account, other) in &pairs {
                for i in self.listed_devices(*account) {
                    late.extend(self.say_last_word(i, *other, newest_list));
                }
            }
            for step in 0..RESTORED_WITHIN {
                late.retain(|(i, id)| !self.is_shown_by_all(*i, *id));
                if late.is_empty() {
                    break;
                }
                self.pass(DAY);
                self.rest(step);
            }
            late.retain(|(i, id)| !self.is_shown_by_all(*i, *id));
            assert!(late.is_empty(), "seed {}: not shown everywhere: {late:?}", self.seed);
        }
    }

    /// A device says something; gives it if it may take its time.
    fn say_last_word(
        &mut self,
        i: usize,
        other: usize,
        newest_list: bool,
    ) -> Option<(usize, MessageId)> {
        let (one, to) = (self.devices[i].address.clone(), self.user(other));
        let receivers = self.listed_devices(other);
        if self.blocks(i, &to) || receivers.iter().any(|d| self.blocks(*d, &one.user)) {
            return None;
        }
        let id = self.send(i, other)?;
        // Who is not accepted hears nothing of further devices (SPEC.md, section 3.4): what
        // they have not seen goes to them when he is.
        let consents = |d: &usize| self.contact(*d, &one.user).consent == Consent::Accepted;
        if newest_list && one.user != to && receivers.iter().all(consents) {
            let devices: Vec<_> = self.listed(other).iter().copied().collect();
            self.devices[i].database.promised.get_mut(&id).unwrap().devices = Some(devices);
        }
        self.rest(0);
        if self.is_shown_by_all(i, id) {
            return None;
        }
        let mut concerned = [receivers, self.listed_devices(self.devices[i].account)].concat();
        concerned.retain(|i| self.forgotten.contains_key(&self.devices[*i].address));
        assert!(!concerned.is_empty(), "seed {}: {one} cannot write to {to}", self.seed);
        Some((i, id))
    }

    fn is_shown_by_all(&self, i: usize, id: MessageId) -> bool {
        let sender = &self.devices[i];
        self.lacking(sender, id, &sender.database.promised[&id]).is_empty()
    }
}
