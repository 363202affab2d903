//! The world: first chaos, then peace.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use subrosa::directory::MemoryDirectory;
use subrosa::store::MemoryStore;
use subrosa::wire::{Envelope, GroupMessage};
use subrosa::{
    Action, Address, Contact, Content, EventKind, Incoming, MessageId, Messenger, Refusal,
    Timestamp, Urgency, UserId,
};

use crate::account::{Database, Promise};
use crate::dice::{DAY, Dice, HOUR, MINUTE};
use crate::groups::Groups;
use crate::household::Account;
use crate::process::{Device, Died};
use crate::relay::{Mail, Relay};

/// What a device sent to another on one day.
#[derive(Default, Clone, Copy)]
pub(crate) struct Traffic {
    /// First copies of messages.
    pub(crate) messages: usize,
    /// Everything else: receipts, repeats, repair.
    pub(crate) quiet: usize,
    /// Of these, read receipts that its app sent.
    pub(crate) by_app: usize,
}

/// What may happen in a world, beside what happens in all of them.
#[derive(Clone, Copy)]
struct May {
    copies: bool,
    restores: bool,
    revokes: bool,
}

/// Names a day, and from which device to which.
pub(crate) type Lane = (Address, Address, u64);

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) dice: Dice,
    log: bool,
    pub(crate) now: Timestamp,
    transcript: DefaultHasher,
    directory: MemoryDirectory,
    relay: Relay,
    pub(crate) groups: Groups,
    pub(crate) accounts: Vec<Account>,
    pub(crate) devices: Vec<Device>,
    /// Second processes of devices, on copies.
    pub(crate) copies: Vec<Device>,
    backups: BTreeMap<usize, (MemoryStore, Database)>,
    /// What was on disks that are gone: those restored over, and those of copies.
    pub(crate) forgotten: BTreeMap<Address, Vec<Database>>,
    pub(crate) traffic: BTreeMap<Lane, Traffic>,
    pub(crate) said_to_own: BTreeMap<Address, usize>,
    by_tag: BTreeMap<(Address, [u8; 8]), (Address, Vec<u8>)>,
    /// Who has blocked whom, ever.
    pub(crate) blocked: BTreeSet<(UserId, UserId)>,
    pub(crate) chaos: bool,
    /// The day from which on clocks are right and nothing is lost.
    pub(crate) peace_on: u64,
}

impl World {
    fn new(seed: u64, log: bool) -> Self {
        let mut dice = Dice::new(seed);
        let now = Timestamp::from_secs(1_800_000_000);
        // Most worlds are small: that is where the same two meet often.
        let count = match dice.below(20) {
            0..10 => 2,
            10..15 => 3,
            15..19 => 4 + dice.below(3),
            _ => 7 + dice.below(14),
        };
        let devices: Vec<_> = (0..count).map(|i| Device::new(i, now, &mut dice)).collect();
        // Half of all worlds are of people who have one device each.
        let several = dice.happens(500);
        let wanted = |dice: &mut Dice| match dice.below(20) {
            _ if !several => 1,
            0..10 => 1,
            10..16 => 2,
            16..19 => 3,
            _ => 4,
        };
        let accounts = devices.iter().enumerate();
        let accounts = accounts.map(|(i, device)| Account::new(i, device, wanted(&mut dice)));
        let accounts = accounts.collect();
        Self {
            seed,
            dice,
            log,
            now,
            transcript: DefaultHasher::new(),
            directory: MemoryDirectory::new(),
            relay: Relay::default(),
            groups: Groups::new(seed),
            accounts,
            devices,
            copies: Vec::new(),
            backups: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            traffic: BTreeMap::new(),
            said_to_own: BTreeMap::new(),
            by_tag: BTreeMap::new(),
            blocked: BTreeSet::new(),
            chaos: false,
            peace_on: 0,
        }
    }

