//! A feed whose process ends at any moment, into a topic that keeps of what was sent to a partition a beginning. The product's own
//! feeder runs; only the topic is simulated.

use super::random::Random;
use command_service::invariants::Violation;
use domain::Registry;
use event_log::{Admission, SimulatedLog, Verdict};
use event_schemas::event::{Event, EventBody, OperationCommitted, OperationPart};
use event_schemas::ids::{EventAddress, LogId, Lsn, PersonId, Position};
use event_schemas::operation::PartContent;
use event_schemas::record::AdmittedEntry;
use feed::message::{Message, subject_of};
use feed::publishing::{Place, partition_of};
use feed::{Changed, Feeder, Last, Receiver, Target, TopicError};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

const PARTITIONS: usize = 3;
/// Steps until everything must have arrived once faults have stopped (O2).
const MAX_LAST_STEPS: usize = 1_000;

/// Some events, so that records without any come too.
static RECEIVER: LazyLock<Receiver> = LazyLock::new(|| {
    let all = ["*"];
    let events = serde_json::json!({
        "person_registered": ["person"],
        "household_formed": all,
        "permanent_residence_registered": all,
        "name_changed": ["person"],
        "death_registered": all,
        "marriage_registered": all,
        "member_joined": all,
        "dossier_received": all,
        "dossier_approved": all,
        "pin_issued": ["person"],
        "unit_established": all,
    });
    let file = serde_json::json!({ "receiver": "simulation", "events": events });
    Receiver::read(&file.to_string()).expect("names of the contract")
});

/// A topic, and what is on its way to it.
#[derive(Clone)]
struct Partitions(Arc<Mutex<Held>>);

struct Held {
    arrived: Vec<Vec<Place>>,
    sent: Vec<VecDeque<Place>>,
    /// A defect: every partition is said to hold what the furthest holds.
    tells_the_highest: bool,
}

impl Partitions {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().expect("a simulation has one thread")
    }

    /// Of what was sent to each partition the first so many arrive.
    fn deliver(&self, mut count: impl FnMut(usize) -> usize) {
        let held = &mut *self.lock();
        for (arrived, sent) in held.arrived.iter_mut().zip(&mut held.sent) {
            let count = count(sent.len());
            arrived.extend(sent.drain(..count));
        }
    }
}

impl Target for Partitions {
    fn last_messages(&self, _: &str) -> Result<Vec<Option<Last>>, TopicError> {
        let held = self.lock();
        let places: Vec<Option<Place>> = held.arrived.iter().map(|it| it.last().copied()).collect();
        let highest = places.iter().flatten().copied().max_by_key(|place| order(*place));
        let places = if held.tells_the_highest { vec![highest; PARTITIONS] } else { places };
        let definition = Some(RECEIVER.definition);
        Ok(places.into_iter().map(|place| place.map(|place| Last { place, definition })).collect())
    }

    fn send(&self, partition: usize, message: &Message) -> Result<(), TopicError> {
        self.lock().sent[partition].push_back(message.place);
        Ok(())
    }

    fn serve(&self) -> Result<(), TopicError> {
        Ok(())
    }

    fn finish(&self) -> Result<(), TopicError> {
        self.deliver(|sent| sent);
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.lock().sent.iter().map(VecDeque::len).sum()
    }
}

fn order(place: Place) -> (Lsn, u32) {
    match place {
        Place::Event(at) => (at.lsn, at.index),
        Place::Through(lsn) => (lsn, u32::MAX),
    }
}

/// Whoever gets the feed.
pub struct Subscriber {
    random: Random,
    partitions: Partitions,
    feeder: Option<Feeder<Partitions>>,
    pub ends: u64,
}

impl Subscriber {
    pub fn new(random: Random, tells_the_highest: bool) -> Self {
        let held = Held {
            arrived: vec![Vec::new(); PARTITIONS],
            sent: vec![VecDeque::new(); PARTITIONS],
            tells_the_highest,
        };
        Self { random, partitions: Partitions(Arc::new(Mutex::new(held))), feeder: None, ends: 0 }
    }

    /// The feed's process ends; of what it sent a part arrives.
    pub fn end(&mut self) {
        if self.feeder.take().is_some() {
            self.ends += 1;
        }
        let random = &mut self.random;
        self.partitions.deliver(|sent| random.below(sent as u64 + 1) as usize);
        self.partitions.lock().sent.iter_mut().for_each(VecDeque::clear);
    }

    /// Sends what can be read, at times; ends, at times.
    pub fn step(&mut self, log: &SimulatedLog, log_id: LogId, is_stormy: bool) -> Result<(), Violation> {
        if is_stormy && self.random.chance(20) {
            self.end();
        }
        if is_stormy && self.random.chance(700) {
            return Ok(());
        }
        self.feed(log, log_id).map_err(|error| Violation::new("O2", Lsn::ZERO, error.to_string()))?;
        let random = &mut self.random;
        self.partitions.deliver(|sent| random.below(sent as u64 + 1) as usize);
        Ok(())
    }

