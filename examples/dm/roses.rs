//! The group of the story: Carol joins, they talk, and she is removed.

use std::collections::BTreeSet;

use subrosa::{Consent, Content, Error, GroupChange, UserId};

use crate::device::Result;
use crate::script::{IN_ROSES, WITH_CAROL, WITHOUT_CAROL};
use crate::story::Story;
use crate::talk::Talk;
use crate::who::{Place, Who};

impl Story<'_> {
    pub(crate) fn carol(&mut self) -> Result<()> {
        self.talk.transcript.heading("Alice writes to Carol")?;
        self.talk.start(Who::Carol)?;
        let mailbox = self.talk.mailbox(Who::Carol)?;
        self.tells(Who::Carol, &format!("makes an account, and reads {mailbox}"))?;
        self.talk.carry(Who::Carol)?;
        for (who, text) in WITH_CAROL {
            let with = if who == Who::Carol { "alice" } else { "carol" };
            self.talk.tell(who, Place::With(with), Content::text(text))?;
            self.talk.settle()?;
            // She decides once.
            self.talk.messenger(Who::Carol)?.accept(&UserId::new("alice")?)?;
        }
        self.talk.settle()
    }

    pub(crate) fn group(&mut self) -> Result<()> {
        self.talk.transcript.heading("Alice makes a group, Roses, and adds Bob and Carol")?;
        let alice = self.talk.messenger(Who::Alice)?;
        let group = alice.create_group("Roses")?;
        let both = vec![UserId::new("bob")?, UserId::new("carol")?];
        alice.change_group(&group, GroupChange::Add(both))?;
        self.talk.group = Some(group);
        self.know(&["alice", "bob", "carol"])?;
        for (who, text) in IN_ROSES {
            self.talk.tell(who, Place::Roses, Content::text(text))?;
            self.talk.read_all()?;
        }
        self.talk.settle()
    }

    /// Goes on until all devices know that these are in the group.
    fn know(&mut self, members: &[&'static str]) -> Result<()> {
        self.talk.members = members.iter().copied().collect();
        self.talk.settle_until(|talk| {
            for who in Who::ALL {
                let known = members_known_to(talk, who)?;
                // Whoever is out is told that, and no more.
                let out = !talk.members.contains(who.user());
                if if out { known.is_some() } else { known.as_ref() != Some(&talk.members) } {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Carol is removed, and gets all envelopes of the others.
    pub(crate) fn removal(&mut self) -> Result<()> {
        self.talk.transcript.heading("Alice removes Carol")?;
        let group = self.talk.group.ok_or("there is no group")?;
        let remove = GroupChange::Remove(vec![UserId::new("carol")?]);
        self.talk.messenger(Who::Alice)?.change_group(&group, remove)?;
        self.know(&["alice", "bob"])?;
        let (before, alarms) = (self.talk.ledger.shown_on(Who::Carol), self.talk.alarms);
        let refused = self.talk.messenger(Who::Carol)?.send(group, Content::text("Hello?"));
        if !matches!(refused, Err(Error::NotAMember)) {
            return Err("Carol can still write to the group".into());
        }
        self.talk.transcript.begin_copies();
        for (who, text) in WITHOUT_CAROL {
            self.talk.tell(who, Place::Roses, Content::text(text))?;
            self.talk.read_all()?;
        }
        self.talk.settle()?;
        let own = self.talk.mailbox(Who::Carol)?.to_string();
        let copies = self.talk.transcript.end_copies();
        let others: Vec<_> = copies.into_iter().filter(|(to, _)| *to != own).collect();
        let mailboxes: BTreeSet<_> = others.iter().map(|(to, _)| to.clone()).collect();
        let envelopes: Vec<_> = others.into_iter().map(|(_, envelope)| envelope).collect();
        let opened = self.talk.device(Who::Carol)?.overhear(&envelopes)?;
        self.talk.read(Who::Carol)?;
        // What is not for her is an alarm.
        let new = self.talk.ledger.shown_on(Who::Carol) - before + self.talk.alarms - alarms;
        self.tells(Who::Carol, &format!("still has the {before} messages from before"))?;
        self.tells(
            Who::Carol,
            &format!(
                "is given by the relay all {} envelopes of the mailboxes {}: she opens {opened} of \
                 them, and reads {new} new messages",
                envelopes.len(),
                mailboxes.into_iter().collect::<Vec<_>>().join(", "),
            ),
        )?;
        if opened + new > 0 || envelopes.is_empty() {
            return Err("Carol can read what is NOT for her".into());
        }
        Ok(())
    }
}

/// Who is in the group, as a device knows it, if it takes part.
fn members_known_to(talk: &mut Talk, who: Who) -> Result<Option<BTreeSet<&'static str>>> {
    let group = talk.group.ok_or("there is no group")?;
    let Some(known) = talk.messenger(who)?.group(&group)? else { return Ok(None) };
    if known.consent != Consent::Accepted || known.role.is_none() {
        return Ok(None);
    }
    let is_in =
        |user: &&str| known.members.iter().any(|member| member.user.as_bytes() == user.as_bytes());
    Ok(Some(["alice", "bob", "carol"].into_iter().filter(is_in).collect()))
}
