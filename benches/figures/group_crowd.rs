//! A messenger in a group of a thousand: what a message costs once its key is there, and
//! what another key costs.

use std::hint::black_box;

use subrosa::store::MemoryStore;
use subrosa::{Action, Content, GroupChange, GroupId, Messenger, UserId};

use crate::Run;
use crate::clock::{each, medians, timed};
use crate::figure::Figure;
use crate::many_peers::{fill, open};
use crate::people::Conversation;

/// How many others are in the group.
const MEMBERS: usize = 999;

/// How many are in the one that it is compared with.
const FEW: usize = 10;

/// Behind so many messages of a chain none takes its key along before as many again: nobody
/// here says that it has come.
const QUIET: usize = 512;

/// Messages a round.
const TEXTS: usize = 20;

/// A messenger that has made a group.
struct Crowd {
    messenger: Messenger,
    group: GroupId,
    count: usize,
}

impl Crowd {
    fn of(count: usize) -> Self {
        let mut messenger = open(MemoryStore::new());
        let _ = fill(&mut messenger, count);
        let users = (0..count)
            .map(|number| UserId::new(format!("writer-{number}")).expect("a short name"))
            .collect();
        let group = messenger.create_group("Crowd").expect("a working store");
        messenger.change_group(&group, GroupChange::Add(users)).expect("people who are known");
        let mut crowd = Self { messenger, group, count };
        crowd.carry();
        crowd
    }

    fn carry(&mut self) {
        while let Some(out) = self.messenger.next_outgoing().expect("a working store") {
            self.messenger.outgoing_done(&[out.id]).expect("a working store");
            if let Action::Fetch { .. } = out.action {
                // It ends with an answer alone; nobody answers here.
                break;
            }
        }
        while let Some(event) = self.messenger.next_event().expect("a working store") {
            self.messenger.events_done(&[event.id]).expect("a working store");
        }
    }

    fn send(&mut self) {
        let content = Content::text("x".repeat(100));
        black_box(self.messenger.send(self.group, content).expect("a working store"));
    }

    /// Sends until no message takes the key along for a while.
    fn grow_quiet(&mut self) {
        for _ in 0..=QUIET {
            self.send();
            self.carry();
        }
    }

    /// Sends some, a message.
    fn time(&mut self) -> f64 {
        let sending = timed(TEXTS, || self.send());
        self.carry();
        each(sending, TEXTS)
    }
}

/// 100 bytes to a group of 1,000, and to one of ten.
pub(crate) fn send(run: &Run) -> Vec<Figure> {
    let mut few = Crowd::of(FEW);
    let mut many = Crowd::of(if run.quick { MEMBERS / 10 } else { MEMBERS });
    few.grow_quiet();
    many.grow_quiet();
    let times = medians(run.rounds(20), || [many.time(), few.time()]);
    vec![Figure::time("group_send_1000_members", times, 1.1, &[])]
}

/// A message behind which there is another key for everybody, a device.
pub(crate) fn rotate(run: &Run) -> Vec<Figure> {
    let mut crowd = Crowd::of(if run.quick { MEMBERS / 10 } else { MEMBERS });
    let mut bare = Conversation::new(1);
    let times = medians(run.rounds(20), || {
        crowd.messenger.rotate_group(&crowd.group).expect("a working store");
        let rotating = timed(1, || crowd.send());
        crowd.carry();
        let bare = timed(crowd.count, || {
            black_box(bare.send(0, &[b'x'; 100]));
            black_box(bare.sides()[0].record());
        });
        [each(rotating, crowd.count), each(bare, crowd.count)]
    });
    vec![Figure::time("group_rotate_1000", times, 2.0, &[])]
}
