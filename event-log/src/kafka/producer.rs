//! Appending: entries of a group are messages; the group's outcome is known when the last report has come.

use super::client::{Connection, Known, LetGo, PARTITION, Reports};
use crate::engine::{AppendGroup, AppendOutcome, GroupId, LogError, SubmitError};
use event_schemas::ids::Position;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest until an entry's fate counts as unknown.
const DELIVERY_TIMEOUT_MS: &str = "30000";
/// Between two looks of the thread that takes reports, if none comes: it ends within that time.
const REPORT_WAIT: Duration = Duration::from_millis(100);
/// At the end, groups in flight are given up after so long.
const CLOSE_WITHIN: Duration = Duration::from_secs(35);

/// What is in flight, shared with the thread that takes reports.
#[derive(Clone)]
pub(super) struct Deliveries(Arc<Shared>);

struct Shared {
    groups: Mutex<VecDeque<Flight>>,
    changed: Condvar,
    known: Arc<Known>,
}

/// One group under way.
struct Flight {
    id: GroupId,
    /// Entries without a report.
    left: usize,
    failure: Option<String>,
}

impl Deliveries {
    pub fn new(known: Arc<Known>) -> Self {
        Self(Arc::new(Shared { groups: Mutex::default(), changed: Condvar::new(), known }))
    }

    fn groups(&self) -> MutexGuard<'_, VecDeque<Flight>> {
        self.0.groups.lock().expect("nothing panics while it is held")
    }

    fn report(&self, id: usize, outcome: Result<i64, String>) {
        // A repeated delivery is acknowledged without an offset.
        if let Ok(offset @ 0..) = outcome {
            self.0.known.raise(Position(offset as u64 + 1));
        }
        let mut groups = self.groups();
        let Some(flight) = groups.iter_mut().find(|flight| flight.id.0 == id as u64) else { return };
        flight.left = flight.left.saturating_sub(1);
        if let Err(cause) = outcome {
            flight.failure.get_or_insert(cause);
        }
        if flight.left == 0 {
            self.0.changed.notify_all();
        }
    }

    /// The front group's outcome, once it is known.
    fn take(&self, wait: Duration) -> Option<AppendOutcome> {
        let begin = Instant::now();
        let mut groups = self.groups();
        loop {
            let front = groups.front()?;
            if front.left == 0 {
                let Flight { id: group, failure, .. } = groups.pop_front()?;
                return Some(match failure {
                    None => AppendOutcome::Durable { group },
                    Some(cause) => AppendOutcome::Unknown { group, cause },
                });
            }
            let left = wait.checked_sub(begin.elapsed()).filter(|left| !left.is_zero())?;
            let waited = self.0.changed.wait_timeout(groups, left);
            groups = waited.expect("nothing panics while it is held").0;
        }
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Reports.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Reports.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, group: usize) {
        let outcome = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.to_string()),
        };
        self.report(group, outcome);
    }
}

/// Sends groups and takes their reports.
pub(super) struct Appender {
    connection: Connection,
    deliveries: Deliveries,
    sender: Option<Sender>,
    last_group: GroupId,
    max_in_flight: usize,
}

