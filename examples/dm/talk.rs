//! How people talk over a bad network: each device carries, receives, and sleeps until its
//! messenger has something to do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use subrosa::attachment::Pointer;
use subrosa::content::{Kind, Reference};
use subrosa::identity::SafetyNumber;
use subrosa::{
    Address, Clock, Content, Conversation, DeviceId, Emoji, EmojiEnd, EventKind, FailReason,
    GroupChange, GroupId, LinkCode, Message, MessageId, Messenger, Status, Timestamp, Urgency,
    UserId,
};

use crate::clock::StoryClock;
use crate::device::{Carried, Device, Home, Result};
use crate::ledger::Ledger;
use crate::relay::protocol::Mailbox;
use crate::screen::Screen;
use crate::transcript::Transcript;
use crate::who::{Place, Who};
use crate::words::words;

/// So many rounds in which nothing moves show that nothing is held back any more.
const IDLE_ROUNDS: usize = 4;

/// The most rounds of an exchange.
const MAX_ROUNDS: usize = 10_000;

/// The most that all sleep: each of the four wakes up once an hour, so a month in all.
const MAX_SLEEPS: usize = 4 * 24 * 31;

/// How long somebody waits for an answer in the group. What was said last there and got lost
/// is missed only when its author says something more.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a code is read at most.
const MAX_OFFERS: usize = 20;

/// The devices, and the transcript of what people do on them.
pub(crate) struct Talk {
    pub(crate) transcript: Transcript,
    homes: [Home; 4],
    /// Nothing while a process does not run.
    devices: [Option<Device>; 4],
    addresses: BTreeMap<Address, Who>,
    clock: StoryClock,
    pub(crate) ledger: Ledger,
    /// What stands on the left when the next message is carried, from one to another, or to
    /// the group.
    labels: BTreeMap<(Who, Option<Who>), VecDeque<String>>,
    /// The group, once there is one, and the users in it.
    pub(crate) group: Option<GroupId>,
    pub(crate) members: BTreeSet<&'static str>,
    /// Whose app knows of Bob's laptop.
    informed: BTreeSet<Who>,
    /// What people have on their screens: each app's own database.
    pub(crate) screens: BTreeMap<Who, Screen>,
    /// The emoji that are shown to be compared, and who was told that they are the same.
    pub(crate) emoji: BTreeMap<Who, Emoji>,
    pub(crate) verified: BTreeSet<Who>,
    /// Events that must not happen, and messages that nobody wrote.
    pub(crate) alarms: usize,
}

impl Talk {
    /// Devices that do not run yet: Alice's home, those of Bob's phone and laptop, Carol's.
    pub(crate) fn new(homes: [Home; 4], transcript: Transcript) -> Self {
        Self {
            transcript,
            devices: [None, None, None, None],
            addresses: BTreeMap::new(),
            clock: homes[0].clock.clone(),
            homes,
            ledger: Ledger::default(),
            labels: BTreeMap::new(),
            group: None,
            members: BTreeSet::new(),
            informed: BTreeSet::new(),
            screens: Who::ALL.into_iter().map(|who| (who, Screen::default())).collect(),
            emoji: BTreeMap::new(),
            verified: BTreeSet::new(),
            alarms: 0,
        }
    }

    /// Starts a device's process, from what is on its disk.
    pub(crate) fn start(&mut self, who: Who) -> Result<()> {
        let device = Device::open(&self.homes[who as usize])?;
        self.addresses.insert(device.address().clone(), who);
        if who == Who::Carol {
            // She gets to know Bob when he has it.
            self.informed.insert(who);
        }
        self.devices[who as usize] = Some(device);
        Ok(())
    }

    /// Ends it, with all that it has in memory.
    pub(crate) fn kill(&mut self, who: Who) {
        self.devices[who as usize] = None;
    }

