//! How far subrosa is from what it cannot do without.
//!
//! ```text
//! cargo bench --bench figures                     all figures, some minutes
//! cargo bench --bench figures -- encrypt_100      only this one
//! cargo bench --bench figures -- --quick          few repetitions: does it run at all
//! cargo bench --bench figures -- --json           a line of JSON for each figure
//! cargo bench --bench figures -- --floors         with what each floor is the sum of
//! ```
//!
//! A time is held against a *floor*: the sum of the bare primitives that SPEC.md demands
//! for the work (`floors.rs`), measured in the same run, in short batches that take turns
//! with the work (`clock.rs`). So a ratio means the same on another machine, and on one
//! that is busy. Where the floor is another measurement, that one is taken in turns too.
//! Nothing here is a test: the exit code is 0 whatever comes out.
//!
//! Other implementations are built by the first run that asks for a figure against them, as
//! processes of their own (`benches/peers`); without their dependencies these figures are not
//! measured.
//!
//! | figure | what is measured | floor |
//! | --- | --- | --- |
//! | `encrypt_100`, `decrypt_100`, `encrypt_1k`, `decrypt_1k` | `Session::encrypt`, `Envelope::decode` and `Session::decrypt` of so many bytes, in order, in one chain | primitives |
//! | `pair_100_vs_vodozemac` | both of 100 bytes | the same by vodozemac's Olm |
//! | `pingpong_100` | both of 100 bytes, sides taking turns: a Diffie-Hellman step each | primitives |
//! | `initiate` | a bundle's bytes verified, a session begun, the first message encrypted | primitives |
//! | `respond` | the first message's bytes taken for a session, and opened | primitives |
//! | `reversed_1000` | a message of 1,000 that come in reverse | in order |
//! | `loss_5pct` | a message where each twentieth is lost | in order |
//! | `receive_10000_sessions` | a message found by its tag among 10,000 sessions, and opened | among ten |
//! | `messenger_send_100`, `messenger_receive_100` | `Messenger::send` and `receive` on a `MemoryStore`, a commit each | bare session, record encoded |
//! | `bytes_written_a_message` | bytes written for a message of ten at a time, their receipt and acknowledgements included, at most of both sides | |
//! | `sqlite_receive_batch_100`, `sqlite_receive_batch_1000` | a message received on SQLite, so many a commit | a bare transaction that writes the same rows |
//! | `open_10000_sessions` | a SQLite store of 10,000 sessions opened, and a message of a claimed sender read; but for the commit, which is mostly the disk | a bare connection that reads the same rows |
//! | `memory_10000_sessions` | memory of a messenger on that store, with all tags at hand | |
//! | `fanout_1000_devices` | a text to 1,000 devices in one commit, a device | as for `messenger_send_100` |
//! | `content_roundtrip_text` | `Content::to_bytes` and `from_bytes` of a text of 100 bytes | encoded and decoded by prost |
//! | `bytes_later_overhead` | an envelope beside its padded payload, at most | |
//! | `bytes_first_over_16` | a first envelope beside 16 bytes of content | |
//! | `bytes_session_record` | the largest record of a session in use | |
//! | `group_encrypt_100` | `SendingChain::encrypt` of 100 bytes | primitives |
//! | `group_decrypt_100` | `GroupMessage::decode` and `ReceivingChain::decrypt` of 100 bytes, in order | primitives |
//! | `group_decrypt_batch_256` | the same, 256 verified together, a message | primitives |
//! | `group_batch_vs_single` | the same | `group_decrypt_100` |
//! | `group_100_vs_megolm` | both of 100 bytes, one by one | the same by vodozemac's Megolm |
//! | `group_100_vs_mls` | the same | the same by mls-rs |
//! | `group_send_1000_members` | `Messenger::send` of 100 bytes to a group of 1,000, once its key is there | to a group of ten |
//! | `group_rotate_1000` | the same behind `Messenger::rotate_group`, with the new key for everybody, a device | as for `messenger_send_100` |
//! | `group_catch_up_256` | `Messenger::receive_all` of 256 messages of a group, a message | the same one by one, in one commit |
//! | `group_change_1000` | `Update::decode` and `Roster::insert` of one change, in a group of 1,000 in which 512 have come since its members were added | one signature check |
//! | `group_change_1000_vs_mls` | the same | a commit that adds or removes one of 1,000, processed by mls-rs |
//! | `roster_16384_changes` | `Roster::drop_void`: the state of 16,384 changes of 64 members, each without those of the others, from these changes alone | |
//! | `bytes_group_overhead` | an envelope of a group beside its padded payload, at most | |
//! | `bytes_distribution` | what hands a chain over, at most | |
//! | `attachment_encrypt`, `attachment_decrypt` | `attachment::seal` and `open` of 64 MiB, read from memory and written nowhere | primitives over the same bytes |
//! | `memory_attachment` | memory that both take together, at most | |
//! | `pq_epoch_alternating`, `pq_epoch_alternating_loss20` | messages of both sides a post-quantum epoch, over 1,000 epochs | |

