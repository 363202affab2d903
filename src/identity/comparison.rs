//! How two devices come to the emoji that their people compare (SPEC.md, section 16): one
//! side of it.
//!
//! ```text
//!      initiator                        responder
//!        Asked ---------- start ----------->
//!              <------- commitment -------- Committed
//!      KeySaid ----------- key ------------>
//!              <---------- reveal --------- Shown
//!        Shown ------- confirmation ------->
//!              <------ confirmation -------           each when its person has compared
//! ```
//!
//! What does not fit the stage changes nothing: it is late, or comes twice. Who sends, how
//! long it lasts and what is kept is the messenger's.
//!
//! # Security
//!
//! The responder is bound to its key before it sees the initiator's, and so is whoever pretends
//! to be one: nobody can try keys until the emoji are those of the other side. The initiator
//! says its key first, and each key of its shows other emoji to a person.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{AccountKey, Emoji};
use crate::address::{UserId, length_prefixed};
use crate::crypto::{DhPublicKey, DhSecretKey, Label, Secret, hkdf, hmac_parts, sha256};
use crate::wire::{DecodeError, stored};

const WHAT: &str = "comparison record";

/// What is confirmed: an account key, and nothing else yet. A MAC of one kind of identifier
/// is never one of another.
const ACCOUNT_KEY: u8 = 1;

/// What names a comparison: random, made by its initiator.
pub(crate) type TransactionId = [u8; 16];

/// An account, by its user id and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) user: UserId,
    pub(crate) account_key: AccountKey,
}

/// What one side says to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmojiStep {
    /// May we compare?
    Start,
    /// A hash of the key that the responder will show.
    Commitment([u8; 32]),
    /// The initiator's key.
    Key([u8; 32]),
    /// The responder's key.
    Reveal([u8; 32]),
    /// That a person has compared: a MAC over the account key of who says it.
    Confirmation([u8; 32]),
}

/// What came of a step of the other side.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// To be said in turn.
    pub(crate) say: Option<EmojiStep>,
    /// To be shown to the person.
    pub(crate) show: Option<Emoji>,
}

/// Somebody sits in between, or the other side errs: end it, and tell the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mismatch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Initiator,
    Responder,
}

