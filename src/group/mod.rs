//! Groups without a server that orders anything (SPEC.md, sections 13 and 14): who is in one,
//! and messages to all of them at once ([`sender_key`]).
//!
//! A [`Roster`] is who is in a group and who may change that: a set of signed changes, and
//! a state that is a function of the set alone. Nothing here sends, stores or encrypts;
//! whoever uses it passes [`Update`]s on, between members, in any order.
//!
//! ```
//! use subrosa::UserId;
//! use subrosa::group::{Action, Member, Role, Roster, Settings};
//! use subrosa::identity::{Account, Device};
//!
//! # let mut rng = rand::rng();
//! # let phone = Device::generate(UserId::new("alice")?, &mut rng);
//! # let alice = Account::create(&phone, &mut rng);
//! # let other = Device::generate(UserId::new("bob")?, &mut rng);
//! # let bob = Account::create(&other, &mut rng);
//! let mut roster = Roster::create(&alice, Settings::titled("Roses"), &mut rng)?;
//!
//! // Alice adds Bob: a change, signed by her device.
//! let [owner, guest] = [&alice, &bob].map(|account| Member::of(account.device_list()));
//! let draft = roster.draft(&owner, Action::Add(vec![guest.clone()]))?;
//! let update = draft.sign(&phone, alice.device_list())?;
//! roster.insert(&update);
//!
//! // Bob gets the seals with what they name, and what has come since.
//! let mut his = Roster::join(&roster.group(), &roster.welcome())?;
//! his.insert(&update);
//! assert_eq!(his.role(&guest), Some(Role::Member));
//! assert_eq!(his.head(), roster.head());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod roster;
pub mod sender_key;

pub use crate::wire::{
    Ask, MAX_CHANGE_LEN, MAX_PICTURE_LEN, MAX_TITLE_LEN, MAX_UPDATE_LEN, SignedChange, Update,
    Welcome,
};
pub use roster::{
    Action, Answer, Change, ChangeId, Draft, GroupId, Head, Inserted, Kind, MAX_CHANGES, MAX_HELD,
    MAX_MEMBERS, MAX_PARENTS, MAX_PAST, MAX_SEALS, Member, Refused, Role, Roster, RosterError,
    RosterEvent, Seal, Setting, Settings, Stop,
};
