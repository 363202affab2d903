//! Questions with answers to choose from.
//!
//! ```
//! use subrosa::content::poll::{Answer, Choices, Poll, Tally};
//! use subrosa::content::{Content, Kind, Reference};
//! use subrosa::{MessageId, Timestamp, UserId};
//!
//! let rng = &mut rand::rng();
//! let [alice, bob] = [UserId::new("alice")?, UserId::new("bob")?];
//! // Alice asks, and keeps the answer to herself.
//! let answer = Answer::new(Choices::one(1), rng);
//! let quiz = Poll::new("What is a rose?", ["A tree", "A shrub"]).with_answer(&answer);
//! let name = Reference::new(alice, MessageId::generate(rng));
//!
//! // Whoever sees the votes counts them: in any order, the newest of each account.
//! let mut tally = Tally::of(&quiz, name.clone());
//! let vote = Content::vote(name.clone(), Choices::one(0));
//! let (sent_at, id) = (Timestamp::from_secs(1_800_000_000), MessageId::generate(rng));
//! let Kind::Vote(vote) = vote.kind() else { unreachable!() };
//! tally.add(&bob, sent_at, id, vote);
//! assert_eq!(tally.counts(), [1, 0]);
//!
//! // She closes it, and proves what the answer was all along.
//! let closing = Content::close(name.message, &tally.counts(), Some(&answer));
//! let Kind::Closing(closing) = closing.kind() else { unreachable!() };
//! assert_eq!(quiz.answer_in(closing), Some(Choices::one(1)));
//! # Ok::<(), subrosa::InvalidUserId>(())
//! ```

mod answer;
mod choices;
mod closing;
#[expect(clippy::module_inception, reason = "one noun, one file")]
mod poll;
mod tally;
mod vote;

pub use answer::Answer;
pub use choices::{Choices, MAX_CHOICES};
pub use closing::Closing;
pub use poll::Poll;
pub use tally::Tally;
pub use vote::Vote;
