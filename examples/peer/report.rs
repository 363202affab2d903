//! What is answered to `receive`.

use subrosa::Address;
use subrosa::session::{Content, Delivered, NumberReport};

use crate::hex;

/// The words for a message that has opened. `view_differs` says that the sender goes
/// by other lists than we do.
pub(crate) fn describe(from: &Address, delivered: &Delivered, view_differs: bool) -> String {
    let Address { user, device } = from;
    let user = hex::encode(user.as_bytes());
    let reports = reports(delivered, view_differs);
    match &delivered.content {
        Content::Message { id, plaintext } => {
            let (seq, id) = (delivered.seq, hex::encode(id.as_bytes()));
            let content = hex::encode(plaintext.as_bytes());
            format!("message {user} {device} {seq} {id} {content} {reports}")
        }
        _ => format!("control {user} {device} {reports}"),
    }
}

/// All that there is to report, as one word.
fn reports(delivered: &Delivered, view_differs: bool) -> String {
    let malformed = matches!(delivered.content, Content::Malformed(_));
    let mut words: Vec<_> = delivered.numbers.iter().map(number_report).collect();
    let flags = [
        ("repeated", delivered.repeated),
        ("peer-rolled-back", delivered.peer_rolled_back),
        ("initiate-again", delivered.initiate_again),
        ("malformed", malformed),
        // What is malformed has no view.
        ("view", view_differs && !malformed),
    ];
    words.extend(flags.iter().filter(|(_, set)| *set).map(|(word, _)| (*word).to_owned()));
    words.extend((delivered.lost > 0).then(|| format!("lost:{}", delivered.lost)));
    words.extend(delivered.answer.map(|_| "answer".to_owned()));
    if words.is_empty() { "-".to_owned() } else { words.join(",") }
}

fn number_report(report: &NumberReport) -> String {
    match report {
        NumberReport::Gap { first, last } => format!("gap:{first}-{last}"),
        NumberReport::GivenUp { first, last } => format!("given-up:{first}-{last}"),
        NumberReport::FarBehind => "far-behind".to_owned(),
        NumberReport::FarAhead => "far-ahead".to_owned(),
        NumberReport::PeerRolledBack => "peer-rolled-back".to_owned(),
        NumberReport::RolledBack => "rolled-back".to_owned(),
        _ => "other".to_owned(),
    }
}
