//! Whose envelope it is: the session that opens it, found by its tag; or a handshake, and
//! then its answer.

use super::learn::Adopted;
use super::receive::Rejection;
use super::work::Work;
use super::{Consent, Error, table};
use crate::address::{Address, UserId};
use crate::handshake::{HandshakeError, HandshakeId, Opening};
use crate::identity::Succession;
use crate::session::{DecryptError, Delivered, Session, Tag};
use crate::wire::{Envelope, Handshake, Message};

/// Whose sessions are tried with an envelope, beside those that its tag names.
#[derive(Clone, Copy)]
pub(super) enum Peers<'a> {
    ByTag,
    One(&'a Address),
    All,
}

/// What became of the search for the session.
pub(super) enum Search {
    Opened(Address, Box<Delivered>),
    /// A session has its tag, and it does not open.
    Failed(Address, DecryptError),
    Rejected(Rejection),
    /// Its sender's identity has changed.
    Moved,
    /// A handshake to prekeys that are gone, or seen before.
    Gone(HandshakeError),
    Unknown,
}

impl Work<'_> {
    /// Finds the session that an envelope is for, and opens it there.
    pub(super) fn search(
        &mut self,
        envelope: &Envelope,
        claimed_from: Option<&UserId>,
        peers: Peers<'_>,
    ) -> Result<Search, Error> {
        let tag = Tag::from_bytes(envelope.message().tag());
        let mut tried = match claimed_from {
            Some(user) => self.peers_of(user)?,
            None => Vec::new(),
        };
        for address in &tried {
            if let Some(found) = self.try_peer(address, envelope)? {
                return Ok(found);
            }
        }
        if let Envelope::FirstMessage { handshake, message: _ } = envelope {
            let id = HandshakeId::of(handshake);
            if let Some(row) = self.view.get(table::TAGS, id.as_bytes())?
                && let Some((address, _)) = table::split_device(&row)
                && let Some(found) = self.try_peer(&address, envelope)?
            {
                return Ok(found);
            }
        }
        loop {
            for address in self.cache.tags.owners(tag).to_vec() {
                if !tried.contains(&address) {
                    if let Some(found) = self.try_peer(&address, envelope)? {
                        return Ok(found);
                    }
                    tried.push(address);
                }
            }
            if let Some(address) = self.owner_by_row(tag)?
                && !tried.contains(&address)
            {
                if let Some(found) = self.try_peer(&address, envelope)? {
                    return Ok(found);
                }
                tried.push(address);
            }
            // Before anything is called unknown, memory catches up with the store.
            if self.cache.tags_complete {
                break;
            }
            self.complete_tags()?;
        }
        let others = match peers {
            Peers::ByTag => Vec::new(),
            Peers::One(peer) => vec![peer.clone()],
            Peers::All => self.all_peers()?,
        };
        for address in others.iter().filter(|address| !tried.contains(address)) {
            if let Some(found) = self.try_peer(address, envelope)? {
                return Ok(found);
            }
        }
        match envelope {
            Envelope::FirstMessage { handshake, message } => self.answer(handshake, message),
            Envelope::Message(_) => Ok(Search::Unknown),
        }
    }

    /// Tries the sessions with one device.
    fn try_peer(
        &mut self,
        address: &Address,
        envelope: &Envelope,
    ) -> Result<Option<Search>, Error> {
        let mut peer = self.peer(address)?;
        let found = match peer.decrypt(envelope, self.now) {
            Ok(step) => {
                let delivered = self.save_step(&peer, step)?;
                Some(Search::Opened(address.clone(), Box::new(delivered)))
            }
            Err(DecryptError::Unknown) => None,
            Err(error) => Some(Search::Failed(address.clone(), error)),
        };
        self.keep_peer(peer);
        Ok(found)
    }

    /// Answers a handshake, if the message behind it opens.
    fn answer(&mut self, handshake: &Handshake, message: &Message) -> Result<Search, Error> {
        let forged = Search::Rejected(Rejection::Forged);
        let own = self.own()?;
        let Ok(opening) = Opening::receive(&own.device, &own.list.account_key(), handshake) else {
            return Ok(forged);
        };
        let ids = opening.prekeys();
        let Some(signed) = self.prekey(ids.signed)? else {
            return Ok(Search::Gone(HandshakeError::UnknownPrekey));
        };
        let one_time = match ids.one_time {
            None => None,
            Some(id) => match self.prekey(id)? {
                None => return Ok(Search::Gone(HandshakeError::UnknownPrekey)),
                found => found,
            },
        };
        let ephemeral = *handshake.ephemeral();
        let mut replays = self.replays(&signed, ephemeral)?;
        let responded = match opening.respond(&signed, one_time.as_ref(), &replays) {
            Ok(responded) => responded,
            Err(error @ (HandshakeError::Replayed | HandshakeError::UnknownPrekey)) => {
                return Ok(Search::Gone(error));
            }
            Err(HandshakeError::RecordFull) => {
                self.rotate_signed_prekey()?;
                return Ok(Search::Gone(HandshakeError::RecordFull));
            }
            Err(_) => return Ok(forged),
        };
        let Ok(accepted) = Session::accept(responded, message, self.now) else { return Ok(forged) };
        let address = accepted.sender().clone();
        // Of somebody who is blocked the session is kept, so that what comes when they no
        // longer are can be read; nothing else of theirs is taken.
        let blocked = self.contact(&address.user)?.consent == Consent::Blocked;
        if !blocked {
            match self.adopt(&address.user, accepted.their_list().clone())? {
                Adopted::Moved => return Ok(Search::Moved),
                Adopted::Kept(Succession::Equivocation) => {
                    return Ok(Search::Rejected(Rejection::NotListed));
                }
                Adopted::Kept(_) | Adopted::Taken => {}
            }
        }
        // An older list stands if the newest one has the device with the same keys.
        let newest = self.list_of(&address.user)?;
        let listed = newest.as_ref().and_then(|list| list.device(address.device));
        let here = accepted.their_list().device(address.device);
        if !listed.zip(here).is_some_and(|(listed, here)| listed.same_keys(here)) {
            let rejection = if blocked { Rejection::Blocked } else { Rejection::NotListed };
            return Ok(Search::Rejected(rejection));
        }
        let id = accepted.session().id();
        let spent = accepted.spent();
        let mut peer = self.peer(&address)?;
        let is_another = peer.sending_session(self.now).is_some();
        let step = match peer.admit(accepted, &mut replays, self.now) {
            Ok(step) => step,
            Err(_) => {
                self.keep_peer(peer);
                return Ok(forged);
            }
        };
        let delivered = self.save_step(&peer, step)?;
        self.keep_peer(peer);
        let key = zeroize::Zeroizing::new(table::of_device(&address, &[]));
        self.view.put(table::TAGS, id.as_bytes().to_vec(), key);
        match spent {
            Some(id) => self.spend_prekey(id)?,
            None => self.note_replay(&signed, ephemeral, id, &replays)?,
        }
        if !blocked && is_another {
            self.may_have_forgotten_groups(&address)?;
        }
        if !blocked && self.has_waiting(&address.user)? {
            // What had no session to go into has one now.
            self.send_waiting(&address.user)?;
        }
        Ok(Search::Opened(address, Box::new(delivered)))
    }
}
