//! The stock of prekeys: made and saved before it is published, rotated by time, spent
//! only when a message that used one has opened.

use std::time::Duration;

use zeroize::Zeroizing;

use super::errand::Errand;
use super::work::Work;
use super::{Error, OutgoingId, table};
use crate::directory::{Publication, Stock};
use crate::handshake::{
    HandshakeId, ONE_TIME_PREKEYS, PREKEY_LIFETIME, PrekeyId, PrekeySecret, ReplayRecord,
};
use crate::timestamp::Timestamp;
use crate::wire::stored::{self, messenger::StockedPrekey};

/// How often the signed prekey is replaced.
const ROTATED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long a superseded signed prekey is kept: twice as long as an initiator may use a
/// first chain that was made with it.
const SUPERSEDED_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long a private one-time prekey is kept after it expired, for what is on its way:
/// as long as a first chain may be used, and then a mailbox keeps mail.
const EXPIRED_KEPT: Duration = Duration::from_secs(44 * 24 * 60 * 60);

/// When the whole stock is made anew, so that none of it expires at the directory.
const RESTOCKED: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// How long a whole stock stands at least when somebody used a prekey that is not in it.
const STANDS: Duration = Duration::from_secs(24 * 60 * 60);

/// With fewer one-time prekeys than this the stock is filled up.
const FEW: usize = ONE_TIME_PREKEYS / 2;

/// Single rows of the own table: the current signed prekey, the publication that waits,
/// and when the whole stock was last made.
const SIGNED: &[u8] = b"signed prekey";
const PUBLISH: &[u8] = b"publish";
const STOCKED: &[u8] = b"stocked";