mod attachments;
mod bare_sqlite;
mod clock;
mod contents;
mod crowd;
mod epochs;
mod figure;
mod floors;
mod group_crowd;
mod group_pages;
mod groups;
mod handshakes;
mod many_peers;
mod messages;
mod messenger;
mod observed;
mod peer;
mod people;
mod pingpong;
mod primitives;
mod rosters;
mod sizes;

use std::env;
use std::path::Path;

use figure::Figure;

/// How to run.
#[derive(Debug, Default)]
pub(crate) struct Run {
    quick: bool,
    /// All if empty.
    names: Vec<String>,
}

impl Run {
    /// Whether a figure was asked for.
    fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| wanted == name)
    }

    /// How many batches are measured of what takes so many.
    fn rounds(&self, full: usize) -> usize {
        if self.quick { full / 10 } else { full }
    }

    /// Over how many post-quantum epochs a mean is taken.
    fn epochs(&self) -> u32 {
        if self.quick { 100 } else { 1000 }
    }
}

/// Measures some figures.
type Measure = fn(&Run) -> Vec<Figure>;

/// The figures, with what measures them.
const MEASURES: [(&[&str], Measure); 29] = [
    (&["encrypt_100", "decrypt_100", "encrypt_1k", "decrypt_1k"], messages::in_order),
    (&["pair_100_vs_vodozemac"], messages::against_vodozemac),
    (&["pingpong_100"], pingpong::pingpong_100),
    (&["initiate", "respond"], handshakes::both_sides),
    (&["reversed_1000", "loss_5pct"], messages::disordered),
    (&["receive_10000_sessions"], crowd::receive_10000_sessions),
    (&["messenger_send_100", "messenger_receive_100"], messenger::one_by_one),
    (&["bytes_written_a_message"], messenger::bytes_written),
    (&["sqlite_receive_batch_100", "sqlite_receive_batch_1000"], messenger::sqlite_batches),
    (&["open_10000_sessions", "memory_10000_sessions"], many_peers::opened),
    (&["fanout_1000_devices"], many_peers::fanout),
    (&["content_roundtrip_text"], contents::roundtrip_text),
    (&["bytes_later_overhead"], sizes::later_overhead),
    (&["bytes_first_over_16"], sizes::first_over_16),
    (&["bytes_session_record"], sizes::session_record),
    (
        &[
            "group_encrypt_100",
            "group_decrypt_100",
            "group_decrypt_batch_256",
            "group_batch_vs_single",
        ],
        groups::in_order,
    ),
    (&["group_send_1000_members"], group_crowd::send),
    (&["group_rotate_1000"], group_crowd::rotate),
    (&["group_catch_up_256"], group_pages::catch_up),
    (&["bytes_group_overhead"], groups::overhead),
    (&["bytes_distribution"], groups::distribution),
    (&["group_100_vs_megolm", "group_100_vs_mls"], groups::against_others),
    (&["group_change_1000"], rosters::change),
    (&["group_change_1000_vs_mls"], rosters::change_against_mls),
    (&["roster_16384_changes"], rosters::state),
    (&["attachment_encrypt", "attachment_decrypt"], attachments::whole),
    (&["memory_attachment"], attachments::memory),
    (&["pq_epoch_alternating"], epochs::alternating),
    (&["pq_epoch_alternating_loss20"], epochs::with_losses),
];

fn main() {
    let (mut run, mut json, mut floors) = (Run::default(), false, false);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Put there by cargo.
            "--bench" => {}
            many_peers::MEMORY => {
                return many_peers::say_memory(Path::new(&arguments.next().unwrap_or_default()));
            }
            attachments::MEMORY => return attachments::say_memory(),
            "--quick" => run.quick = true,
            "--json" => json = true,
            "--floors" => floors = true,
            name if MEASURES.iter().any(|(names, _)| names.contains(&name)) => {
                run.names.push(argument);
            }
            other => eprintln!("no figure and no option: {other}"),
        }
    }
    if run.quick {
        eprintln!("quick: a tenth of the batches and of the epochs");
    }
    if !json {
        println!("{}", Figure::head());
    }
    for (names, measure) in MEASURES {
        if !names.iter().any(|name| run.wants(name)) {
            continue;
        }
        for figure in measure(&run).iter().filter(|figure| run.wants(figure.name)) {
            println!("{}", if json { figure.json() } else { figure.row() });
            if let Some(explanation) = figure.explanation().filter(|_| floors && !json) {
                println!("{explanation}");
            }
        }
    }
}
