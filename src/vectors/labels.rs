//! Every label, as the crate has it and as SPEC.md lists it.

use serde_json::{Value, json};

use super::hex;
use crate::crypto::Label;

const SPEC: &str = include_str!("../../proto/SPEC.md");

pub(super) fn vectors() -> Value {
    let listed: Vec<(&str, &str)> = SPEC
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `subrosa/1")?.strip_suffix(" |")?.split_once("` | ")
        })
        .collect();
    assert_eq!(listed.len(), Label::ALL.len());
    let labels = listed.iter().zip(Label::ALL).map(|((text, used_in), label)| {
        let text = format!("subrosa/1{text}");
        assert_eq!(text.as_bytes(), label.as_bytes());
        json!({ "label_text": text, "label": hex(&text), "used_in_text": used_in })
    });
    json!({ "labels": labels.collect::<Value>() })
}
