//! The table of SPEC.md, section 7.3, row by row.

use proptest::prelude::*;

use super::numbering::{Arrived, MAX_GAPS, MAX_NUMBER_JUMP, NumberReport, Numbered, Numbering};
use crate::ratchet::Saved;
use crate::wire::stored::MAX_STORED_NUMBER;
use crate::wire::{Mark, MessageId};

fn id(number: u64) -> MessageId {
    MessageId::from_bytes((u128::from(number) << 64).to_be_bytes())
}

fn arrive(numbering: &mut Numbering, seq: u64, id: MessageId) -> Numbered {
    let numbered = Some((seq, id));
    let arrived = Arrived { numbered, last: None, seen: None, session: 1, newest_session: 1 };
    numbering.arrived(arrived)
}

#[test]
fn what_is_too_old_to_be_remembered_is_delivered_once_if_it_was_missing() {
    let mut numbering = Numbering::default();
    for seq in (1..=2500).filter(|seq| !(10..20).contains(seq)) {
        assert!(!arrive(&mut numbering, seq, id(seq)).repeated);
    }
    assert_eq!(numbering.gaps().collect::<Vec<_>>(), [(10, 19)]);
    for seq in [15, 10, 19] {
        assert!(!arrive(&mut numbering, seq, id(seq)).repeated);
        assert!(arrive(&mut numbering, seq, id(seq)).repeated);
    }
    assert_eq!(numbering.gaps().collect::<Vec<_>>(), [(11, 14), (16, 18)]);
    assert!(arrive(&mut numbering, 9, id(9)).repeated);
}

#[test]
fn a_missing_id_under_a_known_number_is_closed_by_that_id_alone() {
    let mut numbering = Numbering::default();
    for seq in 1..=5 {
        arrive(&mut numbering, seq, id(seq));
    }
    // The highest number too.
    for seq in [3, 5] {
        let other = MessageId::from_bytes([9; 16]);
        let last = Some(Mark { seq, id: other.short() });
        let arrived = Arrived { numbered: None, last, seen: None, session: 1, newest_session: 1 };
        let gap = NumberReport::Gap { first: seq, last: seq };
        assert_eq!(numbering.arrived(arrived).reports, [gap]);
        assert_eq!(numbering.arrived(arrived).reports, []);
        let third = MessageId::from_bytes([8; 16]);
        assert_eq!(arrive(&mut numbering, seq, third).reports, [NumberReport::PeerRolledBack]);
        assert_eq!(numbering.gaps().count(), 1);
        arrive(&mut numbering, seq, other);
        assert_eq!(numbering.gaps().count(), 0);
    }
}

#[test]
fn the_thousand_newest_numbers_are_remembered_and_no_other() {
    let (mut ours, mut theirs) = (Numbering::default(), Numbering::default());
    for seq in 1..=1500 {
        arrive(&mut theirs, seq, id(seq));
        ours.sent(seq, id(seq));
    }
    let other = MessageId::from_bytes([9; 16]);
    for seq in 499..=1500 {
        let another = arrive(&mut theirs, seq, other);
        let seen = Some(Mark { seq, id: other.short() });
        let seen = Arrived { numbered: None, last: None, seen, session: 1, newest_session: 1 };
        let rolled_back = ours.arrived(seen).reports;
        if seq > 500 {
            assert_eq!(another.reports, [NumberReport::PeerRolledBack], "{seq}");
            assert_eq!(rolled_back, [NumberReport::RolledBack], "{seq}");
        } else {
            assert!(another.repeated && another.reports.is_empty(), "{seq}");
            assert_eq!(rolled_back, [], "{seq}");
        }
    }
}

