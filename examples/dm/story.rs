//! The story: what Alice, Bob and Carol do, in order.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use subrosa::content::{Attachment, Reference};
use subrosa::{Content, LinkCode, UserId};

use crate::clock::StoryClock;
use crate::device::{Home, Result};
use crate::file::{Document, digest};
use crate::healing::Healing;
use crate::ledger::Outcome;
use crate::mischief::Mischief;
use crate::relay;
use crate::script::{BURSTS, FIRST, LEGEND, ON_TWO_DEVICES, TURNS};
use crate::talk::Talk;
use crate::transcript::{Tally, Transcript};
use crate::who::{Place, Who};

/// The network's mischief is the same in every run.
const SEED: u64 = 30;

/// How many lines somebody writes before the other does, until all is healed, and how
/// often at most.
const LINES: usize = 6;
const MAX_TURNS: usize = 400;

/// A talk in progress, and what is sent in it.
pub(crate) struct Story<'a> {
    pub(crate) talk: Talk,
    document: &'a Document,
    /// The message that it is sent with.
    sent: Option<Reference>,
}

/// Tells the story; gives whether everything arrived.
pub(crate) fn tell(document: &Document, folder: &Path) -> Result<bool> {
    let (mischief, seen) = Mischief::new(SEED);
    let relay = relay::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), mischief)?;
    let clock = StoryClock::start();
    let home = |who: Who, disk: &str, linked_as| -> Result<Home> {
        let (user, disk, clock) = (UserId::new(who.user())?, folder.join(disk), clock.clone());
        Ok(Home { user, linked_as, disk, key: rand::random(), clock, relay })
    };
    let homes = [
        home(Who::Alice, "alice", None)?,
        home(Who::Phone, "phone", None)?,
        home(Who::Laptop, "laptop", Some("Bob's laptop"))?,
        home(Who::Carol, "carol", None)?,
    ];
    let mut talk = Talk::new(homes, Transcript::new(seen));
    talk.start(Who::Alice)?;
    talk.start(Who::Phone)?;
    let mailboxes = [talk.mailbox(Who::Alice)?, talk.mailbox(Who::Phone)?];
    talk.transcript.say(&format!(
        "A relay on {relay}. Alice reads mailbox {}, Bob's phone reads {}.",
        mailboxes[0], mailboxes[1]
    ))?;
    LEGEND.iter().try_for_each(|line| talk.transcript.say(line))?;
    let mut story = Story { talk, document, sent: None };
    story.first_messages()?;
    story.bob_comes_online()?;
    story.conversation()?;
    story.restart()?;
    story.laptop()?;
    story.two_devices()?;
    story.carol()?;
    story.emoji()?;
    story.group()?;
    story.sendings()?;
    story.fleeting()?;
    story.scheduled()?;
    story.removal()?;
    story.healing()?;
    story.file()?;
    story.end()
}

