//! What is answered to `receive`.

use subrosa::Address;
use subrosa::group::{GroupId, Role, Roster, sender_key};
use subrosa::session::{Content, Delivered, NumberReport};

use crate::hex;

/// The words for a message that has opened. `view_differs` says that the sender goes
/// by other lists than we do, `of_a_chain` what became of a chain that it is about.
pub(crate) fn describe(
    from: &Address,
    delivered: &Delivered,
    view_differs: bool,
    of_a_chain: Option<&str>,
) -> String {
    let Address { user, device } = from;
    let user = hex::encode(user.as_bytes());
    let reports = reports(delivered, view_differs, of_a_chain);
    match &delivered.content {
        Content::Message { id, plaintext } => {
            let (seq, id) = (delivered.seq, hex::encode(id.as_bytes()));
            let content = hex::encode(plaintext.as_bytes());
            format!("message {user} {device} {seq} {id} {content} {reports}")
        }
        _ => format!("control {user} {device} {reports}"),
    }
}

/// The words for a message of a group.
pub(crate) fn describe_group_message(
    group: &GroupId,
    from: &Address,
    received: &sender_key::Received,
) -> String {
    let Address { user, device } = from;
    let (group, user) = (hex::encode(group.as_bytes()), hex::encode(user.as_bytes()));
    let (id, content) = match &received.content {
        Content::Message { id, plaintext } => {
            (hex::encode(id.as_bytes()), hex::encode(plaintext.as_bytes()))
        }
        _ => (hex::encode(&[]), hex::encode(&[])),
    };
    format!("group {group} {user} {device} {} {id} {content}", received.iteration)
}

/// The words for the state of a group.
pub(crate) fn describe_group(roster: &Roster) -> String {
    let members = roster.members().map(|(member, role)| {
        let role = match role {
            Role::Owner => "owner",
            Role::Admin => "admin",
            _ => "member",
        };
        format!("{}:{role}", hex::encode(member.user().as_bytes()))
    });
    let head = hex::encode(roster.head().as_bytes());
    let title = hex::encode(roster.settings().title.as_bytes());
    format!("{head} {title} {}", members.collect::<Vec<_>>().join(","))
}

/// All that there is to report, as one word.
fn reports(delivered: &Delivered, view_differs: bool, of_a_chain: Option<&str>) -> String {
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
    words.extend(of_a_chain.map(str::to_owned));
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
