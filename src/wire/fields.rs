//! Single protobuf fields: for what every message has, where a record in between would
//! cost copies.

use prost::encoding::{
    WireType, decode_key, decode_varint, encode_key, encode_varint, encoded_len_varint,
};

/// The number and type of the next field.
#[inline]
pub(super) fn take_key(rest: &mut &[u8]) -> Option<(u32, WireType)> {
    decode_key(rest).ok()
}

#[inline]
pub(super) fn take_varint(wire_type: WireType, rest: &mut &[u8]) -> Option<u64> {
    if wire_type != WireType::Varint {
        return None;
    }
    decode_varint(rest).ok()
}

#[inline]
pub(super) fn take_bytes<'a>(wire_type: WireType, rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if wire_type != WireType::LengthDelimited {
        return None;
    }
    let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

pub(super) fn take_fixed32(wire_type: WireType, rest: &mut &[u8]) -> Option<u32> {
    if wire_type != WireType::ThirtyTwoBit {
        return None;
    }
    take_array(rest).map(u32::from_le_bytes)
}

pub(super) fn take_fixed64(wire_type: WireType, rest: &mut &[u8]) -> Option<u64> {
    if wire_type != WireType::SixtyFourBit {
        return None;
    }
    take_array(rest).map(u64::from_le_bytes)
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

/// The bytes of this field, if it is the next one.
#[inline]
pub(super) fn take_field<'a>(number: u32, rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (next, wire_type) = take_key(rest)?;
    if next != number {
        return None;
    }
    take_bytes(wire_type, rest)
}

#[inline]
fn key_len(number: u32) -> usize {
    encoded_len_varint(u64::from(number) << 3)
}

pub(super) fn varint_field_len(number: u32, value: u64) -> usize {
    if value == 0 { 0 } else { key_len(number) + encoded_len_varint(value) }
}

pub(super) fn bytes_field_len(number: u32, length: usize) -> usize {
    if length == 0 { 0 } else { message_len(number, length) }
}

pub(super) fn message_len(number: u32, length: usize) -> usize {
    key_len(number) + encoded_len_varint(wide(length)) + length
}

#[inline]
pub(super) fn put_varint(number: u32, value: u64, bytes: &mut Vec<u8>) {
    if value != 0 {
        encode_key(number, WireType::Varint, bytes);
        encode_varint(value, bytes);
    }
}

#[inline]
pub(super) fn put_bytes(number: u32, content: &[u8], bytes: &mut Vec<u8>) {
    if !content.is_empty() {
        put_head(number, content.len(), bytes);
        bytes.extend_from_slice(content);
    }
}

/// What stands in front of a field of so many bytes.
pub(super) fn put_head(number: u32, length: usize, bytes: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, bytes);
    encode_varint(wide(length), bytes);
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
