//! What is missing is asked for; a session that no longer opens is replaced. Bounded, and
//! driven only by what is authenticated (SPEC.md, section 11).

use std::collections::BTreeSet;
use std::time::Duration;

use super::daily::DAY;
use super::due::Job;
use super::happening::Happening;
use super::health::{
    Noted, envelope_name, forget_name, name_of, note_name, note_repair_day, restored_often,
};
use super::work::Work;
use super::{Error, table};
use crate::address::{Address, UserId};
use crate::session::DecryptError;
use crate::timestamp::Timestamp;
use crate::wire::stored::messenger::{AskedGap, PeerHealth};
use crate::wire::{Control, Envelope, NotOpened, NumberRange};

pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
/// After what time a gap is asked for, and then each time again; after the last it is lost.
///
/// An hour for what was only late, then ever longer, a month in all: as long as the peer
/// keeps what it sent.
pub(super) const ASKED_AFTER: [Duration; 8] = [
    HOUR,
    Duration::from_secs(4 * 60 * 60),
    DAY,
    Duration::from_secs(3 * 24 * 60 * 60),
    Duration::from_secs(7 * 24 * 60 * 60),
    Duration::from_secs(7 * 24 * 60 * 60),
    Duration::from_secs(7 * 24 * 60 * 60),
    Duration::from_secs(7 * 24 * 60 * 60),
];

/// The longest of these.
const LONGEST_WAIT: Duration = ASKED_AFTER[7];

/// How many different envelopes of a session do not open before it counts as broken.
///
/// One or two are damage on the way; the genuine ones still come.
const BROKEN_AFTER: usize = 3;

/// How many sessions are begun with a device to repair one, an hour and a day.
const BEGUN_AN_HOUR: usize = 1;
const BEGUN_A_DAY: usize = 4;

/// How many asks and notices go to a device an hour.
const ASKED_AN_HOUR: usize = 10;

/// How many ranges, names or ephemeral keys fit the smallest envelope.
pub(super) const RANGES_A_MESSAGE: usize = 7;
const NAMES_A_MESSAGE: usize = 10;
const KEYS_A_MESSAGE: usize = 5;

/// Why another session is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// What the peer sends does not open, or it fell back to an old state.
    Broken,
    /// Nothing came back for days.
    Silent,
}

