//! Who is there: people, by the devices that they use.

use std::fmt;

/// A device, and with it the person who uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Alice,
    Phone,
    Laptop,
}

impl Who {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Alice, Self::Phone, Self::Laptop];

    /// Bob's.
    pub(crate) const BOBS: [Self; 2] = [Self::Phone, Self::Laptop];

    /// The user whose device it is.
    pub(crate) fn user(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Phone | Self::Laptop => "bob",
        }
    }

    /// The user whom this one talks to.
    pub(crate) fn other_user(self) -> &'static str {
        match self {
            Self::Alice => "bob",
            Self::Phone | Self::Laptop => "alice",
        }
    }

    /// The others.
    pub(crate) fn others(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |who| *who != self)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Alice => "Alice",
            Self::Phone => "Bob's phone",
            Self::Laptop => "Bob's laptop",
        })
    }
}
