//! What one device has said to another, by number (SPEC.md, section 7.3): duplicates,
//! gaps, and sides that were rolled back.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use zeroize::Zeroizing;

use crate::ratchet::Saved;
use crate::wire::stored::MAX_STORED_NUMBER;
use crate::wire::{DecodeError, Mark, MessageId, ShortId, stored};

const WHAT: &str = "numbering record";

/// How many of the newest numbers are remembered with their ids, each way.
pub const NUMBERS_REMEMBERED: u64 = 1000;

/// How far above the highest known number one may be and still move it.
///
/// A peer that counts wrongly, or lies, can open no gap of astronomical length. A
/// receiver that knows no number at all begins wherever the peer is.
pub const MAX_NUMBER_JUMP: u64 = 1 << 16;

/// The highest number that is believed at all: nobody sends that many messages, and
/// counting on from there never ends.
const MAX_NUMBER: u64 = 1 << 48;

/// The most ranges of missing numbers that are remembered.
pub const MAX_GAPS: usize = 1000;

/// The most ids remembered under one number. More than one is a peer that was rolled
/// back; more than this, one that plays.
const MAX_IDS: usize = 16;

/// Something that the numbers showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NumberReport {
    /// These messages of the peer's were sent and are not here.
    Gap {
        /// The first that is missing.
        first: u64,
        /// The last that is missing.
        last: u64,
    },
    /// These are given up: too many gaps.
    GivenUp {
        /// The first that is missing.
        first: u64,
        /// The last that is missing.
        last: u64,
    },
    /// The number is far above the highest known. If nothing was known, counting begins
    /// here; else nothing changed.
    FarAhead,
    /// The number is too old to say whether this message came before, in a session that
    /// is new: the peer may have been restored without its count. Compare the id with
    /// those that are kept.
    FarBehind,
    /// The peer used a number again for another message.
    PeerRolledBack,
    /// The peer has something from us that we do not remember sending: this device
    /// was rolled back. Send again what has no receipt.
    RolledBack,
}

/// A missing range, or one missing id under a number that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    first: u64,
    last: u64,
    id: Option<ShortId>,
}

/// An id received under a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ReceivedId {
    id: MessageId,
    /// The newest session there was at that time.
    ordinal: u32,
}

/// A row beside the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberRow {
    Sent(u64),
    Received(u64),
}

/// Both directions between this device and one other.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    next_seq: u64,
    last: Option<Mark>,
    /// Those that changed since all this was loaded; the others are looked up.
    sent: BTreeMap<u64, Vec<ShortId>>,
    highest: u64,
    /// The newest session there was when `highest` last rose.
    raised_in: u32,
    seen: Option<Mark>,
    /// As with `sent`.
    received: BTreeMap<u64, Vec<ReceivedId>>,
    gaps: Vec<Gap>,
    /// The newest message that was given up although another has its number. The peer goes
    /// on naming it: it is no gap again.
    given_up: Option<Mark>,
    saved: Saved<NumberRow>,
}

/// What the numbers make of a message.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    pub(super) repeated: bool,
    pub(super) reports: Vec<NumberReport>,
    pub(super) rows: Vec<NumberRow>,
}

/// The numbers of one payload, with the session that it came in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived {
    /// `seq` and id, if the message is numbered.
    pub(super) numbered: Option<(u64, MessageId)>,
    pub(super) last: Option<Mark>,
    pub(super) seen: Option<Mark>,
    /// The session it came in.
    pub(super) session: u32,
    /// The newest session with that device.
    pub(super) newest_session: u32,
}

impl Numbering {
    /// The number for the next message, with the mark of the one before; nothing is
    /// used up yet.
    pub(super) fn next(&self) -> (u64, Option<Mark>) {
        (self.next_seq.saturating_add(1), self.last)
    }

    /// The highest numbered message that is here.
    pub(super) fn seen(&self) -> Option<Mark> {
        self.seen
    }

    /// The newest numbered message that was sent.
    pub(super) fn last(&self) -> Option<Mark> {
        self.last
    }

    /// A message has taken the number that [`Self::next`] gave; gives the rows that
    /// changed.
    pub(super) fn sent(&mut self, seq: u64, id: MessageId) -> Vec<NumberRow> {
        let before = self.next_seq;
        self.next_seq = seq;
        self.last = Some(Mark { seq, id: id.short() });
        self.sent.insert(seq, vec![id.short()]);
        let mut rows = vec![NumberRow::Sent(seq)];
        forget_below(&mut self.sent, before, seq, |seq| rows.push(NumberRow::Sent(seq)));
        rows
    }

