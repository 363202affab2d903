//! An attachment as a store gives it out: damaged, cut, mixed with another, read in any
//! order.

use std::io::{BufRead, Cursor, Read, Seek, SeekFrom};

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::attachment::{CHUNK_LEN, HEAD_LEN, Opener, Pointer, Sealer, open};

use crate::input::Input;

// What stands for a step in its first byte.
pub(crate) const FLIP: u8 = 0;
pub(crate) const CUT: u8 = 1;
pub(crate) const MORE: u8 = 2;
pub(crate) const MIX: u8 = 3;
pub(crate) const READ: u8 = 4;
pub(crate) const JUMP: u8 = 5;
pub(crate) const CHECK: u8 = 6;
pub(crate) const RESUME: u8 = 7;

const TAG_LEN: usize = 16;

fn file(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 7 + place / 251) as u8).collect()
}

fn seal(mut file: &[u8], seed: u64) -> (Pointer, Vec<u8>) {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let mut sealer = Sealer::new(file.len() as u64, "image/png", rng).unwrap();
    let mut sealed = Vec::new();
    while let Some(mut chunk) = sealer.next_chunk() {
        file.read_exact(chunk.plain()).unwrap();
        sealed.extend_from_slice(chunk.seal());
    }
    (sealer.finish().unwrap(), sealed)
}

/// A length of up to four chunks, and steps.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let length = (input.short() * 4).min(4 * CHUNK_LEN);
    let file = file(length);
    let (pointer, genuine) = seal(&file, 1);
    let (_, other) = seal(&file, 2);
    let mut blob = genuine.clone();
    let mut reads = Vec::new();
    for _ in 0..64 {
        if input.is_empty() {
            break;
        }
        let kind = input.byte() % 8;
        match kind {
            FLIP => {
                let place = input.short() * 5;
                let bit = input.byte() % 8;
                if let Some(byte) = blob.get_mut(place) {
                    *byte ^= 1 << bit;
                }
            }
            CUT => blob.truncate(blob.len().saturating_sub(input.short())),
            MORE => blob.extend_from_slice(input.part()),
            // A chunk of the other, or of another place.
            MIX => {
                let (to, from) = (input.byte() % 5, input.byte());
                let source = if from < 128 { &other } else { &genuine };
                let place = |index: u8| HEAD_LEN + usize::from(index) * (CHUNK_LEN + TAG_LEN);
                let from = place(from % 5).min(source.len());
                let part = &source[from..source.len().min(from + CHUNK_LEN + TAG_LEN)];
                for (to, byte) in blob.iter_mut().skip(place(to)).zip(part) {
                    *to = *byte;
                }
            }
            _ => reads.push((kind, input.short() * 5)),
        }
    }
    read(&pointer, &file, &blob, blob == genuine, &reads);
    stream(&pointer, &file, &blob, blob == genuine, &reads);
    // The bytes themselves, and as a progress.
    let rest = input.rest();
    assert!(open(&pointer, Cursor::new(rest)).is_err() || rest == genuine);
    let _ = Opener::resume(&pointer, rest);
}

/// Whatever is given out stands there in the file.
fn read(pointer: &Pointer, file: &[u8], blob: &[u8], is_genuine: bool, reads: &[(u8, usize)]) {
    let Ok(mut opened) = open(pointer, Cursor::new(blob)) else {
        assert!(!is_genuine);
        return;
    };
    for (kind, number) in reads {
        match *kind {
            JUMP => {
                let position = opened.seek(SeekFrom::Start(*number as u64)).unwrap();
                assert_eq!(position, *number as u64);
            }
            CHECK => assert_eq!(opened.check().is_ok(), is_genuine),
            _ => {
                let place = opened.stream_position().unwrap() as usize;
                let behind = file.get(place..).unwrap_or_default();
                let Ok(given) = opened.fill_buf() else {
                    assert!(!is_genuine);
                    continue;
                };
                assert!(behind.starts_with(given));
                assert!(!given.is_empty() || behind.is_empty());
                let amount = given.len().min(*number);
                opened.consume(amount);
            }
        }
        assert!(!opened.is_checked() || is_genuine);
    }
}

/// The same chunk by chunk, put aside in between.
fn stream(pointer: &Pointer, file: &[u8], blob: &[u8], is_genuine: bool, reads: &[(u8, usize)]) {
    let Some(head) = blob.first_chunk() else { return };
    let Ok(mut opener) = Opener::new(pointer, head) else {
        assert!(!is_genuine);
        return;
    };
    let mut kinds = reads.iter();
    loop {
        match kinds.next() {
            Some((RESUME, _)) => {
                if let Some(progress) = opener.progress() {
                    opener = Opener::resume(pointer, &progress).unwrap();
                    assert_eq!(opener.progress().unwrap(), progress);
                }
            }
            Some((JUMP, place)) => opener.seek(*place as u64),
            _ => {}
        }
        let (place, from) = (opener.position() as usize, opener.sealed_position() as usize);
        let Some(mut chunk) = opener.next_chunk() else { break };
        let Some(mut rest) = blob.get(from..) else { break };
        if rest.read_exact(chunk.sealed()).is_err() {
            break;
        }
        let Ok(given) = chunk.open() else {
            assert!(!is_genuine);
            break;
        };
        assert!(file[place..].starts_with(given));
    }
    // Whatever is added behind the end is not looked at here.
    assert!(!opener.is_checked() || blob.len() > opener.sealed_len() as usize || is_genuine);
}
