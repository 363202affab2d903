//! The account in a sealed file: identity and people, never a session (SPEC.md,
//! section 12.4).

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::contact::ContactRecord;
use super::due::Job;
use super::learn::Adopted;
use super::own::{self, Own};
use super::work::Work;
use super::{Error, RecoveryKey, table};
use crate::address::{DeviceId, UserId};
use crate::crypto::{AT_REST_NONCE_LEN, Label, Secret, hkdf, open_at_rest, seal_at_rest};
use crate::identity::{Account, Device, DeviceList, MAX_DEVICES, Succession};
use crate::wire::stored::messenger::{BackedUpContact, Backup};
use crate::wire::{pad, stored, unpad};

/// The version of the layout: its first byte.
const VERSION: u8 = 1;

/// A backup is padded to a multiple of this, in bytes, so that its length does not count
/// the contacts.
const BLOCK: usize = 4096;

/// When the directory is asked again for the newest list.
const ASK_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

// HKDF(0^32, key, "subrosa/1 backup", 32)
fn sealing_key(key: &RecoveryKey) -> Secret<32> {
    let salt = Secret::init_with(|_| ());
    hkdf(&salt, &[key.secret().expose()], Label::BACKUP, &[])
}

/// A backup that was opened: its account is one.
pub(crate) struct Opened {
    pub(crate) raw: Backup,
    user: UserId,
    made_by: DeviceId,
}

/// Opens a backup.
pub(crate) fn open(backup: &[u8], key: &RecoveryKey) -> Result<Opened, Error> {
    let Some((&VERSION, sealed)) = backup.split_first() else { return Err(Error::Backup) };
    let padded = open_at_rest(&sealing_key(key), &[VERSION], sealed).map_err(|_| Error::Backup)?;
    let content = unpad(&padded).ok_or(Error::Backup)?;
    let raw: Backup = stored::decode(content, "backup").map_err(|_| Error::Backup)?;
    let account = Account::from_record(&raw.account).map_err(|_| Error::Backup)?;
    let made_by = DeviceId::new(raw.device_id).ok_or(Error::Backup)?;
    Ok(Opened { user: account.device_list().user().clone(), raw, made_by })
}

/// Seals a backup.
fn seal(backup: &Backup, key: &RecoveryKey, nonce: &[u8; AT_REST_NONCE_LEN]) -> Vec<u8> {
    let encoded = stored::encode(backup);
    let length = encoded.len().saturating_add(1).next_multiple_of(BLOCK);
    let mut padded = Zeroizing::new(Vec::with_capacity(length));
    padded.extend_from_slice(&encoded);
    pad(&mut padded, length);
    let mut sealed = vec![VERSION];
    sealed.extend(seal_at_rest(&sealing_key(key), nonce, &[VERSION], &padded));
    sealed
}

impl Work<'_> {
    /// The account and all people, sealed.
    pub(super) fn backup(&mut self, key: &RecoveryKey) -> Result<Vec<u8>, Error> {
        let account = self.own_account()?;
        let own = self.own()?;
        let mut backup = Backup {
            account: account.record().to_vec(),
            device_id: own.address().device.get(),
            contacts: Vec::new(),
            groups: self.groups_to_back_up()?,
        };
        for user in self.all_contacts()? {
            let contact = self.contact_to_change(&user)?.for_backup();
            backup.contacts.push(BackedUpContact {
                user_id: user.as_bytes().to_vec(),
                contact: Some(contact.to_record()),
            });
        }
        let sealed = seal(&backup, key, &self.random());
        let mut record = own.to_record();
        record.backed_up = true;
        self.save_own(&record);
        Ok(sealed)
    }

    /// Begins an empty store with what is in a backup, as a new device. It is on no list
    /// before the directory has said which list is the newest.
    pub(super) fn restore(&mut self, backup: &Opened) -> Result<(), Error> {
        if own::stored_row(self)?.is_some() {
            return Err(Error::OtherAccount);
        }
        let Opened { raw, user, made_by } = backup;
        let account = Account::from_record(&raw.account).map_err(|_| Error::Backup)?;
        let own = Own {
            device: Device::generate(user.clone(), &mut self.rng),
            list: Arc::new(account.device_list().clone()),
            account: Some(account),
            device_token: self.options.device_token,
            backed_up: true,
            backup_reminded: true,
            link_code: None,
            replaces: Some(*made_by),
        };
        self.begin(&own)?;
        for BackedUpContact { user_id, contact } in &raw.contacts {
            if let (Ok(user), Some(contact)) = (UserId::new(user_id), contact) {
                let contact = ContactRecord::from_record(contact).for_backup();
                self.save_contact(&user, contact);
            }
        }
        self.restore_groups(&raw.groups)?;
        self.fetch(user)
    }

    /// The directory has another list of an account that is being restored.
    pub(super) fn restore_on(&mut self, list: DeviceList) -> Result<Adopted, Error> {
        let own = self.own()?;
        let newest = match own.list.compare(&list) {
            Succession::IdentityChanged => {
                // Somebody else has the name; perhaps not for ever.
                let user = table::of_user(&own.address().user, &[]);
                self.set_due(Job::Fetch, &user, self.now.after(ASK_AGAIN))?;
                return Ok(Adopted::Kept(Succession::Equivocation));
            }
            Succession::Same | Succession::Older => None,
            // What everybody sees there is what counts.
            Succession::Newer | Succession::Equivocation => Some(list),
        };
        self.take_over(newest)?;
        Ok(Adopted::Taken)
    }

    /// Signs this device onto the newest list, and off it the one that made the backup.
    pub(super) fn take_over(&mut self, newest: Option<DeviceList>) -> Result<(), Error> {
        let own = self.own()?;
        let (Some(account), Some(replaced)) = (&own.account, own.replaces) else { return Ok(()) };
        let mut account = Account::from_record(&account.record()).map_err(Error::corrupt)?;
        if let Some(list) = newest {
            account.adopt(list).map_err(Error::corrupt)?;
        }
        let list = account.device_list();
        let listed = list.device(replaced).is_some();
        // A list is never empty, and never longer than allowed.
        let gone = if listed { Some(replaced) } else { list.devices().first().map(|d| d.id()) };
        let full = list.devices().len() >= MAX_DEVICES;
        let entry = own.device.entry(&account.key());
        if let Some(gone) = gone
            && full
        {
            account.remove(gone).map_err(Error::corrupt)?;
        }
        account.add(entry).map_err(Error::corrupt)?;
        if listed && !full {
            account.remove(replaced).map_err(Error::corrupt)?;
        }
        self.sign_list(&account)
    }
}