    /// The ids that were sent under a number, if it is remembered.
    fn ids_sent(&self, seq: u64) -> Option<Vec<ShortId>> {
        if !window(self.next_seq).contains(&seq) {
            return None;
        }
        self.sent.get(&seq).cloned().or_else(|| {
            let row = self.saved.row(NumberRow::Sent(seq))?;
            // A damaged row is a number whose ids are not remembered.
            let raw: stored::SentNumber = stored::decode(&row, WHAT).ok()?;
            Some(raw.ids.iter().take(MAX_IDS).copied().map(ShortId).collect())
        })
    }

    /// The ids that were received under a number, if it is remembered: at least one.
    fn ids_received(&self, seq: u64) -> Option<Vec<ReceivedId>> {
        if !window(self.highest).contains(&seq) {
            return None;
        }
        self.received.get(&seq).cloned().or_else(|| {
            let row = self.saved.row(NumberRow::Received(seq))?;
            let raw: stored::ReceivedNumber = stored::decode(&row, WHAT).ok()?;
            let ids = raw.ids.iter().take(MAX_IDS).filter_map(|raw| {
                let id = MessageId::from_bytes(stored::array(&raw.id, WHAT).ok()?);
                Some(ReceivedId { id, ordinal: raw.ordinal })
            });
            Some(ids.collect::<Vec<_>>()).filter(|ids| !ids.is_empty())
        })
    }

    /// Takes in the numbers of a message that has opened.
    pub(super) fn arrived(&mut self, arrived: Arrived) -> Numbered {
        let mut outcome = Numbered::default();
        let (highest, next_seq) = (self.highest, self.next_seq);
        if let Some((seq, id)) = arrived.numbered {
            self.receive(seq, id, &arrived, &mut outcome);
        }
        if let Some(last) = arrived.last {
            self.check_last(last, &arrived, &mut outcome);
        }
        if let Some(seen) = arrived.seen {
            self.check_seen(seen, &mut outcome);
        }
        let rows = &mut outcome.rows;
        forget_below(&mut self.received, highest, self.highest, |seq| {
            rows.push(NumberRow::Received(seq));
        });
        forget_below(&mut self.sent, next_seq, self.next_seq, |seq| {
            rows.push(NumberRow::Sent(seq));
        });
        self.give_up_gaps(&mut outcome.reports);
        outcome
    }

    /// Gives up the oldest gaps if there are too many.
    fn give_up_gaps(&mut self, reports: &mut Vec<NumberReport>) {
        while self.gaps.len() > MAX_GAPS {
            let gap = self.gaps.remove(0);
            self.note_given_up(&gap);
            reports.push(NumberReport::GivenUp { first: gap.first, last: gap.last });
        }
    }

    /// Takes numbers out of the gaps: they will not come.
    pub(super) fn abandon(&mut self, numbers: &RangeInclusive<u64>) -> Vec<NumberReport> {
        let (start, end) = (*numbers.start(), *numbers.end());
        let mut reports = Vec::new();
        if numbers.is_empty() {
            return reports;
        }
        let left = std::mem::take(&mut self.gaps).into_iter().flat_map(|gap| {
            if numbers.contains(&gap.first) {
                self.note_given_up(&gap);
            }
            let below = Gap { last: gap.last.min(start.saturating_sub(1)), ..gap };
            let above = Gap { first: gap.first.max(end.saturating_add(1)), ..gap };
            let below = (gap.first < start).then_some(below);
            let above = (end < gap.last).then_some(above);
            below.into_iter().chain(above)
        });
        self.gaps = left.collect();
        self.give_up_gaps(&mut reports);
        reports
    }

    fn note_given_up(&mut self, gap: &Gap) {
        let mark = gap.id.map(|id| Mark { seq: gap.first, id });
        if mark.is_some_and(|mark| self.given_up.is_none_or(|known| known.seq <= mark.seq)) {
            self.given_up = mark;
        }
    }

