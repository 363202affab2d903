//! Envelopes that are of no chain known here: kept within bounds until it comes.

use std::time::Duration;

use rand::RngExt;

use super::super::due::Job;
use super::super::held::MAX_HELD;
use super::super::receive::{Received, Rejection};
use super::super::work::Work;
use super::super::{Consent, Error, table};
use super::behind::Counted;
use super::chains::Place;
use super::waiting::holds;
use crate::address::{Address, UserId};
use crate::group::GroupId;
use crate::group::sender_key::SenderChains;
use crate::session::KEPT_TIME;
use crate::timestamp::Timestamp;
use crate::wire::stored::{self, messenger::HeldEnvelope};
use crate::wire::{ChainId, GroupMessage};

/// How long a message may come before its chain, and how much longer is waited at random, so
/// that who sends what nobody knows does not see at once whom it is taken to be from.
const WAIT_FOR_CHAIN: Duration = Duration::from_secs(60 * 60);
const WAIT_AT_RANDOM: u64 = 60 * 60 * 1000;

/// How many chains are asked for within an hour because of such envelopes.
const UNKNOWN_AN_HOUR: u32 = 60;

/// How often all chains are gone through within an hour: a message may be further ahead in
/// its chain than its tag is looked for, or from before it. Any number is looked for at once.
const SEARCHES_AN_HOUR: u32 = 60;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// An envelope that waits.
struct Waiting {
    key: Vec<u8>,
    record: HeldEnvelope,
    message: GroupMessage,
    found: Option<(Place, ChainId)>,
}

impl Waiting {
    fn look_in(&mut self, place: &Place, chains: &SenderChains) {
        if self.found.is_none() {
            let chain = chains.find(&self.message);
            self.found = chain.map(|chain| (place.clone(), chain.chain_id()));
        }
    }
}