proptest! {
    #[test]
    fn a_first_number_opens_a_gap_or_is_where_counting_begins_or_moves_nothing(
        seq in prop_oneof![
            1..100_000_u64,
            (1 << 16) - 2..(1 << 16) + 3_u64,
            (1 << 48) - 2..(1 << 48) + 3_u64,
            any::<u64>(),
        ],
    ) {
        let mut numbering = Numbering::default();
        let Numbered { repeated, reports, .. } = arrive(&mut numbering, seq, id(seq));
        prop_assert!(!repeated);
        let (gap, moved) = match seq {
            0..=1 => (vec![], true),
            2..=65_536 => (vec![NumberReport::Gap { first: 1, last: seq - 1 }], true),
            _ => (vec![NumberReport::FarAhead], seq <= 1 << 48),
        };
        prop_assert_eq!(reports, gap);
        prop_assert_eq!(numbering.seen().map(|seen| seen.seq), moved.then_some(seq));
    }

    #[test]
    fn a_record_of_numbers_without_end_is_damaged(
        highest in prop_oneof![MAX_STORED_NUMBER - 2..MAX_STORED_NUMBER + 3, any::<u64>()],
        sent: bool,
    ) {
        let mut record = Numbering::default().to_record();
        *if sent { &mut record.next_seq } else { &mut record.highest } = highest;
        let loaded = Numbering::from_record(&record, Saved::default());
        prop_assert_eq!(loaded.is_ok(), highest <= MAX_STORED_NUMBER);
    }
}

#[test]
fn at_most_a_thousand_gaps_are_kept_and_the_oldest_is_given_up() {
    let mut numbering = Numbering::default();
    for seq in (2..=2000).step_by(2) {
        assert!(arrive(&mut numbering, seq, id(seq)).reports.len() == 1);
    }
    let reports = arrive(&mut numbering, 2002, id(2002)).reports;
    let gap = NumberReport::Gap { first: 2001, last: 2001 };
    assert_eq!(reports, [gap, NumberReport::GivenUp { first: 1, last: 1 }]);
}

#[test]
fn a_gap_that_falls_into_two_may_be_one_too_many() {
    let mut numbering = Numbering::default();
    for seq in (4..=4000).step_by(4) {
        assert!(arrive(&mut numbering, seq, id(seq)).reports.len() == 1);
    }
    assert_eq!(numbering.gaps().count(), MAX_GAPS);
    let reports = numbering.abandon(&(6..=6));
    assert_eq!(reports, [NumberReport::GivenUp { first: 1, last: 3 }]);
    assert_eq!(numbering.gaps().take(3).collect::<Vec<_>>(), [(5, 5), (7, 7), (9, 11)]);
    assert_eq!(numbering.abandon(&(7..=10)), []);
    assert_eq!(numbering.gaps().take(2).collect::<Vec<_>>(), [(5, 5), (11, 11)]);
}

#[test]
fn a_number_far_above_moves_nothing() {
    let mut numbering = Numbering::default();
    arrive(&mut numbering, 1, id(1));
    let far = MAX_NUMBER_JUMP + 2;
    assert_eq!(arrive(&mut numbering, far, id(far)).reports, [NumberReport::FarAhead]);
    assert_eq!(numbering.seen().map(|seen| seen.seq), Some(1));
    let gap = NumberReport::Gap { first: 2, last: far - 2 };
    assert_eq!(arrive(&mut numbering, far - 1, id(far)).reports, [gap]);
}

#[test]
fn a_receiver_that_knows_nothing_begins_where_the_peer_is() {
    let mut numbering = Numbering::default();
    let last = Some(Mark { seq: 70_000, id: id(70_000).short() });
    let numbered = Some((70_001, id(70_001)));
    let arrived = Arrived { numbered, last, seen: None, session: 1, newest_session: 1 };
    let outcome = numbering.arrived(arrived);
    assert_eq!(
        (outcome.reports.as_slice(), outcome.repeated),
        (&[NumberReport::FarAhead][..], false)
    );
    assert!(arrive(&mut numbering, 70_001, id(70_001)).repeated);
    let gap = NumberReport::Gap { first: 70_002, last: 70_002 };
    assert_eq!(arrive(&mut numbering, 70_003, id(70_003)).reports, [gap]);
    assert_eq!(numbering.seen().map(|seen| seen.seq), Some(70_003));
}

