//! What of names and texts is shown.

use serde_json::{Value, json};

use super::{Draws, hex};
use crate::content::display;

/// The first and the last of ranges of SPEC.md 10.2 and those beside them, and what they may
/// belong to.
const CHARACTERS: &str = concat!(
    " \t\n\r./\\:*?\"<>|aéیא1_\u{0}\u{7}\u{7f}\u{85}\u{9f}\u{a0}\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}",
    "\u{1680}\u{17b4}\u{17b5}\u{180b}\u{180f}\u{2000}\u{200a}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}",
    "\u{2010}\u{2027}\u{2028}\u{2029}\u{202a}\u{202e}\u{202f}\u{205f}\u{2060}\u{2066}\u{2069}\u{206f}",
    "\u{2070}\u{2800}\u{3000}\u{3164}\u{fe00}\u{fe0f}\u{fe10}\u{feff}\u{ffa0}\u{fff0}\u{fffb}\u{fffc}",
    "\u{1bca0}\u{1bca3}\u{1d173}\u{1d17a}\u{1f3f4}\u{1f469}\u{e0000}\u{e0020}\u{e0067}\u{e007f}",
    "\u{e0100}\u{e01ef}\u{e0fff}",
);

pub(super) fn vectors() -> Value {
    let draws = &mut Draws::new(31);
    let all: Vec<char> = CHARACTERS.chars().collect();
    let beside = |character: char, by: i32| {
        char::from_u32(u32::from(character).saturating_add_signed(by)).unwrap_or(character)
    };
    let each = all.iter().map(|&character| {
        let [before, behind] = [-1, 1].map(|by| beside(character, by));
        format!("a{before}b{character}c{behind}d")
    });
    let mixed = (0..40).map(|number| {
        let bytes: [u8; 100] = draws.bytes();
        let length = if number % 8 == 0 { 100 } else { 12 };
        let places = bytes.iter().take(length).map(|byte| usize::from(*byte) % all.len());
        places.map(|place| all[place]).collect()
    });
    let long = [63, 64, 65].map(|length| format!("{}.pdf", "é".repeat(length - 4)));
    let flag = "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}";
    let nothing = ["", "\u{202e}.\u{200b}.", "\u{a0}\u{200d}\u{fe0f}", flag].map(str::to_owned);
    let shown = each.chain(mixed).chain(long).chain(nothing).map(|written| {
        json!({
            "written": hex(&written),
            "name": hex(display::name(&written)),
            "file_name": hex(display::file_name(&written)),
            "text": hex(display::text(&written)),
        })
    });
    json!({ "shown": shown.collect::<Vec<_>>() })
}