    /// One of the devices.
    pub(crate) fn device(&mut self, who: Who) -> Result<&mut Device> {
        let device = self.devices[who as usize].as_mut();
        Ok(device.ok_or_else(|| format!("{who} is not running"))?)
    }

    pub(crate) fn messenger(&mut self, who: Who) -> Result<&mut Messenger> {
        self.device(who)?.messenger()
    }

    /// The mailbox that a device reads.
    pub(crate) fn mailbox(&mut self, who: Who) -> Result<Mailbox> {
        Ok(Mailbox::of(self.device(who)?.address()))
    }

    fn who(&self, address: &Address) -> Result<Who> {
        Ok(*self.addresses.get(address).ok_or("a device that nobody has")?)
    }

    /// What the messengers call this place.
    pub(crate) fn conversation(&self, place: Place) -> Result<Conversation> {
        Ok(match place {
            Place::With(user) => UserId::new(user)?.into(),
            Place::Roses => self.group.ok_or("there is no group yet")?.into(),
        })
    }

    /// Where something is to be shown that is written there on this device: on all others of
    /// those people that it knows.
    fn audience(&self, author: Who, place: Place) -> Vec<Who> {
        let there = |who: &Who| match place {
            Place::With(user) => [user, author.user()].contains(&who.user()),
            Place::Roses => self.members.contains(who.user()),
        };
        let known = |who: &Who| *who != Who::Laptop || self.informed.contains(&author);
        author.others().filter(there).filter(known).collect()
    }

    /// Says several things, which are saved, but do not leave yet.
    pub(crate) fn write(
        &mut self,
        who: Who,
        place: Place,
        contents: &[Content],
    ) -> Result<Vec<MessageId>> {
        let to = self.conversation(place)?;
        let ids = self.device(who)?.say(&to, contents)?;
        for (id, content) in ids.iter().zip(contents) {
            self.wrote(who, place, *id, content)?;
            let (name, now) = (self.name(who, *id)?, self.clock.now());
            self.screens.entry(who).or_default().show(name, now, content, Vec::new());
        }
        Ok(ids)
    }

    /// What names a message of theirs.
    pub(crate) fn name(&self, who: Who, id: MessageId) -> Result<Reference> {
        Ok(Reference::new(UserId::new(who.user())?, id))
    }

    /// Says something later, before which this device may say nothing else there.
    pub(crate) fn tell_at(
        &mut self,
        who: Who,
        place: Place,
        content: &Content,
        at: Timestamp,
    ) -> Result<MessageId> {
        let to = self.conversation(place)?;
        let id = self.device(who)?.say_at(&to, content, at)?;
        self.wrote(who, place, id, content)?;
        Ok(id)
    }

    /// Seals a file and leaves it at the relay.
    pub(crate) fn upload(
        &mut self,
        who: Who,
        name: &str,
        file: &[u8],
        media: &str,
    ) -> Result<Pointer> {
        let pointer = self.device(who)?.upload(file, media)?;
        let text = format!("{who:<12} seals {name}, {} B, and leaves it there", file.len());
        self.transcript.blob(&text)?;
        Ok(pointer)
    }

    /// Reads the files of a message, and opens them.
    fn download(&mut self, who: Who, content: &Content) -> Result<Vec<Vec<u8>>> {
        let Kind::Attachments(attachments) = content.kind() else { return Ok(Vec::new()) };
        let mut files = Vec::new();
        for item in attachments.items() {
            files.push(self.device(who)?.download(item.pointer())?);
            self.transcript.blob(&format!("{who:<12} -- fetches and opens it"))?;
        }
        Ok(files)
    }

    /// All that is on a device's screen now.
    pub(crate) fn screen(&mut self, who: Who) -> &mut Screen {
        self.screens.entry(who).or_default()
    }