#[test]
fn a_peer_that_counts_anew_in_a_new_session_is_heard_and_learns_where_it_was() {
    for highest in [1_500, 70_000_u64] {
        let mut ours = Numbering::default();
        for seq in (1..=highest).filter(|seq| highest < 2_000 || *seq > 68_000) {
            arrive(&mut ours, seq, id(seq));
        }
        let mut restored = Numbering::default();
        let (seq, last) = restored.next();
        restored.sent(seq, id(1));
        let numbered = Some((seq, MessageId::from_bytes([9; 16])));
        let arrived = Arrived { numbered, last, seen: None, session: 2, newest_session: 2 };
        let outcome = ours.arrived(arrived);
        assert!(!outcome.repeated, "a new message is shown");
        assert_eq!(outcome.reports, [NumberReport::FarBehind]);
        // The next message from here tells the restored side.
        let arrived = Arrived {
            numbered: None,
            last: None,
            seen: ours.seen(),
            session: 2,
            newest_session: 2,
        };
        assert_eq!(restored.arrived(arrived).reports, [NumberReport::RolledBack]);
        assert_eq!(restored.next().0, highest + 1);
    }
}

#[test]
fn counting_that_begins_with_a_mark_alone_counts_as_a_rise() {
    let mut numbering = Numbering::default();
    let last = Some(Mark { seq: 70_000, id: id(70_000).short() });
    let arrived = Arrived { numbered: None, last, seen: None, session: 1, newest_session: 1 };
    assert_eq!(numbering.arrived(arrived).reports, [NumberReport::FarAhead]);
    assert!(arrive(&mut numbering, 1, id(1)).repeated, "not far behind: no session is younger");
}

#[test]
fn an_id_that_was_given_up_is_no_gap_again_also_after_it_was_stored() {
    let mut numbering = Numbering::default();
    for seq in 1..=5 {
        arrive(&mut numbering, seq, id(seq));
    }
    let name = |numbering: &mut Numbering, seq: u64| {
        let last = Some(Mark { seq, id: MessageId::from_bytes([9; 16]).short() });
        let arrived = Arrived { numbered: None, last, seen: None, session: 1, newest_session: 1 };
        numbering.arrived(arrived).reports.len()
    };
    for (seq, before) in [(3, None), (4, Some(3))] {
        assert_eq!(name(&mut numbering, seq), 1);
        numbering.abandon(&(seq..=seq));
        assert_eq!(numbering.gaps().count(), 0);
        numbering = Numbering::from_record(&numbering.to_record(), Saved::default()).unwrap();
        for seq in 1..=5 {
            arrive(&mut numbering, seq, id(seq));
        }
        assert_eq!(name(&mut numbering, seq), 0);
        assert!(before.is_none_or(|before| name(&mut numbering, before) == 1));
    }
}

#[test]
fn sixteen_ids_are_remembered_under_a_number() {
    let mut numbering = Numbering::default();
    let report = |number| [NumberReport::PeerRolledBack][..usize::from(number > 1)].to_vec();
    for number in 1..=20 {
        assert_eq!(arrive(&mut numbering, 1, id(number)).reports, report(number));
    }
    for number in 1..=20 {
        assert_eq!(arrive(&mut numbering, 1, id(number)).repeated, number <= 16);
    }
    let mut see = |number: u64| {
        let seen = Some(Mark { seq: 1, id: MessageId::from_bytes([number as u8; 16]).short() });
        let arrived = Arrived { numbered: None, last: None, seen, session: 1, newest_session: 1 };
        numbering.arrived(arrived).reports.len()
    };
    assert!((1..=20).all(|number| see(number) == 1));
    assert!((1..=20).all(|number| see(number) == usize::from(number > 16)));
}

#[test]
fn what_comes_after_it_was_named_is_no_rise() {
    let mut numbering = Numbering::default();
    let last = Some(Mark { seq: 70_000, id: id(70_000).short() });
    let named = Arrived { numbered: None, last, seen: None, session: 1, newest_session: 1 };
    numbering.arrived(named);
    let in_second = |seq| Arrived {
        numbered: Some((seq, id(seq))),
        last: None,
        session: 2,
        newest_session: 2,
        ..named
    };
    assert_eq!(numbering.arrived(in_second(70_000)).reports, []);
    let counted_anew = numbering.arrived(in_second(1));
    assert_eq!(counted_anew.reports, [NumberReport::FarBehind]);
    assert!(!counted_anew.repeated);
}
