//! One device: a store, an app with its database, a clock that may be wrong; and the
//! process that has them open, which dies of every failure of the store.

use std::collections::BTreeSet;

use subrosa::store::MemoryStore;
use subrosa::testing::{FailingStore, Failure, ManualClock, seeded};
use subrosa::{
    Address, Clock, DeviceId, Error, LinkCode, Linking, Messenger, Opened, Options, Timestamp,
    UserId,
};

use crate::account::Database;
use crate::dice::Dice;

/// What a process has open.
enum App {
    Ready(Messenger),
    /// It shows its code, and waits to be linked.
    Linking(Linking),
}

pub(crate) struct Device {
    /// Whose it is, by number.
    pub(crate) account: usize,
    pub(crate) address: Address,
    pub(crate) store: MemoryStore,
    pub(crate) database: Database,
    pub(crate) clock: ManualClock,
    /// By how many milliseconds the clock is wrong.
    pub(crate) offset: i64,
    pub(crate) token: Option<[u8; 16]>,
    /// The transport names senders to it.
    pub(crate) hints: bool,
    /// It has no network.
    pub(crate) offline: bool,
    app: App,
    failing: FailingStore,
}

fn open(
    store: &MemoryStore,
    clock: &ManualClock,
    token: Option<[u8; 16]>,
    seed: u64,
) -> (Opened, FailingStore) {
    let failing = FailingStore::new(store.clone());
    let mut options = seeded(Options::default().clock(clock.clone()), seed);
    if let Some(token) = token {
        options = options.device_token(token);
    }
    (Messenger::open(failing.clone(), options).unwrap(), failing)
}

fn app(opened: Opened) -> App {
    match opened {
        Opened::Ready(messenger) => App::Ready(messenger),
        Opened::Linking(linking) => App::Linking(linking),
        Opened::Empty(_) => panic!("a store has forgotten its account"),
    }
}

impl Device {
    /// The first device of an account.
    pub(crate) fn new(account: usize, now: Timestamp, dice: &mut Dice) -> Self {
        let user = UserId::new(format!("person {account}")).unwrap();
        Self::begin(account, now, BTreeSet::new(), dice, |opened| {
            App::Ready(opened.or_create(&user).unwrap())
        })
    }

    /// A further device, which waits to be linked, of somebody who has these.
    pub(crate) fn linking(
        account: usize,
        now: Timestamp,
        others: BTreeSet<DeviceId>,
        dice: &mut Dice,
    ) -> Self {
        let user = UserId::new(format!("person {account}")).unwrap();
        Self::begin(account, now, others, dice, |opened| {
            let Opened::Empty(setup) = opened else { panic!("{opened:?}") };
            App::Linking(setup.link(&user, "tablet").unwrap())
        })
    }

    fn begin(
        account: usize,
        now: Timestamp,
        mut own_devices: BTreeSet<DeviceId>,
        dice: &mut Dice,
        set_up: impl FnOnce(Opened) -> App,
    ) -> Self {
        let (store, clock) = (MemoryStore::new(), ManualClock::new(now));
        let token = dice.happens(500).then_some([1; 16]);
        let (opened, failing) = open(&store, &clock, token, dice.number());
        let app = set_up(opened);
        let address = match &app {
            App::Ready(messenger) => messenger.address().clone(),
            App::Linking(linking) => linking.address().clone(),
        };
        if matches!(app, App::Ready(_)) {
            own_devices.insert(address.device);
        }
        let database = Database::new(address.clone(), own_devices);
        let (hints, offset, offline) = (dice.happens(500), 0, false);
        Self {
            account,
            address,
            store,
            database,
            clock,
            offset,
            token,
            hints,
            offline,
            app,
            failing,
        }
    }

    /// Whether it has a messenger.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.app, App::Ready(_))
    }

    /// Starts the process, or starts it anew.
    pub(crate) fn start(&mut self, dice: &mut Dice) {
        let (opened, failing) = open(&self.store, &self.clock, self.token, dice.number());
        (self.app, self.failing) = (app(opened), failing);
    }

    /// What a backup of its disk has.
    pub(crate) fn back_up(&self) -> (MemoryStore, Database) {
        (self.store.snapshot(), self.database.clone())
    }

    /// The disk is as it was. The token, if there is one, is not on it, so it may be new.
    pub(crate) fn restore(&mut self, backup: &(MemoryStore, Database), dice: &mut Dice) {
        (self.store, self.database) = (backup.0.snapshot(), backup.1.clone());
        if self.token.is_some() {
            self.token = Some(dice.number().to_le_bytes().repeat(2).try_into().unwrap());
        }
        self.start(dice);
    }

    /// The same device a second time, in another process, on a copy of the disk.
    pub(crate) fn copy(&self, dice: &mut Dice) -> Self {
        let (store, database) = self.back_up();
        let clock = ManualClock::new(self.clock.now());
        let (opened, failing) = open(&store, &clock, self.token, dice.number());
        let (app, address) = (app(opened), self.address.clone());
        let Self { account, offset, token, hints, .. } = *self;
        Self {
            account,
            address,
            store,
            database,
            clock,
            offset,
            token,
            hints,
            offline: false,
            app,
            failing,
        }
    }

    /// Sets its clock to the true time, and how wrong it is.
    pub(crate) fn see_time(&self, now: Timestamp) {
        let wrong = now.as_millis().saturating_add_signed(self.offset);
        self.clock.set(Timestamp::from_millis(wrong));
    }

    /// One of the next operations on the store will fail.
    pub(crate) fn let_fail(&self, dice: &mut Dice) {
        let how = if dice.happens(500) { Failure::Before } else { Failure::After };
        self.failing.fail_at(1 + dice.below(40) as u64, how);
    }

    /// Nothing fails that was to fail.
    pub(crate) fn let_work(&self) {
        self.failing.fail_at(0, Failure::Before);
    }

    /// Runs a call; if the store fails in it, the process dies, and another one starts.
    pub(crate) fn call<R>(
        &mut self,
        dice: &mut Dice,
        call: impl FnOnce(&mut Messenger) -> Result<R, Error>,
    ) -> Result<R, Died> {
        let App::Ready(messenger) = &mut self.app else { panic!("no messenger yet") };
        match call(messenger) {
            Ok(value) => Ok(value),
            Err(Error::Store(_)) => {
                self.start(dice);
                Err(Died)
            }
            Err(error) => panic!("not a matter of the store: {error}"),
        }
    }

    /// The code that it shows while it waits to be linked.
    pub(crate) fn code(&self) -> Option<LinkCode> {
        let App::Linking(linking) = &self.app else { return None };
        LinkCode::parse(linking.code().as_bytes())
    }

    /// Gives an envelope to a device that waits to be linked.
    pub(crate) fn take_offer(&mut self, dice: &mut Dice, envelope: &[u8]) -> Result<(), Died> {
        let App::Linking(linking) = &mut self.app else { panic!("it has a messenger") };
        match linking.receive(envelope) {
            Ok(None) => Ok(()),
            Ok(Some(messenger)) => {
                self.app = App::Ready(messenger);
                Ok(())
            }
            Err(Error::Store(_)) => {
                self.start(dice);
                Err(Died)
            }
            Err(error) => panic!("not a matter of the store: {error}"),
        }
    }
}

/// The process died in a call, and has been started again.
#[derive(Debug)]
pub(crate) struct Died;