impl Role {
    const fn number(self) -> u8 {
        match self {
            Self::Initiator => 1,
            Self::Responder => 2,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// The initiator has asked.
    Asked,
    /// The initiator has said its key, and waits for the one that is committed to. What
    /// confirms it may overtake it.
    KeySaid { commitment: [u8; 32], early: Option<[u8; 32]> },
    /// The responder has committed to its key.
    Committed,
    /// There are emoji to compare.
    Shown { their_key: DhPublicKey, confirmed: bool, confirmed_by_them: bool },
}

/// One side of a comparison.
pub(crate) struct Comparison {
    transaction: TransactionId,
    role: Role,
    ours: Party,
    theirs: Party,
    key: DhSecretKey,
    stage: Stage,
}

/// What both keys give together.
struct Shared {
    emoji: Emoji,
    mac_key: Secret<32>,
}

impl Comparison {
    /// Begins one; the other side is to be told [`EmojiStep::Start`].
    pub(crate) fn start(ours: Party, theirs: Party, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut transaction = [0; 16];
        rng.fill_bytes(&mut transaction);
        let key = DhSecretKey::generate(rng);
        Self { transaction, role: Role::Initiator, ours, theirs, key, stage: Stage::Asked }
    }

    /// Takes part in one that the other side has begun; it is to be told the commitment.
    pub(crate) fn accept(
        transaction: TransactionId,
        ours: Party,
        theirs: Party,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Self, EmojiStep) {
        let (role, stage) = (Role::Responder, Stage::Committed);
        let key = DhSecretKey::generate(rng);
        let comparison = Self { transaction, role, ours, theirs, key, stage };
        let commitment = comparison.commitment(&comparison.key.public_key());
        (comparison, EmojiStep::Commitment(commitment))
    }

    pub(crate) fn transaction(&self) -> TransactionId {
        self.transaction
    }

    /// Whose key is compared.
    pub(crate) fn theirs(&self) -> &Party {
        &self.theirs
    }

    /// Whether the other side has not answered yet.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.stage == Stage::Asked
    }

    /// Whether its person knows of it: has asked for it, or has seen emoji.
    pub(crate) fn is_known_to_person(&self) -> bool {
        self.role == Role::Initiator || matches!(self.stage, Stage::Shown { .. })
    }

    /// The emoji, once there are some.
    pub(crate) fn emoji(&self) -> Option<Emoji> {
        match &self.stage {
            Stage::Shown { their_key, .. } => Some(self.shared(their_key).ok()?.emoji),
            _ => None,
        }
    }

    /// Whether both people have compared.
    pub(crate) fn is_verified(&self) -> bool {
        matches!(self.stage, Stage::Shown { confirmed: true, confirmed_by_them: true, .. })
    }

    /// The other side says something.
    ///
    /// # Errors
    ///
    /// [`Mismatch`] if it is not what was committed to, or confirms something else.
    pub(crate) fn hear(&mut self, step: EmojiStep) -> Result<Heard, Mismatch> {
        let nothing = Ok(Heard::default());
        match (&mut self.stage, step) {
            (Stage::Asked, EmojiStep::Commitment(commitment)) => {
                self.stage = Stage::KeySaid { commitment, early: None };
                let say = Some(EmojiStep::Key(*self.key.public_key().as_bytes()));
                Ok(Heard { say, show: None })
            }
            (Stage::Committed, EmojiStep::Key(key)) => {
                let their_key = DhPublicKey::from_bytes(&key).map_err(|_| Mismatch)?;
                let show = self.show(their_key, None)?;
                let say = Some(EmojiStep::Reveal(*self.key.public_key().as_bytes()));
                Ok(Heard { say, show: Some(show) })
            }
            (Stage::KeySaid { commitment, early }, EmojiStep::Reveal(key)) => {
                let (commitment, early) = (*commitment, *early);
                let their_key = DhPublicKey::from_bytes(&key).map_err(|_| Mismatch)?;
                if self.commitment(&their_key) != commitment {
                    return Err(Mismatch);
                }
                let show = self.show(their_key, early)?;
                Ok(Heard { say: None, show: Some(show) })
            }
            (Stage::KeySaid { early, .. }, EmojiStep::Confirmation(mac)) => {
                *early = Some(mac);
                nothing
            }
            (Stage::Shown { their_key, .. }, EmojiStep::Confirmation(mac)) => {
                let their_key = *their_key;
                self.check_confirmation(&their_key, &mac)?;
                if let Stage::Shown { confirmed_by_them, .. } = &mut self.stage {
                    *confirmed_by_them = true;
                }
                nothing
            }
            _ => nothing,
        }
    }

    /// The person has compared these emoji; gives what the other side is to be told. `None`
    /// if they are not those of this comparison.
    pub(crate) fn confirm(&mut self, compared: &Emoji) -> Option<EmojiStep> {
        let Stage::Shown { their_key, .. } = self.stage else { return None };
        let shared = self.shared(&their_key).ok().filter(|shared| shared.emoji == *compared)?;
        if let Stage::Shown { confirmed, .. } = &mut self.stage {
            *confirmed = true;
        }
        let mac = confirmation(&shared.mac_key, self.role, &self.ours);
        Some(EmojiStep::Confirmation(*mac.expose()))
    }

    fn show(&mut self, their_key: DhPublicKey, early: Option<[u8; 32]>) -> Result<Emoji, Mismatch> {
        let emoji = self.shared(&their_key)?.emoji;
        if let Some(mac) = early {
            self.check_confirmation(&their_key, &mac)?;
        }
        let confirmed_by_them = early.is_some();
        self.stage = Stage::Shown { their_key, confirmed: false, confirmed_by_them };
        Ok(emoji)
    }

    fn check_confirmation(&self, their_key: &DhPublicKey, mac: &[u8; 32]) -> Result<(), Mismatch> {
        let shared = self.shared(their_key)?;
        let theirs = confirmation(&shared.mac_key, self.role.other(), &self.theirs);
        if theirs.matches(mac) { Ok(()) } else { Err(Mismatch) }
    }

    /// Initiator and responder.
    fn parties(&self) -> [&Party; 2] {
        match self.role {
            Role::Initiator => [&self.ours, &self.theirs],
            Role::Responder => [&self.theirs, &self.ours],
        }
    }

    // commitment = H("subrosa/1 emoji commitment" || 0x00 || transaction id
    //                || lp(user id I) || account key I || lp(user id R) || account key R || key R)
    fn commitment(&self, key: &DhPublicKey) -> [u8; 32] {
        let [initiator, responder] = self.parties().map(Party::to_bound_bytes);
        sha256(&[
            Label::EMOJI_COMMITMENT.as_bytes(),
            &[0],
            &self.transaction,
            &initiator,
            &responder,
            key.as_bytes(),
        ])
    }

    // c = transaction id || lp(user id I) || account key I || key I
    //     || lp(user id R) || account key R || key R
    // emoji   = HKDF(0^32, DH(key I, key R), "subrosa/1 emoji" || c, 6)
    // mac key = HKDF(0^32, DH(key I, key R), "subrosa/1 emoji mac" || c, 32)
    fn shared(&self, their_key: &DhPublicKey) -> Result<Shared, Mismatch> {
        let secret = self.key.agree(their_key).map_err(|_| Mismatch)?;
        let [initiator, responder] = self.parties().map(Party::to_bound_bytes);
        let our_key = self.key.public_key();
        let keys = match self.role {
            Role::Initiator => [&our_key, their_key],
            Role::Responder => [their_key, &our_key],
        };
        let [key_i, key_r] = keys.map(|key| key.as_bytes().as_slice());
        let context = [self.transaction.as_slice(), &initiator, key_i, &responder, key_r];
        let (salt, input) = (Secret::copy_from(&[0; 32]), [secret.expose().as_slice()]);
        let emoji: Secret<6> = hkdf(&salt, &input, Label::EMOJI, &context);
        let mac_key = hkdf(&salt, &input, Label::EMOJI_MAC, &context);
        Ok(Shared { emoji: Emoji::of(emoji.expose()), mac_key })
    }

    /// The record to keep, secret (`stored.proto`, `Comparison`).
    pub(crate) fn record(&self) -> Zeroizing<Vec<u8>> {
        let mut raw = stored::Comparison::default();
        raw.transaction_id = self.transaction.to_vec();
        raw.we_initiated = self.role == Role::Initiator;
        raw.their_account_key = self.theirs.account_key.as_bytes().to_vec();
        raw.key = self.key.secret().expose().to_vec();
        match &self.stage {
            Stage::Asked | Stage::Committed => {}
            Stage::KeySaid { commitment, early } => {
                raw.commitment = commitment.to_vec();
                raw.early_confirmation = early.map(|mac| mac.to_vec()).unwrap_or_default();
            }
            Stage::Shown { their_key, confirmed, confirmed_by_them } => {
                raw.their_key = their_key.as_bytes().to_vec();
                raw.confirmed = *confirmed;
                raw.confirmed_by_them = *confirmed_by_them;
            }
        }
        stored::encode(&raw)
    }

    /// The side that [`Self::record`] was made of.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the record is damaged: begin anew.
    pub(crate) fn from_record(
        bytes: &[u8],
        ours: Party,
        their_user: UserId,
    ) -> Result<Self, DecodeError> {
        const DAMAGED: DecodeError = DecodeError::Malformed(WHAT);
        let raw: stored::Comparison = stored::decode(bytes, WHAT)?;
        let role = if raw.we_initiated { Role::Initiator } else { Role::Responder };
        let early = match raw.early_confirmation.as_slice() {
            [] => None,
            mac => Some(stored::array(mac, WHAT)?),
        };
        let stage = if !raw.their_key.is_empty() {
            Stage::Shown {
                their_key: DhPublicKey::from_bytes(&raw.their_key).map_err(|_| DAMAGED)?,
                confirmed: raw.confirmed,
                confirmed_by_them: raw.confirmed_by_them,
            }
        } else if role == Role::Responder {
            Stage::Committed
        } else if raw.commitment.is_empty() {
            Stage::Asked
        } else {
            Stage::KeySaid { commitment: stored::array(&raw.commitment, WHAT)?, early }
        };
        let account_key = stored::array(&raw.their_account_key, WHAT)?;
        let account_key = AccountKey::from_bytes(&account_key).ok_or(DAMAGED)?;
        Ok(Self {
            transaction: stored::array(&raw.transaction_id, WHAT)?,
            role,
            ours,
            theirs: Party { user: their_user, account_key },
            key: DhSecretKey::from_secret(Secret::from_slice(&raw.key).ok_or(DAMAGED)?),
            stage,
        })
    }
}

impl Party {
    // lp(user id) || account key
    fn to_bound_bytes(&self) -> Vec<u8> {
        [length_prefixed(&self.user).as_slice(), self.account_key.as_bytes()].concat()
    }
}

// confirmation = HMAC(mac key, u8(role) || u8(1) || lp(user id) || account key)
fn confirmation(mac_key: &Secret<32>, role: Role, party: &Party) -> Secret<32> {
    hmac_parts(mac_key, &[&[role.number(), ACCOUNT_KEY], &party.to_bound_bytes()])
}

impl fmt::Debug for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Comparison").field("role", &self.role).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;
    use crate::identity::{Account, Device};

