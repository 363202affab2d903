//! What somebody says, as it stands in the transcript.

use subrosa::Content;
use subrosa::content::{Attachment, Form, Kind};

/// A content in a line.
pub(crate) fn words(content: &Content) -> String {
    let text = match content.kind() {
        Kind::Attachments(files) => {
            let shown: Vec<_> = files.items().iter().map(attachment).collect();
            let caption = files.caption().map_or("", |caption| caption.as_str());
            format!("{} {caption}", shown.join(" ")).trim_end().to_owned()
        }
        Kind::Reaction(reaction) => {
            format!("reacts with {}", reaction.emoji().unwrap_or("nothing"))
        }
        Kind::Edit(edit) => format!("corrects it: {}", edit.text().as_str()),
        Kind::Poll(poll) => {
            let choices: Vec<_> = poll.choices().collect();
            format!("asks: {} {}", poll.question(), choices.join(" / "))
        }
        Kind::Vote(vote) => {
            let places: Vec<_> =
                vote.choices().places().map(|place| format!("number {}", place + 1)).collect();
            format!("votes for {}", places.join(", "))
        }
        _ => content.to_string(),
    };
    match content.expires_after() {
        Some(after) => format!("{text} [for {} days]", after.as_secs() / (24 * 60 * 60)),
        None => text,
    }
}

fn attachment(attachment: &Attachment) -> String {
    let name = attachment.name().unwrap_or_default();
    match attachment.form() {
        Form::Image { width, height } => format!("[image {name}, {width} x {height}]"),
        Form::Voice { duration, waveform } => {
            let bars: String = waveform.iter().map(|step| bar(*step)).collect();
            format!("[voice note, {:.1} s {bars}]", duration.as_secs_f32())
        }
        _ => format!("[file {}, {} B]", name.escape_debug(), attachment.pointer().length()),
    }
}

/// How loud it is, as a bar.
fn bar(step: u8) -> char {
    ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][usize::from(step / 32)]
}