impl Work<'_> {
    /// The private prekey with this id.
    pub(super) fn prekey(&mut self, id: PrekeyId) -> Result<Option<PrekeySecret>, Error> {
        let Some(row) = self.view.get(table::PREKEYS, id.as_bytes())? else { return Ok(None) };
        let address = self.own()?.address().clone();
        let stocked = stored::decode::<StockedPrekey>(&row, "stocked prekey").ok();
        Ok(stocked.and_then(|stocked| PrekeySecret::from_record(&stocked.prekey, &address).ok()))
    }

    fn add_prekey(&mut self, prekey: &PrekeySecret) {
        let stocked = StockedPrekey {
            prekey: prekey.record().to_vec(),
            made_at: self.now.as_millis(),
            superseded_at: 0,
        };
        self.view.put(table::PREKEYS, prekey.id().as_bytes().to_vec(), stored::encode(&stocked));
    }

    /// A message that used this one-time prekey has opened.
    pub(super) fn spend_prekey(&mut self, id: PrekeyId) -> Result<(), Error> {
        self.view.delete(table::PREKEYS, id.as_bytes().to_vec());
        Ok(())
    }

    /// The record of handshakes that used a signed prekey alone, as far as this handshake
    /// needs it.
    pub(super) fn replays(
        &self,
        signed: &PrekeySecret,
        ephemeral: [u8; 32],
    ) -> Result<ReplayRecord, Error> {
        let count = self.view.get(table::REPLAYS, signed.id().as_bytes())?;
        let count =
            count.and_then(|row| row.as_slice().try_into().ok()).map_or(0, u64::from_be_bytes);
        let key = [signed.id().as_bytes().as_slice(), &ephemeral].concat();
        let known = self.view.get(table::REPLAYS, &key)?;
        let known =
            known.and_then(|row| row.as_slice().try_into().ok()).map(HandshakeId::from_bytes);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(ReplayRecord::of(count, known.map(|id| (ephemeral, id))))
    }

    /// A handshake with a signed prekey alone has been answered.
    pub(super) fn note_replay(
        &mut self,
        signed: &PrekeySecret,
        ephemeral: [u8; 32],
        id: HandshakeId,
        replays: &ReplayRecord,
    ) -> Result<(), Error> {
        let count = u64::try_from(replays.len()).unwrap_or(u64::MAX);
        let prekey = signed.id().as_bytes().to_vec();
        let key = [prekey.as_slice(), &ephemeral].concat();
        self.view.put(table::REPLAYS, prekey, Zeroizing::new(count.to_be_bytes().to_vec()));
        self.view.put(table::REPLAYS, key, Zeroizing::new(id.as_bytes().to_vec()));
        if replays.is_filling() {
            self.rotate_signed_prekey()?;
        }
        Ok(())
    }

    /// The signed prekey that is published; one is made if there is none.
    fn signed_prekey(&mut self) -> Result<PrekeySecret, Error> {
        if let Some(row) = self.view.get(table::OWN, SIGNED)?
            && let Some(id) = row.as_slice().try_into().ok().map(PrekeyId::from_bytes)
            && let Some(prekey) = self.prekey(id)?
        {
            return Ok(prekey);
        }
        self.make_signed_prekey()
    }

    fn make_signed_prekey(&mut self) -> Result<PrekeySecret, Error> {
        let own = self.own()?;
        let prekey = PrekeySecret::signed(&own.device, self.now, &mut self.rng);
        self.add_prekey(&prekey);
        let id = prekey.id().as_bytes().to_vec();
        self.view.put(table::OWN, SIGNED.to_vec(), Zeroizing::new(id));
        Ok(prekey)
    }

    /// Publishes another signed prekey; the one before is kept for what is on its way.
    pub(super) fn rotate_signed_prekey(&mut self) -> Result<(), Error> {
        if let Some(row) = self.view.get(table::OWN, SIGNED)?
            && let Some(old) = self.view.get(table::PREKEYS, &row)?
            && let Ok(mut stocked) = stored::decode::<StockedPrekey>(&old, "stocked prekey")
        {
            stocked.superseded_at = self.now.as_millis();
            self.view.put(table::PREKEYS, row.to_vec(), stored::encode(&stocked));
        }
        self.make_signed_prekey()?;
        self.publish_anew()
    }

    /// Publishes what has changed. Should a publication still wait, or the last one have
    /// been refused, its one-time prekeys may be at the directory or not: they are never
    /// published twice, so the whole stock is made anew.
    pub(super) fn publish_anew(&mut self) -> Result<(), Error> {
        let refused = self.view.get(table::OWN, STOCKED)?.is_none();
        match self.waiting_publication()? {
            None if !refused => self.publish(0, Stock::Added),
            _ => self.publish(ONE_TIME_PREKEYS, Stock::Whole),
        }
    }

    /// The directory has not taken what was published.
    pub(super) fn publication_refused(&mut self) {
        self.view.delete(table::OWN, STOCKED.to_vec());
    }

    /// Makes a whole new stock and publishes it: at first, and after a restore.
    pub(super) fn publish_whole(&mut self) -> Result<(), Error> {
        self.publish(ONE_TIME_PREKEYS, Stock::Whole)
    }

    fn waiting_publication(&self) -> Result<Option<OutgoingId>, Error> {
        let row = self.view.get(table::OWN, PUBLISH)?;
        let Some(id) = row.and_then(|row| OutgoingId::from_key(&row)) else { return Ok(None) };
        Ok(self.errand(id)?.map(|_| id))
    }

    fn publish(&mut self, one_time: usize, stock: Stock) -> Result<(), Error> {
        let own = self.own()?;
        if !own.is_listed() {
            return Ok(());
        }
        if let Some(waiting) = self.waiting_publication()? {
            self.drop_errand(waiting);
        }
        let signed = self.signed_prekey()?;
        let mut prekeys = Vec::with_capacity(one_time);
        for _ in 0..one_time {
            let prekey = PrekeySecret::one_time(&own.device, self.now, &mut self.rng);
            self.add_prekey(&prekey);
            prekeys.push(prekey);
        }
        let public: Vec<_> = prekeys.iter().map(PrekeySecret::public).collect();
        let publication = Publication::encode(
            self.random(),
            own.list.signed(),
            own.address().device,
            signed.public(),
            &public,
            stock,
        );
        if stock == Stock::Whole {
            let now = Zeroizing::new(self.now.as_millis().to_be_bytes().to_vec());
            self.view.put(table::OWN, STOCKED.to_vec(), now);
        }
        let id = self.add_errand(Errand::Publish(publication));
        self.view.put(table::OWN, PUBLISH.to_vec(), Zeroizing::new(id.as_bytes().to_vec()));
        Ok(())
    }

    /// The directory says how many one-time prekeys it has left.
    pub(super) fn prekeys_left(&mut self, count: usize) -> Result<(), Error> {
        // One that waits brings more.
        if count >= FEW || self.waiting_publication()?.is_some() {
            return Ok(());
        }
        self.publish(ONE_TIME_PREKEYS - count, Stock::Added)
    }

    fn stocked_at(&self) -> Result<Timestamp, Error> {
        let row = self.view.get(table::OWN, STOCKED)?;
        let at = row.and_then(|row| row.as_slice().try_into().ok());
        Ok(Timestamp::from_millis(at.map_or(0, u64::from_be_bytes)))
    }

    /// Somebody was given a prekey that is not here: perhaps the directory has those of
    /// another state of this device, restored or copied, and would go on giving them away.
    /// They are replaced, at most once a day, since anybody can make believe so.
    pub(super) fn prekey_is_missing(&mut self) -> Result<(), Error> {
        if self.now.apart(self.stocked_at()?) < STANDS {
            return Ok(());
        }
        self.publish_whole()
    }

    /// Rotates by time; deletes what nobody can use any more, never in the same commit.
    pub(super) fn look_after_prekeys(&mut self) -> Result<(), Error> {
        let own = self.own()?;
        if !own.is_listed() {
            return Ok(());
        }
        let restock = self.now.apart(self.stocked_at()?) > RESTOCKED;
        let id = self.signed_prekey()?.id();
        let row = self.view.get(table::PREKEYS, id.as_bytes())?;
        let made = row.and_then(|row| stored::decode::<StockedPrekey>(&row, "prekey").ok());
        let made_at = Timestamp::from_millis(made.map_or(0, |stocked| stocked.made_at));
        let rotate = self.now.apart(made_at) >= ROTATED;
        if rotate {
            self.rotate_signed_prekey()?;
        }
        if restock {
            // With the new signed prekey: an old one may have expired, and nobody could
            // begin a session with the new stock.
            self.publish_whole()?;
        }
        if rotate || restock {
            return Ok(());
        }
        if self.may_expire { self.delete_old_prekeys() } else { Ok(()) }
    }

    fn delete_old_prekeys(&mut self) -> Result<(), Error> {
        for (key, row) in self.view.scan_prefix(table::PREKEYS, &[])? {
            let Ok(mut stocked) = stored::decode::<StockedPrekey>(&row, "stocked prekey") else {
                self.view.delete(table::PREKEYS, key);
                continue;
            };
            let now = self.now.as_millis();
            if stocked.made_at.max(stocked.superseded_at) > now {
                // Made or replaced while the clock was ahead.
                stocked.made_at = stocked.made_at.min(now);
                stocked.superseded_at = stocked.superseded_at.min(now);
                self.view.put(table::PREKEYS, key, stored::encode(&stocked));
                continue;
            }
            let since = |at: u64| self.now.since(Timestamp::from_millis(at));
            let superseded = stocked.superseded_at != 0;
            let over = (superseded && since(stocked.superseded_at) > SUPERSEDED_KEPT)
                || since(stocked.made_at) > PREKEY_LIFETIME + EXPIRED_KEPT;
            if over {
                // Nobody can answer its handshakes again, so nobody has to remember them.
                for (replay, _) in self.view.scan_prefix(table::REPLAYS, &key)? {
                    self.view.delete(table::REPLAYS, replay);
                }
                self.view.delete(table::PREKEYS, key);
            }
        }
        Ok(())
    }

    /// Deletes every private prekey: this store is a copy of an old one.
    pub(super) fn drop_prekeys(&mut self) -> Result<(), Error> {
        for table in [table::PREKEYS, table::REPLAYS] {
            for (key, _) in self.view.scan_prefix(table, &[])? {
                self.view.delete(table, key);
            }
        }
        self.view.delete(table::OWN, SIGNED.to_vec());
        Ok(())
    }
}