impl Work<'_> {
    fn repair_at(&mut self, address: &Address, at: Timestamp) -> Result<(), Error> {
        self.set_due(Job::Repair, &table::of_device(address, &[]), at)
    }

    /// Numbers of a device's messages are missing.
    pub(super) fn gap_noticed(&mut self, address: &Address) -> Result<(), Error> {
        let mut health = self.health(address)?.unwrap_or_default();
        self.match_gaps(address, &mut health)?;
        self.save_health(address, &health);
        self.repair_at(address, self.now.after(ASKED_AFTER[0]))
    }

    /// Makes what is asked for the same as what is missing.
    fn match_gaps(&mut self, address: &Address, health: &mut PeerHealth) -> Result<(), Error> {
        let peer = self.peer(address)?;
        let missing: Vec<_> = peer.gaps().collect();
        self.keep_peer(peer);
        let mut gaps = Vec::with_capacity(missing.len());
        for range in missing {
            let (first, last) = range.into_inner();
            // What was asked for before, and is smaller now, keeps its times.
            let known = health.gaps.iter().find(|gap| gap.first <= first && last <= gap.last);
            gaps.push(known.map_or_else(
                || AskedGap {
                    first,
                    last,
                    noticed_at: self.now.as_millis(),
                    ask_at: self.now.after(ASKED_AFTER[0]).as_millis(),
                    times: 0,
                },
                |known| AskedGap { first, last, ..*known },
            ));
        }
        health.gaps = gaps;
        Ok(())
    }

    /// An envelope has the tag of a session with this device, and does not open.
    pub(super) fn did_not_open(
        &mut self,
        address: &Address,
        envelope: &Envelope,
        error: DecryptError,
    ) -> Result<(), Error> {
        let mut health = self.health(address)?.unwrap_or_default();
        note_name(&mut health, envelope, Noted::NotOpened, self.now);
        self.save_health(address, &health);
        match error {
            DecryptError::PeerRolledBack => {
                self.peer_fell_back(address)?;
                self.session_is_broken(address)
            }
            DecryptError::TooFarAhead => self.session_is_broken(address),
            // A damaged copy; or, if more follow, a session that is no longer the same.
            DecryptError::NotOpened => self.repair_at(address, self.now.after(HOUR)),
            // Its number is missing, and so asked for.
            _ => Ok(()),
        }
    }

    /// An envelope has opened that may have failed before.
    pub(super) fn opened_after_all(
        &mut self,
        address: &Address,
        envelope: &Envelope,
    ) -> Result<(), Error> {
        let Some(mut health) = self.health(address)? else { return Ok(()) };
        // The tag alone: a damaged copy has another salt.
        let name = name_of(envelope);
        let tag = name.get(..8).unwrap_or_default();
        let PeerHealth { not_opened, not_opened_at, unknown, unknown_at, .. } = &mut health;
        let mut known = forget_name(not_opened, not_opened_at, tag);
        known |= forget_name(unknown, unknown_at, tag);
        if let Envelope::FirstMessage { handshake, message: _ } = envelope {
            let PeerHealth { ephemerals, ephemerals_at, .. } = &mut health;
            known |= forget_name(ephemerals, ephemerals_at, handshake.ephemeral());
        }
        if known {
            self.save_health(address, &health);
        }
        Ok(())
    }

    /// An envelope that nobody knows, from whom the transport believes it to be from: named
    /// to that user's devices after a while.
    pub(super) fn unknown_from(
        &mut self,
        claimed_from: Option<&UserId>,
        envelope: &Envelope,
    ) -> Result<(), Error> {
        let Some(user) = claimed_from else { return Ok(()) };
        if !self.talks(user)? {
            return Ok(());
        }
        for address in self.peers_of(user)? {
            let mut health = self.health(&address)?.unwrap_or_default();
            note_name(&mut health, envelope, Noted::Unknown, self.now);
            let often = restored_often(&health, self.now);
            self.save_health(&address, &health);
            // Jittered, so that a server cannot make many devices speak at once.
            let jitter = Duration::from_secs(u64::from(u16::from_be_bytes(self.random())) / 4);
            let wait = if often { 7 * DAY } else { DAY };
            self.repair_at(&address, self.now.after(wait + jitter))?;
        }
        Ok(())
    }

    /// A device used a number again: it runs on an old state.
    pub(super) fn peer_fell_back(&mut self, address: &Address) -> Result<(), Error> {
        let mut health = self.health(address)?.unwrap_or_default();
        let tell = note_repair_day(&mut health, self.now);
        self.save_health(address, &health);
        if tell {
            self.tell(Happening::DeviceRestored(address.clone()));
        }
        self.may_have_forgotten_groups(address)
    }

    /// A session with this device is not the same on both sides: another one is begun.
    pub(super) fn session_is_broken(&mut self, address: &Address) -> Result<(), Error> {
        if !self.talks(&address.user)? {
            return Ok(());
        }
        let mut health = self.health(address)?.unwrap_or_default();
        let tell = note_repair_day(&mut health, self.now);
        self.save_health(address, &health);
        if tell {
            self.tell(Happening::DeviceRestored(address.clone()));
        }
        self.begin_again_for(address, Reason::Broken)
    }

    /// Whether another session may be begun now; if not, it is put off.
    pub(super) fn may_begin(&mut self, address: &Address, reason: Reason) -> Result<bool, Error> {
        let mut health = self.health(address)?.unwrap_or_default();
        health.begun_at.retain(|at| self.now.apart(Timestamp::from_millis(*at)) < DAY);
        let within = |span| {
            let recent = |at: &&u64| self.now.apart(Timestamp::from_millis(**at)) < span;
            health.begun_at.iter().filter(recent).count()
        };
        let may = within(HOUR) < BEGUN_AN_HOUR && within(DAY) < BEGUN_A_DAY;
        if may {
            health.begun_at.push(self.now.as_millis());
            health.begin_later = false;
        } else if reason == Reason::Broken {
            health.begin_later = true;
            self.repair_at(address, self.now.after(HOUR))?;
        }
        self.save_health(address, &health);
        Ok(may)
    }

    /// A session was begun to repair one: says what is missing, and sends again what has no
    /// receipt.
    pub(super) fn has_begun_again(&mut self, address: &Address) -> Result<(), Error> {
        self.may_have_forgotten_groups(address)?;
        let mut spoken = self.name_not_opened(address)?;
        let log = self.log_of(address)?;
        for (seq, entry) in log {
            spoken |= self.send_again(address, seq, entry)?;
        }
        if !spoken {
            // Else the other side would not hear of the session.
            self.send_control(address, Control::SignOfLife)?;
        }
        Ok(())
    }

    /// Names what did not open, in the session that works.
    fn name_not_opened(&mut self, address: &Address) -> Result<bool, Error> {
        let Some(mut health) = self.health(address)? else { return Ok(false) };
        let mut names = std::mem::take(&mut health.not_opened);
        names.append(&mut health.unknown);
        if names.is_empty() && health.ephemerals.is_empty() {
            return Ok(false);
        }
        let names: Vec<_> = names.iter().filter_map(|name| envelope_name(name)).collect();
        health.not_opened_at.clear();
        health.unknown_at.clear();
        health.ephemerals_at.clear();
        let ephemerals: Vec<[u8; 32]> = std::mem::take(&mut health.ephemerals)
            .iter()
            .filter_map(|key| key.as_slice().try_into().ok())
            .collect();
        self.save_health(address, &health);
        let mut spoken = false;
        for names in names.chunks(NAMES_A_MESSAGE) {
            let named = NotOpened { names: names.to_vec(), ephemerals: Vec::new() };
            spoken |= self.send_control(address, Control::NotOpened(named))?;
        }
        for ephemerals in ephemerals.chunks(KEYS_A_MESSAGE) {
            let named = NotOpened { names: Vec::new(), ephemerals: ephemerals.to_vec() };
            spoken |= self.send_control(address, Control::NotOpened(named))?;
        }
        Ok(spoken)
    }

    /// Envelopes that nobody knew are a day old: names them. If nothing comes back, neither
    /// side knows the other's session.
    fn ask_after_unknown(&mut self, address: &Address) -> Result<(), Error> {
        if self.gives_no_sign(address, DAY)? || !self.name_not_opened(address)? {
            return self.begin_again_for(address, Reason::Broken);
        }
        Ok(())
    }

    /// Asks for what is missing; begins again what is broken.
    pub(super) fn look_after_repair(&mut self, address: &Address) -> Result<(), Error> {
        if !self.talks(&address.user)? {
            return Ok(());
        }
        let mut health = self.health(address)?.unwrap_or_default();
        let old: BTreeSet<_> = (health.not_opened.iter().zip(&health.not_opened_at))
            .filter(|(_, at)| self.now.apart(Timestamp::from_millis(**at)) >= HOUR)
            .filter_map(|(name, _)| name.get(..8).map(<[u8]>::to_vec))
            .collect();
        let broken = old.len() >= BROKEN_AFTER || health.begin_later;
        let day_old = health.not_opened_at.iter().chain(&health.unknown_at);
        let day_old = day_old
            .chain(&health.ephemerals_at)
            .copied()
            .any(|at| self.now.apart(Timestamp::from_millis(at)) >= DAY);
        self.match_gaps(address, &mut health)?;
        let (mut ask, mut lost) = (Vec::new(), Vec::new());
        let mut next: Option<u64> = None;
        let asked_at = &mut health.asked_at;
        asked_at.retain(|at| self.now.apart(Timestamp::from_millis(*at)) < HOUR);
        let may_ask = asked_at.len() < ASKED_AN_HOUR;
        for gap in &mut health.gaps {
            if gap.ask_at > self.now.after(LONGEST_WAIT).as_millis() {
                // Put off while the clock was ahead.
                gap.ask_at = self.now.as_millis();
            }
            if gap.ask_at <= self.now.as_millis() && may_ask && ask.len() < RANGES_A_MESSAGE {
                let times = usize::try_from(gap.times).unwrap_or(usize::MAX);
                match ASKED_AFTER.get(times + 1) {
                    Some(wait) => {
                        ask.push((gap.first, gap.last));
                        gap.ask_at = self.now.after(*wait).as_millis();
                        gap.times = gap.times.saturating_add(1);
                    }
                    None => lost.push((gap.first, gap.last)),
                }
            }
            next = Some(next.map_or(gap.ask_at, |next| next.min(gap.ask_at)));
        }
        if !ask.is_empty() {
            health.asked_at.push(self.now.as_millis());
        }
        self.save_health(address, &health);
        if !ask.is_empty() {
            self.send_control(address, Control::Ask(ranges(&ask)))?;
        }
        self.are_lost(address, &ranges(&lost))?;
        if let Some(next) = next {
            let soon = self.now.after(Duration::from_secs(60));
            self.repair_at(address, Timestamp::from_millis(next).max(soon))?;
        }
        if broken {
            return self.session_is_broken(address);
        }
        if day_old {
            return self.ask_after_unknown(address);
        }
        Ok(())
    }

    /// These will never come.
    fn are_lost(&mut self, address: &Address, ranges: &[NumberRange]) -> Result<(), Error> {
        let mut count: u64 = 0;
        for (first, last) in ranges.iter().map(|range| (range.first(), range.last())) {
            let mut peer = self.peer(address)?;
            let missing = peer.gaps().map(|gap| {
                let (from, to) = ((*gap.start()).max(first), (*gap.end()).min(last));
                if from <= to { (to - from).saturating_add(1) } else { 0 }
            });
            count = missing.fold(count, u64::saturating_add);
            let step = peer.close_gap(first..=last);
            self.save_step(&peer, step)?;
            self.keep_peer(peer);
        }
        if count > 0 {
            self.tell(Happening::Lost { from: address.clone(), count });
        }
        Ok(())
    }

    /// Takes in what the other session layer says.
    pub(super) fn take_control(
        &mut self,
        address: &Address,
        control: Control,
    ) -> Result<(), Error> {
        match control {
            Control::Ask(ranges) => self.serve(address, &ranges),
            Control::NotOpened(named) => self.serve_named(address, &named),
            Control::Unavailable(ranges) => {
                self.are_lost(address, &ranges)?;
                let mut health = self.health(address)?.unwrap_or_default();
                self.match_gaps(address, &mut health)?;
                self.save_health(address, &health);
                Ok(())
            }
            Control::SignOfLife => self.send_control(address, Control::Sign).map(|_| ()),
            _ => Ok(()),
        }
    }
}

fn ranges(ranges: &[(u64, u64)]) -> Vec<NumberRange> {
    ranges.iter().filter_map(|(first, last)| NumberRange::new(*first, *last)).collect()
}
