//! The tables of a messenger's store, and the keys of their rows.
//!
//! A number here never gets another meaning: stores of every released version are read
//! by every later one.

use crate::address::{Address, DeviceId, UserId, length_prefixed};
use crate::store::Table;

/// The account and this device: single rows.
pub(super) const OWN: Table = Table(1);
/// Private prekeys, by id.
pub(super) const PREKEYS: Table = Table(2);
/// Handshakes that used a signed prekey alone: its id, and the ephemeral key. Under the id
/// alone: how many.
pub(super) const REPLAYS: Table = Table(3);
/// People, by user id.
pub(super) const CONTACTS: Table = Table(4);
/// Peer devices: the record of a [`Peer`](crate::session::Peer), by address.
pub(super) const PEERS: Table = Table(5);
/// Rows of peers, by address and row. Looked up, never scanned.
pub(super) const PEER_ROWS: Table = Table(6);
/// Which row of [`PEER_ROWS`] has this tag, by its key: of used tags and skipped keys. Under
/// a handshake's id: whose it was. Looked up, never scanned.
pub(super) const TAGS: Table = Table(7);
/// Messages of ours, by message id.
pub(super) const LETTERS: Table = Table(8);
/// Numbered messages without a receipt, by address and number.
pub(super) const LOG: Table = Table(9);
/// What is to be carried, by [`OutgoingId`](super::OutgoingId).
pub(super) const ERRANDS: Table = Table(10);
/// What is to be told, by [`EventId`](super::EventId).
pub(super) const EVENTS: Table = Table(11);
/// Messages that have become events, by author and id.
pub(super) const SHOWN: Table = Table(12);
/// Envelopes that nobody here knows yet, in the order in which they came.
pub(super) const HELD: Table = Table(13);
/// Letters that wait for a session, by user and order.
pub(super) const WAITING: Table = Table(14);
/// What is due when: time, kind, subject.
pub(super) const DUE: Table = Table(15);
/// When something is due: kind, subject.
pub(super) const TIMERS: Table = Table(16);
/// Repairs with a peer device, by address.
pub(super) const HEALTH: Table = Table(17);
/// Receipts that wait, by address and message id.
pub(super) const RECEIPTS: Table = Table(18);
/// Messages that are to be encrypted later, by message id.
pub(super) const SCHEDULED: Table = Table(19);
/// Devices that are being linked, by device id.
pub(super) const LINKS: Table = Table(20);
/// Groups: what a message needs of them, by group.
pub(super) const GROUPS: Table = Table(21);
/// Their rosters, cut into rows, by group and number.
pub(super) const ROSTERS: Table = Table(22);
/// The heads they have had, by group and the head's first half; and those by their number.
pub(super) const HEADS: Table = Table(23);
/// Who is a member where: user, group, account key.
pub(super) const MEMBERS: Table = Table(24);
/// Who is to be added where: user, group.
pub(super) const INTENTS: Table = Table(25);
/// Parts of what members tell of groups, by address, whole and number.
pub(super) const PARTS: Table = Table(26);
/// How often something was done for a device and group within the hour.
pub(super) const ASKED: Table = Table(27);
/// The chain that this device sends in, by group.
pub(super) const OWN_CHAINS: Table = Table(28);
/// Who reads what is sent to a group, by group.
pub(super) const READERS: Table = Table(29);
/// How far our chain has come to a device: group, address. And to whom it goes next: group,
/// message, address.
pub(super) const HANDED_OVER: Table = Table(30);
/// What we have sent to groups: group, chain, number.
pub(super) const SENT: Table = Table(31);
/// The chains of others: address, group, chain.
pub(super) const CHAINS: Table = Table(32);
/// Their rows, by chain and number. Looked up, never scanned.
pub(super) const CHAIN_ROWS: Table = Table(33);
/// Messages whose head is not known: group, address, chain, number, head, order. By the group
/// alone: how many bytes there are.
pub(super) const GROUP_HELD: Table = Table(34);
/// Comparisons by emoji, by user id.
pub(super) const COMPARISONS: Table = Table(35);
/// Which chain a tag was of whose message has opened: its key, by the tag. Looked up, never
/// scanned.
pub(super) const USED_TAGS: Table = Table(36);
/// Envelopes of groups that are of no chain known here, in the order in which they came.
pub(super) const UNKNOWN: Table = Table(37);
/// Messages that disappear: author, id. And further letters that have the text of one of
/// ours: author, id, letter.
pub(super) const FADING: Table = Table(38);
/// Messages that were read on another device of ours before they came here: author, id.
pub(super) const READ_EARLY: Table = Table(39);
/// What is said of groups too early: group, address, order.
pub(super) const EARLY: Table = Table(40);

/// The key of what belongs to a user, with something behind it.
pub(super) fn of_user(user: &UserId, rest: &[u8]) -> Vec<u8> {
    let mut key = length_prefixed(user);
    key.extend_from_slice(rest);
    key
}

/// The key of what belongs to a device, with something behind it.
pub(super) fn of_device(address: &Address, rest: &[u8]) -> Vec<u8> {
    let mut key = address.to_signed_bytes();
    key.extend_from_slice(rest);
    key
}

/// The address that a key of [`of_device`] begins with, and what is behind it.
pub(super) fn split_device(key: &[u8]) -> Option<(Address, &[u8])> {
    let (length, rest) = key.split_first_chunk::<2>()?;
    let (user, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (device, rest) = rest.split_first_chunk::<4>()?;
    let device = DeviceId::new(u32::from_be_bytes(*device))?;
    Some((Address { user: UserId::new(user).ok()?, device }, rest))
}

/// The user that a key of [`of_user`] begins with, and what is behind it.
pub(super) fn split_user(key: &[u8]) -> Option<(UserId, &[u8])> {
    let (length, rest) = key.split_first_chunk::<2>()?;
    let (user, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((UserId::new(user).ok()?, rest))
}
