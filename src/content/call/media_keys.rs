//! The keys of a call's sound and pictures (SPEC.md, section 10.5).

use std::fmt;

use super::{Answer, CallId, Offer};
use crate::address::{Address, length_prefixed};
use crate::crypto::{Label, Secret, hkdf};

/// The keys of a call's sound and pictures: one for what each side sends.
///
/// # Security
///
/// They are as fresh as the secrets of offer and answer: only who could read both has them,
/// and that is the devices of the two accounts. They are of this call, between these two
/// devices, and no other.
pub struct MediaKeys {
    caller: Secret<32>,
    callee: Secret<32>,
}

impl MediaKeys {
    // caller || callee = HKDF(offer secret, answer secret, "subrosa/1 call media" || call id ||
    //     lp(caller) || u32(its device id) || lp(callee) || u32(its device id), 64)
    pub(super) fn derive(
        id: CallId,
        [caller, callee]: [&Address; 2],
        offer: &Offer,
        answer: &Answer,
    ) -> Self {
        let users = [caller, callee].map(|address| length_prefixed(&address.user));
        let devices = [caller, callee].map(|address| address.device.get().to_be_bytes());
        let ([caller, callee], [caller_device, callee_device]) = (&users, &devices);
        let context: [&[u8]; 5] = [id.as_bytes(), caller, caller_device, callee, callee_device];
        let input = [answer.secret().expose().as_slice()];
        let keys: Secret<64> = hkdf(offer.secret(), &input, Label::CALL_MEDIA, &context);
        let (caller, callee) = keys.split();
        Self { caller, callee }
    }

    /// Of what the caller sends.
    #[must_use]
    pub fn caller(&self) -> &[u8; 32] {
        self.caller.expose()
    }

    /// Of what the callee sends.
    #[must_use]
    pub fn callee(&self) -> &[u8; 32] {
        self.callee.expose()
    }
}

impl fmt::Debug for MediaKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MediaKeys(..)")
    }
}
