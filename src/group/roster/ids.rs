//! What names a group, a change, and a state of a group.

use std::fmt;

use crate::crypto::{Label, sha256};

macro_rules! hash_names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) [u8; 32]);

        impl $name {
            /// The one with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Its 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "("))?;
                self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("…)")
            }
        }
    )*};
}

hash_names! {
    /// A group: the hash of its first seal.
    GroupId;
    /// A change of a group: the hash of its bytes.
    ChangeId;
    /// A state of a group. Whoever has the same head has the same members, in the same
    /// roles, and the same settings.
    Head;
}

impl Head {
    /// The head of a state: its seal, and the tips of what counts, sorted.
    // head = H("subrosa/1 group head" || 0x00 || seal || tips)
    pub(super) fn new(seal: &ChangeId, tips: &[ChangeId]) -> Self {
        let mut parts: Vec<&[u8]> = vec![Label::GROUP_HEAD.as_bytes(), &[0], &seal.0];
        parts.extend(tips.iter().map(|tip| tip.0.as_slice()));
        Self(sha256(&parts))
    }
}