    /// Nothing happens for so long but what the messengers do by themselves.
    pub(crate) fn wait(&mut self, time: Duration) -> Result<()> {
        self.clock.move_to(self.clock.now().after(time));
        self.exchange()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// This was said, or will be.
    fn wrote(&mut self, who: Who, place: Place, id: MessageId, content: &Content) -> Result<()> {
        let (to, audience) = (self.conversation(place)?, self.audience(who, place));
        self.ledger.said(id, who, (&to, content), &audience);
        let label = match place {
            Place::With("carol") => format!("to Carol: {}", words(content)),
            Place::With(_) => words(content),
            Place::Roses => format!("in Roses: {}", words(content)),
        };
        let receivers: Vec<_> = match place {
            Place::With(_) => {
                let others = audience.iter().filter(|to| to.user() != who.user());
                others.copied().map(Some).collect()
            }
            Place::Roses => vec![None],
        };
        for to in receivers {
            self.labels.entry((who, to)).or_default().push_back(label.clone());
        }
        Ok(())
    }

    /// Says something.
    pub(crate) fn say(&mut self, who: Who, text: &str) -> Result<()> {
        self.tell(who, Place::With(who.friend()), Content::text(text)).map(drop)
    }

    /// Says something there.
    pub(crate) fn tell(&mut self, who: Who, place: Place, content: Content) -> Result<MessageId> {
        let ids = self.write(who, place, &[content])?;
        self.carry(who)?;
        Ok(*ids.first().ok_or("nothing was said")?)
    }

    /// Carries what there is; says how much.
    pub(crate) fn carry(&mut self, who: Who) -> Result<usize> {
        let Self { devices, addresses, labels, transcript, .. } = self;
        let Some(device) = devices[who as usize].as_mut() else { return Ok(0) };
        let (mut count, mut label) = (0, String::new());
        device.carry(|carried| {
            count += 1;
            match carried {
                Carried::Publication => {
                    transcript.detail(&format!("{who:<12} publishes a device list and prekeys"))?;
                }
                Carried::Question(user) => transcript.detail(&format!(
                    "{who:<12} asks for the bundle of {user}, and checks every signature in it"
                ))?,
                Carried::Envelope { to, urgency, first, group } => {
                    let to = *addresses.get(to).ok_or("a mailbox that nobody has")?;
                    if urgency == Urgency::Quiet {
                        transcript.quiet(&format!("{who:<12} -- to {to}"))?;
                        return Ok(());
                    }
                    let before = label.clone();
                    if first {
                        let next = labels.get_mut(&(who, (!group).then_some(to)));
                        label = next.and_then(VecDeque::pop_front).unwrap_or_default();
                    }
                    // The same once more, to somebody else.
                    if !first || label == before {
                        let to = format!("  to {}", to.short());
                        transcript.message(&format!("{to:<12} {label}"))?;
                    } else {
                        transcript.message(&format!("{who:<12} {label}"))?;
                    }
                }
            }
            Ok(())
        })?;
        Ok(count)
    }

    /// Reads the mailbox; says how many envelopes were in it.
    pub(crate) fn read(&mut self, who: Who) -> Result<usize> {
        let Some(device) = self.devices[who as usize].as_mut() else { return Ok(0) };
        let mail = device.receive()?;
        self.transcript.dropped(mail.duplicates, mail.unreadable);
        self.look(who)?;
        Ok(mail.came)
    }

    /// All read their mailboxes.
    pub(crate) fn read_all(&mut self) -> Result<()> {
        Who::ALL.into_iter().try_for_each(|who| self.read(who).map(drop))
    }

    /// Takes in what a device's app is told.
    fn look(&mut self, who: Who) -> Result<()> {
        for event in self.device(who)?.events()? {
            let genuine = match &event {
                EventKind::Message(message) => self.hear(who, message, "reads")?,
                EventKind::Request(message) => self.hear(who, message, "has a request:")?,
                EventKind::OwnMessage(message) => self.hear(who, message, "shows as his own:")?,
                EventKind::Status { status: Status::Sent | Status::Read(_), .. } => true,
                EventKind::Status { message, status: Status::Delivered(_), .. } => {
                    self.ledger.confirmed(*message, who)
                }
                EventKind::Status {
                    message,
                    status: Status::Failed(_, FailReason::Expired),
                    ..
                } => self.ledger.expired(*message, who),
                EventKind::DevicesChanged { user, added, removed } => {
                    self.hear_of_laptop(who, user, added)? && removed.is_empty()
                }
                EventKind::Invited { group, by } => {
                    self.transcript.detail(&format!("      {who} is invited to Roses by {by}"))?;
                    self.group == Some(*group) && by.as_bytes() == b"alice"
                }
                EventKind::GroupChanged { group, by: Some(by), change } => {
                    self.hear_of_change(who, by, change)?;
                    self.group == Some(*group) && by.as_bytes() == b"alice"
                }
                EventKind::Disappeared { author, message } => {
                    let name = Reference::new(author.clone(), *message);
                    self.screens.entry(who).or_default().forget(&name);
                    self.transcript.detail(&format!("      {who} deletes what {author} said"))?;
                    true
                }
                EventKind::ReadElsewhere { .. } => true,
                EventKind::CompareEmoji { user, emoji } => {
                    self.emoji.insert(who, *emoji);
                    compares(who, user)
                }
                EventKind::Verified { user } => {
                    self.verified.insert(who);
                    compares(who, user)
                }
                EventKind::EmojiEnded { user, reason: EmojiEnd::Expired } => {
                    self.emoji.remove(&who);
                    compares(who, user)
                }
                EventKind::NoBackup => {
                    let text = format!("      {who} is reminded to make a backup");
                    self.transcript.detail(&text)?;
                    true
                }
                _ => false,
            };
            if !genuine {
                self.alarms += 1;
                self.transcript.say(&format!("  !!  {who}: {event:?}"))?;
            }
        }
        Ok(())
    }

    /// A device shows a message; whether it should.
    fn hear(&mut self, who: Who, message: &Message, does: &str) -> Result<bool> {
        let by = self.who(&message.device)?;
        let genuine = self.ledger.shown(message, by, who);
        let text = words(&message.content);
        let place = match message.conversation {
            Conversation::Group(_) => "in Roses: ",
            _ => "",
        };
        self.transcript.detail(&format!("      {who} {does} {place}{text}"))?;
        let files = self.download(who, &message.content)?;
        let screen = self.screens.entry(who).or_default();
        screen.show(message.name(), message.sent_at, &message.content, files);
        if message.content.expires_after().is_some() {
            // Whoever looks at the screen has read it: its time begins.
            self.messenger(who)?.mark_read(&message.from, &[message.id])?;
        }
        Ok(genuine)
    }

    /// A device shows what was done to the group.
    fn hear_of_change(&self, who: Who, by: &UserId, change: &GroupChange) -> Result<()> {
        let names = |users: &[UserId]| {
            users.iter().map(UserId::to_string).collect::<Vec<_>>().join(" and ")
        };
        let what = match change {
            GroupChange::Add(users) => format!("has added {}", names(users)),
            GroupChange::Remove(users) => format!("has removed {}", names(users)),
            other => format!("{other:?}"),
        };
        Ok(self.transcript.say(&format!("      {who} sees that {by} {what}"))?)
    }

    /// A device is told of another one of Bob's; whether it is the laptop.
    fn hear_of_laptop(&mut self, who: Who, user: &UserId, added: &[DeviceId]) -> Result<bool> {
        let [device] = *added else { return Ok(false) };
        let address = Address { user: user.clone(), device };
        self.informed.insert(who);
        self.transcript.say(&format!("      {who} sees the laptop on Bob's list of devices"))?;
        Ok(self.addresses.get(&address) == Some(&Who::Laptop))
    }

    /// All carry and read until nothing moves, and nothing is held back on the way.
    pub(crate) fn exchange(&mut self) -> Result<()> {
        let mut idle = 0;
        for _ in 0..MAX_ROUNDS {
            let mut moved = 0;
            for who in Who::ALL {
                moved += self.carry(who)? + self.read(who)?;
            }
            idle = if moved == 0 { idle + 1 } else { 0 };
            if idle == IDLE_ROUNDS {
                return Ok(());
            }
        }
        Err("they never come to rest".into())
    }

    /// Goes on until all that was said is shown: what is lost on the way, the messengers
    /// repair when it is time.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.settle_until(|talk| Ok(talk.ledger.is_shown()))
    }

