//! The story: what Alice and Bob do, in order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use subrosa::UserId;

use crate::file::Document;
use crate::line::Mailbox;
use crate::note::Note;
use crate::person::{Card, Person, Result};
use crate::relay::Relay;
use crate::talk::{Talk, Who};
use crate::transcript::{Detail, Tally, Transcript};

/// The network's mischief is the same in every run.
const SEED: u64 = 29;

/// How many pieces are sent before Bob looks for them.
const BURST: usize = 32;

/// The most turns until the post-quantum ratchet must have healed.
const MAX_TURNS: usize = 200;

const LEGEND: [&str; 3] = [
    "On the right is all that it sees: mailbox, size, first 8 bytes; behind it what it does to them.",
    "#1 is a message, with its number; -- a receipt; 'again' the same message in a new envelope;",
    "'late' behind a later one, 'has it already' in another envelope.",
];

const FIRST: [&str; 4] = [
    "Hi Bob, it's Alice. You gave me your card on the train.",
    "You seem to be offline. I'll just write on.",
    "The photos are developed; some are good!",
    "I'll send you my notes later, they are long.",
];

const TURNS: [(Who, &str); 6] = [
    (Who::Bob, "Alice! I was in the tunnel. Which photos?"),
    (Who::Alice, "The ones from the bridge, at night."),
    (Who::Bob, "Don't tell anyone who stands in the second one."),
    (Who::Alice, "Nobody can read this but us. That's the point."),
    (Who::Bob, "And the relay?"),
    (Who::Alice, "It sees a box with a random name, and noise in it."),
];

const BURSTS: [(Who, &str); 9] = [
    (Who::Alice, "Okay, the plan:"),
    (Who::Alice, "1. you take the early train"),
    (Who::Alice, "2. I bring the camera"),
    (Who::Bob, "I had an idea while you were typing"),
    (Who::Alice, "3. we meet at the kiosk"),
    (Who::Bob, "what about the ferry instead?"),
    (Who::Alice, "4. nobody says a word about the cake"),
    (Who::Bob, "it leaves at nine"),
    (Who::Bob, "wait, which cake?"),
];

/// A talk in progress, and where it takes place.
struct Story<'a> {
    talk: Talk,
    relay: SocketAddr,
    bobs_disk: PathBuf,
    document: &'a Document,
}

/// Tells the story; gives whether everything arrived.
pub(crate) fn tell(document: &Document, folder: &Path) -> Result<bool> {
    let relay = Relay::start(SEED)?;
    let alice = Card { user: UserId::new("alice")?, mailbox: Mailbox::generate() };
    let bob = Card { user: UserId::new("bob")?, mailbox: Mailbox::generate() };
    let transcript = Transcript::new(relay.seen);
    transcript.say(&format!(
        "A relay on {}. Alice reads mailbox {}, Bob reads {}.",
        relay.address, alice.mailbox, bob.mailbox
    ))?;
    LEGEND.iter().try_for_each(|line| transcript.say(line))?;
    let bobs_disk = folder.join("bob");
    let talk = Talk::new(
        Person::create(alice.clone(), bob.clone(), &folder.join("alice"), relay.address)?,
        Person::create(bob, alice, &bobs_disk, relay.address)?,
        transcript,
    );
    let mut story = Story { talk, relay: relay.address, bobs_disk, document };
    story.first_messages()?;
    story.bob_comes_online()?;
    story.conversation()?;
    story.restart()?;
    story.file()?;
    story.heal()?;
    story.end()
}

