//! The rule against a second implementation and against its invariants, and rosters whose
//! changes come in every order, late, twice, and from liars.

mod counterexamples;
mod devices;
mod exchange;
mod exhaustive;
mod gossip;
mod invariants;
mod limits;
mod mutants;
mod naive;
mod orders;
mod people;
mod random;
mod reissue;
mod seals;
mod steps;
mod together;