    /// Goes on until everybody also knows that it was.
    pub(crate) fn settle_all(&mut self) -> Result<()> {
        self.settle_until(|talk| Ok(talk.ledger.is_settled()))
    }

    /// Goes on until something is so.
    pub(crate) fn settle_until(&mut self, done: impl Fn(&mut Self) -> Result<bool>) -> Result<()> {
        let begun = self.clock.now();
        let mut asked = begun;
        for _ in 0..MAX_SLEEPS {
            self.exchange()?;
            if done(self)? {
                let slept = self.clock.now().since(begun).as_secs() / 60;
                return match slept {
                    0 => Ok(()),
                    _ => {
                        let (hours, minutes) = (slept / 60, slept % 60);
                        let text = format!("  ~~  {hours} h {minutes:02} min later all is there");
                        Ok(self.transcript.detail(&text)?)
                    }
                };
            }
            self.sleep();
            if self.clock.now().since(asked) >= PATIENCE {
                asked = self.clock.now();
                for who in self.ledger.unseen_in_group() {
                    self.tell(who, Place::Roses, Content::text("Have you all read that?"))?;
                }
            }
        }
        Err("the network is too bad: not everything arrived within a month".into())
    }

    /// All sleep until one of them wakes up by itself.
    fn sleep(&self) {
        let wakes = self.devices.iter().flatten().filter_map(Device::wakes_at);
        // A wake-up that is past already is now.
        let soon = Timestamp::from_millis(self.clock.now().as_millis() + 1000);
        self.clock.move_to(wakes.min().unwrap_or(soon).max(soon));
    }

