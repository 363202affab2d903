//! One device: a store, an app with its database, a clock that may be wrong; and the
//! process that has them open, which dies of every failure of the store.

use subrosa::store::MemoryStore;
use subrosa::testing::{FailingStore, Failure, ManualClock, seeded};
use subrosa::{Address, Clock, Error, Messenger, Options, Timestamp, UserId};

use crate::account::Database;
use crate::dice::Dice;

pub(crate) struct Device {
    pub(crate) user: UserId,
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
    pub(crate) address: Address,
    messenger: Messenger,
    failing: FailingStore,
}

fn open(
    user: &UserId,
    store: &MemoryStore,
    clock: &ManualClock,
    token: Option<[u8; 16]>,
    seed: u64,
) -> (Messenger, FailingStore) {
    let failing = FailingStore::new(store.clone());
    let mut options = seeded(Options::default().clock(clock.clone()), seed);
    if let Some(token) = token {
        options = options.device_token(token);
    }
    let messenger = Messenger::open(failing.clone(), options).unwrap().or_create(user).unwrap();
    (messenger, failing)
}

impl Device {
    pub(crate) fn new(name: &str, now: Timestamp, dice: &mut Dice) -> Self {
        let user = UserId::new(name).unwrap();
        let (store, clock) = (MemoryStore::new(), ManualClock::new(now));
        let token = dice.happens(500).then_some([1; 16]);
        let (messenger, failing) = open(&user, &store, &clock, token, dice.number());
        let (database, hints) = (Database::default(), dice.happens(500));
        let address = messenger.address().clone();
        let (offset, offline) = (0, false);
        Self {
            user,
            store,
            database,
            clock,
            offset,
            token,
            hints,
            offline,
            address,
            messenger,
            failing,
        }
    }

    /// Starts the process, or starts it anew.
    pub(crate) fn start(&mut self, dice: &mut Dice) {
        (self.messenger, self.failing) =
            open(&self.user, &self.store, &self.clock, self.token, dice.number());
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
        let (messenger, failing) = open(&self.user, &store, &clock, self.token, dice.number());
        let (user, address) = (self.user.clone(), self.address.clone());
        let Self { offset, token, hints, .. } = *self;
        Self {
            user,
            store,
            database,
            clock,
            offset,
            token,
            hints,
            offline: false,
            address,
            messenger,
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
        match call(&mut self.messenger) {
            Ok(value) => Ok(value),
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
