//! What names errands and events.

use std::fmt;

macro_rules! ordered_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The id with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Its bytes, for a table of the app's.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// The id at this place in the order; `random` makes it unique.
            pub(super) fn new(order: u64, random: [u8; 8]) -> Self {
                let mut bytes = [0; 16];
                let (head, tail) = bytes.split_at_mut(8);
                head.copy_from_slice(&order.to_be_bytes());
                tail.copy_from_slice(&random);
                Self(bytes)
            }

            /// The id that a row has as its key.
            pub(super) fn from_key(key: &[u8]) -> Option<Self> {
                key.try_into().ok().map(Self)
            }
        }

        impl From<$name> for [u8; 16] {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:032x})"), u128::from_be_bytes(self.0))
            }
        }
    };
}

ordered_id! {
    /// Names something to carry, for ever; older ones are smaller.
    ///
    /// A transport that says only later that it has carried something has to give these
    /// bytes back.
    OutgoingId
}

ordered_id! {
    /// Names something that happened, for ever: an event that comes again has the same.
    /// Older ones are smaller.
    EventId
}
