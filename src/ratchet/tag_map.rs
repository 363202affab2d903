//! A hash table from tags: a tag is its own hash.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::Tag;

/// For the tags of one session, of which there are a few thousand at most.
///
/// Tags are outputs of a pseudorandom function, so hashing them again gains nothing. A
/// peer could search for keys that give tags which collide here; it would make its own
/// session's table a list of that length, and no more.
pub(super) type TagMap<V> = HashMap<Tag, V, BuildHasherDefault<TagHasher>>;

#[derive(Default)]
pub(super) struct TagHasher(u64);

impl Hasher for TagHasher {
    fn write_u64(&mut self, tag: u64) {
        self.0 = tag;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