    fn feed(&mut self, log: &SimulatedLog, log_id: LogId) -> Result<bool, feed::FeedError> {
        let mut feeder = match self.feeder.take() {
            Some(feeder) => feeder,
            None => {
                let end = log.admission().last_lsn;
                Feeder::begin(
                    log,
                    (log_id, end),
                    self.partitions.clone(),
                    (RECEIVER.clone(), Changed::Refuse),
                )?
            }
        };
        let fed = feeder.step(log, Duration::ZERO)?;
        self.feeder = Some(feeder);
        Ok(fed.at_end)
    }

    /// Once faults have stopped every partition holds each event that belongs into it, once and in order (R3, R5).
    pub fn finish(&mut self, log: &SimulatedLog, log_id: LogId) -> Result<(), Violation> {
        let broken = |what: String| Violation::new("R5", log.admission().last_lsn, what);
        self.end();
        let mut steps = 0;
        while !self.feed(log, log_id).map_err(|error| broken(error.to_string()))? {
            steps += 1;
            if steps > MAX_LAST_STEPS {
                return Err(broken("the feed does not come to the log's end".to_owned()));
            }
        }
        self.partitions.deliver(|sent| sent);
        let is_event = |place: &Place| matches!(place, Place::Event(_));
        for (partition, wanted) in wanted(log).into_iter().enumerate() {
            let held = self.partitions.lock();
            let arrived = &held.arrived[partition];
            if !arrived.is_sorted_by_key(|place| order(*place)) {
                return Err(broken(format!(
                    "partition {partition} of the feed is out of order: {arrived:?}"
                )));
            }
            let arrived: Vec<Place> = arrived.iter().copied().filter(is_event).collect();
            if arrived != wanted {
                let what = format!("partition {partition} of the feed holds {arrived:?}, not {wanted:?}");
                return Err(broken(what));
            }
        }
        Ok(())
    }
}

/// What belongs into each partition.
fn wanted(log: &SimulatedLog) -> Vec<Vec<Place>> {
    let mut partitions = vec![Vec::new(); PARTITIONS];
    let mut told = |at: EventAddress, key: String| {
        partitions[partition_of(&key, PARTITIONS)].push(Place::Event(at));
    };
    let is_seen = |event: &Event| RECEIVER.view(event).is_some();
    let mut registry = Registry::new();
    let mut parts: Vec<OperationPart> = Vec::new();
    let mut admission = Admission::new();
    for (at, bytes) in log.raw_entries().into_iter().enumerate() {
        let Verdict::Admitted { lsn, .. } = admission.admit(Position(at as u64), &bytes) else { continue };
        let entry = AdmittedEntry::decode(lsn, &bytes).expect("the auditor has decoded it");
        let numbers = numbers_of(&registry);
        registry.apply_entry(&entry);
        registry.take_lookup_changes();
        let events = entry.changes().map_or(&[][..], |changes| &changes.events);
        for (index, event) in (0..).zip(events) {
            if is_seen(event) {
                told(EventAddress { lsn, index }, subject_of(event).unwrap_or_default());
            }
            match &event.body {
                EventBody::OperationPart(part) => parts.push(part.clone()),
                EventBody::OperationCommitted(committed) => {
                    for (at, fact) in corrected(&parts, lsn, committed).filter(|(_, fact)| is_seen(fact)) {
                        told(at, subject_of(fact).unwrap_or_default());
                    }
                    let given =
                        numbers_of(&registry).into_iter().filter(|it| numbers.get(&it.0) != Some(&it.1));
                    for (index, (person, _)) in (1..).zip(given) {
                        told(EventAddress { lsn, index }, format!("person/{person}"));
                    }
                }
                _ => {}
            }
        }
    }
    partitions
}

/// Everybody's number. A commit that changes any is one of numbers: those that a correction cancels are not corrected in bulk.
fn numbers_of(registry: &Registry) -> BTreeMap<PersonId, u64> {
    registry.persons().map(|(person, row)| (person, row.pin.get())).collect()
}

/// Facts that a commit puts in place, by the addresses that it gives them.
fn corrected<'a>(
    parts: &'a [OperationPart],
    lsn: Lsn,
    committed: &'a OperationCommitted,
) -> impl Iterator<Item = (EventAddress, &'a Event)> {
    let of_operation = parts.iter().filter(|part| part.operation == committed.operation);
    let said = of_operation.filter_map(|part| match &part.content {
        PartContent::Corrections(said) => Some(said),
        PartContent::Pins(_) => None,
    });
    let items = said.flat_map(|said| said.placed()).filter(|(_, item)| !committed.leaves_out(item));
    items.flat_map(move |(first, item)| item.events_at(lsn, first))
}
