//! Catching up in a group: a page of the mailbox at once, and its envelopes one by one.

use subrosa::store::MemoryStore;
use subrosa::{Content, GroupChange, GroupId};

use crate::Run;
use crate::clock::{each, medians, timed};
use crate::figure::{Bound, Figure};
use crate::messenger::Pair;

/// Messages a page.
const PAGE: usize = 256;

fn page(pair: &mut Pair, group: GroupId) -> Vec<Vec<u8>> {
    for _ in 0..PAGE {
        let content = Content::text("x".repeat(100));
        pair.sides[0].send(group, content).expect("a working store");
    }
    pair.carry(0)
}

/// 100 bytes of a member, a message; both ways are one commit.
pub(crate) fn catch_up(run: &Run) -> Vec<Figure> {
    let mut pair = Pair::new([Box::new(MemoryStore::new()), Box::new(MemoryStore::new())]);
    let bob = pair.other(0);
    let group = pair.sides[0].create_group("Pages").expect("a working store");
    pair.sides[0].change_group(&group, GroupChange::Add(vec![bob])).expect("known");
    pair.settle();
    let times = medians(run.rounds(40), || {
        let envelopes = page(&mut pair, group);
        let together = timed(1, || {
            pair.sides[1].receive_all(&envelopes).expect("a working store");
        });
        pair.read(1);
        pair.settle();
        let envelopes = page(&mut pair, group);
        let single = timed(1, || {
            let received = pair.sides[1].batch(|batch| {
                envelopes.iter().try_for_each(|envelope| batch.receive(envelope).map(drop))
            });
            received.expect("a working store");
        });
        pair.read(1);
        pair.settle();
        [together, single].map(|took| each(took, PAGE))
    });
    vec![Figure::against("group_catch_up_256", Some(times), Bound::Ratio(0.8))]
}