    fn party(name: &str, rng: &mut ChaCha8Rng) -> Party {
        let user = UserId::new(name).unwrap();
        let device = Device::generate(user.clone(), rng);
        Party { user, account_key: Account::create(&device, rng).key() }
    }

    fn stored_and_loaded(side: Comparison) -> Comparison {
        let (ours, user) = (side.ours.clone(), side.theirs.user.clone());
        let loaded = Comparison::from_record(&side.record(), ours, user).unwrap();
        assert_eq!(loaded.record(), side.record());
        assert_eq!((&loaded.stage, loaded.role), (&side.stage, side.role));
        loaded
    }

    /// Two sides that have emoji.
    fn compared(alice: &Party, bob: &Party, rng: &mut ChaCha8Rng) -> (Comparison, Comparison) {
        let mut one = stored_and_loaded(Comparison::start(alice.clone(), bob.clone(), rng));
        assert!(one.is_unanswered());
        let (other, commitment) =
            Comparison::accept(one.transaction(), bob.clone(), alice.clone(), rng);
        let mut other = stored_and_loaded(other);
        let key = one.hear(commitment).unwrap().say.unwrap();
        let mut one = stored_and_loaded(one);
        let Heard { say: Some(reveal), show } = other.hear(key).unwrap() else {
            panic!("it reveals its key");
        };
        assert!(show.is_some() && show == other.emoji());
        assert_eq!(one.hear(reveal), Ok(Heard { say: None, show }));
        assert_eq!(one.emoji(), show);
        (stored_and_loaded(one), stored_and_loaded(other))
    }