    fn receive(&mut self, seq: u64, id: MessageId, arrived: &Arrived, outcome: &mut Numbered) {
        if self.highest == 0 {
            self.begin(seq, seq.saturating_sub(1), arrived, outcome);
        }
        let entry = ReceivedId { id, ordinal: arrived.newest_session };
        let known = self.ids_received(seq);
        if known.iter().flatten().any(|known| known.id == id) {
            outcome.repeated = true;
        } else if seq > self.highest.saturating_add(MAX_NUMBER_JUMP) {
            outcome.reports.push(NumberReport::FarAhead);
        } else if let Some(mut ids) = known {
            // Evidence only against a session that existed when the first id came.
            if ids.first().is_some_and(|first| arrived.session <= first.ordinal) {
                outcome.reports.push(NumberReport::PeerRolledBack);
            }
            self.close_gap(seq, Some(id.short()));
            if ids.len() < MAX_IDS {
                ids.push(entry);
                self.received.insert(seq, ids);
                outcome.rows.push(NumberRow::Received(seq));
            }
        } else if seq.saturating_add(NUMBERS_REMEMBERED) <= self.highest {
            // Too old to be remembered: new if it closes a gap.
            if !self.close_gap(seq, None) && !self.close_gap(seq, Some(id.short())) {
                if arrived.session > self.raised_in {
                    outcome.reports.push(NumberReport::FarBehind);
                } else {
                    outcome.repeated = true;
                }
            }
        } else {
            self.close_gap(seq, None);
            if seq > self.highest {
                self.raise(seq, seq, arrived, outcome);
            }
            if self.seen.is_none_or(|seen| seen.seq < seq) {
                self.seen = Some(Mark { seq, id: id.short() });
            }
            self.received.insert(seq, vec![entry]);
            outcome.rows.push(NumberRow::Received(seq));
        }
    }

    /// If a first number is far ahead, counting begins with `highest`: the peer knows us,
    /// and this side has lost its state.
    fn begin(&mut self, seq: u64, highest: u64, arrived: &Arrived, outcome: &mut Numbered) {
        if (MAX_NUMBER_JUMP + 1..=MAX_NUMBER).contains(&seq) {
            self.highest = highest;
            self.raised_in = arrived.newest_session;
            outcome.reports.push(NumberReport::FarAhead);
        }
    }

    /// Raises the highest known number; all between, and before `missing_before`, is
    /// missing.
    fn raise(&mut self, to: u64, missing_before: u64, arrived: &Arrived, outcome: &mut Numbered) {
        let first = self.highest.saturating_add(1);
        self.highest = to;
        self.raised_in = arrived.newest_session;
        if first < missing_before {
            let last = missing_before - 1;
            self.gaps.push(Gap { first, last, id: None });
            outcome.reports.push(NumberReport::Gap { first, last });
        }
    }

    fn check_last(&mut self, last: Mark, arrived: &Arrived, outcome: &mut Numbered) {
        let Mark { seq, id } = last;
        if self.highest == 0 {
            self.begin(seq, seq, arrived, outcome);
        }
        if seq > self.highest {
            if seq <= self.highest.saturating_add(MAX_NUMBER_JUMP) {
                self.raise(seq, seq.saturating_add(1), arrived, outcome);
            }
            return;
        }
        let Some(ids) = self.ids_received(seq) else {
            // Too old; or below the highest known and never received: a gap since it was
            // passed.
            return;
        };
        let here = ids.iter().any(|known| known.id.short() == id);
        let gap = Gap { first: seq, last: seq, id: Some(id) };
        if !here && !self.gaps.contains(&gap) && self.given_up != Some(last) {
            self.gaps.push(gap);
            outcome.reports.push(NumberReport::Gap { first: seq, last: seq });
        }
    }

    fn check_seen(&mut self, seen: Mark, outcome: &mut Numbered) {
        let Mark { seq, id } = seen;
        let known = self.ids_sent(seq);
        let unknown = match &known {
            Some(ids) => !ids.contains(&id),
            None => (self.next_seq.saturating_add(1)..=MAX_NUMBER).contains(&seq),
        };
        if !unknown {
            return;
        }
        outcome.reports.push(NumberReport::RolledBack);
        self.next_seq = self.next_seq.max(seq);
        // Remembered, so that it is reported once.
        let mut ids = known.unwrap_or_default();
        if ids.len() < MAX_IDS {
            ids.push(id);
            self.sent.insert(seq, ids);
            outcome.rows.push(NumberRow::Sent(seq));
        }
    }

