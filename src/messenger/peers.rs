//! Peer devices: loaded, stepped and saved, with the tags by which their messages are
//! found.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::work::Work;
use super::{Error, table};
use crate::address::{Address, UserId};
use crate::crypto::SecretBytes;
use crate::handshake::HandshakeId;
use crate::identity::{DeviceList, View as ListView};
use crate::session::{
    Body, EncryptError, Numbers, Peer, PeerRow, RowKey, Sent, Session, Tag, TagChange, Unsaved,
};
use crate::wire::stored::{self, SkippedKey};
use crate::wire::{Control, MessageId};

/// How many peers one page has when all are gone through.
const PAGE: usize = 64;

/// How much of a session's id stands in keys, of how much there is.
const SHORT_ID_LEN: usize = 8;
const HANDSHAKE_ID_LEN: usize = 32;

/// The number at the end of a row's key.
const NUMBER_LEN: usize = 8;

impl Work<'_> {
    /// Takes a peer out of memory or the store, to step it: [`Self::keep_peer`] puts it
    /// back. One that is unknown begins here.
    pub(super) fn peer(&mut self, address: &Address) -> Result<Peer, Error> {
        self.touch(address);
        if let Some(peer) = self.cache.peers.remove(address) {
            return Ok(peer);
        }
        let key = table::of_device(address, &[]);
        let Some(record) = self.view.get(table::PEERS, &key)? else {
            return Ok(Peer::new(address.clone()));
        };
        let view = Arc::clone(self.view);
        let prefix = key.clone();
        let rows = move |row: PeerRow| match row {
            PeerRow::Beside(id, RowKey::UsedBy(tag)) => {
                let place = view.look_up(table::TAGS, &tag.to_bytes())?;
                let used = row_key(&prefix, PeerRow::Beside(id, RowKey::Used(0)));
                let (start, number) = place.split_last_chunk::<NUMBER_LEN>()?;
                used.starts_with(start).then(|| Zeroizing::new(number.to_vec()))
            }
            row => view.look_up(table::PEER_ROWS, &row_key(&prefix, row)).map(Into::into),
        };
        let Ok(loaded) = Peer::from_record(&record, rows) else {
            // What it said is gone: both sides begin anew, and the numbers find each other.
            self.session_is_broken(address)?;
            return Ok(Peer::new(address.clone()));
        };
        self.view.check()?;
        if !loaded.damaged.is_empty() {
            for id in &loaded.damaged {
                let mut prefix = row_key(&key, PeerRow::Beside(*id, RowKey::Answer));
                // Kind and number stand behind the session's id.
                prefix.truncate(prefix.len().saturating_sub(1 + NUMBER_LEN));
                for (row, _) in self.view.scan_prefix(table::PEER_ROWS, &prefix)? {
                    self.view.delete(table::PEER_ROWS, row);
                }
            }
            self.session_is_broken(address)?;
        }
        Ok(loaded.peer)
    }

    /// Puts a peer back into memory.
    pub(super) fn keep_peer(&mut self, peer: Peer) {
        self.cache.peers.insert(peer.address().clone(), peer);
    }

    /// How many post-quantum epochs are mixed into the session that sends to a device.
    pub(super) fn epochs_mixed(&mut self, address: &Address) -> Result<u32, Error> {
        let peer = self.peer(address)?;
        let epochs = peer.sending_session(self.now).map_or(0, Session::epochs_mixed);
        self.keep_peer(peer);
        Ok(epochs)
    }

    /// Writes what a step changed, and gives what it was for.
    pub(super) fn save_step<T>(
        &mut self,
        peer: &Peer,
        step: Unsaved<T, PeerRow>,
    ) -> Result<T, Error> {
        let (value, rows, tags) = step.into_parts();
        let key = table::of_device(peer.address(), &[]);
        let mut changed = Vec::new();
        for row in rows {
            if matches!(row, PeerRow::Peer | PeerRow::Session(_)) {
                if !changed.contains(&row) {
                    changed.push(row);
                }
                continue;
            }
            let new = peer.row(row);
            if let PeerRow::Beside(id, RowKey::UsedBy(tag)) = row {
                self.save_place(&key, id, tag, new.as_deref());
                continue;
            }
            let row_key = row_key(&key, row);
            if let PeerRow::Beside(_, RowKey::Skipped(_)) = row {
                self.index_skipped(&row_key, new.as_deref())?;
            }
            match new {
                Some(value) => self.view.put(table::PEER_ROWS, row_key, value),
                None => self.view.delete(table::PEER_ROWS, row_key),
            }
        }
        match self.cache.written.get_mut(peer.address()) {
            Some(again) => {
                changed.retain(|row| !again.contains(row));
                again.extend(changed);
            }
            None => {
                changed.into_iter().for_each(|row| self.write_row(peer, &key, row));
                self.cache.written.insert(peer.address().clone(), Vec::new());
            }
        }
        self.cache.tags.apply(peer.address(), &tags);
        // A new chain or session, not just the next message of a chain.
        let expected = tags.iter().filter(|tag| matches!(tag, TagChange::Expected(_)));
        if expected.count() > 1 {
            self.retry_held(peer.address())?;
        }
        Ok(value)
    }

    /// Writes a peer's record, or that of one of its sessions.
    pub(super) fn write_row(&mut self, peer: &Peer, key: &[u8], row: PeerRow) {
        let table = if row == PeerRow::Peer { table::PEERS } else { table::PEER_ROWS };
        let name = if row == PeerRow::Peer { key.to_vec() } else { row_key(key, row) };
        match peer.row(row) {
            Some(record) => self.view.put(table, name, record),
            None => {
                self.view.delete(table, name);
                if let PeerRow::Session(id) = row {
                    // By which a repeated handshake would have found it.
                    self.view.delete(table::TAGS, id.as_bytes().to_vec());
                }
            }
        }
    }

    /// Notes which row has a used tag; no header key gives it any more.
    fn save_place(
        &mut self,
        peer: &[u8],
        session: HandshakeId,
        tag: Tag,
        number: Option<&Vec<u8>>,
    ) {
        let number = number.and_then(|number| number.as_slice().try_into().ok());
        let used = number.map(|number| RowKey::Used(u64::from_be_bytes(number)));
        match used {
            Some(used) => {
                let place = SecretBytes::new(row_key(peer, PeerRow::Beside(session, used)));
                self.view.put(table::TAGS, tag.to_bytes().to_vec(), place);
            }
            None => self.view.delete(table::TAGS, tag.to_bytes().to_vec()),
        }
    }

    /// As above, for a skipped key.
    fn index_skipped(&mut self, row_key: &[u8], new: Option<&Vec<u8>>) -> Result<(), Error> {
        let tag_of = |row: &[u8]| {
            let key = stored::decode::<SkippedKey>(row, "skipped key").ok();
            key.map(|key| key.tag.to_be_bytes().to_vec())
        };
        match new {
            Some(new) => {
                if let Some(tag) = tag_of(new) {
                    self.view.put(table::TAGS, tag, SecretBytes::new(row_key.to_vec()));
                }
            }
            None => {
                let old = self.view.get(table::PEER_ROWS, row_key)?;
                if let Some(tag) = old.and_then(|old| tag_of(&old)) {
                    self.view.delete(table::TAGS, tag);
                }
            }
        }
        Ok(())
    }

    /// Whose tag it is by the rows: one that was used, or whose message was passed over.
    pub(super) fn owner_by_row(&self, tag: Tag) -> Result<Option<Address>, Error> {
        let row = self.view.get(table::TAGS, &tag.to_bytes())?;
        Ok(row.and_then(|row| table::split_device(&row).map(|(address, _)| address)))
    }

    /// Puts the tags of every session into memory.
    pub(super) fn complete_tags(&mut self) -> Result<(), Error> {
        if self.cache.tags_complete {
            return Ok(());
        }
        let mut from = Vec::new();
        loop {
            let page = self.view.scan(table::PEERS, &from, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            from.clone_from(last);
            from.push(0);
            for (key, _) in page {
                let Some((address, _)) = table::split_device(&key) else { continue };
                let here = self.cache.peers.contains_key(&address);
                let peer = self.peer(&address)?;
                for session in peer.sessions() {
                    self.cache.tags.extend(&address, session.expected_tags());
                }
                if here {
                    self.keep_peer(peer);
                }
            }
        }
        self.cache.tags_complete = true;
        Ok(())
    }

    /// The devices of a user with which there ever was a session.
    pub(super) fn peers_of(&self, user: &UserId) -> Result<Vec<Address>, Error> {
        let rows = self.view.scan_prefix(table::PEERS, &table::of_user(user, &[]))?;
        let addresses = rows.iter().filter_map(|(key, _)| table::split_device(key));
        Ok(addresses.map(|(address, _)| address).collect())
    }

    /// Every device with which there ever was a session.
    pub(super) fn all_peers(&self) -> Result<Vec<Address>, Error> {
        let rows = self.view.scan_prefix(table::PEERS, &[])?;
        let addresses = rows.iter().filter_map(|(key, _)| table::split_device(key));
        Ok(addresses.map(|(address, _)| address).collect())
    }

    /// The list by which a user's devices are known: our own for ourselves.
    pub(super) fn list_of(&mut self, user: &UserId) -> Result<Option<Arc<DeviceList>>, Error> {
        let own = self.own()?;
        if *user == own.address().user {
            return Ok(Some(Arc::clone(&own.list)));
        }
        Ok(self.contact(user)?.list.clone())
    }

    /// The lists by which something is said to this user; `None` if nothing may be said, or
    /// it would be rejected.
    pub(super) fn lists_with(&mut self, user: &UserId) -> Result<Option<ListView>, Error> {
        let own = self.own()?;
        if !own.is_listed() || !self.may_speak(user)? {
            return Ok(None);
        }
        let their_list = self.list_of(user)?;
        Ok(their_list.map(|their_list| ListView::new(&own.list, &their_list)))
    }

    /// As [`Self::lists_with`], for a message that shows our list: a device that was taken
    /// off shows it to our others, since the primary may have been restored to before that.
    fn lists_to_show(&mut self, to: &Address) -> Result<Option<ListView>, Error> {
        let own = self.own()?;
        if own.was_taken_off() && own.others().any(|other| other == *to) {
            return Ok(Some(ListView::new(&own.list, &own.list)));
        }
        self.lists_with(&to.user)
    }

    /// Encrypts something to one device; `None` if nothing may be said to it, or there is no
    /// session that can.
    pub(super) fn encrypt_to(
        &mut self,
        address: &Address,
        body: Body<'_>,
        numbers: Numbers,
    ) -> Result<Option<Sent>, Error> {
        let lists = match body {
            Body::Control(Control::Lists(_)) => self.lists_to_show(address)?,
            _ => self.lists_with(&address.user)?,
        };
        let Some(lists) = lists else { return Ok(None) };
        let mut peer = self.peer(address)?;
        let result = match peer.encrypt(body, numbers, lists, self.now, &mut self.rng) {
            Ok(step) => self.save_step(&peer, step).map(Some),
            Err(EncryptError::TooLong { limit }) => {
                Err(Error::Limit { what: "bytes of content", limit })
            }
            Err(_) => Ok(None),
        };
        self.keep_peer(peer);
        result
    }

    /// As [`Self::encrypt_to`], for content.
    pub(super) fn encrypt_content(
        &mut self,
        address: &Address,
        id: MessageId,
        content: &[u8],
        numbers: Numbers,
    ) -> Result<Option<Sent>, Error> {
        self.encrypt_to(address, Body::Content { id, content }, numbers)
    }
}

/// The key of a peer's row: the address, then the row's own key, with 8 bytes of the
/// session's id in place of 32.
///
/// Two sessions of a peer have the same 8 bytes if that peer has searched for them; it
/// loses one of the two.
fn row_key(peer: &[u8], row: PeerRow) -> Vec<u8> {
    let own = row.to_key();
    let mut key = Vec::with_capacity(peer.len() + own.len());
    key.extend_from_slice(peer);
    match row {
        PeerRow::Session(_) | PeerRow::Beside(..) => {
            let (head, rest) = own.split_at_checked(1 + HANDSHAKE_ID_LEN).unwrap_or((&own, &[]));
            key.extend_from_slice(head.get(..1 + SHORT_ID_LEN).unwrap_or(head));
            key.extend_from_slice(rest);
        }
        _ => key.extend_from_slice(&own),
    }
    key
}
