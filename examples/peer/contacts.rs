//! Every device with which there are sessions.

use std::collections::BTreeMap;

use subrosa::handshake::HandshakeId;
use subrosa::session::{DecryptError, Delivered, Peer, PeerRow, Unsaved};
use subrosa::wire::Envelope;
use subrosa::{Address, Timestamp};

use crate::disk::Disk;
use crate::failure::Failure;

/// All contacts by address.
#[derive(Default)]
pub(crate) struct Contacts(BTreeMap<Address, Contact>);

impl Contacts {
    /// What there is with a device.
    pub(crate) fn get(&self, address: &Address) -> Result<&Peer, Failure> {
        self.0.get(address).map(|contact| &contact.peer).ok_or_else(no_session)
    }

    /// Takes a step with a device that is known, and saves it.
    pub(crate) fn step<T, E>(
        &mut self,
        address: &Address,
        step: impl FnOnce(&mut Peer) -> Result<Unsaved<T, PeerRow>, E>,
    ) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        let contact = self.0.get_mut(address).ok_or_else(no_session)?;
        Ok(contact.step(step)?)
    }

    /// Takes a step that begins a session, and saves it. A device that was not known
    /// is known after it.
    pub(crate) fn begin<T, E>(
        &mut self,
        address: &Address,
        step: impl FnOnce(&mut Peer) -> Result<Unsaved<T, PeerRow>, E>,
    ) -> Result<T, E> {
        if let Some(contact) = self.0.get_mut(address) {
            return contact.step(step);
        }
        let mut contact = Contact::new(address.clone());
        let value = contact.step(step)?;
        self.0.insert(address.clone(), contact);
        Ok(value)
    }

    /// Decrypts an envelope of whichever session it is for.
    pub(crate) fn decrypt(
        &mut self,
        envelope: &Envelope,
        now: Timestamp,
    ) -> Result<(Address, Delivered), DecryptError> {
        for (address, contact) in &mut self.0 {
            match contact.step(|peer| peer.decrypt(envelope, now)) {
                Err(DecryptError::Unknown) => {}
                other => return Ok((address.clone(), other?)),
            }
        }
        Err(DecryptError::Unknown)
    }

    /// Whether there is a session that this handshake made.
    pub(crate) fn have_session(&self, id: HandshakeId) -> bool {
        self.0.values().any(|contact| contact.peer.has_session(id))
    }

    /// All of them as they are on disk.
    pub(crate) fn reloaded(&self) -> Result<Self, Failure> {
        let load = |(address, contact): (&Address, &Contact)| {
            Ok((address.clone(), Contact::load(contact.disk.clone())?))
        };
        self.0.iter().map(load).collect::<Result<_, _>>().map(Self)
    }
}

fn no_session() -> Failure {
    Failure::usage("there is no session with this device")
}

/// A device with which there are sessions.
struct Contact {
    peer: Peer,
    disk: Disk<PeerRow>,
}

impl Contact {
    fn new(address: Address) -> Self {
        Self { peer: Peer::new(address), disk: Disk::default() }
    }

    fn load(disk: Disk<PeerRow>) -> Result<Self, Failure> {
        let record = disk.find(PeerRow::Peer).unwrap_or_default();
        let rows = disk.clone();
        let loaded = Peer::from_record(&record, move |row| rows.find(row))?;
        if !loaded.damaged.is_empty() {
            return Err(Failure::refused("the rows of a session are damaged"));
        }
        Ok(Self { peer: loaded.peer, disk })
    }

    /// Writes what a step changed, and only then takes its value.
    fn step<T, E>(
        &mut self,
        step: impl FnOnce(&mut Peer) -> Result<Unsaved<T, PeerRow>, E>,
    ) -> Result<T, E> {
        let unsaved = step(&mut self.peer)?;
        self.disk.save(unsaved.rows(), |row| self.peer.row(row));
        Ok(unsaved.saved())
    }
}