    /// Runs a whole world, and gives the hash of all that happened in it.
    pub(crate) fn run(seed: u64, log: bool) -> u64 {
        let mut world = Self::new(seed, log);
        world.begin_households();
        world.begin_chaos();
        let steps = 40 + world.dice.below(120);
        let copies = world.dice.happens(150);
        let restores = world.dice.happens(300);
        let revokes = world.dice.happens(300);
        let may = May { copies, restores, revokes };
        world.groups.disks_are_safe(!copies && !restores);
        for _ in 0..steps {
            let pause = match world.dice.below(4) {
                0..2 => world.dice.up_to(10 * MINUTE),
                2 => world.dice.up_to(2 * HOUR),
                _ => world.dice.up_to(12 * HOUR),
            };
            world.pass(pause);
            world.something_happens(may);
            let who = world.dice.below(world.devices.len());
            world.act(who);
            world.act_in_groups();
            world.everybody_acts();
        }
        world.make_peace();
        // Longer than the last time that anything is asked for.
        for hour in 0..24 {
            world.pass(HOUR);
            // Whoever stands there with a code still does.
            (0..world.accounts.len()).for_each(|account| world.offer(account));
            world.rest(hour);
        }
        world.all_speak_in_groups();
        for step in 0..2 * 50 {
            world.pass(12 * HOUR);
            world.rest(step);
        }
        world.check_peace();
        world.say_last_words();
        world.say_last_words_in_groups();
        world.transcript.finish()
    }

    /// Two processes on copies of one store, for two weeks, beside somebody who writes and
    /// is written to every few hours. It never settles; it has to be reported.
    pub(crate) fn run_with_two_of_one(seed: u64) {
        let mut world = Self::new(seed, false);
        world.devices.truncate(2);
        world.accounts.truncate(2);
        world.chaos = true;
        world.everybody_acts();
        for _ in 0..3 {
            world.send(0, 1);
            world.everybody_acts();
            world.answer_requests(1);
            world.send(1, 0);
            world.everybody_acts();
        }
        let copy = world.devices[0].copy(&mut world.dice);
        world.copies.push(copy);
        for _ in 0..14 * 6 {
            world.pass(4 * HOUR);
            let i = world.dice.below(3);
            world.send(i, if i == 1 { 0 } else { 1 });
            world.everybody_acts();
        }
        let user = world.devices[0].address.user.clone();
        let reported = world.devices[1].database.fallen_back.contains(&user)
            || world.devices[0].database.restored + world.copies[0].database.restored > 0;
        assert!(reported, "seed {seed}: nobody was told");
        world.check_traffic();
    }

    /// From now on mail is lost, comes twice, late and in disorder.
    fn begin_chaos(&mut self) {
        self.chaos = true;
        (self.relay.lost, self.relay.twice) = (self.dice.below(200), 1 + self.dice.below(200));
    }

    pub(crate) fn note(&mut self, what: &str, bytes: impl Hash) {
        self.now.as_millis().hash(&mut self.transcript);
        what.hash(&mut self.transcript);
        bytes.hash(&mut self.transcript);
        if self.log {
            let seconds = self.now.as_secs() - 1_800_000_000;
            println!("day {:2} {:5} s  {what}", seconds / 86400, seconds % 86400);
        }
    }

    pub(crate) fn pass(&mut self, span: std::time::Duration) {
        self.now = self.now.after(span);
    }

    /// A device, or a copy of one.
    pub(crate) fn device(&mut self, i: usize) -> &mut Device {
        let count = self.devices.len();
        if i < count { &mut self.devices[i] } else { &mut self.copies[i - count] }
    }

    /// A call to a messenger, in the time of its device.
    pub(crate) fn call<R>(
        &mut self,
        i: usize,
        call: impl FnOnce(&mut Messenger) -> Result<R, subrosa::Error>,
    ) -> Result<R, Died> {
        let count = self.devices.len();
        let device = if i < count { &mut self.devices[i] } else { &mut self.copies[i - count] };
        device.see_time(self.now);
        let result = device.call(&mut self.dice, call);
        if result.is_err() {
            let address = self.device(i).address.to_string();
            self.note(&format!("{i} {address} dies and starts again"), 0);
        }
        result
    }

    /// Somebody does something.
    fn act(&mut self, i: usize) {
        let count = self.devices.len();
        let i = if self.dice.happens(300) { self.dice.below(count + self.copies.len()) } else { i };
        if !self.device(i).is_ready() {
            return;
        }
        let (account, accounts) = (self.device(i).account, self.accounts.len());
        match self.dice.below(10) {
            0..6 => {
                let other = match self.dice.below(20) {
                    0..14 => (account + 1) % accounts,
                    _ => self.dice.below(accounts),
                };
                for _ in 0..1 + self.dice.below(3) {
                    self.send(i, other);
                }
            }
            6..8 => self.answer_requests(i),
            8 => self.say_what_is_read(i),
            _ => {
                // To take back a block, or to block somebody anew.
                let other = self.dice.below(accounts);
                if other == account {
                    return;
                }
                let user = self.user(other);
                if self.dice.happens(300) && !self.groups.is_friendly {
                    self.block(i, &user);
                } else {
                    self.accept(i, &user);
                }
            }
        }
    }

