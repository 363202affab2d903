//! What a peer misses of ours is sent again on its request, within bounds.

use super::Error;
use super::health::{MAX_NAMES, envelope_name};
use super::repair::{HOUR, RANGES_A_MESSAGE};
use super::work::Work;
use crate::address::Address;
use crate::timestamp::Timestamp;
use crate::wire::stored::messenger::PeerHealth;
use crate::wire::{Control, NotOpened, NumberRange};

/// How many messages are sent again to a device on its request, an hour.
const SERVED_AN_HOUR: usize = 100;

impl Work<'_> {
    /// How many messages may still be sent again to this device within this hour.
    fn servings_left(&self, health: &mut PeerHealth) -> usize {
        health.served_at.retain(|at| self.now.apart(Timestamp::from_millis(*at)) < HOUR);
        SERVED_AN_HOUR.saturating_sub(health.served_at.len())
    }

    /// Sends numbers again, or says that they are gone.
    pub(super) fn serve(&mut self, address: &Address, asked: &[NumberRange]) -> Result<(), Error> {
        let mut health = self.health(address)?.unwrap_or_default();
        let mut left = self.servings_left(&mut health);
        let log = self.log_of(address)?;
        let mut gone = Vec::new();
        for (first, last) in asked.iter().map(|range| (range.first(), range.last())) {
            let mut next = first;
            for (seq, entry) in log.iter().filter(|(seq, _)| (first..=last).contains(seq)) {
                gone.extend(NumberRange::new(next, seq.saturating_sub(1)));
                next = seq.saturating_add(1);
                if left > 0 && self.send_again(address, *seq, entry.clone())? {
                    left -= 1;
                    health.served_at.push(self.now.as_millis());
                }
            }
            gone.extend(NumberRange::new(next, last));
        }
        self.save_health(address, &health);
        if !gone.is_empty() {
            // What was confirmed is not kept: whoever asks for it may have forgotten it.
            self.may_have_forgotten_groups(address)?;
        }
        for gone in gone.chunks(RANGES_A_MESSAGE).take(MAX_NAMES / RANGES_A_MESSAGE) {
            self.send_control(address, Control::Unavailable(gone.to_vec()))?;
        }
        Ok(())
    }

    /// Sends again what was in these envelopes.
    pub(super) fn serve_named(
        &mut self,
        address: &Address,
        named: &NotOpened,
    ) -> Result<(), Error> {
        let mut health = self.health(address)?.unwrap_or_default();
        let mut left = self.servings_left(&mut health);
        for (seq, entry) in self.log_of(address)? {
            let name = |name: &Vec<u8>| {
                envelope_name(name).is_some_and(|name| named.names.contains(&name))
            };
            let ephemeral =
                |key: &Vec<u8>| named.ephemerals.iter().any(|named| named == key.as_slice());
            let meant = entry.names.iter().any(name) || entry.ephemerals.iter().any(ephemeral);
            if meant && left > 0 && self.send_again(address, seq, entry)? {
                left -= 1;
                health.served_at.push(self.now.as_millis());
            }
        }
        self.save_health(address, &health);
        Ok(())
    }
}
