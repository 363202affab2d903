//! What somebody sees: the app's own database. A messenger forgets a message once the app
//! has it; what becomes of it there, by edits, reactions, votes and time, is for the app.

use std::collections::BTreeMap;

use subrosa::content::poll::Tally;
use subrosa::content::{Kind, Reference};
use subrosa::{Content, MessageId, Timestamp, UserId};

use crate::words::words;

/// A message on the screen.
struct Shown {
    content: Content,
    files: Vec<Vec<u8>>,
}

/// What one device has shown. What is about a message may come before it.
#[derive(Default)]
pub(crate) struct Screen {
    messages: BTreeMap<Reference, Shown>,
    /// The newest of each.
    edits: BTreeMap<Reference, (Timestamp, String)>,
    reactions: BTreeMap<(Reference, UserId), (Timestamp, String)>,
    votes: Vec<(UserId, Timestamp, MessageId, Content)>,
}

impl Screen {
    /// A message came, or was written, and is read now.
    pub(crate) fn show(
        &mut self,
        name: Reference,
        sent_at: Timestamp,
        content: &Content,
        files: Vec<Vec<u8>>,
    ) {
        match content.kind() {
            // Of a message of the same author's: nobody can name another's.
            Kind::Edit(edit) => {
                let of = Reference::new(name.author, edit.message());
                newest(&mut self.edits, of, (sent_at, edit.text().as_str().to_owned()));
            }
            Kind::Reaction(reaction) => {
                let emoji = reaction.emoji().unwrap_or_default().to_owned();
                let of = (reaction.to().clone(), name.author);
                newest(&mut self.reactions, of, (sent_at, emoji));
            }
            Kind::Vote(_) => {
                self.votes.push((name.author, sent_at, name.message, content.clone()));
            }
            _ => {
                self.messages.insert(name, Shown { content: content.clone(), files });
            }
        }
    }

    /// The messenger says that the time of a message is up.
    pub(crate) fn forget(&mut self, name: &Reference) {
        self.messages.remove(name);
    }

    /// What a message says by now, if it is there.
    pub(crate) fn text(&self, of: &Reference) -> Option<String> {
        let shown = self.messages.get(of)?;
        let edited = self.edits.get(of).map(|(_, text)| text.clone());
        Some(edited.unwrap_or_else(|| words(&shown.content)))
    }

    /// What people feel about a message.
    pub(crate) fn reactions(&self, of: &Reference) -> Vec<(&UserId, &str)> {
        let about = self.reactions.iter().filter(|((to, _), _)| to == of);
        about.map(|((_, by), (_, emoji))| (by, emoji.as_str())).collect()
    }

    /// How often each choice of a poll was chosen.
    pub(crate) fn counts(&self, of: &Reference) -> Option<Vec<u32>> {
        let Kind::Poll(poll) = self.messages.get(of)?.content.kind() else { return None };
        let mut tally = Tally::of(poll, of.clone());
        for (by, sent_at, id, content) in &self.votes {
            if let Kind::Vote(vote) = content.kind() {
                tally.add(by, *sent_at, *id, vote);
            }
        }
        Some(tally.counts())
    }

    /// The file that came with a message.
    pub(crate) fn file(&self, of: &Reference) -> Option<&[u8]> {
        self.messages.get(of)?.files.first().map(Vec::as_slice)
    }
}

/// Takes the place of what is there, if it is newer.
fn newest<K: Ord>(all: &mut BTreeMap<K, (Timestamp, String)>, of: K, what: (Timestamp, String)) {
    let there = all.entry(of).or_default();
    if what > *there {
        *there = what;
    }
}
