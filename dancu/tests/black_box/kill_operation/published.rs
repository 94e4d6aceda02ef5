//! What a feed publishes of a log: the product's feeder, into partitions in memory.

use event_log::{EmbeddedHandle, LogSource};
use event_schemas::ids::{EventAddress, Lsn};
use feed::message::{DEFINITION_HEADER, Message};
use feed::publishing::Place;
use feed::{Changed, Feeder, Last, Receiver, Target, TopicError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PARTITIONS: usize = 3;

#[derive(Clone, Default)]
struct Partitions(Arc<Mutex<[Vec<Message>; PARTITIONS]>>);

impl Target for Partitions {
    fn last_messages(&self, _: &str) -> Result<Vec<Option<Last>>, TopicError> {
        let last = |message: &Message| {
            let stated = message.headers.iter().find(|(name, _)| *name == DEFINITION_HEADER);
            Last { place: message.place, definition: stated.map(|(_, stated)| stated.parse().unwrap()) }
        };
        Ok(self.0.lock().unwrap().iter().map(|held| held.last().map(last)).collect())
    }

    fn send(&self, partition: usize, message: &Message) -> Result<(), TopicError> {
        self.0.lock().unwrap()[partition].push(message.clone());
        Ok(())
    }

    fn serve(&self) -> Result<(), TopicError> {
        Ok(())
    }

    fn finish(&self) -> Result<(), TopicError> {
        Ok(())
    }

    fn in_flight(&self) -> usize {
        0
    }
}

/// Every message by its address: the event's name, and its data. A feed that was killed within the operation's commit comes to the same.
pub fn published(home: &Path, events: Value) -> BTreeMap<EventAddress, (String, Value)> {
    let partitions = Partitions::default();
    feed(home, &events, &partitions);
    let all = partitions.0.lock().unwrap().clone();
    let cut = Partitions::default();
    for (some, all) in cut.0.lock().unwrap().iter_mut().zip(&all) {
        some.extend(all[..all.len() * 2 / 3].iter().cloned());
    }
    feed(home, &events, &cut);
    let places = |all: &[Vec<Message>; PARTITIONS]| {
        all.each_ref()
            .map(|held| held.iter().map(|message| message.place).filter(is_event).collect::<Vec<_>>())
    };
    assert_eq!(places(&cut.0.lock().unwrap()), places(&all));
    let messages = all.into_iter().flatten();
    let told = messages.filter_map(|message| {
        let Place::Event(at) = message.place else { return None };
        let (_, kind) = message.headers.iter().find(|(name, _)| *name == "ce_type")?;
        let name = kind.strip_prefix("dancu.")?.split('.').next()?.to_owned();
        let data: Value = serde_json::from_slice(&message.data).unwrap();
        Some((at, (name, data["event"].clone())))
    });
    let count: usize = places(&cut.0.lock().unwrap()).iter().map(Vec::len).sum();
    let told: BTreeMap<EventAddress, (String, Value)> = told.collect();
    assert_eq!(told.len(), count, "no two messages have one id");
    told
}

fn is_event(place: &Place) -> bool {
    matches!(place, Place::Event(_))
}

fn feed(home: &Path, events: &Value, partitions: &Partitions) {
    let file = serde_json::json!({ "receiver": "kiểm tra", "events": events });
    let receiver = Receiver::read(&file.to_string()).unwrap();
    let config: Value = serde_json::from_slice(&std::fs::read(home.join("dancu.json")).unwrap()).unwrap();
    let log_id = serde_json::from_value(config["log_id"].clone()).unwrap();
    let log = EmbeddedHandle::open_read_only(home.join("log")).unwrap();
    let end: Lsn = log.admission().last_lsn;
    let mut feeder =
        Feeder::begin(&log, (log_id, end), partitions.clone(), (receiver, Changed::Refuse)).unwrap();
    let log: &dyn LogSource = &log;
    while !feeder.step(log, Duration::ZERO).unwrap().at_end {}
    feeder.finish().unwrap();
}
