//! How two people talk over a bad network: they send, read, ask again for what is
//! missing, and go on until everything is confirmed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use subrosa::session::DecryptError;

use crate::note::{Note, Receipt};
use crate::person::{Person, Reading, Result};
use crate::transcript::{Kind, Transcript};

/// The most envelopes that one look into the mailbox takes out.
const MAX_READ: usize = 8192;

/// The most rounds until everything must be confirmed.
const MAX_ROUNDS: usize = 64;

/// So many rounds in which nothing happens are waited before a message is sent again.
const PATIENCE: usize = 1;

/// How often a mailbox is emptied until nothing can be held back any more.
const SWEEPS: usize = 4;

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

/// Two people and the transcript of what they do.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) transcript: Transcript,
    /// Alice, then Bob.
    people: Vec<Person>,
    /// What was said and not yet read.
    unread: BTreeSet<(Who, u64)>,
    /// How many epochs each has been seen to have.
    epochs: [u32; 2],
    /// Nothing has happened that must not.
    sound: bool,
}

impl Talk {
    /// Two people who have not talked yet.
    pub(crate) fn new(alice: Person, bob: Person, transcript: Transcript) -> Self {
        let people = vec![alice, bob];
        Self { transcript, people, unread: BTreeSet::new(), epochs: [0; 2], sound: true }
    }

    /// One of the two.
    pub(crate) fn person(&mut self, who: Who) -> &mut Person {
        &mut self.people[who as usize]
    }

    /// Drops Bob, with all that he has in memory.
    pub(crate) fn drop_bob(&mut self) {
        drop(self.people.pop());
    }

    /// Loads Bob from his disk, after he was dropped.
    pub(crate) fn load_bob(&mut self, disk: &Path, relay: SocketAddr) -> Result<()> {
        self.people.push(Person::restart(disk, relay)?);
        Ok(())
    }

    /// Sends a text; gives its number.
    pub(crate) fn say(&mut self, who: Who, text: &str) -> Result<u64> {
        self.send(who, &Note::Text(text.to_owned()), text)
    }

    /// Sends something that is shown as `text`; gives its number.
    pub(crate) fn send(&mut self, who: Who, note: &Note, text: &str) -> Result<u64> {
        let seq = self.person(who).send(note)?;
        self.unread.insert((who, seq));
        self.transcript.sent(Kind::Message, &format!("{:<5} #{seq:<3} {text}", who.name()))?;
        self.watch(who, &format!("sending #{seq}"))?;
        Ok(seq)
    }

    /// Reads everything in the mailbox, answers receipts, and asks for what is
    /// missing; gives whether there was anything new to it.
    pub(crate) fn read(&mut self, who: Who) -> Result<bool> {
        let mut came = false;
        for _ in 0..MAX_READ {
            match self.person(who).read()? {
                None => break,
                Some(Err(error)) => self.show_dropped(who, error)?,
                Some(Ok(reading)) => {
                    came = true;
                    self.take_in(who, reading)?;
                }
            }
        }
        if self.person(who).owes_receipt && self.person(who).gaps().next().is_some() {
            self.send_receipt(who)?;
        }
        Ok(came)
    }

    fn take_in(&mut self, who: Who, reading: Reading) -> Result<()> {
        let Reading { seq, note, late, repeated, alarm } = reading;
        if seq != 0 && !repeated {
            self.unread.remove(&(who.other(), seq));
        }
        let remark = match (repeated, late) {
            (true, _) => " (has it already)",
            (false, true) => " (late)",
            (false, false) => "",
        };
        match &note {
            Some(Note::Text(text)) => {
                let text = if repeated { String::new() } else { format!(" {text}") };
                let name = who.name();
                self.transcript.detail(&format!("      {name} reads #{seq}{remark}{text}"))?;
            }
            Some(Note::Piece(_) | Note::Receipt(_)) => {}
            None => self.alarm(who, "the message breaks the rules")?,
        }
        if let Some(alarm) = alarm {
            self.alarm(who, &alarm)?;
        }
        let what = if seq == 0 { "a receipt".to_owned() } else { format!("#{seq}") };
        self.watch(who, &format!("reading {what}"))?;
        if let Some(Note::Receipt(receipt)) = note {
            self.answer(who, &receipt)?;
        }
        Ok(())
    }

