//! What is printed: on the left what people do, on the right what the relay sees of it.

use std::io::{self, Write};
use std::sync::mpsc::Receiver;

use crate::mischief::Fate;
use crate::relay::Seen;

/// Where the right column begins.
const WIDTH: usize = 70;

/// What kind of envelope was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A new message.
    Message,
    /// A message sent again.
    Again,
    /// A receipt.
    Receipt,
}

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Every envelope.
    All,
    /// No envelopes, but the post-quantum ratchet's steps.
    Steps,
    /// Progress only.
    Progress,
}

/// How often what happened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) messages: usize,
    pub(crate) again: usize,
    pub(crate) receipts: usize,
    pub(crate) bytes: usize,
    pub(crate) lost: usize,
    pub(crate) twice: usize,
    pub(crate) held: usize,
    pub(crate) overtakes: usize,
    pub(crate) altered: usize,
}

impl Tally {
    fn count(&mut self, kind: Kind, seen: &Seen) {
        self.bytes += seen.length;
        match kind {
            Kind::Message => self.messages += 1,
            Kind::Again => self.again += 1,
            Kind::Receipt => self.receipts += 1,
        }
        match seen.fate {
            Fate::Straight => {}
            Fate::Lost => self.lost += 1,
            Fate::Twice => self.twice += 1,
            Fate::Held(_) => self.held += 1,
            Fate::Overtakes(_) => self.overtakes += 1,
            Fate::Altered => self.altered += 1,
        }
    }
}

/// The transcript, on standard output.
#[derive(Debug)]
pub(crate) struct Transcript {
    seen: Receiver<Seen>,
    /// Of the whole run.
    pub(crate) total: Tally,
    /// Since the last progress line.
    part: Tally,
    detail: Detail,
}

impl Transcript {
    /// A transcript beside what a relay sees.
    pub(crate) fn new(seen: Receiver<Seen>) -> Self {
        Self { seen, total: Tally::default(), part: Tally::default(), detail: Detail::All }
    }

    /// Begins a part of the story.
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        print("", "")?;
        print(&format!("== {text}"), "")
    }

    /// Says something in any case.
    pub(crate) fn say(&self, text: &str) -> io::Result<()> {
        print(text, "")
    }

    /// Says something that is not beside an envelope on its way to the relay.
    pub(crate) fn detail(&self, text: &str) -> io::Result<()> {
        if self.detail == Detail::All { print(text, "") } else { Ok(()) }
    }

    /// Says that the post-quantum ratchet took a step.
    pub(crate) fn stepped(&self, text: &str) -> io::Result<()> {
        if self.detail == Detail::Progress { Ok(()) } else { print(text, "") }
    }

    /// Something has been sent: beside it, what the relay saw.
    pub(crate) fn sent(&mut self, kind: Kind, text: &str) -> io::Result<()> {
        let seen = self.seen.try_recv().map_err(io::Error::other)?;
        self.total.count(kind, &seen);
        self.part.count(kind, &seen);
        if self.detail != Detail::All {
            return Ok(());
        }
        let Seen { mailbox, length, start, fate } = seen;
        let start: String = start.iter().map(|byte| format!("{byte:02x}")).collect();
        print(text, &format!("{mailbox} {length:>5} B {start} {fate}"))
    }

    /// One line for everything since the last such line.
    pub(crate) fn progress(&mut self, text: &str) -> io::Result<()> {
        let part = std::mem::take(&mut self.part);
        let Tally { messages, again, receipts, bytes, lost, .. } = part;
        let envelopes = messages + again + receipts;
        print(text, &format!("{envelopes} envelopes, {} KiB, {lost} lost", bytes.div_ceil(1024)))
    }

    /// From here on this much is shown.
    pub(crate) fn show(&mut self, detail: Detail) {
        (self.detail, self.part) = (detail, Tally::default());
    }
}

/// Two columns; what is too long for the left one is cut.
fn print(left: &str, right: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if right.is_empty() {
        return writeln!(out, "{left}");
    }
    let mut left = left.to_owned();
    if let Some((end, _)) = left.char_indices().nth(WIDTH - 2) {
        left.truncate(end);
        left.push('…');
    }
    let line = format!("{left:<WIDTH$}| {right}");
    writeln!(out, "{}", line.trim_end())
}
