//! Peer devices: loaded, stepped and saved, with the tags by which their messages are
//! found.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::work::Work;
use super::{Error, table};
use crate::address::{Address, UserId};
use crate::identity::{DeviceList, View as ListView};
use crate::session::{
    Body, EncryptError, Numbers, Peer, PeerRow, RowKey, Sent, Tag, TagChange, Unsaved,
};
use crate::wire::MessageId;
use crate::wire::stored::{self, SkippedKey};

/// How many peers one page has when all are gone through.
const PAGE: usize = 64;

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
        let rows = move |row: PeerRow| {
            view.look_up(table::PEER_ROWS, &[prefix.as_slice(), &row.to_key()].concat())
        };
        let Ok(loaded) = Peer::from_record(&record, rows) else {
            // What it said is gone: both sides begin anew, and the numbers find each other.
            self.session_is_broken(address)?;
            return Ok(Peer::new(address.clone()));
        };
        self.view.check()?;
        if !loaded.damaged.is_empty() {
            for id in &loaded.damaged {
                let mut beside = PeerRow::Beside(*id, RowKey::Answer).to_key();
                // Kind and number stand behind the session's id.
                beside.truncate(beside.len().saturating_sub(9));
                let prefix = [key.as_slice(), &beside].concat();
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

    /// Writes what a step changed, and gives what it was for.
    pub(super) fn save_step<T>(
        &mut self,
        peer: &Peer,
        step: Unsaved<T, PeerRow>,
    ) -> Result<T, Error> {
        let (value, rows, tags) = step.into_parts();
        let key = table::of_device(peer.address(), &[]);
        let mut peer_row = false;
        for row in rows {
            if row == PeerRow::Peer {
                peer_row = true;
                continue;
            }
            let row_key = [key.as_slice(), &row.to_key()].concat();
            let new = peer.row(row);
            self.index_tag(&key, row, &row_key, new.as_ref())?;
            match new {
                Some(value) => self.view.put(table::PEER_ROWS, row_key, value),
                None => self.view.delete(table::PEER_ROWS, row_key),
            }
        }
        if peer_row && let Some(record) = peer.row(PeerRow::Peer) {
            self.view.put(table::PEERS, key, record);
        }
        self.cache.tags.apply(peer.address(), &tags);
        // A new chain or session, not just the next message of a chain.
        let expected = tags.iter().filter(|tag| matches!(tag, TagChange::Expected(_)));
        if expected.count() > 1 {
            self.retry_held(peer.address())?;
        }
        Ok(value)
    }

    /// Tags that no header key gives any more are found by a row of their own.
    fn index_tag(
        &mut self,
        peer: &[u8],
        row: PeerRow,
        row_key: &[u8],
        new: Option<&Zeroizing<Vec<u8>>>,
    ) -> Result<(), Error> {
        let PeerRow::Beside(_, beside) = row else { return Ok(()) };
        let skipped_tag = |bytes: &[u8]| {
            stored::decode::<SkippedKey>(bytes, "skipped key").ok().map(|key| key.tag.to_be_bytes())
        };
        let (tag, here) = match (beside, new) {
            (RowKey::UsedBy(tag), new) => (Some(tag.to_bytes()), new.is_some()),
            (RowKey::Skipped(_), Some(new)) => (skipped_tag(new), true),
            (RowKey::Skipped(_), None) => {
                let old = self.view.get(table::PEER_ROWS, row_key)?;
                (old.and_then(|old| skipped_tag(&old)), false)
            }
            _ => return Ok(()),
        };
        let Some(tag) = tag else { return Ok(()) };
        if here {
            self.view.put(table::TAGS, tag.to_vec(), Zeroizing::new(peer.to_vec()));
        } else {
            self.view.delete(table::TAGS, tag.to_vec());
        }
        Ok(())
    }

    /// Who owns a tag, as far as rows and memory say.
    pub(super) fn owners(&mut self, tag: Tag) -> Result<Vec<Address>, Error> {
        let mut owners = self.cache.tags.owners(tag).to_vec();
        if let Some(row) = self.view.get(table::TAGS, &tag.to_bytes())?
            && let Some((address, _)) = table::split_device(&row)
            && !owners.contains(&address)
        {
            owners.push(address);
        }
        Ok(owners)
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
        Ok(self.contact(user)?.list)
    }

    /// Encrypts something to one device; `None` if there is no session that can.
    pub(super) fn encrypt_to(
        &mut self,
        address: &Address,
        body: Body<'_>,
        numbers: Numbers,
    ) -> Result<Option<Sent>, Error> {
        let own = self.own()?;
        let Some(their_list) = self.list_of(&address.user)? else { return Ok(None) };
        if !own.is_listed() {
            // It would be rejected.
            return Ok(None);
        }
        let lists = ListView::new(&own.list, &their_list);
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
