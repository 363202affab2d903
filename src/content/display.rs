//! What others wrote, freed of what deceives the eye: characters that turn the order of
//! others around, and those that nobody sees.
//!
//! ```
//! use subrosa::content::display;
//!
//! // Shows as "invoice_fdp.exe" and looks like a PDF file, if nothing is done about it.
//! assert_eq!(display::file_name("invoice_\u{202e}exe.pdf"), "invoice_exe.pdf");
//! // Not another Alice.
//! assert_eq!(display::name("Ali\u{200b}ce\n"), "Alice");
//! assert_eq!(display::text("one\u{202e}\r\ntwo 👩‍👧"), "one\ntwo 👩‍👧");
//! ```

/// How many characters of a name are shown.
const NAME_CHARS: usize = 64;

/// How many characters of a file name that is cut are shown behind the cut: its extension
/// is among them.
const END_OF_NAME_CHARS: usize = 16;

/// Separate parts of a path on some system, or mean something to a shell.
const NOT_IN_FILE_NAMES: [char; 9] = ['/', '\\', ':', '*', '?', '"', '<', '>', '|'];

const ZERO_WIDTH_JOINER: char = '\u{200d}';
const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const BLACK_FLAG: char = '\u{1f3f4}';

/// A name of a person, a group or a device, on one line: without characters that are not
/// seen or that turn others around, spaces joined, at most 64 characters.
///
/// Emoji that are made of several characters fall into their parts.
#[must_use]
pub fn name(name: &str) -> String {
    cut(&one_line(name), 0)
}

/// The name of a file, as [`name`], without what separates the parts of a path; its
/// extension is always shown.
///
/// To be shown: where a file is put under it, another may be.
#[must_use]
pub fn file_name(name: &str) -> String {
    let name = one_line(name).replace(NOT_IN_FILE_NAMES, "_");
    let name = name.trim_start_matches(['.', ' ']).trim_end_matches(['.', ' ']);
    if name.is_empty() { "file".to_owned() } else { cut(name, END_OF_NAME_CHARS) }
}

/// A text: without characters that are not seen or that turn others around, but with lines
/// and tabs, and with joiners and selectors where they belong to a visible character.
#[must_use]
pub fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = None;
    for character in text.chars() {
        let kept = match character {
            '\u{2028}' | '\u{2029}' => Some('\n'),
            '\n' | '\t' => Some(character),
            // Marks of direction order what is neutral beside them, and no more.
            '\u{200e}' | '\u{200f}' | '\u{61c}' => Some(character),
            _ if !is_unseen(character) => Some(character),
            _ => before.filter(|before| belongs_to(character, *before)).map(|_| character),
        };
        if let Some(kept) = kept {
            shown.push(kept);
            before = Some(kept);
        }
    }
    shown
}

fn one_line(name: &str) -> String {
    let seen = |character: &char| character.is_whitespace() || !is_unseen(*character);
    let seen: String = name.chars().filter(seen).collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most so many characters, `end` of them from the end.
fn cut(name: &str, end: usize) -> String {
    let length = name.chars().count();
    if length <= NAME_CHARS {
        return name.to_owned();
    }
    let begin = NAME_CHARS.saturating_sub(end + 1);
    let behind = name.chars().skip(length.saturating_sub(end));
    name.chars().take(begin).chain(['…']).chain(behind).collect()
}

/// Whether a character has no width, or is not one to be seen.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Whether an unseen character changes how the visible one before it looks.
fn belongs_to(character: char, before: char) -> bool {
    match character {
        // Emoji, Indic scripts, Persian; never between letters that all look alike.
        ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER => {
            !before.is_ascii() && (!is_unseen(before) || is_selector(before))
        }
        _ if is_selector(character) => !before.is_whitespace() && !is_unseen(before),
        // Flags of parts of countries.
        _ if is_tag(character) => before == BLACK_FLAG || is_tag(before),
        _ => false,
    }
}

fn is_selector(character: char) -> bool {
    matches!(character, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

fn is_tag(character: char) -> bool {
    matches!(character, '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRICKS: [char; 12] = [
        '\u{202a}',
        '\u{202e}',
        '\u{2066}',
        '\u{2069}',
        '\u{200b}',
        '\u{200d}',
        '\u{feff}',
        '\u{ad}',
        '\u{3164}',
        '\u{e0041}',
        '\u{7}',
        '\u{fe0f}',
    ];

    proptest! {
        #[test]
        fn no_trick_is_left_in_a_name(parts in prop::collection::vec("\\PC{0,3}", 0..9)) {
            let parts: Vec<String> =
                parts.iter().zip(TRICKS).map(|(part, trick)| format!("{part}{trick}")).collect();
            let written = parts.concat();
            for shown in [name(&written), file_name(&written)] {
                prop_assert!(!shown.chars().any(is_unseen));
                prop_assert!(!shown.contains(['\n', '\t']) && shown.chars().count() <= NAME_CHARS);
            }
            prop_assert!(!file_name(&written).contains(NOT_IN_FILE_NAMES));
            let shown = text(&written);
            prop_assert!(!shown.contains(&TRICKS[..5]) && !shown.contains(&TRICKS[6..11]));
            // What is fit to be shown stays as it is.
            prop_assert_eq!(text(&shown), shown);
            prop_assert_eq!(name(&name(&written)), name(&written));
        }
    }

    #[test]
    fn a_cut_file_name_keeps_its_extension() {
        let long = format!("{}.exe", "photo.jpg ".repeat(40));
        let shown = file_name(&long);
        assert_eq!(shown.chars().count(), NAME_CHARS);
        assert!(shown.ends_with(".exe"));
        assert_eq!(file_name("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(file_name("\u{202e}.\u{200b}."), "file");
    }

    #[test]
    fn what_people_write_stays() {
        let flag = "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}";
        let written = ["👩🏽‍❤️‍💋‍👨🏿 1️⃣", flag, "می‌خواهم", "שלום\u{200f}!", "a\tb\nc", "Grüße"];
        for written in written {
            assert_eq!(text(written), written);
        }
        assert_eq!(text("ad\u{200d}min"), "admin");
    }
}