    pub(crate) fn user(&self, account: usize) -> UserId {
        self.devices[self.accounts[account].primary].address.user.clone()
    }

    /// One writes to another, or to its own other devices, if it may and its process
    /// outlives that.
    pub(crate) fn send(&mut self, i: usize, other: usize) -> Option<MessageId> {
        let to = self.user(other);
        let own_devices = self.device(i).database.others();
        let to_itself = self.device(i).account == other;
        if to_itself && own_devices.is_empty() {
            return None;
        }
        let contact = self.contact(i, &to);
        if contact.consent == subrosa::Consent::Blocked {
            return None;
        }
        let text = format!("{} from {i} to {other}", self.dice.number());
        let later = self.chaos && self.dice.happens(30);
        let at = self.now.after(self.dice.up_to(2 * DAY));
        let sent = self.call(i, |messenger| match later {
            true => messenger.send_at(&to, Content::text(text.as_str()), at),
            false => messenger.send(&to, Content::text(text.as_str())),
        });
        // A copy, and perhaps that the other is accepted.
        self.says_to_own(i, 2);
        let id = sent.ok()?;
        let when = if later { "later" } else { "now" };
        self.note(&format!("{i} sends {id:?} {when} to {to}"), id.as_bytes());
        let devices = match to_itself {
            true => Some(Vec::new()),
            false => Some(contact.devices).filter(|devices| !devices.is_empty()),
        };
        let database = &mut self.device(i).database;
        if devices.is_none() {
            database.unaddressed.insert(id);
        }
        database.promised.insert(id, Promise { to, devices, own_devices });
        Some(id)
    }

    /// Notes to which devices goes what had nobody to go to until now.
    fn address_promises(&mut self, i: usize) {
        self.address_what_was_said(i);
        for id in self.device(i).database.unaddressed.clone() {
            let to = self.device(i).database.promised[&id].to.clone();
            let devices = self.contact(i, &to).devices;
            if !devices.is_empty() {
                let database = &mut self.device(i).database;
                database.promised.get_mut(&id).unwrap().devices = Some(devices);
                database.unaddressed.remove(&id);
            }
        }
    }

    /// What a device knows of a user.
    pub(crate) fn contact(&mut self, i: usize, user: &UserId) -> Contact {
        loop {
            if let Ok(contact) = self.call(i, |messenger| messenger.contact(user)) {
                return contact;
            }
        }
    }

    pub(crate) fn blocks(&mut self, i: usize, user: &UserId) -> bool {
        self.contact(i, user).consent == subrosa::Consent::Blocked
    }

    fn block(&mut self, i: usize, user: &UserId) {
        let who = self.device(i).address.user.clone();
        self.blocked.insert((who, user.clone()));
        self.says_to_own(i, 1);
        let _ = self.call(i, |messenger| messenger.block(user));
        self.note(&format!("{i} blocks {user}"), 0);
    }

    fn accept(&mut self, i: usize, user: &UserId) {
        self.says_to_own(i, 1);
        if self.call(i, |messenger| messenger.accept(user)).is_ok() {
            self.device(i).database.requests.remove(user);
            self.note(&format!("{i} accepts {user}"), 0);
        }
    }

    fn answer_requests(&mut self, i: usize) {
        for user in self.device(i).database.requests.clone() {
            if self.dice.happens(100) && self.chaos && !self.groups.is_friendly {
                self.block(i, &user);
                self.device(i).database.requests.remove(&user);
            } else {
                self.accept(i, &user);
            }
        }
    }

    fn say_what_is_read(&mut self, i: usize) {
        let unread = std::mem::take(&mut self.device(i).database.unread);
        for (user, id) in unread {
            if self.blocks(i, &user) {
                continue;
            }
            let sent = self.call(i, |messenger| messenger.send(&user, Content::read(&[id])));
            if sent.is_ok() {
                let from = self.device(i).address.clone();
                for to in self.addresses(&user) {
                    self.lane(&from, &to).by_app += 1;
                }
            }
        }
    }

    /// Notes how often a device may have said something to its person's other devices.
    pub(crate) fn says_to_own(&mut self, i: usize, times: usize) {
        let address = self.device(i).address.clone();
        *self.said_to_own.entry(address).or_default() += times;
    }

    fn lane(&mut self, from: &Address, to: &Address) -> &mut Traffic {
        let day = self.now.as_secs() / DAY.as_secs();
        self.traffic.entry((from.clone(), to.clone(), day)).or_default()
    }

