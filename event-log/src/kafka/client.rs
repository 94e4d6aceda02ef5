//! How brokers are reached: settings that clients have in common, what they report, and what is known of the log's end.

use crate::engine::LogError;
use event_schemas::ids::Position;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The one partition.
pub(super) const PARTITION: i32 = 0;
/// Longest that a request of its own may take: settings, the end of the log, one message.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Largest message that a client sends or takes in one piece, bytes. Larger than any group, which is larger than any entry.
pub(super) const MAX_MESSAGE_BYTES: usize = 8 << 20;
/// Read ahead of a reader, in messages and KiB.
const READ_AHEAD_MESSAGES: &str = "100000";
const READ_AHEAD_KIB: &str = "65536";

/// Which topic on which brokers.
#[derive(Clone)]
pub struct Connection {
    /// `host:port`, several with commas between.
    pub bootstrap: String,
    pub topic: String,
    /// Settings of the client library that come on top, such as those of TLS and SASL.
    pub settings: Vec<(String, String)>,
}

impl std::fmt::Debug for Connection {
    /// Without values of settings: they may be passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.settings.iter().map(|(name, _)| name).collect();
        f.debug_struct("Connection")
            .field("bootstrap", &self.bootstrap)
            .field("topic", &self.topic)
            .field("settings", &names)
            .finish()
    }
}

impl Connection {
    /// The topic, as errors name it.
    pub(super) fn place(&self) -> String {
        format!("topic {} on {}", self.topic, self.bootstrap)
    }

    /// An error of the client library while something was done.
    pub(super) fn failure(&self, action: &str, error: &KafkaError) -> LogError {
        let cause = match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve,
            ) => {
                format!(
                    "no broker answers ({error}); check the addresses, that brokers run, and the credentials"
                )
            }
            _ => error.to_string(),
        };
        LogError::Io { action: format!("{action} ({})", self.place()), cause }
    }

    /// Settings of every client, those with passwords among them.
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in &self.settings {
            config.set(name, value);
        }
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", "dancu")
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("message.max.bytes", MAX_MESSAGE_BYTES.to_string())
            .set("receive.message.max.bytes", (128 << 20).to_string())
            .set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// A consumer that is assigned by hand and commits nothing.
    pub(super) fn consumer(&self, reading: Reading) -> Result<LetGo<BaseConsumer<Reports>>, LogError> {
        let mut config = self.config();
        config
            // Assigning by hand needs a name as well; nothing is kept under it.
            .set("group.id", "dancu-unused")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            // Admission says what is a fact; nothing else may hide entries.
            .set("isolation.level", "read_uncommitted")
            .set("check.crcs", "true")
            .set("fetch.wait.max.ms", "10")
            .set("fetch.queue.backoff.ms", "5");
        match reading {
            Reading::Everything => config
                .set("queued.min.messages", READ_AHEAD_MESSAGES)
                .set("queued.max.messages.kbytes", READ_AHEAD_KIB),
            Reading::SingleEntries => {
                config.set("queued.min.messages", "1").set("fetch.message.max.bytes", (32 << 10).to_string())
            }
        };
        let consumer = config.create_with_context(Reports);
        consumer.map(LetGo::new).map_err(|error| self.failure("making a consumer", &error))
    }

    /// Makes `consumer` go on at `from`. Metadata come first: without them the first message takes half a second.
    pub(super) fn assign(&self, consumer: &BaseConsumer<Reports>, from: Position) -> Result<(), LogError> {
        let failed = |error| self.failure("beginning to read", &error);
        consumer.fetch_metadata(Some(&self.topic), REQUEST_TIMEOUT).map_err(failed)?;
        // The list must not outlive the consumer: its end would wait for ever.
        let mut partitions = TopicPartitionList::with_capacity(1);
        partitions
            .add_partition_offset(&self.topic, PARTITION, Offset::Offset(from.0 as i64))
            .map_err(failed)?;
        consumer.assign(&partitions).map_err(failed)
    }
}

/// What a consumer is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    Everything,
    SingleEntries,
}

/// A client that is dropped on a thread of its own: that may take long, or never end.
pub struct LetGo<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> LetGo<T> {
    /// Holds the client.
    pub fn new(client: T) -> Self {
        Self(Some(client))
    }
}

impl<T: Send + 'static> Deref for LetGo<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("only dropping takes it")
    }
}

impl<T: Send + 'static> Drop for LetGo<T> {
    fn drop(&mut self) {
        let client = self.0.take();
        let dropping =
            std::thread::Builder::new().name("kafka-let-go".to_owned()).spawn(move || drop(client));
        if let Err(error) = dropping {
            tracing::warn!(%error, "a Kafka client could not be let go of on a thread of its own");
        }
    }
}

/// Passes on what clients say of themselves. They heal by themselves; whoever waits for them has a limit.
pub(super) struct Reports;

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => {
                tracing::error!(facility, message, "kafka client");
            }
            RDKafkaLogLevel::Warning => tracing::warn!(facility, message, "kafka client"),
            _ => tracing::debug!(facility, message, "kafka client"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of what there is comes here too; readers see it for themselves.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            tracing::warn!(%error, reason, "kafka client");
        }
    }
}

impl ConsumerContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// Whether the client heals by itself after this: brokers are away, one of them at least, or another has the partition now.
pub fn heals(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
        )
    )
}

/// The position after the last entry that is known to be in the log.
pub(super) struct Known(AtomicU64);

impl Known {
    pub fn new(end: Position) -> Self {
        Self(AtomicU64::new(end.0))
    }

    pub fn end(&self) -> Position {
        Position(self.0.load(Ordering::Acquire))
    }

    pub fn raise(&self, end: Position) {
        self.0.fetch_max(end.0, Ordering::AcqRel);
    }
}
