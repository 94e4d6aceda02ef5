//! The target topic: an idempotent producer that keeps the order in each partition, and what the partitions hold.

use crate::feeder::{Last, Target};
use crate::message::{DEFINITION_HEADER, ID_HEADER, Message, SOURCE_HEADER};
use event_log::kafka::{Connection, LetGo, heals};
use futures_executor::block_on;
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest that a request may take: metadata, ends of partitions, single messages.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two looks whether brokers know a new topic.
const KNOWN_PAUSE: Duration = Duration::from_millis(50);
/// Most messages that wait for their delivery (O1).
const MAX_IN_FLIGHT_MESSAGES: &str = "50000";
/// And most of their bytes.
const MAX_IN_FLIGHT_KIB: &str = "65536";
/// Wait for room, each time, and most times: a minute. Then the feed ends; begun again, it goes on behind what arrived.
const ROOM_WAIT: Duration = Duration::from_millis(50);
const MAX_ROOM_WAITS: u32 = 1_200;
/// At the end, what was sent is waited for so long.
const FINISH_WITHIN: Duration = Duration::from_secs(60);
/// From so many brokers on a new topic has copies on three of them.
const BROKERS_FOR_COPIES: usize = 3;

/// Why the topic cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    #[error("there is no topic {topic} on {bootstrap}; --partitions N makes it")]
    Missing { topic: String, bootstrap: String },
    #[error("partition {partition} of {topic} holds what is no message of a feed: {why}")]
    Foreign { topic: String, partition: usize, why: String },
    #[error("{topic} holds the feed of {found}, not of {own}: each log needs a topic of its own")]
    OtherSource { topic: String, found: String, own: String },
    #[error("{action} ({topic} on {bootstrap}): {cause}")]
    Kafka { action: &'static str, topic: String, bootstrap: String, cause: Box<KafkaError> },
    #[error("a message did not arrive ({cause}); begin again: the feed goes on behind what did")]
    NotDelivered { cause: String },
}

impl TopicError {
    /// Whether it may be otherwise the next time: brokers did not answer.
    pub fn may_heal(&self) -> bool {
        matches!(self, Self::Kafka { .. } | Self::NotDelivered { .. })
    }
}

/// The topic, open to be written.
pub struct Topic {
    connection: Connection,
    producer: LetGo<BaseProducer<Deliveries>>,
    deliveries: Deliveries,
    partitions: usize,
}

/// The first delivery that failed.
#[derive(Clone, Default)]
struct Deliveries(Arc<Mutex<Option<String>>>);

impl Deliveries {
    fn failure(&self) -> Option<String> {
        self.0.lock().expect("nothing panics while it is held").clone()
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // It warns of every setting that it calls experimental, each time.
        if facility != "CONFWARN" && (level as i32) <= (RDKafkaLogLevel::Warning as i32) {
            tracing::warn!(facility, message, "kafka client");
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka client");
    }
}

impl ConsumerContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.0.lock().expect("nothing panics while it is held").get_or_insert(error.to_string());
        }
    }
}

impl Topic {
    /// Connects. A topic that is not there is made, if it is said how many partitions it is to have.
    pub fn open(connection: Connection, new_partitions: Option<u16>) -> Result<Self, TopicError> {
        let partitions = match (partitions(&connection)?, new_partitions) {
            (0, None) => {
                let Connection { topic, bootstrap, .. } = connection;
                return Err(TopicError::Missing { topic, bootstrap });
            }
            (0, Some(wanted)) => create(&connection, wanted)?,
            (found, _) => found,
        };
        let deliveries = Deliveries::default();
        let mut config = connection.config();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            // A partition must hold a beginning of what was sent to it: the first loss ends the producer.
            .set("enable.gapless.guarantee", "true")
            .set("linger.ms", "20")
            .set("queue.buffering.max.messages", MAX_IN_FLIGHT_MESSAGES)
            .set("queue.buffering.max.kbytes", MAX_IN_FLIGHT_KIB)
            // None is given up while later ones are sent: that would leave a gap. How long is waited is for this program to say.
            .set("message.timeout.ms", "0")
            .set("compression.type", "zstd");
        let producer = config.create_with_context(deliveries.clone());
        let producer = producer.map_err(|cause| failed(&connection, "making a producer", cause))?;
        let producer = LetGo::new(producer);
        Ok(Self { connection, producer, deliveries, partitions })
    }

