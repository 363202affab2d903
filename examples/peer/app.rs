//! The account with its one device, and what it knows of others.

mod groups;

use std::collections::BTreeMap;

use subrosa::group::GroupId;
use subrosa::handshake::{
    DevicePrekeys, HandshakeError, HandshakeId, Opening, PrekeyBundle, PrekeyId, PrekeySecret,
    ReplayRecord,
};
use subrosa::identity::{Account, Device, DeviceList, SafetyNumber, Succession, View};
use subrosa::session::{
    Accepted, Answer, Body, Content, DecryptError, Delivered, Numbers, Sent, Session, Unsaved,
};
use subrosa::wire::{
    Control, Envelope, GroupMessage, Handshake, Message, MessageId, SignedDeviceList,
};
use subrosa::{Address, DeviceId, Timestamp, UserId};

use crate::contacts::Contacts;
use crate::failure::Failure;
use crate::group::Group;
use crate::hex;
use crate::report::describe;

/// One device of one account.
pub(crate) struct App {
    device: Device,
    account: Account,
    signed: PrekeySecret,
    one_time: BTreeMap<PrekeyId, PrekeySecret>,
    /// The handshakes without a one-time prekey.
    replays: ReplayRecord,
    /// The newest list of each user; the first one pinned the account key.
    lists: BTreeMap<UserId, DeviceList>,
    contacts: Contacts,
    /// What devices wait for that began a session below the one that we send in.
    answers: BTreeMap<Address, Answer>,
    groups: BTreeMap<GroupId, Group>,
}

