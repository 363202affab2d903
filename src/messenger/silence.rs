//! Devices from which nothing comes back: asked for a sign of life, and given another session
//! (SPEC.md, section 11.3).

use std::time::Duration;

use super::Error;
use super::repair::Reason;
use super::work::Work;
use crate::address::Address;
use crate::session::Session;
use crate::timestamp::Timestamp;
use crate::wire::Control;

/// How long after it was asked for a sign of life a device counts as silent, if messages
/// to it have no receipt: the one that made us ask goes again by then.
const SILENT_AFTER: Duration = Duration::from_secs(6 * 24 * 60 * 60);

impl Work<'_> {
    /// Something has opened, or the session is another one: no sign is waited for.
    pub(super) fn heard_from(&mut self, address: &Address) -> Result<(), Error> {
        if let Some(mut health) = self.health(address)?
            && health.sign_asked_at != 0
        {
            health.sign_asked_at = 0;
            self.save_health(address, &health);
        }
        Ok(())
    }

    /// What was sent to this device has no receipt for days.
    pub(super) fn is_silent(&mut self, address: &Address) -> Result<(), Error> {
        if !self.is_confirmed(address)? {
            self.heard_from(address)?;
            return self.begin_again_for(address, Reason::Silent);
        }
        self.look_for_sign(address)
    }

    /// Whether anything has come back in the session that is in use.
    fn is_confirmed(&mut self, address: &Address) -> Result<bool, Error> {
        let peer = self.peer(address)?;
        let sending = peer.sending_session(self.now);
        let confirmed = sending.is_some_and(Session::is_confirmed);
        self.keep_peer(peer);
        Ok(confirmed)
    }

    /// Asks for a sign of life; if none has come for days, begins another session. Once: as long
    /// as nothing has come back in a session, no sign is waited for in it.
    pub(super) fn look_for_sign(&mut self, address: &Address) -> Result<(), Error> {
        if !self.is_confirmed(address)? {
            return self.heard_from(address);
        }
        if self.gives_no_sign(address, SILENT_AFTER)? {
            return self.begin_again_for(address, Reason::Silent);
        }
        Ok(())
    }

    /// When a device that was asked for a sign of life counts as silent.
    pub(super) fn silent_at(&mut self, address: &Address) -> Result<Option<Timestamp>, Error> {
        let asked_at = self.health(address)?.map_or(0, |health| health.sign_asked_at);
        let asked_at = Some(asked_at).filter(|at| *at != 0).map(Timestamp::from_millis);
        // It may have been asked while the clock was ahead.
        Ok(asked_at.map(|at| at.min(self.now).after(SILENT_AFTER)))
    }

    /// Asks for a sign of life in the session that is in use. If one was asked for so long
    /// ago and none came, says so, and forgets that it asked.
    pub(super) fn gives_no_sign(
        &mut self,
        address: &Address,
        patience: Duration,
    ) -> Result<bool, Error> {
        let mut health = self.health(address)?.unwrap_or_default();
        let asked_at = Timestamp::from_millis(health.sign_asked_at);
        let ask = health.sign_asked_at == 0;
        let none_came = !ask && self.now.apart(asked_at) >= patience;
        if ask {
            health.sign_asked_at = self.now.as_millis();
        } else if none_came {
            health.sign_asked_at = 0;
        } else {
            return Ok(false);
        }
        self.save_health(address, &health);
        if ask {
            self.send_control(address, Control::SignOfLife)?;
        }
        Ok(none_came)
    }
}