    fn consumer(&self) -> Result<LetGo<BaseConsumer<Deliveries>>, TopicError> {
        let mut config = self.connection.config();
        config
            .set("group.id", "dancu-unused")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "10");
        let consumer = config.create_with_context(Deliveries::default());
        consumer.map(LetGo::new).map_err(|cause| failed(&self.connection, "making a consumer", cause))
    }

    fn judge(&self, message: &BorrowedMessage<'_>, own: &str) -> Result<Last, TopicError> {
        let topic = self.connection.topic.clone();
        let foreign = |why: &str| TopicError::Foreign {
            topic: topic.clone(),
            partition: message.partition() as usize,
            why: why.to_owned(),
        };
        let found = header(message, SOURCE_HEADER).ok_or_else(|| foreign("it names no source"))?;
        if found != own {
            return Err(TopicError::OtherSource { topic, found, own: own.to_owned() });
        }
        let id = header(message, ID_HEADER).and_then(|id| id.parse().ok());
        let place = id.ok_or_else(|| foreign("its id is no place in a log"))?;
        let stated = header(message, DEFINITION_HEADER).map(|stated| stated.parse());
        let definition = stated.transpose().map_err(|_| foreign("what it states is no definition"))?;
        Ok(Last { place, definition })
    }

    fn check(&self) -> Result<(), TopicError> {
        self.deliveries.failure().map_or(Ok(()), |cause| Err(TopicError::NotDelivered { cause }))
    }
}

impl Target for Topic {
    /// # Errors
    /// If a partition holds something else than the feed of this source.
    fn last_messages(&self, source: &str) -> Result<Vec<Option<Last>>, TopicError> {
        let fail = |cause| failed(&self.connection, "reading the ends of partitions", cause);
        let consumer = self.consumer()?;
        let topic = &self.connection.topic;
        let mut lasts = vec![None; self.partitions];
        let mut missing = 0;
        {
            // The list must not outlive the consumer: its end would wait for ever.
            let mut ends = TopicPartitionList::new();
            for partition in 0..self.partitions as i32 {
                let (low, high) = ends_of(&consumer, topic, partition).map_err(fail)?;
                if high > low {
                    ends.add_partition_offset(topic, partition, Offset::Offset(high - 1)).map_err(fail)?;
                    missing += 1;
                }
            }
            consumer.assign(&ends).map_err(fail)?;
        }
        let begin = Instant::now();
        while missing > 0 {
            if begin.elapsed() > REQUEST_TIMEOUT {
                return Err(fail(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut)));
            }
            match consumer.poll(ROOM_WAIT) {
                Some(Ok(message)) => {
                    let partition = message.partition() as usize;
                    let last = self.judge(&message, source)?;
                    missing -= usize::from(lasts[partition].replace(last).is_none());
                }
                Some(Err(KafkaError::PartitionEOF(_))) | None => {}
                // One of several brokers is away, perhaps.
                Some(Err(cause)) if heals(&cause) => {}
                Some(Err(cause)) => return Err(fail(cause)),
            }
        }
        Ok(lasts)
    }

    /// Hands it to the client; waits while too many are under way.
    fn send(&self, partition: usize, message: &Message) -> Result<(), TopicError> {
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in &message.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut record = BaseRecord::<String, [u8]>::to(&self.connection.topic)
            .partition(partition as i32)
            .headers(headers)
            .payload(&message.data);
        record.key = message.key.as_ref();
        for _ in 0..MAX_ROOM_WAITS {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    self.producer.poll(ROOM_WAIT);
                    self.check()?;
                }
                Err((cause, _)) => return Err(failed(&self.connection, "sending", cause)),
            }
        }
        Err(TopicError::NotDelivered { cause: "there is no room for more".to_owned() })
    }

    fn serve(&self) -> Result<(), TopicError> {
        self.producer.poll(Duration::ZERO);
        self.check()
    }

    fn finish(&self) -> Result<(), TopicError> {
        let begin = Instant::now();
        while self.producer.in_flight_count() > 0 {
            if begin.elapsed() > FINISH_WITHIN {
                return Err(TopicError::NotDelivered { cause: "no broker answers".to_owned() });
            }
            self.producer.poll(ROOM_WAIT);
            self.check()?;
        }
        self.check()
    }

    fn in_flight(&self) -> usize {
        usize::try_from(self.producer.in_flight_count()).unwrap_or_default()
    }
}

