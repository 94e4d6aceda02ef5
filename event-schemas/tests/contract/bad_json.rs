//! Bad input in JSON is refused with the place and a plain sentence.

use event_schemas::CommandEnvelope;
use event_schemas::examples::example;
use serde_json::{Value, json};

/// The example of this kind with one value replaced must be refused at `path` with a message that holds `sentence`.
#[track_caller]
fn check(kind: &str, pointer: &str, value: Value, path: &str, sentence: &str) {
    let mut json = serde_json::to_value(example(kind).unwrap()).unwrap();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    json.pointer_mut(parent).unwrap()[field] = value;
    let text = json.to_string();
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let error = serde_path_to_error::deserialize::<_, CommandEnvelope>(&mut deserializer).unwrap_err();
    assert_eq!(error.path().to_string(), path, "{error}");
    let message = error.inner().to_string();
    assert!(message.contains(sentence), "'{message}' does not say '{sentence}'");
    assert!(message.len() < 2_000, "the message repeats the input: {} bytes", message.len());
}

#[test]
fn unknown_fields_are_named() {
    check("birth", "/urgent", json!(true), "urgent", "unknown field `urgent`");
    check(
        "birth",
        "/command/birth/child/gender",
        json!("f"),
        "command.birth.child.gender",
        "unknown field `gender`",
    );
    let unknown = "unknown field `note`";
    let path = "command.decide_card_application.decision.refuse.note";
    check(
        "decide_card_application",
        "/command/decide_card_application/decision/refuse/note",
        json!(""),
        path,
        unknown,
    );
    let path = "command.move_permanent.move.new_household.note";
    check("move_permanent", "/command/move_permanent/move/new_household/note", json!(""), path, unknown);
}

#[test]
fn unknown_commands_are_named() {
    check("birth", "/command", json!({ "rebirth": {} }), "command", "unknown variant `rebirth`");
    check("birth", "/command", json!({}), "command", "expected");
}

#[test]
fn missing_fields_are_named() {
    check("birth", "/command/birth", json!({}), "command.birth", "missing field `child`");
    check("birth", "/basis", json!({}), "basis", "missing field `kind`");
}

#[test]
fn overlong_and_empty_texts_are_refused_with_their_length() {
    let given = "/command/birth/child/names/given";
    let path = "command.birth.child.names.given";
    check("birth", given, json!("x".repeat(81)), path, "has 81 characters, at most 80 are allowed");
    check(
        "birth",
        given,
        json!("x".repeat(3_000_000)),
        path,
        "has 3000000 characters, at most 80 are allowed",
    );
    check("birth", given, json!("   "), path, "the text is empty");
}

#[test]
fn control_characters_are_refused_with_their_number() {
    let given = "/command/birth/child/names/given";
    let path = "command.birth.child.names.given";
    check("birth", given, json!("Ch\u{0}i"), path, "control character U+0000");
    check("birth", given, json!("Ch\ni"), path, "control character U+000A");
    check("birth", given, json!("Ch\u{202e}i"), path, "control character U+202E");
}

#[test]
fn impossible_dates_are_refused_and_repeated_only_in_part() {
    let birth = "/command/birth/child/birth";
    let path = "command.birth.child.birth";
    check("birth", birth, json!("2021-02-30"), path, "2021-02-30 does not exist in the calendar");
    check("birth", birth, json!("1021"), path, "the year 1021 is outside 1800..=2399");
    check("birth", birth, json!("9".repeat(5_000)), path, "write YYYY, YYYY-MM or YYYY-MM-DD");
    check("birth", birth, json!(20210227), path, "expected a string");
    check(
        "birth",
        "/command/birth/child/birth_time",
        json!("24:00"),
        "command.birth.child.birth_time",
        "write HH:MM",
    );
    let died = "/command/change_name/effective_on";
    check("change_name", died, json!("2021-03"), "command.change_name.effective_on", "write YYYY-MM-DD");
}

#[test]
fn codes_and_numbers_out_of_range_are_refused() {
    let unit = "a unit code has 2 digits (province), 3 (district) or 5 (ward)";
    check("birth", "/command/birth/registered_at", json!("0001"), "command.birth.registered_at", unit);
    let pin = "a PIN has exactly 12 digits";
    check("accept_pin", "/command/accept_pin/pin", json!("1158000321"), "command.accept_pin.pin", pin);
    let country = "a country is two capital letters";
    let path = "command.birth.child.nationality.countries[0]";
    check("birth", "/command/birth/child/nationality", json!({ "countries": ["Vietnam"] }), path, country);
    let path = "command.birth.child.weight_g";
    check("birth", "/command/birth/child/weight_g", json!(70_000), path, "expected u16");
    check(
        "birth",
        "/command/birth/child/ethnicity",
        json!("99"),
        "command.birth.child.ethnicity",
        "from 00 to 56",
    );
    check("birth", "/command_id", json!("17"), "command_id", "UUID");
}

#[test]
fn deeply_nested_input_is_an_error() {
    let deep = "[".repeat(100_000);
    assert!(serde_json::from_str::<CommandEnvelope>(&deep).is_err());
    let deep = format!("{}1{}", "{\"command\":".repeat(100_000), "}".repeat(100_000));
    assert!(serde_json::from_str::<CommandEnvelope>(&deep).is_err());
}

#[test]
fn duplicate_fields_are_refused() {
    let text = serde_json::to_string(&example("issue_pin").unwrap()).unwrap();
    let twice = text.replacen('{', "{\"dry_run\":true,", 1);
    let error = serde_json::from_str::<CommandEnvelope>(&twice).unwrap_err().to_string();
    assert!(error.contains("duplicate field `dry_run`"), "{error}");
}
