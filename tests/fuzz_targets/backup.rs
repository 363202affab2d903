//! What a person types as a recovery key, and what comes as a backup: as it is, or sealed
//! under the key.

use prost::Message;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::handshake::PrekeyBundle;
use subrosa::identity::{Account, Device};
use subrosa::store::{MemoryStore, Store};
use subrosa::testing::{ManualClock, seeded};
use subrosa::{Action, Error, Messenger, Opened, Options, RecoveryKey, Refusal, Setup, Timestamp};

use crate::input::Input;
use crate::sealing::{hkdf, open, pad, seal, unpad};
use crate::side::START;

// What stands for the kind of input in its first byte.
pub(crate) const WORDS: u8 = 0;
pub(crate) const RAW: u8 = 1;
pub(crate) const SEALED: u8 = 2;
pub(crate) const NOT_PADDED: u8 = 3;

/// What the directory has of the account: nothing, the list of the backup, the next one, a
/// later one without its first device.
pub(crate) const UNKNOWN: u8 = 0;
pub(crate) const SAME: u8 = 1;
pub(crate) const NEWER: u8 = 2;
pub(crate) const LATER: u8 = 3;

const KEY: [u8; 16] = [0; 16];
const VERSION: u8 = 1;
const BLOCK: usize = 4096;

/// The words of [`KEY`], and those of another key.
pub(crate) const KEY_WORDS: &str = "babab-babab-babab-babab-babab-babab-babab-babab-hidin";
pub(crate) const OTHER_WORDS: &str = "zuzuz-zuzuz-zuzuz-zuzuz-zuzuz-zuzuz-zuzuz-zuzuz-hivud";

/// `Backup` of `messenger.proto`, with its contacts as they are encoded.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Content {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) account: Vec<u8>,
    #[prost(fixed32, tag = "2")]
    pub(crate) device_id: u32,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub(crate) contacts: Vec<Vec<u8>>,
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        WORDS => words(&String::from_utf8_lossy(input.rest())),
        RAW => {
            let (known, damage) = (input.byte(), input.short());
            backup(input.rest(), known, damage);
        }
        kind => {
            let (known, damage) = (input.byte(), input.short());
            let content = input.rest();
            let padded = if kind == SEALED { pad(content, BLOCK) } else { content.to_vec() };
            backup(&sealed(&padded), known, damage);
        }
    }
}

fn words(typed: &str) {
    let Some(key) = RecoveryKey::from_words(typed) else { return };
    let words = key.to_words();
    assert_eq!(words.split('-').count(), 9);
    for again in [words.to_string(), words.to_uppercase(), words.replace('-', "")] {
        assert_eq!(*RecoveryKey::from_words(&again).unwrap().to_words(), *words);
    }
    let (start, last) = words.rsplit_once('-').unwrap();
    for damaged in [start.to_owned(), format!("{}-{last}", *words), format!("{}0", *words)] {
        assert!(RecoveryKey::from_words(&damaged).is_none());
    }
}

fn key(words: &str) -> RecoveryKey {
    RecoveryKey::from_words(words).unwrap()
}

fn sealing_key() -> [u8; 32] {
    hkdf(&KEY, "subrosa/1 backup")
}

pub(crate) fn sealed(padded: &[u8]) -> Vec<u8> {
    [&[VERSION], seal(&sealing_key(), &[VERSION], padded).as_slice()].concat()
}

fn content_of(backup: &[u8]) -> Content {
    let padded = open(&sealing_key(), &[VERSION], &backup[1..]).unwrap();
    Content::decode(unpad(&padded).unwrap()).unwrap()
}

fn setup(store: &MemoryStore, seed: u64) -> Setup {
    let clock = ManualClock::new(Timestamp::from_secs(START));
    let options = seeded(Options::default().clock(clock), seed);
    let opened = Messenger::open(store.clone(), options).unwrap();
    let Opened::Empty(setup) = opened else { panic!("{opened:?}") };
    setup
}

/// The account in a backup, or nothing and an empty store.
fn restore(backup: &[u8], words: &str, seed: u64) -> Option<Messenger> {
    let store = MemoryStore::new();
    let setup = setup(&store, seed);
    let written = store.revision().unwrap();
    match setup.restore(backup, &key(words)) {
        Ok(messenger) => Some(messenger),
        Err(Error::Backup) => {
            assert_eq!(store.revision().unwrap(), written);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn backup(bytes: &[u8], known: u8, damage: usize) {
    assert!(restore(bytes, OTHER_WORDS, 1).is_none());
    let mut damaged = bytes.to_vec();
    if let Some(place) = (damage / 8).checked_rem(bytes.len()) {
        damaged[place] ^= 1 << (damage % 8);
        assert!(restore(&damaged, KEY_WORDS, 1).is_none(), "a damaged backup was taken");
    }
    let Some(messenger) = restore(bytes, KEY_WORDS, 1) else { return };
    let content = content_of(bytes);
    let once = taken_over(messenger, &content.account, known);
    let again = restore(&once, KEY_WORDS, 2).unwrap();
    let twice = taken_over(again, &content_of(&once).account, UNKNOWN);
    assert_eq!(content_of(&once).contacts, content_of(&twice).contacts);
}

/// Lets a restored device take its account over, and gives a backup that it makes.
fn taken_over(mut messenger: Messenger, account: &[u8], known: u8) -> Vec<u8> {
    assert!(matches!(messenger.backup(&key(KEY_WORDS)), Err(Error::NotLinked)));
    let out = messenger.next_outgoing().unwrap().unwrap();
    let Action::Fetch { user } = &out.action else { panic!("{out:?}") };
    assert_eq!(*user, messenger.address().user);
    match newest(account, known) {
        None => messenger.outgoing_refused(out.id, Refusal::NoSuchUser).unwrap(),
        Some(bundle) => drop(messenger.learn(&bundle).unwrap()),
    }
    messenger.backup(&key(KEY_WORDS)).unwrap()
}

/// What the directory has of this account.
fn newest(account: &[u8], known: u8) -> Option<Vec<u8>> {
    let mut account = Account::from_record(account).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(START);
    let first = account.device_list().devices()[0].id();
    let another = Device::generate(account.device_list().user().clone(), &mut rng);
    match known % 4 {
        UNKNOWN => return None,
        SAME => {}
        // There may be no room.
        kind => {
            let added = account.add(another.entry(&account.key())).is_ok();
            if added && kind == LATER {
                account.remove(first).unwrap();
            }
        }
    }
    Some(PrekeyBundle::assemble(account.device_list().signed(), &[]).encode())
}
