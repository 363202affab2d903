//! Who is meant: a user, a device, and both together (SPEC.md, section 3.1).

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

/// The longest user id, in bytes.
///
/// Long enough for an e-mail address or a URL; short enough that a length fits
/// one byte and a device list stays small.
pub const MAX_USER_ID_LEN: usize = 255;

/// A user's name in the app's own scheme: 1 to 255 bytes, compared byte for byte.
///
/// ```
/// use subrosa::UserId;
///
/// let alice = UserId::new("alice")?;
/// assert_eq!(alice.as_bytes(), b"alice");
/// assert!(UserId::new("").is_err());
/// # Ok::<(), subrosa::InvalidUserId>(())
/// ```
///
/// # Security
///
/// Nothing is normalised. An app whose names are text should allow one spelling of
/// each before it makes an id of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<[u8]>);

impl UserId {
    /// An id with exactly these bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidUserId`] if there are none, or more than [`MAX_USER_ID_LEN`].
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, InvalidUserId> {
        let bytes = bytes.as_ref();
        if bytes.is_empty() || bytes.len() > MAX_USER_ID_LEN {
            return Err(InvalidUserId);
        }
        Ok(Self(bytes.into()))
    }

    /// The bytes that it was made of.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({self})")
    }
}

/// The bytes are no user id: they must be 1 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user id has 1 to {MAX_USER_ID_LEN} bytes")]
pub struct InvalidUserId;

/// One device of an account: a random number that is not zero and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(NonZeroU32);

impl DeviceId {
    /// The id with this number; `None` for zero.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A device of a user: where envelopes go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Whose device.
    pub user: UserId,
    /// Which of the user's devices.
    pub device: DeviceId,
}

impl Address {
    /// `lp(user id) || u32(device id)`, as signatures and transcripts cover it.
    pub(crate) fn to_signed_bytes(&self) -> Vec<u8> {
        let mut bytes = length_prefixed(&self.user);
        bytes.extend_from_slice(&self.device.get().to_be_bytes());
        bytes
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.user, self.device)
    }
}

/// `lp(user id)`: two bytes of length, big-endian, and the id.
pub(crate) fn length_prefixed(user: &UserId) -> Vec<u8> {
    let id = user.as_bytes();
    // A user id has at most 255 bytes, so the first length byte is always zero.
    let length = u8::try_from(id.len()).unwrap_or(u8::MAX);
    let mut bytes = Vec::with_capacity(2 + id.len());
    bytes.extend_from_slice(&[0, length]);
    bytes.extend_from_slice(id);
    bytes
}
