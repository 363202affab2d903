//! Two devices whose keys somebody has copied, until the post-quantum ratchet has healed
//! what they say to each other.

use crate::device::Result;
use crate::talk::Talk;
use crate::who::Who;

/// Two devices, and how far the post-quantum ratchet between them has come.
pub(crate) struct Healing {
    ends: [Who; 2],
    /// How many epochs both have mixed in.
    mixed: u32,
    /// How many they have to.
    healed: u32,
}

impl Healing {
    /// Somebody copies the keys now. The epoch that is under way is theirs too; the one
    /// after it is not.
    pub(crate) fn begin(ends: [Who; 2], talk: &mut Talk) -> Result<Self> {
        let [one, other] = epochs(ends, talk)?;
        Ok(Self { ends, mixed: one.min(other), healed: one.max(other) + 2 })
    }

    /// Looks again; says what is new.
    pub(crate) fn look(&mut self, talk: &mut Talk) -> Result<Option<String>> {
        let [one, other] = epochs(self.ends, talk)?;
        let before = std::mem::replace(&mut self.mixed, one.min(other));
        if self.mixed <= before {
            return Ok(None);
        }
        let [one, other] = self.ends;
        let end = if self.is_healed() { ": healed" } else { "" };
        Ok(Some(format!("  **  {one} and {other} mix in epoch {}{end}", self.mixed)))
    }

    /// Whether whoever has copied the keys reads no further.
    pub(crate) fn is_healed(&self) -> bool {
        self.mixed >= self.healed
    }
}

fn epochs([one, other]: [Who; 2], talk: &mut Talk) -> Result<[u32; 2]> {
    Ok([talk.epochs(one, other)?, talk.epochs(other, one)?])
}
