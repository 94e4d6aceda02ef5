//! One event as a CloudEvent 1.0 in Kafka's binary mode: attributes are headers, the value is the data alone. So whoever reads the topic
//! with tools that know nothing of CloudEvents gets plain JSON of one shape for each type, and a feed that resumes reads headers alone.

use crate::publishing::Place;
use crate::receiver::Definition;
use event_schemas::event::Event;
use event_schemas::ids::{EventAddress, LogId, Lsn};
use event_schemas::row::RowRef;
use event_schemas::time::Timestamp;
use serde_json::{Value, json};

/// Header of the id, by which a feed finds its place again.
pub const ID_HEADER: &str = "ce_id";
/// Header of the source: which log the feed is of.
pub const SOURCE_HEADER: &str = "ce_source";
/// Header of what the receiver's file let through when the message was sent.
pub const DEFINITION_HEADER: &str = "ce_definition";
/// What every type begins with.
const TYPE_PREFIX: &str = "dancu";
/// Type of what stands in a partition for records of which nothing belongs there.
const WATERMARK_TYPE: &str = "dancu.feed.watermark.v1";
/// Type of what tells that another definition holds from here on.
const DEFINITION_TYPE: &str = "dancu.feed.definition.v1";

/// What all messages of a feed state alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Names the log.
    pub source: String,
    pub definition: Definition,
}

/// A message as it is sent.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    pub place: Place,
    /// Messages of one key keep their order. A watermark has none.
    pub key: Option<String>,
    pub headers: Vec<(&'static str, String)>,
    pub data: Vec<u8>,
}

/// Names the log as a source.
pub fn source_of(log_id: LogId) -> String {
    format!("urn:dancu:log:{log_id}")
}

/// The row that an event is about: the first that it names.
pub fn subject_of(event: &Event) -> Option<String> {
    let mut first = None;
    event.body.for_each_stream(|row, _| {
        first.get_or_insert(row);
    });
    first.map(key_of)
}

fn key_of(row: RowRef) -> String {
    row.to_string().replace(' ', "/")
}

impl Message {
    /// What a receiver sees of the event at an address.
    pub fn of_event(
        origin: &Origin,
        at: EventAddress,
        recorded_at: Timestamp,
        event: &Event,
        seen: &Value,
    ) -> Self {
        let body = &event.body;
        let (name, version) = (body.name(), body.wire_version());
        let place = Place::Event(at);
        let subject = subject_of(event);
        let mut headers = attributes(origin, place, format!("{TYPE_PREFIX}.{name}.v{version}"), recorded_at);
        headers.push(("ce_dataschema", format!("urn:dancu:event:{name}:{version}")));
        headers.extend(subject.clone().map(|subject| ("ce_subject", subject)));
        Self { place, key: subject, headers, data: seen.to_string().into_bytes() }
    }

    /// Everything up to this record is published.
    pub fn watermark(origin: &Origin, lsn: Lsn, recorded_at: Timestamp) -> Self {
        let place = Place::Through(lsn);
        let headers = attributes(origin, place, WATERMARK_TYPE.to_owned(), recorded_at);
        Self { place, key: None, headers, data: json!({ "through": lsn }).to_string().into_bytes() }
    }

    /// Another definition holds behind `last`, the last message of the partition. It has that message's place, so that whoever passes over
    /// what came already passes over it, and a feed that begins again goes on behind it.
    pub fn definition(origin: &Origin, last: Place, recorded_at: Timestamp) -> Self {
        let headers = attributes(origin, last, DEFINITION_TYPE.to_owned(), recorded_at);
        let data = json!({ "definition": origin.definition.to_string() });
        Self { place: last, key: None, headers, data: data.to_string().into_bytes() }
    }
}

fn attributes(origin: &Origin, place: Place, kind: String, at: Timestamp) -> Vec<(&'static str, String)> {
    vec![
        ("ce_specversion", "1.0".to_owned()),
        (ID_HEADER, place.to_string()),
        (SOURCE_HEADER, origin.source.clone()),
        (DEFINITION_HEADER, origin.definition.to_string()),
        ("ce_type", kind),
        ("ce_time", at.to_string()),
        ("content-type", "application/json".to_owned()),
    ]
}
