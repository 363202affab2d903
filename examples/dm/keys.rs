//! What is a person's own: device, account, prekeys.

use std::time::SystemTime;

use subrosa::handshake::{
    DevicePrekeys, HandshakeError, Opening, PrekeyBundle, PrekeyId, PrekeySecret, ReplayRecord,
};
use subrosa::identity::{Account, Device};
use subrosa::session::{Accepted, Session, Unsaved};
use subrosa::wire::{Handshake, Message};
use subrosa::{Timestamp, UserId};

use crate::person::Result;
use crate::saved::{self, Key};
use crate::store::{Batch, Table};

#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) device: Device,
    pub(crate) account: Account,
    pub(crate) replays: ReplayRecord,
    signed: PrekeySecret,
    one_time: Vec<PrekeySecret>,
}

/// The time on the clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

impl Keys {
    /// An account with one device, with a signed prekey and one for one handshake.
    pub(crate) fn generate(user: UserId) -> Self {
        let (rng, now) = (&mut rand::rng(), now());
        let device = Device::generate(user, rng);
        Self {
            account: Account::create(&device, rng),
            signed: PrekeySecret::signed(&device, now, rng),
            one_time: vec![PrekeySecret::one_time(&device, now, rng)],
            replays: ReplayRecord::new(),
            device,
        }
    }

    /// Adds all of them to a batch.
    pub(crate) fn save(&self, batch: &mut Batch) {
        batch.put(Key::Device, &self.device.record());
        batch.put(Key::Account, &self.account.record());
        batch.put(Key::SignedPrekey, &self.signed.record());
        self.save_replays(batch);
        for prekey in &self.one_time {
            batch.put(Key::OneTimePrekey(prekey.id()), &prekey.record());
        }
    }

    /// Loads all of them.
    pub(crate) fn load(table: &Table) -> Result<Self> {
        let device = Device::from_record(saved::need(table, Key::Device)?)?;
        let prekey = |bytes: &[u8]| PrekeySecret::from_record(bytes, device.address());
        Ok(Self {
            account: Account::from_record(saved::need(table, Key::Account)?)?,
            signed: prekey(saved::need(table, Key::SignedPrekey)?)?,
            one_time: saved::one_time_prekeys(table)
                .map(prekey)
                .collect::<std::result::Result<_, _>>()?,
            replays: ReplayRecord::from_record(saved::need(table, Key::Replays)?)?,
            device,
        })
    }

    /// What to publish: a bundle with each one-time prekey, and one without, for when
    /// those have been handed out.
    pub(crate) fn bundles(&self) -> Vec<Vec<u8>> {
        let one_time = self.one_time.iter().map(|prekey| Some(prekey.public()));
        let bundle = |one_time| {
            let device = self.device.address().device;
            let prekeys = DevicePrekeys { device, signed: self.signed.public(), one_time };
            PrekeyBundle::assemble(self.account.device_list().signed(), &[prekeys]).encode()
        };
        one_time.chain([None]).map(bundle).collect()
    }

    /// Answers a handshake, if the message behind it opens.
    pub(crate) fn respond(
        &self,
        handshake: &Handshake,
        message: &Message,
    ) -> std::result::Result<Unsaved<Accepted>, HandshakeError> {
        let key = self.account.key();
        let opening = Opening::receive(&self.device, &key, handshake)?;
        let one_time = match opening.prekeys().one_time {
            None => None,
            Some(id) => Some(self.find(id).ok_or(HandshakeError::UnknownPrekey)?),
        };
        // There is but one signed prekey here. An app that replaces it every week finds the
        // right one, and its record of handshakes, by `opening.prekeys().signed`.
        let responded = opening.respond(&self.signed, one_time, &self.replays)?;
        Session::accept(responded, message, now())
    }

    fn find(&self, id: PrekeyId) -> Option<&PrekeySecret> {
        self.one_time.iter().find(|prekey| prekey.id() == id)
    }

    /// Forgets a one-time prekey that a handshake has used, and saves the record of
    /// handshakes.
    pub(crate) fn spend(&mut self, spent: Option<PrekeyId>, batch: &mut Batch) {
        self.one_time.retain(|prekey| Some(prekey.id()) != spent);
        if let Some(id) = spent {
            batch.delete(Key::OneTimePrekey(id));
        }
        self.save_replays(batch);
    }

    fn save_replays(&self, batch: &mut Batch) {
        let record = self.replays.record().expect("this one is always kept whole");
        batch.put(Key::Replays, &record);
    }
}