/// A producer with the thread that serves it.
struct Sender {
    producer: Arc<BaseProducer<Deliveries>>,
    is_ending: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Appender {
    pub fn start(connection: Connection, known: Arc<Known>, max_in_flight: usize) -> Result<Self, LogError> {
        let deliveries = Deliveries::new(known);
        let sender = Some(Sender::start(&connection, &deliveries)?);
        Ok(Self { connection, deliveries, sender, last_group: GroupId(0), max_in_flight })
    }

    /// Hands every entry to the client, which sends them in this order.
    pub fn submit(&mut self, group: &AppendGroup) -> Result<GroupId, SubmitError> {
        if self.deliveries.groups().len() >= self.max_in_flight {
            return Err(SubmitError::TooManyInFlight { limit: self.max_in_flight });
        }
        self.renew_after_failure()?;
        let sender = self.sender.as_ref().expect("only closing takes it");
        let id = GroupId(self.last_group.0 + 1);
        self.last_group = id;
        self.deliveries.groups().push_back(Flight { id, left: group.entries.len(), failure: None });
        for (sent, entry) in group.entries.iter().enumerate() {
            let record = BaseRecord::<(), [u8], usize>::with_opaque_to(&self.connection.topic, id.0 as usize)
                .partition(PARTITION)
                .payload(entry);
            if let Err((error, _)) = sender.producer.send(record) {
                self.give_up(id, sent, group.entries.len() - sent, &error)?;
                break;
            }
        }
        Ok(id)
    }

    /// The client did not take the rest of a group. What it took may arrive: the outcome is unknown.
    fn give_up(
        &self,
        id: GroupId,
        sent: usize,
        unsent: usize,
        error: &KafkaError,
    ) -> Result<(), SubmitError> {
        if sent == 0 {
            self.deliveries.groups().retain(|flight| flight.id != id);
            return Err(SubmitError::Failed(self.connection.failure("sending a group", error)));
        }
        tracing::warn!(group = id.0, sent, unsent, %error, "a group was sent in part");
        for _ in 0..unsent {
            self.deliveries.report(id.0 as usize, Err(error.to_string()));
        }
        Ok(())
    }

    /// A producer that has failed for good is replaced; what it had in flight is purged and so reported as unknown.
    fn renew_after_failure(&mut self) -> Result<(), SubmitError> {
        let sender = self.sender.as_ref().expect("only closing takes it");
        let Some((code, reason)) = sender.producer.client().fatal_error() else { return Ok(()) };
        tracing::warn!(?code, reason, "the Kafka producer has failed for good and is replaced");
        let renewed = Sender::start(&self.connection, &self.deliveries)?;
        if let Some(failed) = self.sender.replace(renewed) {
            failed.producer.purge(PurgeConfig::default().queue().inflight());
            failed.end();
        }
        Ok(())
    }

    pub fn poll(&self, wait: Duration) -> Option<AppendOutcome> {
        self.deliveries.take(wait)
    }

    /// Waits for what is in flight, and lets go.
    pub fn close(mut self) -> Result<(), LogError> {
        let begin = Instant::now();
        while !self.deliveries.groups().is_empty() && begin.elapsed() < CLOSE_WITHIN {
            self.deliveries.take(REPORT_WAIT);
        }
        if let Some(sender) = self.sender.take() {
            sender.end();
        }
        Ok(())
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.end();
        }
    }
}

impl Sender {
    fn start(connection: &Connection, deliveries: &Deliveries) -> Result<Self, LogError> {
        let mut config = connection.config();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            // Groups come together already.
            .set("linger.ms", "0")
            .set("batch.size", "1000000")
            .set("batch.num.messages", "10000")
            .set("queue.buffering.max.messages", "1000000")
            .set("message.timeout.ms", DELIVERY_TIMEOUT_MS)
            .set("compression.type", "zstd");
        let producer = config.create_with_context(deliveries.clone());
        let producer: BaseProducer<Deliveries> =
            producer.map_err(|error| connection.failure("making a producer", &error))?;
        let producer = Arc::new(producer);
        let is_ending = Arc::new(AtomicBool::new(false));
        let (serving, ending) = (Arc::clone(&producer), Arc::clone(&is_ending));
        let serve = move || {
            while !ending.load(Ordering::Acquire) {
                // Reports are handed on as they come; the wait only bounds how soon the thread ends.
                serving.poll(REPORT_WAIT);
            }
        };
        let thread =
            std::thread::Builder::new().name("kafka-reports".to_owned()).spawn(serve).map_err(|error| {
                LogError::Io {
                    action: "starting the thread that takes reports".to_owned(),
                    cause: error.to_string(),
                }
            })?;
        Ok(Self { producer, is_ending, thread })
    }

    fn end(self) {
        self.is_ending.store(true, Ordering::Release);
        let Self { producer, thread, .. } = self;
        drop(LetGo::new((JoinOnDrop(Some(thread)), producer)));
    }
}

/// Joins when it is dropped, so that a producer goes after the thread that serves it.
struct JoinOnDrop(Option<JoinHandle<()>>);

impl Drop for JoinOnDrop {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}
