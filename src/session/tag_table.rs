//! Which session a message is for, found by its tag (SPEC.md, section 6.4).

use std::collections::HashMap;

use crate::ratchet::{Tag, TagChange};

/// From the tags that may come to whoever expects them.
///
/// One table serves all sessions of an account: looking a message up costs the same
/// for ten sessions and for ten thousand. It is a hint: it is made anew from
/// [`Session::expected_tags`](super::Session::expected_tags) when sessions are
/// loaded, and a message that it does not know may still belong to a session.
///
/// # Security
///
/// The table's hash is keyed at random, so neither a peer nor the network can choose
/// tags that collide in it. A tag may have several owners: whoever could make one
/// session's tag equal to another's gains nothing by it.
#[derive(Debug)]
pub struct TagTable<Owner> {
    owners: HashMap<Tag, Owners<Owner>>,
}

/// Nearly always one, so without an allocation for it.
#[derive(Debug)]
enum Owners<Owner> {
    One(Owner),
    Several(Vec<Owner>),
}

impl<Owner: Clone + Eq> TagTable<Owner> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self { owners: HashMap::new() }
    }

    /// Whoever expects a message with this tag.
    #[must_use]
    pub fn owners(&self, tag: Tag) -> &[Owner] {
        match self.owners.get(&tag) {
            None => &[],
            Some(Owners::One(owner)) => std::slice::from_ref(owner),
            Some(Owners::Several(owners)) => owners,
        }
    }

    /// Takes over what a step changed, in order.
    pub fn apply(&mut self, owner: &Owner, changes: &[TagChange]) {
        for change in changes {
            match change {
                TagChange::Expected(tag) => self.insert(owner, *tag),
                TagChange::Gone(tag) => self.remove(owner, *tag),
            }
        }
    }

    /// Adds tags of a session that was loaded.
    pub fn extend(&mut self, owner: &Owner, tags: impl IntoIterator<Item = Tag>) {
        tags.into_iter().for_each(|tag| self.insert(owner, tag));
    }

    /// How many tags there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    fn insert(&mut self, owner: &Owner, tag: Tag) {
        use std::collections::hash_map::Entry;
        match self.owners.entry(tag) {
            Entry::Vacant(entry) => {
                entry.insert(Owners::One(owner.clone()));
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Owners::One(known) if known == owner => {}
                Owners::One(known) => {
                    let owners = vec![known.clone(), owner.clone()];
                    entry.insert(Owners::Several(owners));
                }
                Owners::Several(owners) if owners.contains(owner) => {}
                Owners::Several(owners) => owners.push(owner.clone()),
            },
        }
    }

    fn remove(&mut self, owner: &Owner, tag: Tag) {
        let is_empty = match self.owners.get_mut(&tag) {
            None => false,
            Some(Owners::One(known)) => known == owner,
            Some(Owners::Several(owners)) => {
                owners.retain(|known| known != owner);
                owners.is_empty()
            }
        };
        if is_empty {
            self.owners.remove(&tag);
        }
    }
}

impl<Owner: Clone + Eq> Default for TagTable<Owner> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_may_have_several_owners() {
        let tag = Tag::from_bytes([1; 8]);
        let mut table = TagTable::new();
        for owner in ["one", "two", "two", "three"] {
            table.apply(&owner, &[TagChange::Expected(tag)]);
        }
        assert_eq!(table.owners(tag), ["one", "two", "three"]);
        for (owner, left) in [("one", &["two", "three"][..]), ("three", &["two"])] {
            table.apply(&owner, &[TagChange::Gone(tag)]);
            assert_eq!(table.owners(tag), left);
            assert!(!table.is_empty());
        }
        table.apply(&"two", &[TagChange::Gone(tag)]);
        assert!(table.is_empty());
    }
}
