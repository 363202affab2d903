//! How two people talk over a bad network: each carries, receives, and sleeps until its
//! messenger has something to do.

use std::collections::{BTreeMap, VecDeque};

use sha2::{Digest, Sha256};
use subrosa::identity::SafetyNumber;
use subrosa::{
    Action, Clock, EventKind, FailReason, Message, MessageId, Status, Timestamp, Urgency, UserId,
};

use crate::clock::StoryClock;
use crate::file::Pieces;
use crate::person::{Home, Person, Result};
use crate::transcript::Transcript;

/// So many rounds in which nothing moves show that nothing is held back any more.
const IDLE_ROUNDS: usize = 4;

/// The most rounds of an exchange.
const MAX_ROUNDS: usize = 10_000;

/// The most that both sleep: at most an hour each time, so a month in all.
const MAX_SLEEPS: usize = 24 * 31;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Alice,
    Bob,
}

impl Who {
    /// Both.
    pub(crate) const BOTH: [Self; 2] = [Self::Alice, Self::Bob];

    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Alice => Self::Bob,
            Self::Bob => Self::Alice,
        }
    }

    /// The name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alice => "Alice",
            Self::Bob => "Bob",
        }
    }
}

/// Something that was said, and what became of it.
struct Said {
    digest: [u8; 32],
    /// How often the other side's app was told, with just these words.
    told: usize,
    /// The sender's app was told that it arrived.
    confirmed: bool,
    /// The sender's app was told that for weeks there was no receipt.
    expired: bool,
}

/// Two people and the transcript of what they do.
pub(crate) struct Talk {
    pub(crate) transcript: Transcript,
    homes: Vec<Home>,
    /// Alice, then Bob; nothing while a process does not run.
    people: [Option<Person>; 2],
    clock: StoryClock,
    said: BTreeMap<MessageId, Said>,
    /// What stands on the left when the next message is carried.
    to_carry: [VecDeque<String>; 2],
    /// What Bob has of the file.
    pub(crate) pieces: Pieces,
    /// Events that must not happen, and messages that nobody wrote.
    alarms: usize,
}

/// What is to be true in the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) said: usize,
    pub(crate) once: usize,
    pub(crate) confirmed: usize,
    pub(crate) expired: usize,
    pub(crate) alarms: usize,
}

impl Talk {
    /// Two people who have not talked yet: Alice's home, then Bob's.
    pub(crate) fn new(homes: [Home; 2], transcript: Transcript) -> Result<Self> {
        let people = [Some(Person::open(&homes[0])?), Some(Person::open(&homes[1])?)];
        Ok(Self {
            transcript,
            people,
            clock: homes[0].clock.clone(),
            homes: homes.into(),
            said: BTreeMap::new(),
            to_carry: Default::default(),
            pieces: Pieces::default(),
            alarms: 0,
        })
    }

    fn user(&self, who: Who) -> UserId {
        self.homes[who as usize].user.clone()
    }

    /// One of the two.
    pub(crate) fn person(&mut self, who: Who) -> Result<&mut Person> {
        let asleep = || format!("{} is not running", who.name());
        Ok(self.people[who as usize].as_mut().ok_or_else(asleep)?)
    }

    /// Ends a person's process, with all that it has in memory.
    pub(crate) fn kill(&mut self, who: Who) {
        self.people[who as usize] = None;
    }

    /// Starts it again, from what is on the disk.
    pub(crate) fn restart(&mut self, who: Who) -> Result<()> {
        self.people[who as usize] = Some(Person::open(&self.homes[who as usize])?);
        Ok(())
    }

    /// Says something, which is saved, but does not leave yet.
    pub(crate) fn write(&mut self, who: Who, texts: &[String], label: &str) -> Result<()> {
        let to = self.user(who.other());
        let ids = self.person(who)?.say(&to, texts)?;
        for (id, text) in ids.into_iter().zip(texts) {
            let said = Said {
                digest: Sha256::digest(text).into(),
                told: 0,
                confirmed: false,
                expired: false,
            };
            self.said.insert(id, said);
            let label = if label.is_empty() { text } else { label };
            self.to_carry[who as usize].push_back(format!("{:<5} {label}", who.name()));
        }
        Ok(())
    }

    /// Says something.
    pub(crate) fn say(&mut self, who: Who, text: &str) -> Result<()> {
        self.write(who, &[text.to_owned()], "")?;
        self.carry(who).map(drop)
    }

    /// Carries what there is; says how much.
    pub(crate) fn carry(&mut self, who: Who) -> Result<usize> {
        let Some(person) = self.people[who as usize].as_mut() else { return Ok(0) };
        let (transcript, labels) = (&mut self.transcript, &mut self.to_carry[who as usize]);
        let (mut carried, name) = (0, who.name());
        person.carry(|action| {
            carried += 1;
            match action {
                Action::Publish { .. } => {
                    transcript.detail(&format!("{name:<5} publishes a device list and prekeys"))?;
                }
                Action::Fetch { user } => transcript.detail(&format!(
                    "{name:<5} asks for the bundle of {user}, and checks every signature in it"
                ))?,
                Action::Deliver { urgency: Urgency::Alert, .. } => {
                    transcript.message(&labels.pop_front().unwrap_or_default())?;
                }
                Action::Deliver { urgency: Urgency::Quiet, .. } => {
                    transcript.quiet(&format!("{name:<5} --"))?;
                }
            }
            Ok(())
        })?;
        Ok(carried)
    }

