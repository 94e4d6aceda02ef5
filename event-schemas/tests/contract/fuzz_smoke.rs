//! The fuzz targets' checks on a fixed corpus: the golden files, whole, cut, and with every byte changed in turn.

#[path = "../../../fuzz/checks.rs"]
mod checks;

use event_schemas::codec::DRAFT;
use std::path::{Path, PathBuf};

/// What a byte is replaced by: bounds of the codec's number markers, and what JSON is made of.
const REPLACEMENTS: [u8; 8] = [0x00, 0x01, 0x7f, 0xfb, 0xff, b'"', b'{', b'9'];

#[test]
fn golden_entries_cut_or_changed_are_refused_or_survive() {
    let mut decoded = 0;
    for path in golden("entries", "hex") {
        let text = std::fs::read_to_string(path).unwrap();
        let digits: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
        let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
        let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();
        assert!(checks::entry(&bytes));
        decoded += for_each_variant(&bytes, checks::entry);
    }
    assert!(decoded > 1_000, "only {decoded} variants decoded: the corpus reaches nothing");
}

#[test]
fn golden_commands_cut_or_changed_are_refused_or_survive() {
    let mut parsed = 0;
    for path in golden("commands", "json") {
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let bytes = serde_json::to_vec(&json).unwrap();
        assert!(checks::command_json(&bytes));
        parsed += for_each_variant(&bytes, checks::command_json);
    }
    assert!(parsed > 1_000, "only {parsed} variants parsed: the corpus reaches nothing");
}

/// Gives how many variants the check let in.
fn for_each_variant(bytes: &[u8], check: fn(&[u8]) -> bool) -> usize {
    let mut let_in = 0;
    for place in 0..bytes.len() {
        let_in += usize::from(check(&bytes[..place]));
        for replacement in REPLACEMENTS {
            let mut changed = bytes.to_vec();
            changed[place] = replacement;
            let_in += usize::from(check(&changed));
        }
    }
    let_in
}

fn golden(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/draft-{DRAFT}/{folder}"));
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut chosen: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    chosen.sort();
    chosen
}