    /// A message has come: takes it out of the gaps; says whether it was in one.
    fn close_gap(&mut self, seq: u64, id: Option<ShortId>) -> bool {
        let Some(place) =
            self.gaps.iter().position(|gap| gap.id == id && (gap.first..=gap.last).contains(&seq))
        else {
            return false;
        };
        let gap = self.gaps.remove(place);
        if seq < gap.last {
            self.gaps.insert(place, Gap { first: seq + 1, ..gap });
        }
        if gap.first < seq {
            self.gaps.insert(place, Gap { last: seq - 1, ..gap });
        }
        true
    }

    /// The missing ranges, oldest first.
    pub(super) fn gaps(&self) -> impl Iterator<Item = (u64, u64)> {
        self.gaps.iter().map(|gap| (gap.first, gap.last))
    }

    pub(super) fn to_record(&self) -> stored::Numbering {
        let (last_seq, last_id) = Mark::to_fields(self.last);
        let (seen_seq, seen_id) = Mark::to_fields(self.seen);
        let (given_up_seq, given_up_id) = Mark::to_fields(self.given_up);
        stored::Numbering {
            next_seq: self.next_seq,
            last_seq,
            last_id,
            highest: self.highest,
            raised_in: self.raised_in,
            seen_seq,
            seen_id,
            gaps: self
                .gaps
                .iter()
                .map(|Gap { first, last, id }| stored::Gap {
                    first: *first,
                    last: *last,
                    ids: id.iter().map(|id| id.0).collect(),
                })
                .collect(),
            given_up_seq,
            given_up_id,
        }
    }

    pub(super) fn row(&self, row: NumberRow) -> Option<Zeroizing<Vec<u8>>> {
        match row {
            NumberRow::Sent(seq) => self.ids_sent(seq).map(|ids| {
                stored::encode(&stored::SentNumber { ids: ids.iter().map(|id| id.0).collect() })
            }),
            NumberRow::Received(seq) => self.ids_received(seq).map(|ids| {
                let ids = ids
                    .iter()
                    .map(|ReceivedId { id, ordinal }| stored::ReceivedId {
                        id: id.as_bytes().to_vec(),
                        ordinal: *ordinal,
                    })
                    .collect();
                stored::encode(&stored::ReceivedNumber { ids })
            }),
        }
    }

    pub(super) fn from_record(
        record: &stored::Numbering,
        saved: Saved<NumberRow>,
    ) -> Result<Self, DecodeError> {
        let gaps = record.gaps.iter().take(MAX_GAPS).map(|stored::Gap { first, last, ids }| Gap {
            first: *first,
            last: *last,
            id: ids.first().copied().map(ShortId),
        });
        if record.next_seq.max(record.highest) > MAX_STORED_NUMBER {
            return Err(DecodeError::Malformed(WHAT));
        }
        Ok(Self {
            next_seq: record.next_seq,
            last: Mark::from_fields(record.last_seq, record.last_id),
            sent: BTreeMap::new(),
            highest: record.highest,
            raised_in: record.raised_in,
            seen: Mark::from_fields(record.seen_seq, record.seen_id),
            received: BTreeMap::new(),
            gaps: gaps.filter(|gap| gap.first <= gap.last).collect(),
            given_up: Mark::from_fields(record.given_up_seq, record.given_up_id),
            saved,
        })
    }
}

/// The numbers that are remembered when this is the highest.
fn window(highest: u64) -> RangeInclusive<u64> {
    highest.saturating_sub(NUMBERS_REMEMBERED - 1)..=highest
}

/// Forgets what is below the window, now that `highest` is the highest number: of the
/// window `before` every number, for what was saved under it; and what is at hand.
fn forget_below<T>(
    at_hand: &mut BTreeMap<u64, T>,
    before: u64,
    highest: u64,
    mut forgotten: impl FnMut(u64),
) {
    let first = *window(highest).start();
    let end = first.min(before.saturating_add(1));
    for seq in (*window(before).start()).max(1)..end {
        at_hand.remove(&seq);
        forgotten(seq);
    }
    while let Some(entry) = at_hand.first_entry().filter(|entry| *entry.key() < first) {
        forgotten(*entry.key());
        entry.remove();
    }
}
