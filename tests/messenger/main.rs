//! The messenger from outside, as an app uses it: whole conversations over a relay that
//! only carries bytes.

mod clocks;
mod content;
mod conversation;
mod crash;
mod devices;
mod emoji;
mod fading;
mod group_crash;
mod group_faults;
mod group_forgotten;
mod group_hostile;
mod group_late;
mod group_people;
mod group_restored;
mod group_thousand;
mod group_unknown;
mod groups;
mod page;
mod people;
mod repair;
mod world;
