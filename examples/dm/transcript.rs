//! What is printed: on the left what people do, on the right what the relay sees of it.

use std::io::{self, Write};
use std::sync::mpsc::Receiver;

use crate::mischief::{Fate, Seen};

/// Where the right column begins.
const WIDTH: usize = 70;

/// How often what happened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    /// Envelopes with what somebody said, for the first time.
    pub(crate) messages: usize,
    /// Receipts, repair, and what was sent again.
    pub(crate) quiet: usize,
    pub(crate) bytes: usize,
    pub(crate) lost: usize,
    pub(crate) twice: usize,
    pub(crate) held: usize,
    pub(crate) overtakes: usize,
    pub(crate) altered: usize,
    pub(crate) duplicates: usize,
    pub(crate) unreadable: usize,
    /// Parts of blobs that did not arrive, or not as they were.
    pub(crate) parts_lost: usize,
    pub(crate) parts_altered: usize,
}

impl Tally {
    fn count(&mut self, seen: &Seen) {
        self.bytes += seen.bytes.len();
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
    /// Of the whole run at the last progress line.
    before: Tally,
    /// Whether each envelope is shown.
    pub(crate) details: bool,
    /// What the relay keeps a copy of, if it does.
    copies: Option<Vec<(String, Vec<u8>)>>,
}

impl Transcript {
    /// A transcript beside what a relay sees.
    pub(crate) fn new(seen: Receiver<Seen>) -> Self {
        Self {
            seen,
            total: Tally::default(),
            before: Tally::default(),
            details: true,
            copies: None,
        }
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
        if self.details { print(text, "") } else { Ok(()) }
    }

    /// A message has been sent: beside it, what the relay saw.
    pub(crate) fn message(&mut self, text: &str) -> io::Result<()> {
        self.total.messages += 1;
        self.envelope(text)
    }

    /// Something else has been sent.
    pub(crate) fn quiet(&mut self, text: &str) -> io::Result<()> {
        self.total.quiet += 1;
        self.envelope(text)
    }

    fn envelope(&mut self, text: &str) -> io::Result<()> {
        let seen = self.seen.try_recv().map_err(io::Error::other)?;
        self.total.count(&seen);
        if let Some(copies) = &mut self.copies {
            copies.push((seen.place.clone(), seen.bytes.clone()));
        }
        if !self.details {
            return Ok(());
        }
        let Seen { place, bytes, fate } = seen;
        let start: String = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        print(text, &format!("{place} {:>5} B {start} {fate}", bytes.len()))
    }

    /// A blob has been written or read: beside it, what the relay saw.
    pub(crate) fn blob(&mut self, text: &str) -> io::Result<()> {
        let parts: Vec<_> = self.seen.try_iter().collect();
        let Some(first) = parts.first() else { return self.detail(text) };
        let count = |fate| parts.iter().filter(|seen| seen.fate == fate).count();
        let bytes: usize = parts.iter().map(|seen| seen.bytes.len()).sum();
        let (lost, altered) = (count(Fate::Lost), count(Fate::Altered));
        self.total.parts_lost += lost;
        self.total.parts_altered += altered;
        let plural = if parts.len() == 1 { "" } else { "s" };
        let mut right = format!("{} {bytes} B in {} part{plural}", first.place, parts.len());
        if lost + altered > 0 {
            right += &format!(": {lost} LOST, {altered} altered");
        }
        print(text, &right)
    }

    /// The relay keeps a copy of all that it sees from now on.
    pub(crate) fn begin_copies(&mut self) {
        self.copies = Some(Vec::new());
    }

    /// What it has kept, mailbox by mailbox, and no longer does.
    pub(crate) fn end_copies(&mut self) -> Vec<(String, Vec<u8>)> {
        self.copies.take().unwrap_or_default()
    }

    /// A mailbox held so many envelopes that say nothing new.
    pub(crate) fn dropped(&mut self, duplicates: usize, unreadable: usize) {
        self.total.duplicates += duplicates;
        self.total.unreadable += unreadable;
    }

    /// One line for everything since the last such line.
    pub(crate) fn progress(&mut self, text: &str) -> io::Result<()> {
        let before = std::mem::replace(&mut self.before, self.total);
        let Tally { messages, quiet, bytes, lost, .. } = self.total;
        let envelopes = messages + quiet - before.messages - before.quiet;
        let (bytes, lost) = ((bytes - before.bytes).div_ceil(1024), lost - before.lost);
        print(text, &format!("{envelopes} envelopes, {bytes} KiB, {lost} lost"))
    }

    /// The next progress line begins here.
    pub(crate) fn begin_progress(&mut self) {
        self.before = self.total;
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