    /// The phone offers the device that shows this code to be listed, until both say that
    /// it is. What is lost of this is not sent again by itself: Bob reads the code again.
    pub(crate) fn link(&mut self, code: &LinkCode) -> Result<()> {
        for offer in 0..MAX_OFFERS {
            if offer > 0 {
                let text = format!("{:<12} hears nothing, and reads the code again", Who::Phone);
                self.transcript.say(&text)?;
            }
            self.messenger(Who::Phone)?.link_device(code)?;
            self.exchange()?;
            if Who::BOBS.iter().all(|who| self.informed.contains(who)) {
                return Ok(());
            }
        }
        Err("the network is too bad: the laptop is not linked".into())
    }

    /// Whether this device's app knows of Bob's laptop.
    pub(crate) fn knows_laptop(&self, who: Who) -> bool {
        self.informed.contains(&who)
    }

    /// The number that the user of this device compares with the other's.
    pub(crate) fn safety_number(&mut self, who: Who) -> Result<SafetyNumber> {
        let other = UserId::new(who.friend())?;
        let number = self.messenger(who)?.safety_number(&other)?;
        Ok(number.ok_or("the other's key is not known yet")?)
    }

    /// How many post-quantum epochs one of two devices has mixed in for the other.
    pub(crate) fn epochs(&mut self, who: Who, with: Who) -> Result<u32> {
        let with = self.device(with)?.address().clone();
        Ok(self.messenger(who)?.epochs_mixed(&with)?)
    }
}

/// Whether this device's user compares emoji with that one.
fn compares(who: Who, with: &UserId) -> bool {
    let pair = [who.user().as_bytes(), with.as_bytes()];
    pair == [b"alice".as_slice(), b"carol"] || pair == [b"carol".as_slice(), b"alice"]
}