    #[test]
    fn two_who_mean_each_other_see_the_same_and_confirm_it() {
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        let [alice, bob] = ["alice", "bob"].map(|name| party(name, rng));
        let (mut one, mut other) = compared(&alice, &bob, rng);
        let emoji = one.emoji().unwrap();
        assert_eq!(other.emoji(), Some(emoji));
        let (mine, theirs) = (one.confirm(&emoji).unwrap(), other.confirm(&emoji).unwrap());
        assert_ne!(mine, theirs);
        assert!(!one.is_verified() && !other.is_verified());
        // What one says is not what the other says.
        assert_eq!(one.hear(mine), Err(Mismatch));
        assert_eq!(one.hear(theirs), Ok(Heard::default()));
        assert_eq!(other.hear(mine), Ok(Heard::default()));
        assert!(one.is_verified() && other.is_verified());
        assert!(stored_and_loaded(one).is_verified());
    }

    #[test]
    fn a_confirmation_may_overtake_the_key_that_it_is_of() {
        let rng = &mut ChaCha8Rng::seed_from_u64(2);
        let [alice, bob] = ["alice", "bob"].map(|name| party(name, rng));
        for forged in [false, true] {
            let mut one = Comparison::start(alice.clone(), bob.clone(), rng);
            let (mut other, commitment) =
                Comparison::accept(one.transaction(), bob.clone(), alice.clone(), rng);
            let key = one.hear(commitment).unwrap().say.unwrap();
            let Heard { say: Some(reveal), show: Some(emoji) } = other.hear(key).unwrap() else {
                panic!("it reveals its key");
            };
            let mut mac = other.confirm(&emoji).unwrap();
            if forged {
                mac = EmojiStep::Confirmation([7; 32]);
            }
            assert_eq!(one.hear(mac), Ok(Heard::default()));
            let mut one = stored_and_loaded(one);
            assert_eq!(one.hear(reveal).is_err(), forged);
            if !forged {
                assert!(!one.is_verified());
                one.confirm(&emoji).unwrap();
                assert!(one.is_verified());
            }
        }
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let rng = &mut ChaCha8Rng::seed_from_u64(3);
        let [alice, bob] = ["alice", "bob"].map(|name| party(name, rng));
        let (mut one, other) = compared(&alice, &bob, rng);
        let before = one.record();
        let late = [
            EmojiStep::Start,
            EmojiStep::Commitment([1; 32]),
            EmojiStep::Key([9; 32]),
            EmojiStep::Reveal(*other.key.public_key().as_bytes()),
        ];
        for step in late {
            assert_eq!(one.hear(step), Ok(Heard::default()));
        }
        let mut another = one.emoji().unwrap().to_numbers();
        another[6] ^= 1;
        assert_eq!(one.confirm(&Emoji::from_numbers(&another).unwrap()), None);
        assert_eq!(one.record(), before);
        let mut asked = Comparison::start(alice, bob, rng);
        assert_eq!(asked.hear(EmojiStep::Reveal([9; 32])), Ok(Heard::default()));
        assert_eq!(asked.confirm(&one.emoji().unwrap()), None);
        assert!(asked.is_unanswered() && asked.emoji().is_none());
    }

