//! Attachments: a file sealed, and read back from its beginning to its end.

use std::env;
use std::hint::black_box;
use std::io::{self, BufRead, Cursor, Read};
use std::process::Command;

use subrosa::attachment::{self, Pointer};

use crate::Run;
use crate::clock::{each, lower_tenths, timed};
use crate::figure::Figure;
use crate::floors::{attachment_decrypt, attachment_encrypt, floor};
use crate::many_peers::memory_of_process;
use crate::primitives::Inputs;

/// What the program is called with to say how much memory an attachment takes.
pub(crate) const MEMORY: &str = "--memory-of-attachment";

/// Bytes of the file.
const LENGTH: usize = 64 << 20;

fn seal(plain: impl Read, sealed: impl io::Write) -> Pointer {
    attachment::seal(plain, LENGTH as u64, "video/mp4", sealed).expect("as long as it says")
}

fn read(pointer: &Pointer, sealed: impl Read + io::Seek) {
    let mut opened = attachment::open(pointer, sealed).expect("just sealed");
    loop {
        let length = black_box(opened.fill_buf().expect("just sealed")).len();
        if length == 0 {
            break;
        }
        opened.consume(length);
    }
    assert!(opened.is_checked(), "all of it was read in order");
}

/// Sealing and opening 64 MiB.
///
/// A floor goes through all bytes twice, once for each primitive, where an attachment goes
/// through them once: in memory that costs it as much as the copy that reading is. Against
/// both primitives in one pass the ratios are 1.11.
pub(crate) fn whole(run: &Run) -> Vec<Figure> {
    let (plain, mut inputs) = (vec![7; LENGTH], Inputs::new());
    let mut sealed = Vec::with_capacity(LENGTH + (1 << 20));
    let pointer = seal(&plain[..], &mut sealed);
    let floors = (attachment_encrypt(LENGTH), attachment_decrypt(LENGTH));
    let [sealing, sealing_floor, opening, opening_floor] = lower_tenths(run.rounds(40), || {
        let sealing = timed(1, || drop(black_box(seal(black_box(&plain[..]), io::sink()))));
        let sealing_floor = floor(&mut inputs, &floors.0, 1);
        let opening = timed(1, || read(&pointer, Cursor::new(black_box(&sealed))));
        let opening_floor = floor(&mut inputs, &floors.1, 1);
        [each(sealing, 1), sealing_floor, each(opening, 1), opening_floor]
    });
    vec![
        Figure::time("attachment_encrypt", [sealing, sealing_floor], 1.1, &floors.0),
        Figure::time("attachment_decrypt", [opening, opening_floor], 1.1, &floors.1),
    ]
}

/// The most memory that sealing and opening take: of a process that does nothing else.
pub(crate) fn memory(_run: &Run) -> Vec<Figure> {
    let program = env::current_exe().expect("the path of this program");
    let said = Command::new(program).arg(MEMORY).output().expect("this program");
    let said = String::from_utf8(said.stdout).ok();
    let bytes = said.and_then(|said| said.trim().parse::<f64>().ok());
    vec![Figure {
        value: bytes.map(|bytes| bytes / 1024.0),
        ..Figure::count("memory_attachment", 0.0, "KiB", 1024.0)
    }]
}

/// Says by how many bytes the most that this process ever had grows over an attachment.
pub(crate) fn say_memory() {
    let mut sealed = tempfile::tempfile().expect("a file to write to");
    let before = memory_of_process("VmHWM:");
    let pointer = seal(io::repeat(7).take(LENGTH as u64), &mut sealed);
    read(&pointer, &mut sealed);
    println!("{}", memory_of_process("VmHWM:").saturating_sub(before));
}