/// Where a partition begins and ends. Its broker may not know yet, or no longer, that the partition is its own.
fn ends_of(
    consumer: &BaseConsumer<Deliveries>,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), KafkaError> {
    let begin = Instant::now();
    loop {
        match consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT) {
            Err(error) if is_moving(&error) && begin.elapsed() < REQUEST_TIMEOUT => {
                std::thread::sleep(KNOWN_PAUSE);
            }
            ends => return ends,
        }
    }
}

fn is_moving(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition
        )
    )
}

fn header(message: &BorrowedMessage<'_>, name: &str) -> Option<String> {
    let found = message.headers()?.iter().find(|header| header.key == name)?;
    String::from_utf8(found.value?.to_vec()).ok()
}

fn failed(connection: &Connection, action: &'static str, cause: KafkaError) -> TopicError {
    let Connection { topic, bootstrap, .. } = connection.clone();
    TopicError::Kafka { action, topic, bootstrap, cause: Box::new(cause) }
}

/// How many partitions the topic has; zero if there is none.
fn partitions(connection: &Connection) -> Result<usize, TopicError> {
    let fail = |cause| failed(connection, "asking for the topic", cause);
    let consumer: BaseConsumer<Deliveries> =
        connection.config().create_with_context(Deliveries::default()).map_err(fail)?;
    let consumer = LetGo::new(consumer);
    let metadata = consumer.fetch_metadata(Some(&connection.topic), REQUEST_TIMEOUT).map_err(fail)?;
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == connection.topic) else {
        return Ok(0);
    };
    match topic.error().map(RDKafkaErrorCode::from) {
        None => Ok(topic.partitions().len()),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(0),
        Some(code) => Err(fail(KafkaError::MetadataFetch(code))),
    }
}

fn create(connection: &Connection, wanted: u16) -> Result<usize, TopicError> {
    let fail = |cause| failed(connection, "making the topic", cause);
    let admin: AdminClient<DefaultClientContext> = connection.config().create().map_err(fail)?;
    let metadata = admin.inner().fetch_metadata(None, REQUEST_TIMEOUT).map_err(fail)?;
    let (copies, in_sync) = if metadata.brokers().len() >= BROKERS_FOR_COPIES { (3, "2") } else { (1, "1") };
    // Whoever comes later reads it from its beginning.
    let topic = NewTopic::new(&connection.topic, i32::from(wanted), TopicReplication::Fixed(copies))
        .set("min.insync.replicas", in_sync)
        .set("retention.ms", "-1")
        .set("compression.type", "producer");
    let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
    let made = block_on(admin.create_topics([&topic], &options)).map_err(fail)?;
    if let Some(Err((_, code))) = made.into_iter().next() {
        return Err(fail(KafkaError::AdminOp(code)));
    }
    let begin = Instant::now();
    while begin.elapsed() < REQUEST_TIMEOUT {
        match partitions(connection)? {
            0 => std::thread::sleep(KNOWN_PAUSE),
            known => return Ok(known),
        }
    }
    Err(fail(KafkaError::AdminOp(RDKafkaErrorCode::UnknownTopicOrPartition)))
}
