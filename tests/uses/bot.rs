//! A bot that answers every message exactly once, although it dies between any two calls,
//! and at any touch of its disk: its answer and the acknowledgement are one batch.

use subrosa::store::{MemoryStore, Store};
use subrosa::testing::{FailingStore, Failure};
use subrosa::{Content, Event, EventKind, Messenger};

use crate::net::{Net, Result, Shown, introduced, open, settle, user};

/// How many calls a bot makes before it dies.
struct Life(usize);

impl Life {
    fn go_on(&mut self) -> Result<()> {
        self.0 = self.0.checked_sub(1).ok_or("the bot is dead")?;
        Ok(())
    }
}

/// The whole bot.
fn run(net: &Net, store: impl Store, life: &mut Life) -> Result<()> {
    let mut bot = open(store, "bob")?;
    life.go_on()?;
    net.take_in(&mut bot)?;
    life.go_on()?;
    while let Some(event) = bot.next_event()? {
        life.go_on()?;
        answer(&mut bot, &event)?;
        life.go_on()?;
    }
    net.carry(&mut bot)?;
    life.go_on()
}

fn answer(bot: &mut Messenger, event: &Event) -> std::result::Result<(), subrosa::Error> {
    bot.batch(|batch| {
        // What its owner wrote elsewhere (`OwnMessage`), and all else, is only acknowledged.
        if let EventKind::Message(message) | EventKind::Request(message) = &event.kind
            && let Some(text) = message.content.as_text()
        {
            batch.send(&message.conversation, Content::text(format!("re: {text}")))?;
        }
        batch.events_done(&[event.id])
    })
}

/// Alice asks three things; the bot lives these lives, then one to the end.
fn asks(lives: &mut dyn FnMut(&Net, &MemoryStore)) {
    let (net, [alices_disk, disk]) = (Net::default(), introduced());
    let mut alice = open(alices_disk, "alice").unwrap();
    for text in ["one", "two", "three"] {
        alice.send(user("bob"), Content::text(text)).unwrap();
    }
    net.carry(&mut alice).unwrap();
    lives(&net, &disk);
    run(&net, disk.clone(), &mut Life(usize::MAX)).unwrap();
    let mut shown = Shown::default();
    settle(&net, &mut [(&mut alice, &mut shown)]);
    assert_eq!(shown.texts(), ["re: one", "re: two", "re: three"]);
}

#[test]
fn a_bot_that_dies_between_any_two_calls_answers_exactly_once() {
    let mut complete = false;
    for calls in 0.. {
        asks(&mut |net, disk| {
            // It dies twice at the same place.
            complete = (0..2).all(|_| run(net, disk.clone(), &mut Life(calls)).is_ok());
        });
        if complete {
            assert!(calls > 8, "only {calls} calls");
            return;
        }
    }
}

#[test]
fn a_bot_whose_disk_fails_at_any_touch_answers_exactly_once() {
    for failure in [Failure::Before, Failure::After] {
        for number in (1..).step_by(3) {
            let mut failed = true;
            asks(&mut |net, disk| {
                let disk = FailingStore::new(disk.clone());
                disk.fail_at(number, failure);
                let _ = run(net, disk.clone(), &mut Life(usize::MAX));
                failed = disk.has_failed();
            });
            if !failed {
                assert!(number > 30, "only {number} operations");
                break;
            }
        }
    }
}
