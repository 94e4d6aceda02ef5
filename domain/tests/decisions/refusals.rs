//! Every refusal of the catalogue is raised by some test of this crate, or it is said why it cannot be.

use domain::refusal::Code;
use std::path::Path;

/// Codes that `decide` does not raise: the writer does, before or after it.
const RAISED_ELSEWHERE: &[Code] = &[
    // Command ids are an index of the writer's.
    Code::CommandIdReused,
    // Bytes of a record are known once it is encoded.
    Code::RecordTooLarge,
    // So is the format that it needs.
    Code::FormatNotActive,
];

fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).expect("the folder of tests") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).expect("a readable test"));
        }
    }
    text
}

#[test]
fn every_code_is_named_by_a_test() {
    let tests = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    for code in Code::ALL {
        let named = tests.contains(&format!("\"{}\"", code.as_str()));
        let elsewhere = RAISED_ELSEWHERE.contains(code);
        assert_eq!(named, !elsewhere, "{} is named: {named}; excepted: {elsewhere}", code.as_str());
    }
}
