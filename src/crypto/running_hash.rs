//! SHA-256 (FIPS 180-4) of what comes piece by piece, and may be put aside in between.

use std::fmt;

use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest, Sha256};

/// SHA-256 of all that it was given so far. Of public bytes: what it has seen shows in
/// what [`Self::save`] gives.
#[derive(Clone)]
pub(crate) struct RunningHash(Sha256);

impl RunningHash {
    /// Of nothing yet.
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    /// These bytes come next.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of what has come so far.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }

    /// Its state, to go on from later.
    pub(crate) fn save(&self) -> Vec<u8> {
        self.0.serialize().to_vec()
    }

    /// What [`Self::save`] gave; `None` if it cannot be that.
    pub(crate) fn load(bytes: &[u8]) -> Option<Self> {
        let state = SerializedState::<Sha256>::try_from(bytes).ok()?;
        Sha256::deserialize(&state).ok().map(Self)
    }
}

impl fmt::Debug for RunningHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunningHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::sha256;

    #[test]
    fn it_goes_on_wherever_it_was_put_aside() {
        let text: Vec<u8> = (0..200).collect();
        for cut in 0..text.len() {
            let (before, behind) = text.split_at(cut);
            let mut hash = RunningHash::new();
            hash.update(before);
            let mut hash = RunningHash::load(&hash.save()).unwrap();
            hash.update(behind);
            assert_eq!(hash.digest(), sha256(&[&text]));
        }
        assert!(RunningHash::load(&[]).is_none());
        assert!(RunningHash::load(&[0xff; 104]).is_none());
    }
}
