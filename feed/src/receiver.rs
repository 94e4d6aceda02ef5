//! Which events a receiver gets, and which of their fields: a file that is checked against the contract before anything is sent.

mod definition;
mod shape;

pub use definition::Definition;

use event_schemas::event::{Event, EventBody};
use event_schemas::guarded::Confidentiality;
use event_schemas::schema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shape::{Contract, Fields};
use std::collections::{BTreeMap, BTreeSet};

/// Events that only hold other facts for later: what comes of them are events of their own.
const NEVER_PUBLISHED: &[&str] = &["operation_part", "correction_proposed"];
/// Names every field.
const EVERYTHING: &str = "*";
const JSON_SCHEMA: &str = "https://json-schema.org/draft/2020-12/schema";

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    receiver: String,
    /// Names of fields by the event's stable name: `person`, `identity.names`, or `*` for all.
    events: BTreeMap<String, Vec<String>>,
}

/// Why a file says nothing that can be done.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    #[error("it cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it names no receiver")]
    Nameless,
    #[error("it lets no event through")]
    NoEvents,
    #[error("there is no event {name:?}; known are: {known}")]
    UnknownEvent { name: String, known: String },
    #[error("{name} is never published: what comes of it are events of their own")]
    NeverPublished { name: String },
    #[error("{event} has no field {field:?}; at that place it has: {known}")]
    UnknownField { event: String, field: String, known: String },
    #[error("{event} names no field; \"*\" names all")]
    NoFields { event: String },
}

/// What a receiver sees.
#[derive(Clone, Debug)]
pub struct Receiver {
    pub name: String,
    pub definition: Definition,
    events: BTreeMap<String, Fields>,
}

impl Receiver {
    /// Reads and checks the file's text.
    pub fn read(text: &str) -> Result<Self, ReceiverError> {
        let file: File = serde_json::from_str(text)?;
        if file.receiver.trim().is_empty() {
            return Err(ReceiverError::Nameless);
        }
        if file.events.is_empty() {
            return Err(ReceiverError::NoEvents);
        }
        let (mut events, mut stated) = (BTreeMap::new(), BTreeMap::new());
        for (event, names) in file.events {
            let fields = fields_of(&event, &names)?;
            let is_everything = matches!(fields, Fields::All);
            let names = if is_everything { vec![EVERYTHING.to_owned()] } else { names };
            stated.insert(event.clone(), BTreeSet::from_iter(names));
            events.insert(event, fields);
        }
        Ok(Self { name: file.receiver, definition: Definition::of(&stated), events })
    }

    /// The events that it gets, by their stable names.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        self.events.keys().map(String::as_str)
    }

    /// What it sees of an event; `None` if it does not get it. Of a sealed one it sees that it is there, as in a history.
    pub fn view(&self, event: &Event) -> Option<Value> {
        let fields = self.events.get(event.body.name())?;
        if event.class == Confidentiality::Sealed {
            return Some(json!({ "effective_on": event.effective_on, "sealed": true }));
        }
        let body =
            serde_json::to_value(&event.body).expect("an event has only keys and values that JSON has");
        let seen = fields.pick(&body[event.body.name()]);
        Some(json!({ "effective_on": event.effective_on, "event": seen }))
    }

    /// The JSON Schema of what it sees of one kind of event; `None` if it does not get it.
    pub fn schema(&self, event: &str) -> Option<Value> {
        let fields = self.events.get(event)?;
        let contract = Contract::of(event)?;
        let mut definitions = contract.definitions().clone();
        let seen = fields.narrow(&contract, contract.body());
        let date = definitions.get("PartialDate").cloned().unwrap_or_default();
        let mut document = json!({
            "$schema": JSON_SCHEMA,
            "title": event,
            "description": contract.body()["description"],
            "type": "object",
            "properties": { "effective_on": date, "event": seen, "sealed": { "const": true } },
            "required": ["effective_on"],
            "oneOf": [{ "required": ["event"] }, { "required": ["sealed"] }],
            "additionalProperties": false,
        });
        shape::keep_used(&mut definitions, &document);
        document["$defs"] = Value::Object(definitions);
        Some(document)
    }

    /// Of every kind that it gets.
    pub fn schemas(&self) -> Map<String, Value> {
        self.events().filter_map(|event| Some((event.to_owned(), self.schema(event)?))).collect()
    }
}

fn fields_of(event: &str, names: &[String]) -> Result<Fields, ReceiverError> {
    if NEVER_PUBLISHED.contains(&event) {
        return Err(ReceiverError::NeverPublished { name: event.to_owned() });
    }
    let is_known = schema::event_of_kind(event).is_some();
    let Some(contract) = Contract::of(event).filter(|_| is_known) else {
        let kinds = EventBody::KINDS.iter().map(|(_, name)| *name);
        let known: Vec<&str> = kinds.filter(|name| !NEVER_PUBLISHED.contains(name)).collect();
        return Err(ReceiverError::UnknownEvent { name: event.to_owned(), known: known.join(", ") });
    };
    let mut fields = Fields::none();
    for name in names {
        if name == EVERYTHING {
            return Ok(Fields::All);
        }
        contract.check(name).map_err(|known| ReceiverError::UnknownField {
            event: event.to_owned(),
            field: name.clone(),
            known: known.join(", "),
        })?;
        fields.add(name);
    }
    if names.is_empty() {
        return Err(ReceiverError::NoFields { event: event.to_owned() });
    }
    Ok(fields)
}

#[cfg(test)]
mod tests;