    /// Reads the mailbox; says how many envelopes were in it.
    pub(crate) fn read(&mut self, who: Who) -> Result<usize> {
        let Some(person) = self.people[who as usize].as_mut() else { return Ok(0) };
        let mail = person.receive()?;
        self.transcript.dropped(mail.duplicates, mail.unreadable);
        self.look(who)?;
        Ok(mail.came)
    }

    /// Takes in what a person's app is told.
    fn look(&mut self, who: Who) -> Result<()> {
        for event in self.person(who)?.events()? {
            match event {
                EventKind::Message(message) => self.hear(who, &message, "reads")?,
                EventKind::Request(message) => self.hear(who, &message, "has a request:")?,
                EventKind::Status { status: Status::Sent | Status::Read(_), .. } => {}
                EventKind::Status { message, status, .. } => {
                    let said = self.said.get_mut(&message).ok_or("a status of nothing")?;
                    match status {
                        Status::Delivered(_) => said.confirmed = true,
                        Status::Failed(_, FailReason::Expired) => said.expired = true,
                        other => {
                            self.alarms += 1;
                            self.transcript.say(&format!("  !!  {}: {other:?}", who.name()))?;
                        }
                    }
                }
                other => {
                    self.alarms += 1;
                    self.transcript.say(&format!("  !!  {}: {other:?}", who.name()))?;
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self, who: Who, message: &Message, does: &str) -> Result<()> {
        let text = message.content.as_text().unwrap_or_default();
        let genuine = message.from == self.user(who.other());
        match self.said.get_mut(&message.id) {
            Some(said) if genuine && said.digest == <[u8; 32]>::from(Sha256::digest(text)) => {
                said.told += 1;
            }
            _ => self.alarms += 1,
        }
        if who == Who::Bob && self.pieces.add(text) {
            return Ok(());
        }
        Ok(self.transcript.detail(&format!("      {} {does} {text}", who.name()))?)
    }

    /// Both carry and read until nothing moves, and nothing is held back on the way.
    fn exchange(&mut self) -> Result<()> {
        let mut idle = 0;
        for _ in 0..MAX_ROUNDS {
            let mut moved = 0;
            for who in Who::BOTH {
                moved += self.carry(who)? + self.read(who)?;
            }
            idle = if moved == 0 { idle + 1 } else { 0 };
            if idle == IDLE_ROUNDS {
                return Ok(());
            }
        }
        Err("they never come to rest".into())
    }

    /// Goes on until all that was said was read: what is lost on the way, the messengers
    /// repair when it is time.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.settle_until(|said| said.told > 0)
    }

    /// Goes on until everybody also knows that it was.
    pub(crate) fn settle_all(&mut self) -> Result<()> {
        self.settle_until(|said| said.told > 0 && (said.confirmed || said.expired))
    }

    fn settle_until(&mut self, done: impl Fn(&Said) -> bool) -> Result<()> {
        let begun = self.clock.now();
        for _ in 0..MAX_SLEEPS {
            self.exchange()?;
            if self.said.values().all(&done) {
                let slept = self.clock.now().since(begun).as_secs() / 60;
                return match slept {
                    0 => Ok(()),
                    _ => {
                        let (hours, minutes) = (slept / 60, slept % 60);
                        let text = format!("  ~~  {hours} h {minutes:02} min later all is there");
                        Ok(self.transcript.detail(&text)?)
                    }
                };
            }
            self.sleep();
        }
        Err("the network is too bad: not everything arrived within a month".into())
    }

    /// Both sleep until one of them wakes up by itself.
    fn sleep(&self) {
        let wakes = self.people.iter().flatten().map(Person::wakes_at);
        // A wake-up that is past already is now.
        let soon = Timestamp::from_millis(self.clock.now().as_millis() + 1000);
        self.clock.move_to(wakes.min().unwrap_or(soon).max(soon));
    }

    /// This person says yes to the other's request.
    pub(crate) fn accept(&mut self, who: Who) -> Result<()> {
        let other = self.user(who.other());
        Ok(self.person(who)?.messenger.accept(&other)?)
    }

    /// The number that this person compares with the other's.
    pub(crate) fn safety_number(&mut self, who: Who) -> Result<SafetyNumber> {
        let other = self.user(who.other());
        let number = self.person(who)?.messenger.safety_number(&other)?;
        Ok(number.ok_or("the other's key is not known yet")?)
    }

    /// The person has compared it, and it was the same.
    pub(crate) fn mark_verified(&mut self, who: Who, number: &SafetyNumber) -> Result<()> {
        let other = self.user(who.other());
        Ok(self.person(who)?.messenger.mark_verified(&other, number)?)
    }

    /// What became of all that was said.
    pub(crate) fn outcome(&self) -> Outcome {
        let count = |which: &dyn Fn(&&Said) -> bool| self.said.values().filter(which).count();
        Outcome {
            said: self.said.len(),
            once: count(&|said| said.told == 1),
            confirmed: count(&|said| said.confirmed),
            expired: count(&|said| said.expired && !said.confirmed),
            alarms: self.alarms,
        }
    }
}
