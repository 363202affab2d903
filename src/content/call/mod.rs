//! How two devices come to a call.
//!
//! ```text
//!  caller                              callee, each device
//!    |  offer ---------------------->   rings
//!    |  <-------------------- answer    the one that takes it
//!    |  candidates <--> candidates      as more ways are found
//!    |  end <----------------> end      by either, at any time
//! ```
//!
//! An offer is old news after a minute: an app that gets it later shows that a call was
//! missed. What another own device has answered or ended comes as
//! [`OwnMessage`](crate::messenger::EventKind::OwnMessage): stop ringing.
//!
//! ```
//! use subrosa::content::call::{Answer, Call, Media, Offer};
//! use subrosa::{Address, DeviceId, UserId};
//!
//! let rng = &mut rand::rng();
//! let device = |name| Some(Address { user: UserId::new(name).ok()?, device: DeviceId::new(7)? });
//! let (alice, bob) = (device("alice").unwrap(), device("bob").unwrap());
//! let (offer, answer) = (Offer::new(Media::Voice, "v=0 …", rng), Answer::new("v=0 …", rng));
//! let call = Call::begin(offer.clone(), rng);
//! // Both sides, once both have both.
//! let keys = call.media_keys([&alice, &bob], &offer, &answer);
//! assert_ne!(keys.caller(), keys.callee());
//! ```

mod answer;
#[expect(clippy::module_inception, reason = "one noun, one file")]
mod call;
mod call_id;
mod media_keys;
mod offer;
mod side;

pub use answer::Answer;
pub use call::{Call, EndReason, MAX_CANDIDATES, Step};
pub use call_id::CallId;
pub use media_keys::MediaKeys;
pub use offer::{Media, Offer};
pub use side::MAX_CALL_DESCRIPTION_LEN;
