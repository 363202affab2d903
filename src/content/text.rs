//! What someone wrote.

use std::ops::Range;

use super::content::MAX_TEXT_LEN;
use super::refusal::{Refusal, all};
use super::secret_text::SecretText;
use super::{ContentError, Mention, Piece, Preview, Style, Styled};
use crate::address::UserId;
use crate::wire::content as raw;

/// How many people a text can mean: a whole small group.
pub const MAX_MENTIONS: usize = 100;

/// How many parts of a text can have a style: some on each line of a long one.
pub const MAX_STYLES: usize = 500;

/// How many links of a text can have a preview: a screen full.
pub const MAX_PREVIEWS: usize = 4;

/// What someone wrote, whom it means, and how it looks.
///
/// Ranges count bytes of UTF-8, as those of a `str` do. A range that is empty, ends behind
/// the text or cuts a character is refused when the text is sent, and so is a mention
/// within another.
///
/// ```
/// use subrosa::UserId;
/// use subrosa::content::{Style, Text};
///
/// let text = Text::from("Ask Bob, soon").mentioning(4..7, UserId::new("bob")?);
/// let text = text.styled(9..13, Style::Bold);
/// let pieces = text.pieces();
/// assert_eq!(pieces[1].text, "Bob");
/// assert_eq!(pieces[1].mention, Some(UserId::new("bob")?));
/// assert_eq!(pieces[3].styles, [Style::Bold]);
/// # Ok::<(), subrosa::InvalidUserId>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text {
    text: SecretText,
    /// Most texts have nothing else.
    more: Option<Box<More>>,
}

/// What belongs to a text; not all of it is empty.
#[derive(Clone, Default, PartialEq, Eq)]
struct More {
    mentions: Vec<Mention>,
    styles: Vec<Styled>,
    previews: Vec<Preview>,
}

impl Text {
    /// The same, where this part of it means somebody.
    #[must_use]
    pub fn mentioning(mut self, at: Range<usize>, user: UserId) -> Self {
        let mentions = &mut self.more.get_or_insert_default().mentions;
        let place = mentions.partition_point(|other| other.at.start <= at.start);
        mentions.insert(place, Mention { at, user });
        self
    }

    /// The same, where this part of it looks like that.
    #[must_use]
    pub fn styled(mut self, at: Range<usize>, style: Style) -> Self {
        let styles = &mut self.more.get_or_insert_default().styles;
        let place = styles.partition_point(|other| other.at.start <= at.start);
        styles.insert(place, Styled { at, style });
        self
    }

    /// The same with what is behind a link of it.
    #[must_use]
    pub fn with_preview(mut self, preview: Preview) -> Self {
        self.more.get_or_insert_default().previews.push(preview);
        self
    }

    /// What was written, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// Whom it means, from its beginning to its end.
    #[must_use]
    pub fn mentions(&self) -> &[Mention] {
        self.more.as_ref().map_or(&[], |more| &more.mentions)
    }

    /// How parts of it look, in the order of their beginnings.
    #[must_use]
    pub fn styles(&self) -> &[Styled] {
        self.more.as_ref().map_or(&[], |more| &more.styles)
    }

    /// What is behind links of it.
    #[must_use]
    pub fn previews(&self) -> &[Preview] {
        self.more.as_ref().map_or(&[], |more| &more.previews)
    }

    /// The text cut wherever a mention or a style begins or ends, each piece fit to be
    /// shown ([`display::text`](super::display::text)).
    #[must_use]
    pub fn pieces(&self) -> Vec<Piece> {
        Piece::all_of(self)
    }

    /// Whether there is nothing but the text.
    pub(super) fn is_plain(&self) -> bool {
        self.more.is_none()
    }

    #[inline]
    pub(super) fn check(&self) -> Result<(), ContentError> {
        let Self { text, more } = self;
        let text = text.as_str();
        if text.len() > MAX_TEXT_LEN {
            return Err(ContentError::TooLong { limit: MAX_TEXT_LEN });
        }
        more.as_ref().map_or(Ok(()), |more| more.check(text))
    }

    pub(super) fn from_raw(raw: &raw::Text) -> Result<Self, Refusal> {
        let raw::Text { text, mentions, styles, previews } = raw;
        ContentError::check("styles", styles.len(), MAX_STYLES)?;
        let styles = all(styles.iter().map(Styled::from_raw))?;
        // Those of a later version are passed over, wherever they are.
        check_ranges(text, styles.iter().map(|(at, _)| at))?;
        let known = |(at, style): (_, Option<_>)| Some(Styled { at, style: style? });
        let more = More {
            mentions: all(mentions.iter().map(Mention::from_raw))?,
            styles: styles.into_iter().filter_map(known).collect(),
            previews: all(previews.iter().map(Preview::from_raw))?,
        };
        let more = (more != More::default()).then(|| Box::new(more));
        Ok(Self { text: SecretText::new(text.as_str()), more })
    }

    pub(super) fn to_raw(&self) -> raw::Text {
        raw::Text {
            text: self.text.to_raw(),
            mentions: self.mentions().iter().map(Mention::to_raw).collect(),
            styles: self.styles().iter().map(Styled::to_raw).collect(),
            previews: self.previews().iter().map(Preview::to_raw).collect(),
        }
    }
}

impl More {
    #[cold]
    fn check(&self, text: &str) -> Result<(), ContentError> {
        let Self { mentions, styles, previews } = self;
        ContentError::check("mentions", mentions.len(), MAX_MENTIONS)?;
        ContentError::check("styles", styles.len(), MAX_STYLES)?;
        ContentError::check("previews", previews.len(), MAX_PREVIEWS)?;
        check_ranges(text, mentions.iter().map(|mention| &mention.at))?;
        check_ranges(text, styles.iter().map(|styled| &styled.at))?;
        if !mentions.is_sorted_by(|one, next| one.at.end <= next.at.start) {
            return Err(ContentError::Range);
        }
        previews.iter().try_for_each(|preview| preview.check(text))
    }
}

/// Whether these are parts of the text, in the order of their beginnings.
fn check_ranges<'a>(
    text: &str,
    ranges: impl Iterator<Item = &'a Range<usize>>,
) -> Result<(), ContentError> {
    let mut before = 0;
    for at in ranges {
        if at.start < before || text.get(at.clone()).is_none_or(str::is_empty) {
            return Err(ContentError::Range);
        }
        before = at.start;
    }
    Ok(())
}

/// The range of so many bytes from there.
pub(super) fn range_from_raw(start: u32, length: u32) -> Result<Range<usize>, Refusal> {
    let end = start.checked_add(length).ok_or(Refusal::Broken)?;
    let [start, end] = [start, end].map(usize::try_from);
    Ok(start.map_err(|_| Refusal::Broken)?..end.map_err(|_| Refusal::Broken)?)
}

/// Where it begins, and how long it is.
pub(super) fn range_to_raw(at: &Range<usize>) -> [u32; 2] {
    [at.start, at.end.saturating_sub(at.start)].map(|n| u32::try_from(n).unwrap_or(u32::MAX))
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { text: SecretText::new(text), ..Self::default() }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}
