//! What is asked for of groups.

use std::collections::BTreeMap;

use subrosa::group::sender_key::{DecryptError, Outgoing};
use subrosa::group::{Action, GroupId, Member, Roster, Setting, Settings, Update};
use subrosa::identity::{DeviceList, View};
use subrosa::session::{Body, Content, Numbers};
use subrosa::wire::{Control, GroupMessage, MessageId, SenderKeyAcknowledgement};
use subrosa::{Address, Timestamp, UserId};

use super::App;
use crate::failure::Failure;
use crate::group::{Group, Heard};
use crate::group_request::{GroupChange, GroupRequest};
use crate::hex;
use crate::news::News;
use crate::own_chain::OwnChain;
use crate::report::{describe_group, describe_group_message};

/// The most groups.
const MAX_GROUPS: usize = 16;

impl App {
    /// Does what is asked for of a group.
    pub(crate) fn group(
        &mut self,
        request: GroupRequest,
        now: Timestamp,
    ) -> Result<String, Failure> {
        match request {
            GroupRequest::Create { title, users } => self.create_group(title, &users, now),
            GroupRequest::Change(id, change) => self.change_group(&id, change, now),
            GroupRequest::Introduce(id) => {
                let news = News::introduction(&self.known(&id)?.roster);
                Ok(hex::encode(&news.encode(now)?))
            }
            GroupRequest::News { from, content } => self.take_news(&from, &content),
            GroupRequest::State(id) => Ok(describe_group(&self.known(&id)?.roster)),
            GroupRequest::Key(id, to) => self.hand_over(&id, &to, now),
            GroupRequest::Saved(id, to) => self.acknowledge(&id, &to, now),
            GroupRequest::Rotate(id) => self.rotate(&id, now),
            GroupRequest::Send(id, content) => self.send_to_group(&id, &content, now),
        }
    }

    fn create_group(
        &mut self,
        title: String,
        users: &[UserId],
        now: Timestamp,
    ) -> Result<String, Failure> {
        self.check_room()?;
        let members = users.iter().map(|user| self.member(user)).collect::<Result<_, _>>()?;
        let settings = Settings::titled(title);
        let mut roster = Roster::create(&self.account, settings, &mut rand::rng())?;
        self.act(&mut roster, Action::Add(members))?;
        let (id, news) = (roster.group(), News::introduction(&roster).encode(now)?);
        self.groups.insert(id, Group::new(roster));
        Ok(format!("{} {}", hex::encode(id.as_bytes()), hex::encode(&news)))
    }

    fn change_group(
        &mut self,
        id: &GroupId,
        change: GroupChange,
        now: Timestamp,
    ) -> Result<String, Failure> {
        let action = match change {
            GroupChange::Add(user) => Action::Add(vec![self.member(&user)?]),
            GroupChange::Remove(user) => Action::Remove(vec![self.member(&user)?]),
            GroupChange::Admin(user) => Action::Grant(vec![self.member(&user)?]),
            GroupChange::Title(title) => Action::Set(Setting::Title(title)),
            GroupChange::Leave => Action::Leave,
        };
        let mut roster = self.known(id)?.roster.clone();
        let news = News::of(*id, self.act(&mut roster, action)?).encode(now)?;
        self.known_mut(id)?.go_on(roster);
        Ok(hex::encode(&news))
    }

    /// Signs a change, and takes it in.
    fn act(&self, roster: &mut Roster, action: Action) -> Result<Update, Failure> {
        let list = self.account.device_list();
        let update = roster.draft(&Member::of(list), action)?.sign(&self.device, list)?;
        roster.insert(&update);
        Ok(update)
    }

    fn take_news(&mut self, from: &Address, content: &[u8]) -> Result<String, Failure> {
        let sender = member_at(&self.lists, from)
            .ok_or_else(|| Failure::usage("there is no such device that is known"))?;
        let news = News::decode(content)?;
        let us = Member::of(self.account.device_list());
        let known = self.groups.get_mut(&news.group);
        let heard = Heard::take(known.as_deref().map(|group| &group.roster), &news)?;
        let was_member = known.as_ref().is_some_and(|k| k.roster.role(&sender).is_some());
        if !was_member && !heard.vouches_for(&sender) {
            return Err(Failure::refused("the news are of nobody who is a member"));
        }
        let group = match known {
            Some(group) => {
                group.go_on(heard.roster);
                group
            }
            None if heard.roster.role(&us).is_none() => {
                return Err(Failure::refused("this account is no member"));
            }
            None => {
                self.check_room()?;
                self.groups.entry(news.group).or_insert(Group::new(heard.roster))
            }
        };
        if let Some(state) = &news.state {
            group.learn(state);
        }
        let head = hex::encode(group.roster.head().as_bytes());
        Ok(format!("{} {head}", hex::encode(news.group.as_bytes())))
    }

    /// Hands over the chain as it stands.
    fn hand_over(&mut self, id: &GroupId, to: &Address, now: Timestamp) -> Result<String, Failure> {
        let group = self.speaking(id)?;
        let is_reader = member_at(&self.lists, to).is_some_and(|m| group.roster.role(&m).is_some());
        if !is_reader {
            return Err(Failure::usage("this is no device of a member's"));
        }
        let us = self.device.address().clone();
        let begun = group.own.is_none().then(|| OwnChain::begin(*id, us, now));
        let own = begun.as_ref().or(group.own.as_ref());
        let distribution = own.ok_or_else(no_chain)?.distribution();
        let envelope = self.say(to, Control::SenderKey(Box::new(distribution)), now)?;
        let group = self.known_mut(id)?;
        group.own = begun.or(group.own.take());
        group.own.as_mut().ok_or_else(no_chain)?.note_sent(to);
        Ok(envelope)
    }