    fn show_dropped(&mut self, who: Who, error: DecryptError) -> Result<()> {
        let name = who.name();
        Ok(self.transcript.detail(&format!("      {name} drops an envelope: {error}"))?)
    }

    fn alarm(&mut self, who: Who, what: &str) -> Result<()> {
        self.sound = false;
        Ok(self.transcript.say(&format!("  !!  {}: {what}", who.name()))?)
    }

    /// Sends again what a receipt asks for.
    fn answer(&mut self, who: Who, receipt: &Receipt) -> Result<()> {
        for seq in self.person(who).confirmed(receipt)? {
            self.send_again(who, seq)?;
        }
        Ok(())
    }

    fn send_again(&mut self, who: Who, seq: u64) -> Result<()> {
        self.person(who).send_again(seq)?;
        self.transcript.sent(Kind::Again, &format!("{:<5} #{seq:<3} again", who.name()))?;
        self.watch(who, &format!("sending #{seq} again"))
    }

    fn send_receipt(&mut self, who: Who) -> Result<()> {
        let Receipt { have, missing } = self.person(who).send_receipt()?;
        let missing: Vec<_> = missing
            .iter()
            .map(|range| match (range.start(), range.end()) {
                (first, last) if first == last => format!("#{first}"),
                (first, last) => format!("#{first} to #{last}"),
            })
            .collect();
        let text = if missing.is_empty() {
            format!("has all to #{have}")
        } else {
            format!("please send {} again", missing.join(", "))
        };
        self.transcript.sent(Kind::Receipt, &format!("{:<5} --   {text}", who.name()))?;
        self.watch(who, "sending a receipt")
    }

    /// Reads, asks and sends again until both have confirmed everything.
    pub(crate) fn settle(&mut self) -> Result<()> {
        let mut silent = 0;
        for _ in 0..MAX_ROUNDS {
            let mut busy = self.read(Who::Alice)? | self.read(Who::Bob)?;
            for who in Who::BOTH {
                if self.person(who).owes_receipt {
                    self.send_receipt(who)?;
                    busy = true;
                }
            }
            if self.is_settled() {
                return Ok(());
            }
            silent = if busy { 0 } else { silent + 1 };
            if silent > PATIENCE {
                self.remind()?;
                silent = 0;
            }
        }
        Err("the network is too bad: not everything arrived".into())
    }

    /// Whoever waits for a receipt sends the newest message again, to show the other
    /// what is missing.
    fn remind(&mut self) -> Result<()> {
        for who in Who::BOTH {
            if let Some(seq) = self.person(who).unconfirmed() {
                self.send_again(who, seq)?;
            }
        }
        Ok(())
    }

    fn is_settled(&mut self) -> bool {
        Who::BOTH.into_iter().all(|who| self.person(who).unconfirmed().is_none())
    }

    /// Empties the mailboxes until nothing is held back any more.
    pub(crate) fn sweep(&mut self) -> Result<()> {
        for _ in 0..SWEEPS {
            self.read(Who::Alice)?;
            self.read(Who::Bob)?;
        }
        self.settle()
    }

    /// Whether all that was said was read, and nothing went wrong.
    pub(crate) fn is_complete(&mut self) -> bool {
        let gaps = Who::BOTH.into_iter().any(|who| self.person(who).gaps().next().is_some());
        self.sound && !gaps && self.unread.is_empty() && self.is_settled()
    }

    /// Notices that the post-quantum ratchet took a step.
    fn watch(&mut self, who: Who, doing: &str) -> Result<()> {
        let epochs = self.person(who).epochs();
        let known = std::mem::replace(&mut self.epochs[who as usize], epochs);
        if epochs != known {
            self.transcript.stepped(&format!(
                "  **  {}'s post-quantum ratchet mixes in epoch {epochs}, {doing}",
                who.name()
            ))?;
        }
        Ok(())
    }

    /// How many epochs each has mixed in.
    pub(crate) fn epochs(&self) -> [u32; 2] {
        self.epochs
    }
}
