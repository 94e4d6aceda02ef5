//! JSON Schema (draft 2020-12) of what goes in and out: commands, events, answers.
//!
//! Schemas state shapes. What they cannot state (a day that exists, rules between fields) the parser and the rules check.

use crate::command::{Command, CommandEnvelope};
use crate::event::{Event, EventBody};
use crate::outcome::Outcome;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Any command in its envelope.
pub fn command_envelope() -> Schema {
    schema_of::<CommandEnvelope>()
}

/// Any event.
pub fn event() -> Schema {
    schema_of::<Event>()
}

/// An answer.
pub fn outcome() -> Schema {
    schema_of::<Outcome>()
}

/// A command of one kind in its envelope; `None` if no command has this stable name.
pub fn command_of_kind(kind: &str) -> Option<Schema> {
    is_kind(Command::KINDS, kind).then(|| narrowed(command_envelope(), "command", "Command", kind))
}

/// An event of one kind; `None` if no event has this stable name.
pub fn event_of_kind(kind: &str) -> Option<Schema> {
    is_kind(EventBody::KINDS, kind).then(|| narrowed(event(), "body", "EventBody", kind))
}

/// All of the contract as one document: `{commands: {kind: schema}, events: {kind: schema}, command_envelope, event, outcome}`.
pub fn contract() -> Value {
    let by_kind = |kinds: &[(u16, &str)], of_kind: fn(&str) -> Option<Schema>| -> Map<String, Value> {
        kinds.iter().filter_map(|(_, kind)| Some((kind.to_string(), of_kind(kind)?.to_value()))).collect()
    };
    json!({
        "command_envelope": command_envelope(),
        "event": event(),
        "outcome": outcome(),
        "commands": by_kind(Command::KINDS, command_of_kind),
        "events": by_kind(EventBody::KINDS, event_of_kind),
    })
}

fn schema_of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
}

fn is_kind(kinds: &[(u16, &str)], kind: &str) -> bool {
    kinds.iter().any(|(_, name)| *name == kind)
}

/// Narrows `property`, whose type is the enum `definition`, to the one variant named `kind`.
fn narrowed(schema: Schema, property: &str, definition: &str, kind: &str) -> Schema {
    let mut root = schema.to_value();
    let variants = root["$defs"][definition]["oneOf"].as_array();
    let variant = variants
        .and_then(|variants| variants.iter().find(|variant| variant["properties"].get(kind).is_some()))
        .cloned()
        .expect("the schema of an enum of newtypes lists its variants by name");
    root["properties"][property] = variant;
    root["title"] = Value::from(kind);
    drop_unused_definitions(&mut root);
    Schema::try_from(root).expect("an object is a schema")
}

fn drop_unused_definitions(root: &mut Value) {
    let Some(Value::Object(definitions)) = root.as_object_mut().and_then(|root| root.remove("$defs")) else {
        return;
    };
    let mut used = BTreeSet::new();
    let mut found = Vec::new();
    collect_references(root, &mut found);
    while let Some(name) = found.pop() {
        if let Some(definition) = definitions.get(&name)
            && used.insert(name)
        {
            collect_references(definition, &mut found);
        }
    }
    let kept = definitions.into_iter().filter(|(name, _)| used.contains(name)).collect();
    root["$defs"] = Value::Object(kept);
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let target = fields.get("$ref").and_then(Value::as_str);
            found.extend(target.and_then(|target| target.strip_prefix("#/$defs/")).map(str::to_owned));
            for field in fields.values() {
                collect_references(field, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                collect_references(item, found);
            }
        }
        _ => {}
    }
}