    /// Clocks jump, networks and processes fail, disks are restored and copied, devices are
    /// linked and taken off.
    fn something_happens(&mut self, may: May) {
        let i = self.dice.below(self.devices.len());
        match self.dice.below(23) {
            0 => {
                self.devices[i].offset = self.dice.offset();
                let offset = self.devices[i].offset / 60_000;
                self.note(&format!("{i} has its clock wrong by {offset} minutes"), offset);
            }
            1..3 => {
                self.devices[i].offline ^= true;
                self.note(&format!("{i} goes or comes"), i);
            }
            3..6 => self.devices[i].let_fail(&mut self.dice),
            6 => self.devices[i].start(&mut self.dice),
            7 if may.restores && self.devices[i].is_ready() => {
                self.backups.insert(i, self.devices[i].back_up());
                self.note(&format!("{i} is backed up"), i);
            }
            8 if may.restores => self.restore(i),
            9 if may.copies
                && self.copies.is_empty()
                && self.devices[i].is_ready()
                && !self.is_linking(i) =>
            {
                self.devices[i].see_time(self.now);
                let copy = self.devices[i].copy(&mut self.dice);
                self.copies.push(copy);
                self.note(&format!("{i} is there twice"), i);
            }
            10..12 if !self.copies.is_empty() => self.end_copies(),
            20.. => {
                let account = self.devices[i].account;
                self.change_devices(account, may.revokes);
            }
            _ => {}
        }
    }

    fn restore(&mut self, i: usize) {
        let Some(backup) = self.backups.remove(&i) else { return };
        // What it has not read it would lose unseen.
        self.devices[i].let_work();
        self.read(i);
        let device = &mut self.devices[i];
        let gone = device.database.clone();
        device.see_time(self.now);
        device.restore(&backup, &mut self.dice);
        self.forgotten.entry(self.devices[i].address.clone()).or_default().push(gone);
        self.note(&format!("{i} is restored"), i);
    }

    fn end_copies(&mut self) {
        for i in self.devices.len()..self.devices.len() + self.copies.len() {
            self.device(i).let_work();
            self.read(i);
        }
        for copy in std::mem::take(&mut self.copies) {
            self.note(&format!("the copy of {} ends", copy.address), 0);
            self.forgotten.entry(copy.address).or_default().push(copy.database);
        }
    }

    /// Everybody takes mail, reads and carries, once.
    pub(crate) fn everybody_acts(&mut self) -> usize {
        let mut moved = 0;
        for i in 0..self.devices.len() + self.copies.len() {
            if self.device(i).offline {
                continue;
            }
            moved += self.take_mail(i);
            if self.device(i).is_ready() {
                self.read(i);
                self.see_groups(i);
                moved += self.run_errands(i);
            }
        }
        moved
    }

    fn take_mail(&mut self, i: usize) -> usize {
        let (address, hints) = (self.device(i).address.clone(), self.device(i).hints);
        let arrived = self.relay.arrived(&address, self.now);
        let count = arrived.len();
        for (key, Mail { from, envelope }) in arrived {
            let name = name(&envelope);
            if self.device(i).is_ready() {
                let received = self.call(i, |messenger| {
                    let incoming = Incoming::new(&envelope);
                    let user = &from.user;
                    messenger.receive(if hints { incoming.claimed_from(user) } else { incoming })
                });
                let Ok(received) = received else { return count };
                self.note(&format!("{i} receives {name} of {from}: {received:?}"), &envelope);
                self.address_promises(i);
            } else {
                let now = self.now;
                let device = &mut self.devices[i];
                device.see_time(now);
                if device.take_offer(&mut self.dice, &envelope).is_err() {
                    return count;
                }
                let ready = self.devices[i].is_ready();
                self.note(&format!("{i} takes {name} of {from}: {ready}"), &envelope);
            }
            // Else the deletion was lost on the way to the server.
            if !self.chaos || self.dice.happens(950) {
                self.relay.delete(&address, key);
            }
        }
        count
    }