impl App {
    /// A new account with one device.
    pub(crate) fn create(user: UserId, now: Timestamp) -> Self {
        let mut rng = rand::rng();
        let device = Device::generate(user.clone(), &mut rng);
        let account = Account::create(&device, &mut rng);
        let signed = PrekeySecret::signed(&device, now, &mut rng);
        let lists = BTreeMap::from([(user, account.device_list().clone())]);
        Self {
            device,
            account,
            signed,
            one_time: BTreeMap::new(),
            replays: ReplayRecord::new(),
            lists,
            contacts: Contacts::default(),
            answers: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    /// The device id and the encoded list.
    pub(crate) fn introduce(&self) -> String {
        let list = self.account.device_list().signed().encode();
        format!("{} {}", self.device.address().device, hex::encode(&list))
    }

    /// What a directory hands out of this device.
    pub(crate) fn bundle(&mut self, one_time: bool, now: Timestamp) -> String {
        let fresh = one_time.then(|| PrekeySecret::one_time(&self.device, now, &mut rand::rng()));
        let prekeys = DevicePrekeys {
            device: self.device.address().device,
            signed: self.signed.public(),
            one_time: fresh.as_ref().map(PrekeySecret::public),
        };
        let bundle = PrekeyBundle::assemble(self.account.device_list().signed(), &[prekeys]);
        self.one_time.extend(fresh.map(|prekey| (prekey.id(), prekey)));
        hex::encode(&bundle.encode())
    }

    /// Starts a session with the first device in a bundle.
    pub(crate) fn initiate(
        &mut self,
        user: &UserId,
        bundle: &[u8],
        now: Timestamp,
    ) -> Result<String, Failure> {
        let bundle = PrekeyBundle::decode(bundle)?.verify(user, now)?;
        let prekeys =
            bundle.devices().first().ok_or_else(|| Failure::refused("it has no prekeys"))?;
        let address = prekeys.address();
        let list = self.list_after(bundle.device_list(), address.device)?;
        let ours = self.account.device_list();
        self.contacts.begin(address, |peer| {
            peer.initiate(&self.device, ours, prekeys, now, &mut rand::rng())
        })?;
        self.lists.insert(user.clone(), list);
        Ok(address.device.to_string())
    }

    /// Encrypts a message in the session that is to send.
    pub(crate) fn send(
        &mut self,
        to: &Address,
        content: &[u8],
        numbers: Numbers,
        now: Timestamp,
    ) -> Result<String, Failure> {
        let view = View::new(self.account.device_list(), self.list(&to.user)?);
        let mut rng = rand::rng();
        let id = MessageId::generate(&mut rng);
        let body = Body::Content { id, content };
        let Sent { envelope, seq, .. } =
            self.contacts.step(to, |peer| peer.encrypt(body, numbers, view, now, &mut rng))?;
        Ok(format!("{} {seq} {}", hex::encode(&envelope), hex::encode(id.as_bytes())))
    }

    /// Encrypts the answer that the last message of a device asked for.
    pub(crate) fn answer(&mut self, to: &Address, now: Timestamp) -> Result<String, Failure> {
        let view = View::new(self.account.device_list(), self.list(&to.user)?);
        let answer = *self.answers.get(to).ok_or_else(|| Failure::usage("nothing to answer"))?;
        let Sent { envelope, .. } =
            self.contacts.step(to, |peer| peer.answer(answer, view, now, &mut rand::rng()))?;
        self.answers.remove(to);
        Ok(hex::encode(&envelope))
    }

    /// Opens an envelope, of a group, of a session or with a handshake in front.
    pub(crate) fn receive(&mut self, envelope: &[u8], now: Timestamp) -> Result<String, Failure> {
        if let Ok(message) = GroupMessage::decode(envelope) {
            return self.receive_in_group(&message, now);
        }
        let envelope = Envelope::decode(envelope)?;
        let (from, delivered) = match self.contacts.decrypt(&envelope, now) {
            Err(DecryptError::Unknown) => self.meet(&envelope, now)?,
            other => other?,
        };
        self.adopt(&from, &delivered.content);
        if let Some(answer) = delivered.answer {
            self.answers.insert(from.clone(), answer);
        }
        let of_a_chain = self.hear_of_chain(&from, &delivered.content, now);
        let expected = View::new(self.list(&from.user)?, self.account.device_list());
        Ok(describe(&from, &delivered, delivered.view != expected, of_a_chain))
    }

    /// Takes over the list that a contact sent of its own account, if it is newer.
    fn adopt(&mut self, from: &Address, content: &Content) {
        let Content::Control(Control::Lists(versions)) = content else { return };
        let list = versions.own_list.clone().and_then(|list| DeviceList::verify(list).ok());
        let known = self.lists.get(&from.user);
        if let (Some(list), Some(known)) = (list, known)
            && known.compare(&list) == Succession::Newer
        {
            self.lists.insert(from.user.clone(), list);
        }
    }

    /// How it stands with a device.
    pub(crate) fn status(&self, address: &Address, now: Timestamp) -> Result<String, Failure> {
        let peer = self.contacts.get(address)?;
        let sending = peer.sending_session(now);
        let epochs = sending.map_or(0, Session::epochs_mixed);
        let confirmed = u8::from(sending.is_some_and(Session::is_confirmed));
        Ok(format!("{epochs} {confirmed} {}", peer.sessions().len()))
    }

    /// The safety number with a user.
    pub(crate) fn safety(&self, user: &UserId) -> Result<String, Failure> {
        let number = SafetyNumber::between(self.account.device_list(), self.list(user)?);
        Ok(number.digits().to_owned())
    }

    /// Everything encoded and loaded again.
    pub(crate) fn reloaded(&self) -> Result<Self, Failure> {
        let device = Device::from_record(&self.device.record())?;
        let load =
            |prekey: &PrekeySecret| PrekeySecret::from_record(&prekey.record(), device.address());
        let one_time = self.one_time.values().map(load).map(|loaded| {
            let prekey = loaded?;
            Ok((prekey.id(), prekey))
        });
        let replays = self.replays.record();
        let replays = replays.ok_or_else(|| Failure::usage("not a whole record of handshakes"))?;
        let lists = self.lists.iter().map(|(user, list)| {
            let signed = SignedDeviceList::decode(&list.signed().encode())?;
            Ok((user.clone(), DeviceList::verify(signed)?))
        });
        let groups = self.groups.iter().map(|(id, group)| Ok((*id, group.reloaded()?)));
        Ok(Self {
            account: Account::from_record(&self.account.record())?,
            signed: load(&self.signed)?,
            one_time: one_time.collect::<Result<_, Failure>>()?,
            replays: ReplayRecord::from_record(&replays)?,
            lists: lists.collect::<Result<_, Failure>>()?,
            contacts: self.contacts.reloaded()?,
            answers: self.answers.clone(),
            groups: groups.collect::<Result<_, Failure>>()?,
            device,
        })
    }

    /// Answers a handshake of which there is no session yet.
    fn meet(
        &mut self,
        envelope: &Envelope,
        now: Timestamp,
    ) -> Result<(Address, Delivered), Failure> {
        let Envelope::FirstMessage { handshake, message } = envelope else {
            return Err(DecryptError::Unknown.into());
        };
        if self.contacts.have_session(HandshakeId::of(handshake)) {
            return Err(DecryptError::Unknown.into());
        }
        let accepted = self.accept(handshake, message, now)?;
        let (from, spent) = (accepted.sender().clone(), accepted.spent());
        let list = self.list_after(accepted.their_list(), from.device)?;
        let replays = &mut self.replays;
        let delivered = self.contacts.begin(&from, |peer| peer.admit(accepted, replays, now))?;
        self.lists.insert(from.user.clone(), list);
        self.one_time.retain(|id, _| Some(*id) != spent);
        Ok((from, delivered))
    }

    /// The session that a handshake makes, if the message behind it opens in it.
    fn accept(
        &self,
        handshake: &Handshake,
        message: &Message,
        now: Timestamp,
    ) -> Result<Unsaved<Accepted>, HandshakeError> {
        let key = self.account.key();
        let opening = Opening::receive(&self.device, &key, handshake)?;
        let find = |id| self.one_time.get(&id).ok_or(HandshakeError::UnknownPrekey);
        let one_time = opening.prekeys().one_time.map(find).transpose()?;
        let responded = opening.respond(&self.signed, one_time, &self.replays)?;
        Session::accept(responded, message, now)
    }

    /// The list to go by after `offered` has come with a session of `device` (SPEC.md,
    /// section 3.3).
    fn list_after(&self, offered: &DeviceList, device: DeviceId) -> Result<DeviceList, Failure> {
        let Some(known) = self.lists.get(offered.user()) else {
            return Ok(offered.clone());
        };
        let same_keys = || Some(known.device(device)?.same_keys(offered.device(device)?));
        match known.compare(offered) {
            Succession::Same | Succession::Newer => Ok(offered.clone()),
            Succession::Older if same_keys() == Some(true) => Ok(known.clone()),
            _ => Err(Failure::refused("another list of this user is known")),
        }
    }

    fn list(&self, user: &UserId) -> Result<&DeviceList, Failure> {
        self.lists.get(user).ok_or_else(|| Failure::usage("this user is unknown"))
    }
}
