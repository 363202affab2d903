//! The promises of `proto/SPEC.md`, each attacked.
//!
//! | file | what it attacks |
//! | --- | --- |
//! | `delivery` | every delivered message opens once, whatever the network does |
//! | `groups` | sender keys: loss, repetition, damage, roll-back, and what is printed |
//! | `malformed` | damaged bytes change nothing and never panic |
//! | `adversary` | the promises, against stolen state, a lying directory, replays |
//! | `recovery` | lost states, wrong clocks, envelopes at the worst time |
//! | `sessions` | several sessions with a device: which send, which stay, and how they are counted |
//! | `lookup` | rows that are looked up when needed: duplicates and roll-backs after loading, nothing left behind |
//! | `secrets` | nothing secret is printed |
//! | `records` | records of earlier versions still load |
//! | `sender_key_records` | the same, of sender keys |

mod adversary;
mod delivery;
mod groups;
mod lookup;
mod malformed;
mod protobuf;
mod records;
mod recovery;
mod secrets;
mod sender_key_records;
mod sessions;
mod side;
mod thief;