impl Story<'_> {
    fn first_messages(&mut self) -> Result<()> {
        self.talk.transcript.heading("Bob publishes his prekeys and goes offline")?;
        let bundles = self.talk.person(Who::Bob).publish()?;
        self.talk.transcript.say(&format!("Bob   published {bundles} prekey bundles"))?;
        let one_time = self.talk.person(Who::Alice).begin()?;
        let kind = if one_time { "with" } else { "without" };
        self.talk.transcript.say(&format!(
            "Alice fetched a bundle {kind} a one-time prekey; every signature in it is right"
        ))?;
        for text in FIRST {
            self.talk.say(Who::Alice, text)?;
        }
        Ok(())
    }

    fn bob_comes_online(&mut self) -> Result<()> {
        self.talk.transcript.heading("Bob comes online")?;
        self.talk.settle()?;
        for who in Who::BOTH {
            let number = self.talk.person(who).safety_number()?;
            self.talk.transcript.say(&format!("{:<5} safety number {number}", who.name()))?;
        }
        let same = if self.same_safety_number()? { "the same" } else { "NOT the same" };
        self.talk.transcript.say(&format!("Both  compare them: {same}"))?;
        Ok(())
    }

    fn same_safety_number(&mut self) -> Result<bool> {
        let alices = self.talk.person(Who::Alice).safety_number()?;
        Ok(alices == self.talk.person(Who::Bob).safety_number()?)
    }

    fn conversation(&mut self) -> Result<()> {
        self.talk.transcript.heading("They talk in turns")?;
        for (who, text) in TURNS {
            self.talk.say(who, text)?;
            self.talk.read(who.other())?;
        }
        self.talk.transcript.heading("They talk at the same time")?;
        for (who, text) in BURSTS {
            self.talk.say(who, text)?;
        }
        self.talk.settle()
    }

    fn restart(&mut self) -> Result<()> {
        self.talk.transcript.heading("Bob's battery dies")?;
        self.talk.say(Who::Bob, "My battery is at one perc")?;
        self.talk.drop_bob();
        self.talk.say(Who::Alice, "Bob? Are you there?")?;
        self.talk.say(Who::Alice, "I'm sending you the notes now.")?;
        self.talk.load_bob(&self.bobs_disk, self.relay)?;
        self.talk
            .transcript
            .say("Bob   was dropped from memory, and is now loaded from his disk")?;
        self.talk.settle()?;
        self.talk.say(Who::Bob, "Back again, and I still have everything.")?;
        self.talk.settle()
    }

    fn file(&mut self) -> Result<()> {
        let Document { name, bytes } = self.document;
        self.talk.transcript.heading(&format!(
            "Alice sends {}, {} bytes",
            name.escape_debug(),
            bytes.len()
        ))?;
        self.talk.transcript.show(Detail::Progress);
        let pieces = self.document.pieces();
        let count = pieces.len();
        let mut sent = 0;
        for burst in pieces.chunks(BURST) {
            for piece in burst {
                self.talk.send(Who::Alice, &Note::Piece(piece.clone()), "")?;
            }
            self.talk.settle()?;
            let quarter = sent * 4 / count;
            sent += burst.len();
            if sent * 4 / count > quarter {
                let text = format!("Bob   has {sent} of {count} pieces");
                self.talk.transcript.progress(&text)?;
            }
        }
        self.talk.transcript.show(Detail::All);
        let same = if self.same_file() { "the same file" } else { "ANOTHER FILE" };
        Ok(self.talk.transcript.say(&format!("Bob   put them together: {same}, byte for byte"))?)
    }

    fn same_file(&mut self) -> bool {
        self.talk.person(Who::Bob).pieces.document().as_ref() == Some(self.document)
    }

    /// They alternate until two more epochs are mixed in on both sides: the second of
    /// them has begun and ended after the first ping.
    fn heal(&mut self) -> Result<()> {
        self.talk.transcript.heading("They alternate until the post-quantum ratchet has healed")?;
        self.talk.transcript.show(Detail::Steps);
        let healed = self.talk.epochs().into_iter().max().unwrap_or_default() + 2;
        let (mut turns, mut newest) = (0, 0);
        while self.talk.epochs().into_iter().any(|epochs| epochs < healed) {
            if turns == MAX_TURNS {
                return Err("the post-quantum ratchet did not heal".into());
            }
            let who = Who::BOTH[turns % 2];
            newest = self.talk.say(who, if turns % 2 == 0 { "ping" } else { "pong" })?;
            self.talk.read(who.other())?;
            turns += 1;
        }
        let last = if turns % 2 == 1 { "Alice" } else { "Bob" };
        self.talk.transcript.say(&format!(
            "  **  Healed with {last}'s #{newest}: epoch {healed} began and ended after the first \
             ping. Whoever copied a state"
        ))?;
        self.talk.transcript.say("      before cannot read on, even with a quantum computer.")?;
        self.talk.settle()?;
        self.talk.transcript.progress(&format!("Both  said ping or pong, {turns} times"))?;
        self.talk.sweep()?;
        self.talk.transcript.show(Detail::All);
        Ok(())
    }

    /// Sums up.
    fn end(&mut self) -> Result<bool> {
        self.talk.transcript.heading("The end")?;
        let [alices, bobs] = self.talk.epochs();
        let Tally { messages, lost, twice, overtakes, held, altered, again, receipts, .. } =
            self.talk.transcript.total;
        let digest = self.document.digest();
        let received = self.talk.person(Who::Bob).pieces.document();
        let same_digest = received.is_some_and(|document| document.digest() == digest);
        self.talk.transcript.say(&format!(
            "{messages} messages and {receipts} receipts sent; {lost} lost, {twice} duplicated, \
             {overtakes} reordered, {held} delayed, {altered} altered on the way; {again} re-sent; \
             file of {} bytes, SHA-256 {} ({}...); post-quantum epochs {alices} and {bobs}",
            self.document.bytes.len(),
            if same_digest { "equal" } else { "NOT equal" },
            &digest[..16],
        ))?;
        let complete = self.talk.is_complete() && self.same_file() && self.same_safety_number()?;
        if !complete {
            self.talk.transcript.say("NOT everything arrived as it should.")?;
        }
        Ok(complete)
    }
}
