//! How a part of a text looks.

use std::ops::Range;

use super::refusal::Refusal;
use super::text::{range_from_raw, range_to_raw};
use crate::wire::content as raw;

/// How a part of a text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Style {
    /// Heavier than the rest.
    Bold,
    /// Leaning.
    Italic,
    /// With a line through it.
    StruckOut,
    /// All characters of one width.
    Monospace,
    /// Hidden until somebody asks for it.
    Spoiler,
}

/// A part of a text, and how it looks.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Styled {
    /// Which part: bytes of UTF-8.
    pub at: Range<usize>,
    /// How it looks.
    pub style: Style,
}

impl Styled {
    /// What a record says; nothing if this version does not know the style.
    pub(super) fn from_raw(raw: &raw::Style) -> Result<(Range<usize>, Option<Style>), Refusal> {
        let raw::Style { start, length, kind } = raw;
        let style = match raw::StyleKind::try_from(*kind) {
            Err(_) | Ok(raw::StyleKind::Unspecified) => None,
            Ok(raw::StyleKind::Bold) => Some(Style::Bold),
            Ok(raw::StyleKind::Italic) => Some(Style::Italic),
            Ok(raw::StyleKind::StruckOut) => Some(Style::StruckOut),
            Ok(raw::StyleKind::Monospace) => Some(Style::Monospace),
            Ok(raw::StyleKind::Spoiler) => Some(Style::Spoiler),
        };
        Ok((range_from_raw(*start, *length)?, style))
    }

    pub(super) fn to_raw(&self) -> raw::Style {
        let kind = match self.style {
            Style::Bold => raw::StyleKind::Bold,
            Style::Italic => raw::StyleKind::Italic,
            Style::StruckOut => raw::StyleKind::StruckOut,
            Style::Monospace => raw::StyleKind::Monospace,
            Style::Spoiler => raw::StyleKind::Spoiler,
        };
        let [start, length] = range_to_raw(&self.at);
        raw::Style { start, length, kind: kind.into() }
    }
}
