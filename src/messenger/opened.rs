//! What a store holds decides what can be done with it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::due::Job;
use super::happening::Happening;
use super::own::{self, Own};
use super::view::View;
use super::work::{Cache, Work, commit};
use super::{Error, LinkCode, Linking, Messenger, Options, RecoveryKey, backup};
use crate::address::UserId;
use crate::identity::{Account, Device};
use crate::store::Store;

/// An opened store, by what is in it.
#[derive(Debug)]
pub enum Opened {
    /// An account.
    Ready(Messenger),
    /// A device that waits to be linked to its account.
    Linking(Linking),
    /// Nothing yet.
    Empty(Setup),
}

impl Opened {
    /// Opens a store.
    pub(super) fn open(store: impl Store, options: Options) -> Result<Self, Error> {
        let view = Arc::new(View::new(Box::new(store)));
        let mut cache = Cache::new();
        let found = commit(&view, &mut cache, &options, |work| {
            if own::stored_row(work)?.is_none() {
                return Ok(Found::Nothing);
            }
            if let Some(waiting) = own::not_listed(work)? {
                return Ok(Found::Linking(waiting.code));
            }
            work.compare_token()?;
            Ok(Found::Account)
        })?;
        Ok(match found {
            Found::Nothing => Self::Empty(Setup { view, cache, options }),
            Found::Linking(code) => Self::Linking(Linking::new(view, options, code)),
            Found::Account => Self::Ready(Messenger::new(view, cache, options)?),
        })
    }

    /// The account in the store; in an empty store a new one.
    ///
    /// # Errors
    ///
    /// [`Error::OtherAccount`] if the store holds another user's account.
    /// [`Error::NotLinked`] if it is of a device that waits to be linked: show its code.
    /// [`Error::Store`] if the store fails.
    pub fn or_create(self, user: &UserId) -> Result<Messenger, Error> {
        match self {
            Self::Ready(messenger) if messenger.address().user == *user => Ok(messenger),
            Self::Linking(linking) if linking.address().user == *user => Err(Error::NotLinked),
            Self::Ready(_) | Self::Linking(_) => Err(Error::OtherAccount),
            Self::Empty(setup) => setup.create(user),
        }
    }

    /// The account, or nothing.
    #[must_use]
    pub fn ready(self) -> Option<Messenger> {
        match self {
            Self::Ready(messenger) => Some(messenger),
            Self::Linking(_) | Self::Empty(_) => None,
        }
    }
}

/// What a store was found to hold.
enum Found {
    Nothing,
    Linking(LinkCode),
    Account,
}

/// An empty store: what becomes of it can be chosen once.
///
/// ```compile_fail,E0382
/// # fn choose(setup: subrosa::Setup, user: &subrosa::UserId) -> Result<(), subrosa::Error> {
/// let account = setup.create(user)?;
/// let another = setup.create(user)?;
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # fn choose(setup: subrosa::Setup, user: &subrosa::UserId) -> Result<(), subrosa::Error> {
/// let linking = setup.link(user, "tablet")?;
/// let account = setup.create(user)?;
/// # Ok(())
/// # }
/// ```
pub struct Setup {
    view: Arc<View>,
    cache: Cache,
    options: Options,
}

impl Setup {
    /// A new account, this device its primary.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store fails, [`Error::OtherAccount`] if another process has
    /// made an account in it meanwhile.
    pub fn create(self, user: &UserId) -> Result<Messenger, Error> {
        let Self { view, mut cache, options } = self;
        commit(&view, &mut cache, &options, |work| {
            if own::stored_row(work)?.is_some() {
                return Err(Error::OtherAccount);
            }
            let device = Device::generate(user.clone(), &mut work.rng);
            let account = Account::create(&device, &mut work.rng);
            work.begin(&Own {
                list: Arc::new(account.device_list().clone()),
                device,
                account: Some(account),
                device_token: work.options.device_token,
                backed_up: false,
                backup_reminded: false,
                link_code: None,
                replaces: None,
            })
        })?;
        Messenger::new(view, cache, options)
    }

    /// A further device of an existing account, with a name of at most 64 bytes by which
    /// people tell it from others.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`]: the name is too long. [`Error::Store`] if the store fails,
    /// [`Error::OtherAccount`] if another process has made an account in it meanwhile.
    pub fn link(self, user: &UserId, device_name: &str) -> Result<Linking, Error> {
        let Self { view, cache, options } = self;
        Linking::begin(view, cache, options, user, device_name)
    }

    /// The account in a backup, as a new device that takes the place of the one that made
    /// it: people and what was decided about them, no sessions, no messages.
    ///
    /// It first asks the directory for the account's newest list; what is sent before that
    /// is answered waits. Then it is told
    /// [`DevicesChanged`](super::EventKind::DevicesChanged).
    ///
    /// # Errors
    ///
    /// [`Error::Backup`]: the backup is damaged, or this is not its key. [`Error::Store`]
    /// if the store fails, [`Error::OtherAccount`] if another process has made an account
    /// in it meanwhile.
    pub fn restore(self, backup: &[u8], key: &RecoveryKey) -> Result<Messenger, Error> {
        let Self { view, mut cache, options } = self;
        let opened = backup::open(backup, key)?;
        commit(&view, &mut cache, &options, |work| work.restore(&opened))?;
        Messenger::new(view, cache, options)
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setup(..)")
    }
}

impl Work<'_> {
    /// A store begins with this account; a device that is on its list publishes.
    pub(super) fn begin(&mut self, own: &Own) -> Result<(), Error> {
        self.save_own(&own.to_record());
        self.set_due(Job::Daily, &[], self.now.after(Duration::from_secs(24 * 60 * 60)))?;
        self.publish_whole()
    }

    /// Whether this store is where it was: if it was restored or copied, what it says of
    /// sessions is the past.
    fn compare_token(&mut self) -> Result<(), Error> {
        let Some(token) = self.options.device_token else { return Ok(()) };
        let own = match self.own() {
            Ok(own) => own,
            Err(Error::NotLinked) => return Ok(()),
            Err(error) => return Err(error),
        };
        if own.device_token == Some(token) {
            return Ok(());
        }
        let mut record = own.to_record();
        record.device_token = token.to_vec();
        self.save_own(&record);
        if own.device_token.is_none() {
            return Ok(());
        }
        self.end_sessions()?;
        self.tell(Happening::Restored);
        Ok(())
    }

    /// Ends every session and prekey, and keeps the identity: with everybody with whom
    /// there was a session, another one is begun.
    fn end_sessions(&mut self) -> Result<(), Error> {
        for address in self.all_peers()? {
            let mut peer = self.peer(&address)?;
            let step = peer.give_up_all();
            self.save_step(&peer, step)?;
            self.keep_peer(peer);
            self.begin_again(&address)?;
        }
        for group in self.all_groups()? {
            self.rotate_group(&group)?;
        }
        self.drop_prekeys()?;
        self.publish_whole()
    }
}
