//! How much memory an attachment takes: a binary of its own, for its allocator counts.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use peak_alloc::PeakAlloc;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use subrosa::attachment::{self, Pointer, Sealer};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const GIBIBYTE: u64 = 1 << 30;

/// More than the buffers of a sealer and an opener, much less than anything that grows.
const MOST: usize = 256 * 1024;

/// A file without end that is nowhere; it depends on how it is cut, which is into chunks.
struct Generated(u64);

impl Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let place = self.0.to_le_bytes();
        for (number, word) in buffer.chunks_mut(64).enumerate() {
            word.fill(number as u8);
        }
        let length = buffer.len().min(8);
        buffer[..length].copy_from_slice(&place[..length]);
        self.0 += 1;
        Ok(buffer.len())
    }
}

/// A sealed file that is nowhere either: sealed while it is read, with the same dice each time.
struct Blob {
    sealer: Sealer,
    file: Generated,
    ready: Vec<u8>,
    given: usize,
}

impl Blob {
    fn new() -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        let sealer = Sealer::new(GIBIBYTE, "video/mp4", rng).unwrap();
        let ready = Vec::with_capacity(attachment::CHUNK_LEN + 64);
        Self { sealer, file: Generated(0), ready, given: 0 }
    }

    fn pointer(mut self) -> Pointer {
        while !self.fill_buf().unwrap().is_empty() {
            self.given = self.ready.len();
        }
        self.sealer.finish().unwrap()
    }
}

impl BufRead for Blob {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
            if let Some(mut chunk) = self.sealer.next_chunk() {
                self.file.read_exact(chunk.plain())?;
                self.ready.extend_from_slice(chunk.seal());
            }
        }
        Ok(&self.ready[self.given..])
    }

    fn consume(&mut self, amount: usize) {
        self.given += amount;
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let amount = self.fill_buf()?.read(buffer)?;
        self.consume(amount);
        Ok(amount)
    }
}

impl Seek for Blob {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::End(0) => Ok(self.sealer.sealed_len()),
            SeekFrom::Start(0) if self.given == 0 => Ok(0),
            other => panic!("nobody reads in another order: {other:?}"),
        }
    }
}

/// What the most is that is allocated at a time while this runs, beyond what was.
fn peak<R>(run: impl FnOnce() -> R) -> (usize, R) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let result = run();
    (ALLOCATOR.peak_usage().saturating_sub(before), result)
}

// One test, so that nothing else allocates meanwhile.
#[test]
fn a_gibibyte_takes_the_memory_of_one_chunk() {
    let (most, sealed) = peak(|| {
        let file = Generated(0).take(GIBIBYTE);
        attachment::seal(file, GIBIBYTE, "video/mp4", io::sink()).unwrap()
    });
    assert!(most < MOST, "{most} bytes");
    assert_eq!(sealed.length(), GIBIBYTE);

    let pointer = Blob::new().pointer();
    let (most, ()) = peak(|| {
        let mut opened = attachment::open(&pointer, Blob::new()).unwrap();
        let (mut expected, mut chunk) = (Generated(0), vec![0; attachment::CHUNK_LEN]);
        let mut length = 0;
        loop {
            let plain = opened.fill_buf().unwrap();
            if plain.is_empty() {
                break;
            }
            let chunk = &mut chunk[..plain.len()];
            expected.read_exact(chunk).unwrap();
            assert!(plain == chunk);
            length += plain.len();
            let amount = plain.len();
            opened.consume(amount);
        }
        assert_eq!(length as u64, GIBIBYTE);
        assert!(opened.is_checked());
    });
    assert!(most < MOST + attachment::CHUNK_LEN, "{most} bytes");
}
