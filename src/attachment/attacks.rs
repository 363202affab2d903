//! Attachments that somebody has changed, and read from anywhere.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::layout::{Layout, TAG_LEN};
use super::{AttachmentError, CHUNK_LEN, HEAD_LEN, MAX_LEN, Opener, Sealer, open, seal};
use crate::content::Pointer;
use crate::crypto::Secret;

const TYPE: &str = "image/png";

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 7 + place / 251) as u8).collect()
}

fn sealed(plain: &[u8]) -> (Pointer, Vec<u8>) {
    let mut blob = Vec::new();
    let pointer = seal(plain, plain.len() as u64, TYPE, &mut blob).unwrap();
    (pointer, blob)
}

/// What is given out until something is refused.
fn read(pointer: &Pointer, blob: &[u8]) -> (Vec<u8>, io::Result<()>) {
    let mut given = Vec::new();
    let result = open(pointer, Cursor::new(blob)).and_then(|mut opened| {
        opened.read_to_end(&mut given)?;
        assert!(opened.is_checked() || given.is_empty());
        opened.check()
    });
    (given, result)
}

/// The same, without a look at the end first.
fn stream(pointer: &Pointer, mut blob: &[u8]) -> (Vec<u8>, Result<(), AttachmentError>) {
    const CUT: AttachmentError = AttachmentError::NotThis;
    let mut given = Vec::new();
    let mut go = || {
        let (head, rest) = blob.split_first_chunk().ok_or(CUT)?;
        blob = rest;
        let mut opener = Opener::new(pointer, head)?;
        while let Some(mut chunk) = opener.next_chunk() {
            blob.read_exact(chunk.sealed()).map_err(|_| CUT)?;
            given.extend_from_slice(chunk.open()?);
        }
        assert!(opener.is_checked());
        Ok(())
    };
    let result = go();
    (given, result)
}

/// Is refused by both, and nothing else is given out than genuine chunks before the last.
fn check_refused(pointer: &Pointer, blob: &[u8], plain: &[u8]) {
    for (given, refused) in [
        (read(pointer, blob).0, read(pointer, blob).1.map_err(|error| error.kind()).err()),
        (stream(pointer, blob).0, stream(pointer, blob).1.err().map(|e| io::Error::from(e).kind())),
    ] {
        assert_eq!(refused, Some(io::ErrorKind::InvalidData));
        assert!(plain.starts_with(&given) && given.len().is_multiple_of(CHUNK_LEN));
    }
}

#[test]
fn whatever_its_length_it_opens_and_shows_only_its_class() {
    let chunk = CHUNK_LEN;
    for length in [
        0,
        1,
        4095,
        4096,
        4097,
        60_000,
        chunk - 1,
        chunk,
        chunk + 1,
        5 * chunk,
        700_001,
        64 * chunk + 1,
    ] {
        let plain = bytes(length);
        let (pointer, blob) = sealed(&plain);
        assert_eq!(pointer.length(), length as u64);
        assert_eq!(blob.len() as u64, Layout::of(length as u64).unwrap().sealed_len());
        for given in [read(&pointer, &blob).0, stream(&pointer, &blob).0] {
            assert_eq!(given, plain);
        }
        read(&pointer, &blob).1.unwrap();
        stream(&pointer, &blob).1.unwrap();
    }
    let len = |length| sealed(&bytes(length)).1.len();
    assert_eq!(len(0), len(4096));
    assert_eq!(len(700_000), len(700_001));
}

#[test]
fn each_has_a_key_of_its_own() {
    let (one, other) = (sealed(b"picture"), sealed(b"picture"));
    assert!(!one.0.key().matches(other.0.key().expose()));
    assert_ne!(one.1, other.1);
    assert_eq!(one.0, one.0.clone());
    assert_ne!(one.0, other.0);
}

#[test]
fn every_flipped_bit_is_found_and_nothing_given_out() {
    let plain = bytes(100);
    let (pointer, blob) = sealed(&plain);
    for bit in 0..blob.len() * 8 {
        let mut altered = blob.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let (given, result) = stream(&pointer, &altered);
        assert_eq!(result, Err(AttachmentError::NotThis));
        assert!(given.is_empty());
        let (given, result) = read(&pointer, &altered);
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(given.is_empty());
    }
}

#[test]
fn every_cut_and_whatever_is_added_is_found() {
    let plain = bytes(100);
    let (pointer, blob) = sealed(&plain);
    for length in 0..blob.len() {
        check_refused(&pointer, &blob[..length], &plain);
    }
    for more in [1, 16, blob.len()] {
        let longer = [blob.as_slice(), &vec![0; more]].concat();
        assert!(open(&pointer, Cursor::new(&longer)).is_err());
    }
}

