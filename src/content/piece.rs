//! A part of a text, to be shown.

use super::{Style, Text, display};
use crate::address::UserId;

/// A part of a text that is shown in one way.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piece {
    /// What is to be shown, freed of what deceives the eye. For a mention, show the name of
    /// who is meant instead.
    pub text: String,
    /// Who is meant.
    pub mention: Option<UserId>,
    /// How it looks, each style once.
    pub styles: Vec<Style>,
}

impl Piece {
    /// A text, cut wherever something begins or ends. What is not within it is left out.
    pub(super) fn all_of(text: &Text) -> Vec<Self> {
        let whole = text.as_str();
        let mentions = text.mentions().iter().map(|mention| &mention.at);
        let ranges = mentions.chain(text.styles().iter().map(|styled| &styled.at));
        let mut cuts: Vec<usize> = ranges.flat_map(|at| [at.start, at.end]).collect();
        cuts.extend([0, whole.len()]);
        cuts.retain(|at| whole.is_char_boundary(*at));
        cuts.sort_unstable();
        cuts.dedup();
        let pairs = cuts.iter().zip(cuts.iter().skip(1));
        let piece = |(start, end): (&usize, &usize)| {
            let within = |at: &std::ops::Range<usize>| at.start <= *start && *end <= at.end;
            let mention = text.mentions().iter().find(|mention| within(&mention.at));
            let styles = text.styles().iter().filter(|styled| within(&styled.at));
            let mut styles: Vec<Style> = styles.map(|styled| styled.style).collect();
            styles.sort_unstable();
            styles.dedup();
            Self {
                text: display::text(whole.get(*start..*end).unwrap_or_default()),
                mention: mention.map(|mention| mention.user.clone()),
                styles,
            }
        };
        pairs.map(piece).collect()
    }
}