    pub(crate) fn read(&mut self, i: usize) {
        if !self.device(i).is_ready() {
            return;
        }
        loop {
            match self.call(i, Messenger::next_event) {
                Err(Died) => {}
                Ok(None) => return,
                Ok(Some(event)) => {
                    self.note(&format!("{i} is told {:?}", event.kind), event.id.as_bytes());
                    if let EventKind::GroupChanged { group, by, change } = &event.kind {
                        self.hear_of_group(group, by.clone(), change);
                    }
                    let ours = match &event.kind {
                        EventKind::DevicesChanged { user, .. } => {
                            *user == self.device(i).address.user
                        }
                        _ => false,
                    };
                    self.device(i).database.take(event.id, event.kind);
                    if ours {
                        self.note_devices(i);
                    }
                    let _ = self.call(i, |messenger| messenger.events_done(&[event.id]));
                }
            }
        }
    }

    fn run_errands(&mut self, i: usize) -> usize {
        let from = self.device(i).address.clone();
        let mut carried = 0;
        loop {
            assert!(carried < 3000, "envelopes without end");
            let out = match self.call(i, Messenger::next_outgoing) {
                Ok(Some(out)) => out,
                Ok(None) => return carried,
                Err(Died) => continue,
            };
            // What is not said to be done comes again.
            if self.chaos && self.dice.happens(100) {
                continue;
            }
            match &out.action {
                Action::Publish { publication } => {
                    let taken = self.directory.publish(publication);
                    self.note(&format!("{i} publishes: {taken:?}"), publication);
                    if taken.is_err() {
                        // It goes by a list that is not the newest.
                        let refusal = Refusal::Denied;
                        let _ = self.call(i, |m| m.outgoing_refused(out.id, refusal));
                        continue;
                    }
                }
                Action::Fetch { user } => {
                    let Ok(bundle) = self.directory.bundle(user) else {
                        let refusal = Refusal::NoSuchUser;
                        let _ = self.call(i, |m| m.outgoing_refused(out.id, refusal));
                        continue;
                    };
                    let learned = self.call(i, |messenger| messenger.learn(&bundle));
                    self.note(&format!("{i} asks for {user}: {learned:?}"), bundle);
                    self.address_promises(i);
                }
                Action::Deliver { to, envelope, urgency, .. } => {
                    for to in to {
                        self.carry(&from, to, envelope, *urgency);
                        carried += 1;
                    }
                    self.note(&format!("{i} {urgency:?} to {to:?}: {}", name(envelope)), envelope);
                }
            }
            let _ = self.call(i, |messenger| messenger.outgoing_done(&[out.id]));
        }
    }

    fn carry(&mut self, from: &Address, to: &Address, envelope: &[u8], urgency: Urgency) {
        if let Some(tag) = tag(envelope) {
            let known = self.by_tag.entry((to.clone(), tag));
            let known = known.or_insert_with(|| (from.clone(), envelope.to_vec()));
            // The same envelope may be carried twice, and a restored or copied device uses
            // keys again.
            let again = known.1 == envelope;
            let copied = self.forgotten.contains_key(from)
                || self.copies.iter().any(|copy| copy.address == *from);
            assert!(again || copied, "one key was used for two envelopes of {from}");
        }
        let mail = Mail { from: from.clone(), envelope: envelope.to_vec() };
        self.relay.carry(to, &mail, self.now, &mut self.dice);
        let lane = self.lane(from, to);
        match urgency {
            Urgency::Alert => lane.messages += 1,
            _ => lane.quiet += 1,
        }
    }

    /// All clocks are right, everybody is there, and the network is perfect.
    fn make_peace(&mut self) {
        self.end_copies();
        self.relay.peace(self.now);
        self.chaos = false;
        self.peace_on = self.now.as_secs() / DAY.as_secs();
        for i in 0..self.devices.len() {
            self.devices[i].let_work();
            (self.devices[i].offset, self.devices[i].offline) = (0, false);
        }
        self.note("peace", 0);
        for i in 0..self.devices.len() {
            if self.devices[i].is_ready() && self.dice.happens(800) {
                self.answer_requests(i);
            }
        }
        self.decide_in_peace();
    }

    /// Carries until nothing moves any more.
    pub(crate) fn rest(&mut self, step: usize) {
        for _ in 0..100 {
            if self.everybody_acts() == 0 {
                return;
            }
        }
        panic!("they never rest, step {step}");
    }
}

/// An envelope's tag, for the log.
fn name(envelope: &[u8]) -> String {
    match tag(envelope) {
        Some(tag) => format!("{:016x}", u64::from_be_bytes(tag)),
        None => "link".to_owned(),
    }
}

fn tag(envelope: &[u8]) -> Option<[u8; 8]> {
    let of_one = Envelope::decode(envelope).map(|envelope| envelope.message().tag());
    of_one.or_else(|_| GroupMessage::decode(envelope).map(|message| message.tag())).ok()
}