impl Work<'_> {
    /// Keeps an envelope until its chain comes.
    pub(super) fn hold_unknown(
        &mut self,
        bytes: &[u8],
        claimed_from: Option<&UserId>,
    ) -> Result<Received, Error> {
        if let Some(user) = claimed_from
            && self.declined_all_of(user)?
        {
            return Ok(Received::Rejected(Rejection::NotAMember));
        }
        let held = self.view.scan(table::UNKNOWN, &[], MAX_HELD)?;
        if !held.iter().any(|(_, row)| holds(row, bytes)) {
            self.hold_in(table::UNKNOWN, bytes, claimed_from)?;
            self.set_due(Job::GroupUnknown, &[], self.now)?;
        }
        Ok(Received::Held)
    }

    /// Whether we share groups with a user, and have declined each of them.
    fn declined_all_of(&mut self, user: &UserId) -> Result<bool, Error> {
        let groups = self.memberships(user)?;
        for (group, _) in &groups {
            if self.known(group)?.is_none_or(|known| known.consent != Consent::Blocked) {
                return Ok(false);
            }
        }
        Ok(!groups.is_empty())
    }

    /// A device has another chain: what waits may be of it.
    pub(super) fn retry_unknown(&mut self, of: &Address) -> Result<(), Error> {
        if self.view.scan(table::UNKNOWN, &[], 1)?.is_empty() {
            return Ok(());
        }
        self.set_due(Job::GroupUnknown, &table::of_device(of, &[]), self.now)
    }

    /// Looks for all that waits in the chains of this device, or, once for each envelope, in
    /// all that there are.
    pub(in crate::messenger) fn try_unknown(&mut self, of: Option<&Address>) -> Result<(), Error> {
        let mut waiting = Vec::new();
        for (key, row) in self.view.scan(table::UNKNOWN, &[], MAX_HELD)? {
            let record = stored::decode::<HeldEnvelope>(&row, "held envelope");
            let record =
                record.and_then(|record| Ok((GroupMessage::decode(&record.envelope)?, record)));
            match record {
                Ok((message, record)) => {
                    waiting.push(Waiting { key, record, message, found: None })
                }
                Err(_) => self.view.delete(table::UNKNOWN, key),
            }
        }
        let everywhere = of.is_none()
            && waiting.iter().any(|waiting| !waiting.record.tried)
            && self.may_search()?;
        let places = match of {
            Some(device) => self.places(&table::of_device(device, &[]))?,
            None if everywhere => self.places(&[])?,
            None => Vec::new(),
        };
        for place in places {
            let all = |chains: &SenderChains| {
                waiting.iter_mut().for_each(|waiting| waiting.look_in(&place, chains));
            };
            self.look_at(&place, all)?;
        }
        waiting.into_iter().try_for_each(|waiting| self.conclude_unknown(waiting, everywhere))
    }

    fn conclude_unknown(&mut self, waiting: Waiting, everywhere: bool) -> Result<(), Error> {
        let Waiting { key, mut record, message, found } = waiting;
        if let Some(((group, sender), chain_id)) = found {
            self.view.delete(table::UNKNOWN, key);
            let bytes = Some(record.envelope.as_slice());
            return self
                .take_group_message(&group, &sender, chain_id, &message, bytes, None)
                .map(drop);
        }
        let held_while_ahead = record.held_at > self.now.as_millis();
        record.held_at = record.held_at.min(self.now.as_millis());
        let old = self.now.since(Timestamp::from_millis(record.held_at)) > KEPT_TIME;
        if self.may_expire && old {
            self.view.delete(table::UNKNOWN, key);
            return Ok(());
        }
        let asked = self.ask_whom_it_is_from(&mut record)?;
        if asked || held_while_ahead || everywhere {
            record.tried |= everywhere;
            self.view.put(table::UNKNOWN, key, stored::encode(&record));
        }
        Ok(())
    }

    /// Whether all chains may be gone through now; if not, it is done later.
    fn may_search(&mut self) -> Result<bool, Error> {
        let (us, of_all) = (self.own()?.address().clone(), GroupId::from_bytes([0; 32]));
        let may = self.may_again(Counted::Searched, &us, &of_all, SEARCHES_AN_HOUR)?;
        if !may {
            self.set_due(Job::GroupUnknown, &[], self.now.after(HOUR))?;
        }
        Ok(may)
    }

    /// If the transport says whom an envelope is from, and some time has not brought its chain,
    /// it is asked for, once. Says whether the record is another.
    fn ask_whom_it_is_from(&mut self, held: &mut HeldEnvelope) -> Result<bool, Error> {
        let Ok(user) = UserId::new(&held.claimed_from) else { return Ok(false) };
        if held.ask_at == u64::MAX {
            return Ok(false);
        }
        let latest = self.now.after(2 * WAIT_FOR_CHAIN).as_millis();
        let decides = held.ask_at == 0 || held.ask_at > latest;
        if decides {
            let at_random = Duration::from_millis(self.rng.random_range(0..WAIT_AT_RANDOM));
            let from = Timestamp::from_millis(held.held_at);
            held.ask_at = from.after(WAIT_FOR_CHAIN).after(at_random).as_millis();
        }
        let ask_at = Timestamp::from_millis(held.ask_at);
        if self.now < ask_at {
            self.set_due(Job::GroupUnknown, &[], ask_at)?;
            return Ok(decides);
        }
        held.ask_at = u64::MAX;
        let Some(key) = self.list_of(&user)?.map(|list| list.account_key()) else {
            return Ok(true);
        };
        let us = self.own()?.address().clone();
        let of_all = GroupId::from_bytes([0; 32]);
        for (group, _) in self.memberships(&user)?.iter().filter(|(_, member)| *member == key) {
            for address in self.peers_of(&user)? {
                if self.speaker(&address, group)?.is_some()
                    && self.may_again(Counted::UnknownAsked, &us, &of_all, UNKNOWN_AN_HOUR)?
                {
                    self.want_chain(group, &address)?;
                }
            }
        }
        Ok(true)
    }
}
