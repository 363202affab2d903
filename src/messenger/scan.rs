//! Comparing by camera.

use super::Error;
use super::work::Work;
use crate::address::UserId;
use crate::identity::SafetyCode;

/// What a camera has read of another person's screen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scan {
    /// They show the key that is known of them here, and know ours: the account is verified.
    /// (They know of us by scanning our code.)
    Verified(UserId),
    /// They show another key than the one that is known here, or know another of ours:
    /// somebody sits in between, or one of both has begun anew and the other has not heard
    /// of it.
    Mismatch(UserId),
    /// It is no such code, or one that is shown to somebody else.
    NotACode,
}

impl Work<'_> {
    /// The user has pointed the camera at somebody's code.
    pub(super) fn scan(&mut self, qr: &[u8]) -> Result<Scan, Error> {
        let own = self.own()?;
        let Some(SafetyCode { shown_by, shown_to }) = SafetyCode::parse(qr) else {
            return Ok(Scan::NotACode);
        };
        let (us, user) = (&own.address().user, shown_by.user.clone());
        if shown_to.user != *us || user == *us {
            return Ok(Scan::NotACode);
        }
        let contact = self.contact(&user)?;
        // Of the key that is to be decided about, if there is one.
        let list = contact.moved.as_ref().or(contact.list.as_ref()).ok_or(Error::Unknown)?;
        if !shown_by.has_key(&list.account_key()) || !shown_to.has_key(&own.list.account_key()) {
            return Ok(Scan::Mismatch(user));
        }
        self.go_on_under_new_key(&user)?;
        self.is_verified_now(&user)?;
        Ok(Scan::Verified(user))
    }
}