impl Story<'_> {
    /// A line of somebody who does something else than to write.
    pub(crate) fn tells(&self, who: Who, what: &str) -> Result<()> {
        Ok(self.talk.transcript.say(&format!("{who:<12} {what}"))?)
    }

    fn first_messages(&mut self) -> Result<()> {
        self.talk.transcript.heading("Bob publishes his prekeys and goes offline")?;
        self.talk.carry(Who::Phone)?;
        for text in FIRST {
            self.talk.say(Who::Alice, text)?;
        }
        Ok(())
    }

    fn bob_comes_online(&mut self) -> Result<()> {
        self.talk.transcript.heading("Bob comes online")?;
        self.talk.read(Who::Phone)?;
        self.talk.messenger(Who::Phone)?.accept(&UserId::new("alice")?)?;
        self.tells(Who::Phone, "accepts: only now does anything go back to her")?;
        self.talk.settle()?;
        let mut numbers = Vec::new();
        for who in [Who::Alice, Who::Phone] {
            let number = self.talk.safety_number(who)?;
            self.tells(who, &format!("safety number {number}"))?;
            numbers.push(number);
        }
        if numbers[0] != numbers[1] {
            return Err("the safety numbers are NOT the same".into());
        }
        for (who, number) in [Who::Alice, Who::Phone].into_iter().zip(&numbers) {
            let other = UserId::new(who.friend())?;
            self.talk.messenger(who)?.mark_verified(&other, number)?;
        }
        Ok(self.talk.transcript.say("Both         compare them: the same")?)
    }

    fn conversation(&mut self) -> Result<()> {
        self.talk.transcript.heading("They talk in turns")?;
        for (who, text) in TURNS {
            self.talk.say(who, text)?;
            self.talk.read(if who == Who::Alice { Who::Phone } else { Who::Alice })?;
        }
        self.talk.transcript.heading("They talk at the same time")?;
        for (who, text) in BURSTS {
            self.talk.say(who, text)?;
        }
        self.talk.settle()
    }

    fn restart(&mut self) -> Result<()> {
        self.talk.transcript.heading("Bob's battery dies")?;
        let text = Content::text("My battery is at one perc");
        self.talk.write(Who::Phone, Place::With("alice"), &[text])?;
        self.talk.kill(Who::Phone);
        self.tells(Who::Phone, "has just taken what he wrote: on its disk, not on its way")?;
        self.talk.say(Who::Alice, "Bob? Are you there?")?;
        self.talk.say(Who::Alice, "I'm sending you the notes now.")?;
        self.talk.start(Who::Phone)?;
        self.tells(Who::Phone, "starts again, from what is on its disk")?;
        self.talk.settle()?;
        self.talk.say(Who::Phone, "Back again, and I still have everything.")?;
        self.talk.settle()
    }

    /// Bob's laptop is linked to his account, and knows Alice.
    fn laptop(&mut self) -> Result<()> {
        self.talk.transcript.heading("Bob links his laptop")?;
        self.talk.start(Who::Laptop)?;
        let mailbox = self.talk.mailbox(Who::Laptop)?;
        let shown = self.talk.device(Who::Laptop)?.code()?;
        // As a QR code, before the phone's camera.
        let read = LinkCode::parse(shown.as_bytes()).ok_or("the camera reads no link code")?;
        let digits = [shown.short(), read.short()];
        let text = format!("shows a QR code, and below it {}; reads {mailbox}", digits[0]);
        self.tells(Who::Laptop, &text)?;
        let text = format!("has read it, and shows {}", digits[1]);
        self.tells(Who::Phone, &text)?;
        if digits[0] != digits[1] {
            return Err("the link codes are NOT the same".into());
        }
        self.talk.transcript.say("Bob          compares them: the same, so he confirms")?;
        self.talk.link(&read)?;
        let alice = UserId::new("alice")?;
        self.talk
            .settle_until(|talk| Ok(talk.messenger(Who::Laptop)?.contact(&alice)?.verified))?;
        let numbers = [self.talk.safety_number(Who::Alice)?, self.talk.safety_number(Who::Laptop)?];
        self.tells(Who::Laptop, &format!("safety number {}", numbers[1]))?;
        if numbers[0] != numbers[1] {
            return Err("the safety numbers are NOT the same".into());
        }
        Ok(self
            .talk
            .transcript
            .say("             the same as Alice's: the phone has vouched for it")?)
    }

    fn two_devices(&mut self) -> Result<()> {
        self.talk.transcript.heading("Bob writes and reads on both")?;
        for (who, text) in ON_TWO_DEVICES {
            self.talk.say(who, text)?;
            self.talk.settle()?;
        }
        match self.talk.knows_laptop(Who::Alice) {
            true => Ok(()),
            false => Err("Alice was NOT told of Bob's laptop".into()),
        }
    }

    /// They write until somebody who has copied the phone, and only listens, is out: until
    /// it has healed with both devices that it talks to.
    fn healing(&mut self) -> Result<()> {
        self.talk
            .transcript
            .heading("Somebody copies Bob's phone, with its keys, and listens on")?;
        let mut begun = Vec::new();
        for with in [Who::Alice, Who::Laptop] {
            begun.push(Healing::begin([Who::Phone, with], &mut self.talk)?);
        }
        self.talk.transcript.details = false;
        self.talk.transcript.begin_progress();
        let mut written = 0;
        for who in Who::TWO.into_iter().cycle().take(MAX_TURNS) {
            let line = |n| Content::text(format!("line {}", written + n));
            let lines: Vec<_> = (1..=LINES).map(line).collect();
            written += LINES;
            self.talk.write(who, Place::With(who.friend()), &lines)?;
            self.talk.carry(who)?;
            for other in who.others() {
                self.talk.read(other)?;
                self.talk.carry(other)?;
            }
            for healing in begun.iter_mut().filter(|healing| !healing.is_healed()) {
                if let Some(news) = healing.look(&mut self.talk)? {
                    self.talk.transcript.progress(&news)?;
                }
            }
            if begun.iter().all(Healing::is_healed) {
                break;
            }
        }
        if !begun.iter().all(Healing::is_healed) {
            return Err("the post-quantum ratchet did NOT heal".into());
        }
        self.talk.settle()?;
        self.talk.transcript.details = true;
        self.talk.transcript.say(&format!(
            "  **  With line {written} the post-quantum ratchet has healed: whoever listens reads \
             nothing more,"
        ))?;
        Ok(self.talk.transcript.say("      not even with a quantum computer.")?)
    }

    fn file(&mut self) -> Result<()> {
        let Document { name, bytes } = self.document;
        let shown = name.escape_debug().to_string();
        self.talk.transcript.heading(&format!("Alice sends {shown}, {} bytes", bytes.len()))?;
        let pointer = self.talk.upload(Who::Alice, &shown, bytes, "application/octet-stream")?;
        // A name is at most 255 bytes of UTF-8; what stands for other bytes may be longer.
        let name: String = name.chars().take(60).collect();
        let content = Content::attachment(Attachment::from(pointer).named(name));
        let id = self.talk.tell(Who::Alice, Place::With("bob"), content)?;
        self.talk.settle()?;
        self.sent = Some(self.talk.name(Who::Alice, id)?);
        for who in Who::BOBS {
            let same = if self.received(who) == Some(bytes) { "the same" } else { "ANOTHER" };
            self.tells(who, &format!("has {same} file, byte for byte"))?;
        }
        Ok(())
    }

    /// The file, as a device has it.
    fn received(&self, who: Who) -> Option<&[u8]> {
        self.talk.screens.get(&who)?.file(self.sent.as_ref()?)
    }

    /// Sums up.
    fn end(&mut self) -> Result<bool> {
        self.talk.transcript.heading("The end: the last receipts come in")?;
        self.talk.settle_all()?;
        let Outcome { said, due, once, receipts, confirmed, expired } = self.talk.ledger.outcome();
        let Tally { messages, quiet, lost, twice, overtakes, held, altered, .. } =
            self.talk.transcript.total;
        let Tally { duplicates, unreadable, parts_lost, parts_altered, .. } =
            self.talk.transcript.total;
        self.talk.transcript.say(&format!(
            "{messages} envelopes with messages, {quiet} with receipts, copies and repair; {lost} \
             lost, {twice} duplicated, {overtakes} reordered, {held} delayed, {altered} altered on \
             the way; {duplicates} duplicates and {unreadable} damaged ones dropped"
        ))?;
        self.talk.transcript.say(&format!(
            "of the files {parts_lost} parts were lost and {parts_altered} altered on the way, and \
             read again"
        ))?;
        let sent = self.document.digest();
        for who in Who::BOBS {
            let received = self.received(who).unwrap_or_default();
            self.tells(
                who,
                &format!(
                    "file of {} bytes, SHA-256 {} ({}...)",
                    received.len(),
                    if sent == digest(received) { "equal" } else { "NOT equal" },
                    &sent[..16],
                ),
            )?;
        }
        self.talk.transcript.say(&format!(
            "{said} messages were written, {due} copies of them to be shown: {once} were shown \
             exactly once; {confirmed} of {receipts} to one person confirmed"
        ))?;
        if expired > 0 {
            let text = format!("(of {expired} every receipt was lost, though they were read)");
            self.talk.transcript.say(&text)?;
        }
        let complete = once == due
            && confirmed + expired == receipts
            && self.talk.alarms == 0
            && Who::BOBS.into_iter().all(|who| self.received(who) == Some(&self.document.bytes));
        if !complete {
            self.talk.transcript.say("NOT everything arrived as it should.")?;
        }
        Ok(complete)
    }
}