    /// Acknowledges the chain that a device has handed over last.
    fn acknowledge(
        &mut self,
        id: &GroupId,
        to: &Address,
        now: Timestamp,
    ) -> Result<String, Failure> {
        let chain_id = self.known(id)?.senders.last_of(to).ok_or_else(no_chain)?;
        let saved = SenderKeyAcknowledgement { group_id: *id.as_bytes(), chain_id };
        self.say(to, Control::SenderKeySaved(saved), now)
    }

    /// Encrypts a control message.
    fn say(&mut self, to: &Address, control: Control, now: Timestamp) -> Result<String, Failure> {
        let view = View::new(self.account.device_list(), self.list(&to.user)?);
        let (body, mut rng) = (Body::Control(control), rand::rng());
        let sent = self
            .contacts
            .step(to, |peer| peer.encrypt(body, Numbers::Unnumbered, view, now, &mut rng))?;
        Ok(hex::encode(&sent.envelope))
    }

    fn rotate(&mut self, id: &GroupId, now: Timestamp) -> Result<String, Failure> {
        let group = self.known_mut(id)?;
        let own = group.own.take().ok_or_else(no_chain)?;
        group.own = Some(own.rotate(now));
        Ok(String::new())
    }

    fn send_to_group(
        &mut self,
        id: &GroupId,
        content: &[u8],
        now: Timestamp,
    ) -> Result<String, Failure> {
        self.speaking(id)?;
        let view = View::of_group_message(self.account.device_list());
        let group = self.groups.get_mut(id).ok_or_else(no_group)?;
        let (roster, own) = (&group.roster, group.own.as_mut().ok_or_else(no_chain)?);
        let may_read = |address: &Address| {
            member_at(&self.lists, address).is_some_and(|member| roster.role(&member).is_some())
        };
        if own.rotation_due(may_read, now).is_some() {
            return Err(Failure::usage("the chain is to be replaced: group-rotate"));
        }
        let message = MessageId::generate(&mut rand::rng());
        let roster = roster.head();
        let sent = own.encrypt(&Outgoing { id: message, content, view, roster })?;
        let (envelope, message) = (hex::encode(&sent.envelope), hex::encode(message.as_bytes()));
        Ok(format!("{envelope} {} {message}", sent.iteration))
    }

    /// Opens a message of a group (SPEC.md, section 14.5).
    pub(super) fn receive_in_group(
        &mut self,
        message: &GroupMessage,
        now: Timestamp,
    ) -> Result<String, Failure> {
        for (id, group) in &mut self.groups {
            let place = match group.senders.find(message) {
                Err(DecryptError::Unknown) => continue,
                found => found?,
            };
            let head = group.head(&place.peek.roster).ok_or(DecryptError::OtherRoster)?;
            if !member_at(&self.lists, &place.sender).is_some_and(|m| group.hears(&m, &head)) {
                return Err(Failure::refused("its sender is or was no member"));
            }
            let received = group.senders.decrypt(&place, message, &head, now)?;
            return Ok(describe_group_message(id, &place.sender, &received));
        }
        Err(DecryptError::Unknown.into())
    }

    /// What became of a chain that a device has handed over, or has acknowledged.
    pub(super) fn hear_of_chain(
        &mut self,
        from: &Address,
        content: &Content,
        now: Timestamp,
    ) -> Option<&'static str> {
        match content {
            Content::Control(Control::SenderKey(distribution)) => {
                let id = GroupId::from_bytes(*distribution.group_id());
                let member = member_at(&self.lists, from);
                let group = self.groups.get_mut(&id).filter(|group| {
                    member.is_some_and(|member| group.roster.role(&member).is_some())
                });
                let taken = group.map(|group| group.senders.take_in(from, distribution, now));
                Some(if let Some(Ok(())) = taken { "sender-key" } else { "sender-key-refused" })
            }
            Content::Control(Control::SenderKeySaved(saved)) => {
                let group = self.groups.get_mut(&GroupId::from_bytes(saved.group_id))?;
                group.own.as_mut()?.note_saved(from, saved).then_some("sender-key-saved")
            }
            _ => None,
        }
    }

    fn check_room(&self) -> Result<(), Failure> {
        if self.groups.len() >= MAX_GROUPS {
            return Err(Failure::usage("there are as many groups as are kept"));
        }
        Ok(())
    }

    fn member(&self, user: &UserId) -> Result<Member, Failure> {
        Ok(Member::of(self.list(user)?))
    }

    fn known(&self, id: &GroupId) -> Result<&Group, Failure> {
        self.groups.get(id).ok_or_else(no_group)
    }

    fn known_mut(&mut self, id: &GroupId) -> Result<&mut Group, Failure> {
        self.groups.get_mut(id).ok_or_else(no_group)
    }

    /// A group to which something can be said.
    fn speaking(&self, id: &GroupId) -> Result<&Group, Failure> {
        let group = self.known(id)?;
        if group.roster.role(&Member::of(self.account.device_list())).is_none() {
            return Err(Failure::usage("this account is no member"));
        }
        if group.roster.stopped().is_some() {
            return Err(Failure::usage("the group has stopped"));
        }
        Ok(group)
    }
}

/// Who a device is of, if it is on a list that is known.
fn member_at(lists: &BTreeMap<UserId, DeviceList>, address: &Address) -> Option<Member> {
    let list = lists.get(&address.user)?;
    list.device(address.device).map(|_| Member::of(list))
}

fn no_group() -> Failure {
    Failure::usage("this group is unknown")
}

fn no_chain() -> Failure {
    Failure::usage("there is no chain yet")
}