    #[test]
    fn a_key_that_was_not_committed_to_or_is_degenerate_is_refused() {
        let rng = &mut ChaCha8Rng::seed_from_u64(4);
        let [alice, bob] = ["alice", "bob"].map(|name| party(name, rng));
        let mut one = Comparison::start(alice.clone(), bob.clone(), rng);
        let (mut other, commitment) = Comparison::accept(one.transaction(), bob, alice, rng);
        one.hear(commitment).unwrap();
        for key in [*DhSecretKey::generate(rng).public_key().as_bytes(), [0; 32], [0xff; 32]] {
            assert_eq!(one.hear(EmojiStep::Reveal(key)), Err(Mismatch));
        }
        assert_eq!(other.hear(EmojiStep::Key([0; 32])), Err(Mismatch));
        assert!(one.emoji().is_none() && other.emoji().is_none());
    }

    /// What somebody in between does with the keys and commitments that pass.
    #[derive(Debug, Clone, Copy)]
    struct Between {
        own_key_to_responder: bool,
        own_commitment: bool,
        own_reveal: bool,
        own_transaction: bool,
    }

    fn between() -> impl Strategy<Value = Between> {
        any::<[bool; 4]>().prop_map(|[key, commitment, reveal, transaction]| Between {
            own_key_to_responder: key,
            own_commitment: commitment,
            own_reveal: reveal,
            own_transaction: transaction,
        })
    }

    proptest! {
        /// Both take somebody else's account key for that of the other: whatever he does
        /// with what passes, they see different emoji, or one sees none; and no confirmation
        /// of one counts for the other.
        #[test]
        fn who_sits_in_between_is_seen(does in between(), seed: u64) {
            let rng = &mut ChaCha8Rng::seed_from_u64(seed);
            let [alice, bob] = ["alice", "bob"].map(|name| party(name, rng));
            let [as_alice, as_bob] = ["alice", "bob"].map(|name| party(name, rng));
            let mut one = Comparison::start(alice.clone(), as_bob.clone(), rng);
            let transaction = if does.own_transaction { [7; 16] } else { one.transaction() };
            let (mut other, commitment) =
                Comparison::accept(transaction, bob, as_alice.clone(), rng);
            let (own, own_commitment) =
                Comparison::accept(one.transaction(), as_bob, alice, rng);
            let to_one = if does.own_commitment { own_commitment } else { commitment };
            let key = one.hear(to_one).unwrap().say.unwrap();
            let own_key = EmojiStep::Key(*own.key.public_key().as_bytes());
            let to_other = if does.own_key_to_responder { own_key } else { key };
            let reveal = other.hear(to_other).unwrap().say.unwrap();
            let own_reveal = EmojiStep::Reveal(*own.key.public_key().as_bytes());
            let shown = one.hear(if does.own_reveal { own_reveal } else { reveal });
            prop_assert_eq!(shown.is_ok(), does.own_commitment && does.own_reveal);
            prop_assert_ne!(one.emoji(), other.emoji());
            let theirs = other.emoji().unwrap();
            prop_assert_eq!(one.confirm(&theirs), None);
            let confirmed = other.confirm(&theirs).unwrap();
            prop_assert!(one.hear(confirmed).is_err() || one.emoji().is_none());
            prop_assert!(!one.is_verified() && !other.is_verified());
        }
    }

    #[test]
    fn nothing_secret_is_printed_and_a_damaged_record_is_refused() {
        let rng = &mut ChaCha8Rng::seed_from_u64(5);
        let [alice, bob] = ["alice", "bob"].map(|name| party(name, rng));
        let (one, _) = compared(&alice, &bob, rng);
        assert_eq!(format!("{one:?}"), "Comparison { role: Initiator, .. }");
        for bytes in [&b""[..], b"\x0a\x01x", &[0xff; 40]] {
            assert!(Comparison::from_record(bytes, alice.clone(), bob.user.clone()).is_err());
        }
    }
}
