//! The story: what Alice and Bob do, in order.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use subrosa::UserId;

use crate::clock::StoryClock;
use crate::file::{Document, digest};
use crate::mischief::Mischief;
use crate::person::{Home, Result};
use crate::relay;
use crate::talk::{Outcome, Talk, Who};
use crate::transcript::{Tally, Transcript};

/// The network's mischief is the same in every run.
const SEED: u64 = 29;

/// How many pieces are sent before Bob looks for them.
const BURST: usize = 64;

const LEGEND: [&str; 3] = [
    "On the right is all that it sees: mailbox, size, first 8 bytes; behind it what the network",
    "does to them. A line with -- is what the messengers say by themselves: receipts, questions",
    "for what is missing, messages sent again.",
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
    (Who::Alice, "It sees a box with a number on it, and noise inside."),
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

/// A talk in progress, and what is sent in it.
struct Story<'a> {
    talk: Talk,
    document: &'a Document,
}

/// Tells the story; gives whether everything arrived.
pub(crate) fn tell(document: &Document, folder: &Path) -> Result<bool> {
    let (mischief, seen) = Mischief::new(SEED);
    let relay = relay::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), mischief)?;
    let clock = StoryClock::start();
    let home = |name: &str| -> Result<Home> {
        let (user, disk, clock) = (UserId::new(name)?, folder.join(name), clock.clone());
        Ok(Home { user, disk, key: rand::random(), clock, relay })
    };
    let mut talk = Talk::new([home("alice")?, home("bob")?], Transcript::new(seen))?;
    let mailboxes = [talk.person(Who::Alice)?.mailbox(), talk.person(Who::Bob)?.mailbox()];
    talk.transcript.say(&format!(
        "A relay on {relay}. Alice reads mailbox {}, Bob reads {}.",
        mailboxes[0], mailboxes[1]
    ))?;
    LEGEND.iter().try_for_each(|line| talk.transcript.say(line))?;
    let mut story = Story { talk, document };
    story.first_messages()?;
    story.bob_comes_online()?;
    story.conversation()?;
    story.restart()?;
    story.file()?;
    story.end()
}

impl Story<'_> {
    fn first_messages(&mut self) -> Result<()> {
        self.talk.transcript.heading("Bob publishes his prekeys and goes offline")?;
        self.talk.carry(Who::Bob)?;
        for text in FIRST {
            self.talk.say(Who::Alice, text)?;
        }
        Ok(())
    }

    fn bob_comes_online(&mut self) -> Result<()> {
        self.talk.transcript.heading("Bob comes online")?;
        self.talk.read(Who::Bob)?;
        self.talk.accept(Who::Bob)?;
        self.talk.transcript.say("Bob   accepts: only now does anything go back to her")?;
        self.talk.settle()?;
        let numbers = [self.talk.safety_number(Who::Alice)?, self.talk.safety_number(Who::Bob)?];
        for (who, number) in Who::BOTH.into_iter().zip(&numbers) {
            self.talk.transcript.say(&format!("{:<5} safety number {number}", who.name()))?;
        }
        if numbers[0] != numbers[1] {
            return Err("the safety numbers are NOT the same".into());
        }
        for (who, number) in Who::BOTH.into_iter().zip(&numbers) {
            self.talk.mark_verified(who, number)?;
        }
        Ok(self.talk.transcript.say("Both  compare them: the same")?)
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
        self.talk.write(Who::Bob, &["My battery is at one perc".to_owned()], "")?;
        self.talk.kill(Who::Bob);
        self.talk
            .transcript
            .say("Bob   has just pressed send: it is on his disk, not on its way")?;
        self.talk.say(Who::Alice, "Bob? Are you there?")?;
        self.talk.say(Who::Alice, "I'm sending you the notes now.")?;
        self.talk.restart(Who::Bob)?;
        self.talk.transcript.say("Bob   starts again, from what is on his disk")?;
        self.talk.settle()?;
        self.talk.say(Who::Bob, "Back again, and I still have everything.")?;
        self.talk.settle()
    }

    fn file(&mut self) -> Result<()> {
        let Document { name, bytes } = self.document;
        let (name, length) = (name.escape_debug(), bytes.len());
        self.talk.transcript.heading(&format!("Alice sends {name}, {length} bytes"))?;
        let pieces = self.document.pieces();
        let count = pieces.len();
        // Of a long file each quarter is told, of a short one each envelope.
        self.talk.transcript.details = count <= BURST;
        self.talk.transcript.begin_progress();
        let mut sent = 0;
        for burst in pieces.chunks(BURST) {
            self.talk.write(Who::Alice, burst, "a piece of the file")?;
            self.talk.settle()?;
            let quarter = sent * 4 / count;
            sent += burst.len();
            if sent * 4 / count > quarter {
                let text = format!("Bob   has {} of {count} pieces", self.talk.pieces.len());
                self.talk.transcript.progress(&text)?;
            }
        }
        self.talk.transcript.details = true;
        let same = if self.same_file() { "the same file" } else { "ANOTHER FILE" };
        Ok(self.talk.transcript.say(&format!("Bob   put them together: {same}, byte for byte"))?)
    }

    fn same_file(&self) -> bool {
        self.talk.pieces.bytes().as_ref() == Some(&self.document.bytes)
    }

    /// Sums up.
    fn end(&mut self) -> Result<bool> {
        self.talk.transcript.heading("The end: the last receipts come in")?;
        self.talk.settle_all()?;
        let Outcome { said, once, confirmed, expired, alarms } = self.talk.outcome();
        let Tally { messages, quiet, lost, twice, overtakes, held, altered, .. } =
            self.talk.transcript.total;
        let Tally { duplicates, unreadable, .. } = self.talk.transcript.total;
        let received = self.talk.pieces.bytes().unwrap_or_default();
        let (sent, received) = (self.document.digest(), digest(&received));
        self.talk.transcript.say(&format!(
            "{messages} envelopes with messages, {quiet} with receipts and repair; {lost} lost, \
             {twice} duplicated, {overtakes} reordered, {held} delayed, {altered} altered on the \
             way; {duplicates} duplicates and {unreadable} damaged ones dropped"
        ))?;
        self.talk.transcript.say(&format!(
            "file of {} bytes, SHA-256 {} ({}...)",
            self.document.bytes.len(),
            if sent == received { "equal" } else { "NOT equal" },
            &sent[..16],
        ))?;
        self.talk.transcript.say(&format!(
            "{said} messages were written: {once} were read exactly once, {confirmed} confirmed"
        ))?;
        if expired > 0 {
            let text = format!("(of {expired} every receipt was lost, though they were read)");
            self.talk.transcript.say(&text)?;
        }
        let complete =
            once == said && confirmed + expired == said && alarms == 0 && self.same_file();
        if !complete {
            self.talk.transcript.say("NOT everything arrived as it should.")?;
        }
        Ok(complete)
    }
}
