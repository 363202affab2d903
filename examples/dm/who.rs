//! Who is there: people, by the devices that they use; and where they say something.

use std::fmt;

/// A device, and with it the person who uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Alice,
    Phone,
    Laptop,
    Carol,
}

impl Who {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Alice, Self::Phone, Self::Laptop, Self::Carol];

    /// Bob's.
    pub(crate) const BOBS: [Self; 2] = [Self::Phone, Self::Laptop];

    /// Alice and Bob, on all that they have.
    pub(crate) const TWO: [Self; 3] = [Self::Alice, Self::Phone, Self::Laptop];

    /// The user whose device it is.
    pub(crate) fn user(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Phone | Self::Laptop => "bob",
            Self::Carol => "carol",
        }
    }

    /// The user whom this one mostly talks to.
    pub(crate) fn friend(self) -> &'static str {
        match self {
            Self::Alice => "bob",
            Self::Phone | Self::Laptop | Self::Carol => "alice",
        }
    }

    /// What the device is called in short.
    pub(crate) fn short(self) -> &'static str {
        match self {
            Self::Alice => "Alice",
            Self::Phone => "phone",
            Self::Laptop => "laptop",
            Self::Carol => "Carol",
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
            Self::Carol => "Carol",
        })
    }
}

/// Where something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// To this user alone.
    With(&'static str),
    /// In the group.
    Roses,
}