#[test]
fn chunks_in_another_order_left_out_or_of_another_attachment_are_found() {
    let plain = bytes(4 * CHUNK_LEN + 100);
    let (pointer, blob) = sealed(&plain);
    let (other_pointer, other) = sealed(&plain);
    let chunk = |blob: &[u8], index: usize| {
        let from = HEAD_LEN + index * (CHUNK_LEN + TAG_LEN);
        blob[from..blob.len().min(from + CHUNK_LEN + TAG_LEN)].to_vec()
    };
    let count = (blob.len() - HEAD_LEN).div_ceil(CHUNK_LEN + TAG_LEN);
    let put = |order: &[(&[u8], usize)]| {
        let chunks = order.iter().flat_map(|(of, index)| chunk(of, *index));
        blob[..HEAD_LEN].iter().copied().chain(chunks).collect::<Vec<u8>>()
    };
    let genuine: Vec<(&[u8], usize)> = (0..count).map(|index| (blob.as_slice(), index)).collect();
    assert_eq!(put(&genuine), blob);
    for (one, two) in [(0, 1), (1, 2), (0, count - 1), (2, count - 1)] {
        let mut order = genuine.clone();
        order.swap(one, two);
        check_refused(&pointer, &put(&order), &plain);
        let mut order = genuine.clone();
        order[one] = order[two];
        check_refused(&pointer, &put(&order), &plain);
        let mut order = genuine.clone();
        order[one].0 = &other;
        check_refused(&pointer, &put(&order), &plain);
        let mut order = genuine.clone();
        order.remove(one);
        check_refused(&pointer, &put(&order), &plain);
    }
    check_refused(&pointer, &other, &plain);
    check_refused(&other_pointer, &blob, &plain);
}

/// The same pointer with other claims.
fn claiming(pointer: &Pointer, length: u64, media_type: &str) -> Pointer {
    let key = pointer.key().duplicate();
    Pointer::new(key, *pointer.digest(), length, media_type.to_owned())
}

#[test]
fn a_pointer_with_another_length_or_media_type_opens_nothing() {
    let plain = bytes(4000);
    let (pointer, blob) = sealed(&plain);
    assert_eq!(read(&claiming(&pointer, 4000, TYPE), &blob).0, plain);
    // These have the same sealed length.
    for length in [0, 1, 3999, 4001, 4096] {
        check_refused(&claiming(&pointer, length, TYPE), &blob, &[]);
    }
    for media_type in ["", "image/pn", "image/png ", "text/html"] {
        check_refused(&claiming(&pointer, 4000, media_type), &blob, &[]);
    }
    let too_long = claiming(&pointer, MAX_LEN + 1, TYPE);
    let refused = Opener::new(&too_long, &[0; HEAD_LEN]).unwrap_err();
    assert!(matches!(refused, AttachmentError::TooLong { .. }));
    let too_long = claiming(&pointer, 4000, &"x".repeat(256));
    let refused = Opener::new(&too_long, &[0; HEAD_LEN]).unwrap_err();
    assert!(matches!(refused, AttachmentError::TooLong { .. }));
}

/// Another who has the pointer puts something else in the place of what it named.
#[test]
fn who_was_given_the_pointer_cannot_pass_something_else_off_as_the_senders() {
    for length in [100, CHUNK_LEN, 3 * CHUNK_LEN + 5, 64 * CHUNK_LEN + 1] {
        let plain = bytes(length);
        let (pointer, blob) = sealed(&plain);
        let mut invented = plain.clone();
        invented[length / 2] ^= 1;
        let mut sealer =
            Sealer::with_secret(pointer.key().duplicate(), length as u64, TYPE).unwrap();
        let (mut rest, mut swapped) = (&invented[..], Vec::new());
        while let Some(mut chunk) = sealer.next_chunk() {
            rest.read_exact(chunk.plain()).unwrap();
            swapped.extend_from_slice(chunk.seal());
        }
        // All chunks are genuine by themselves; the last one is not given out.
        let (given, result) = read(&pointer, &swapped);
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(given, invented[..(length - 1) / CHUNK_LEN * CHUNK_LEN]);
        assert_eq!(stream(&pointer, &swapped).1, Err(AttachmentError::NotThis));
        // Who jumps to the end can ask.
        let mut opened = open(&pointer, Cursor::new(&swapped)).unwrap();
        opened.seek(SeekFrom::End(-1)).unwrap();
        if length > CHUNK_LEN {
            opened.fill_buf().unwrap();
        }
        assert!(!opened.is_checked());
        assert!(opened.check().is_err());
        let mut opened = open(&pointer, Cursor::new(&blob)).unwrap();
        opened.seek(SeekFrom::End(-1)).unwrap();
        assert_eq!(opened.fill_buf().unwrap(), [plain[length - 1]]);
        opened.check().unwrap();
        assert_eq!(opened.fill_buf().unwrap(), [plain[length - 1]]);
    }
}

#[test]
fn a_plaintext_of_another_length_than_was_said_is_not_sealed() {
    let plain = bytes(100);
    for length in [0, 99, 101, 70_000] {
        let error = seal(&plain[..], length, TYPE, io::sink()).unwrap_err();
        let wrong = error.get_ref().and_then(|error| error.downcast_ref());
        assert_eq!(wrong, Some(&AttachmentError::WrongLength));
    }
    assert!(seal(&plain[..], MAX_LEN + 1, TYPE, io::sink()).is_err());
    assert!(seal(&plain[..], 100, &"x".repeat(256), io::sink()).is_err());
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let unfinished = Sealer::new(100, TYPE, rng).unwrap().finish();
    assert_eq!(unfinished, Err(AttachmentError::Unfinished));
}

