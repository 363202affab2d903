//! What somebody says, as it stands in the transcript.

use subrosa::Content;

/// A content in a line.
pub(crate) fn words(content: &Content) -> String {
    match content.as_text() {
        Some(text) if text.contains('\n') => "a piece of the file".to_owned(),
        _ => content.to_string(),
    }
}