#[test]
fn a_download_goes_on_at_any_chunk_and_is_still_checked() {
    let plain = bytes(5 * CHUNK_LEN + 9);
    let (pointer, blob) = sealed(&plain);
    let (other, _) = sealed(&plain);
    for broken_off in 1..6 {
        let mut opener = Opener::new(&pointer, blob.first_chunk().unwrap()).unwrap();
        assert_eq!(opener.progress(), None);
        let mut file = Vec::new();
        for _ in 0..broken_off {
            let from = opener.sealed_position() as usize;
            let mut chunk = opener.next_chunk().unwrap();
            (&blob[from..]).read_exact(chunk.sealed()).unwrap();
            file.extend_from_slice(chunk.open().unwrap());
        }
        let progress = opener.progress().unwrap();
        file.extend_from_slice(b"more, of which nothing is known");
        assert_eq!(Opener::resume(&other, &progress).unwrap_err(), AttachmentError::Progress);
        for length in 0..progress.len() {
            let cut = Opener::resume(&pointer, &progress[..length]);
            assert_eq!(cut.unwrap_err(), AttachmentError::Progress);
        }
        for damage in [false, true] {
            let mut file = file.clone();
            let mut opener = Opener::resume(&pointer, &progress).unwrap();
            assert_eq!(opener.progress().unwrap(), progress);
            file.truncate(opener.position() as usize);
            let mut rest = blob[opener.sealed_position() as usize..].to_vec();
            let at = rest.len() - 1;
            rest[at] ^= u8::from(damage);
            let mut rest = &rest[..];
            let mut refused = false;
            while let Some(mut chunk) = opener.next_chunk() {
                rest.read_exact(chunk.sealed()).unwrap();
                match chunk.open() {
                    Ok(plain) => file.extend_from_slice(plain),
                    Err(_) => {
                        refused = true;
                        break;
                    }
                }
            }
            assert_eq!((refused, opener.is_checked()), (damage, !damage));
            assert!(damage || file == plain && opener.progress().is_none());
        }
    }
}

/// A blob that opens under two keys would show two people two things under one name.
#[test]
fn the_head_commits_to_key_length_and_media_type() {
    let heads = |secret: u8, length, media_type: &str| {
        let secret = Secret::copy_from(&[secret; 32]);
        *super::keys::Keys::derive(&secret, length, media_type).unwrap().head.expose()
    };
    let one = heads(1, 1, "a");
    for other in [heads(2, 1, "a"), heads(1, 2, "a"), heads(1, 1, "b"), heads(1, 1, "aa")] {
        assert_ne!(one, other);
    }
}

#[test]
fn nothing_secret_is_printed() {
    let (pointer, blob) = sealed(b"secret");
    let pointer = pointer.at("secret");
    assert_eq!(format!("{pointer:?}"), r#"Pointer { length: 6, media_type: "image/png", .. }"#);
    let opened = open(&pointer, Cursor::new(blob)).unwrap();
    let sealer = Sealer::new(6, TYPE, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    assert_eq!(format!("{sealer:?}"), "Sealer { next: 0, chunks: 1, .. }");
    assert_eq!(
        format!("{opened:?}"),
        "Opened { position: 0, opener: Opener { next: 0, chunks: 1, is_checked: false, .. }, .. }"
    );
}

#[derive(Debug, Clone)]
enum Step {
    Seek(SeekFrom),
    Read(usize),
    Check,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let near = || -300_000..300_000_i64;
    let step = prop_oneof![
        (0..300_000_u64).prop_map(|to| Step::Seek(SeekFrom::Start(to))),
        near().prop_map(|by| Step::Seek(SeekFrom::End(by))),
        near().prop_map(|by| Step::Seek(SeekFrom::Current(by))),
        (0..200_000_usize).prop_map(Step::Read),
        (0..200_000_usize).prop_map(Step::Read),
        Just(Step::Check),
    ];
    prop::collection::vec(step, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_reads_like_the_plain_bytes(length in 0..280_000_usize, steps in steps()) {
        let plain = bytes(length);
        let (pointer, blob) = sealed(&plain);
        let mut opened = open(&pointer, Cursor::new(&blob)).unwrap();
        let mut model = Cursor::new(&plain);
        for step in steps {
            match step {
                Step::Seek(to) => {
                    let (ours, theirs) = (opened.seek(to), model.seek(to));
                    prop_assert_eq!(ours.ok(), theirs.ok());
                }
                Step::Read(count) => {
                    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
                    (&mut opened).take(count as u64).read_to_end(&mut ours).unwrap();
                    (&mut model).take(count as u64).read_to_end(&mut theirs).unwrap();
                    prop_assert!(ours == theirs);
                }
                Step::Check => opened.check().unwrap(),
            }
            prop_assert_eq!(opened.stream_position().unwrap(), model.position());
        }
    }
}
