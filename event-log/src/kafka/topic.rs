//! The topic: made with the right settings, and checked before it is trusted.

use super::client::{Connection, MAX_MESSAGE_BYTES, PARTITION, REQUEST_TIMEOUT, Reading, Reports};
use crate::engine::{LogError, MAX_GROUP_BYTES};
use futures_executor::block_on;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::time::{Duration, Instant};

/// Settings that every topic of a log must have, and why.
const REQUIRED: [(&str, &str, &str); 5] = [
    ("cleanup.policy", "delete", "compaction removes facts"),
    ("retention.ms", "-1", "facts would be deleted by age"),
    ("retention.bytes", "-1", "facts would be deleted by size"),
    ("unclean.leader.election.enable", "false", "answered commands could be lost with a broker"),
    ("message.timestamp.type", "LogAppendTime", "the broker's time of arrival bounds a leader's clock"),
];
const MAX_BYTES_SETTING: &str = "max.message.bytes";
/// Between two looks whether the brokers know a new topic.
const KNOWN_PAUSE: Duration = Duration::from_millis(50);
const MIN_IN_SYNC_SETTING: &str = "min.insync.replicas";

/// How a new topic is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TopicOptions {
    /// Copies on as many brokers.
    pub replicas: u16,
    /// Copies that must have an entry before it counts as written.
    pub min_in_sync: u16,
}

impl TopicOptions {
    /// Three copies, two of which must have an entry; one copy on a single broker, which loses what the broker loses.
    pub fn for_brokers(brokers: usize) -> Self {
        if brokers >= 3 { Self { replicas: 3, min_in_sync: 2 } } else { Self { replicas: 1, min_in_sync: 1 } }
    }
}

/// How many brokers the cluster has.
pub(super) fn brokers(connection: &Connection) -> Result<usize, LogError> {
    let consumer = connection.consumer(Reading::SingleEntries)?;
    let metadata = consumer
        .fetch_metadata(None, REQUEST_TIMEOUT)
        .map_err(|error| connection.failure("asking for the brokers", &error))?;
    Ok(metadata.brokers().len())
}

/// Makes the topic, with one partition and settings that lose nothing. `None`: what suits the number of brokers.
///
/// # Errors
/// [`LogError::Io`] if there is such a topic, or it cannot be made.
pub fn create_topic(
    connection: &Connection,
    options: Option<TopicOptions>,
) -> Result<TopicOptions, LogError> {
    let options = match options {
        Some(options) => options,
        None => TopicOptions::for_brokers(brokers(connection)?),
    };
    let replication = TopicReplication::Fixed(i32::from(options.replicas));
    let (max_bytes, min_in_sync) = (MAX_MESSAGE_BYTES.to_string(), options.min_in_sync.to_string());
    let mut topic = NewTopic::new(&connection.topic, 1, replication)
        .set(MAX_BYTES_SETTING, &max_bytes)
        .set(MIN_IN_SYNC_SETTING, &min_in_sync)
        .set("compression.type", "producer");
    for (name, value, _) in REQUIRED {
        topic = topic.set(name, value);
    }
    let admin = admin(connection)?;
    let made = block_on(admin.create_topics([&topic], &admin_options()));
    let failed = |error| connection.failure("making the topic", &error);
    let results = made.map_err(failed)?;
    match results.into_iter().next() {
        Some(Err((_, code))) => return Err(failed(KafkaError::AdminOp(code))),
        _ => wait_until_known(connection)?,
    }
    Ok(options)
}

/// Brokers learn of a new topic a moment after it was made.
fn wait_until_known(connection: &Connection) -> Result<(), LogError> {
    let begin = Instant::now();
    loop {
        match check_partitions(connection) {
            Err(LogError::Missing { .. }) if begin.elapsed() < REQUEST_TIMEOUT => {
                std::thread::sleep(KNOWN_PAUSE)
            }
            known => return known,
        }
    }
}

/// Whether there is a topic with settings that lose nothing.
///
/// # Errors
/// If there is one with others, or no broker answers.
pub fn is_good_topic(connection: &Connection) -> Result<bool, LogError> {
    match check(connection) {
        Ok(()) => Ok(true),
        Err(LogError::Missing { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Refuses a topic that is not there, or that may lose or reorder what is in it.
pub(super) fn check(connection: &Connection) -> Result<(), LogError> {
    check_partitions(connection)?;
    let settings = describe(connection)?;
    let mut wrong = Vec::new();
    let value_of = |name: &str| settings.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
    for (name, wanted, why) in REQUIRED {
        let found = value_of(name);
        if found != wanted {
            wrong.push(format!("{name} is {found:?} and must be {wanted:?}: {why}"));
        }
    }
    let max_bytes: usize = value_of(MAX_BYTES_SETTING).parse().unwrap_or(0);
    if max_bytes < MAX_GROUP_BYTES {
        wrong.push(format!(
            "{MAX_BYTES_SETTING} is {max_bytes} and must be at least {MAX_GROUP_BYTES}: entries would not fit"
        ));
    }
    if !wrong.is_empty() {
        return Err(LogError::Unsuitable { place: connection.place(), why: wrong.join("; ") });
    }
    if value_of(MIN_IN_SYNC_SETTING) == "1" {
        tracing::warn!(topic = %connection.topic, "{MIN_IN_SYNC_SETTING} is 1: what is answered may be lost with one broker");
    }
    Ok(())
}

fn check_partitions(connection: &Connection) -> Result<(), LogError> {
    let consumer = connection.consumer(Reading::SingleEntries)?;
    let metadata = consumer
        .fetch_metadata(Some(&connection.topic), REQUEST_TIMEOUT)
        .map_err(|error| connection.failure("asking for the topic", &error))?;
    let topic = metadata.topics().iter().find(|topic| topic.name() == connection.topic);
    let missing = || LogError::Missing { place: connection.place() };
    let topic = topic.ok_or_else(missing)?;
    match topic.error().map(RDKafkaErrorCode::from) {
        None => {}
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            return Err(missing());
        }
        Some(code) => {
            return Err(connection.failure("asking for the topic", &KafkaError::MetadataFetch(code)));
        }
    }
    let partitions = topic.partitions().len();
    if partitions != PARTITION as usize + 1 {
        let why = format!("it has {partitions} partitions and must have one: the log has one order");
        return Err(LogError::Unsuitable { place: connection.place(), why });
    }
    Ok(())
}

fn describe(connection: &Connection) -> Result<ConfigResource, LogError> {
    let admin = admin(connection)?;
    let topic = ResourceSpecifier::Topic(&connection.topic);
    let failed = |error| connection.failure("reading the topic's settings", &error);
    let described = block_on(admin.describe_configs([&topic], &admin_options())).map_err(failed)?;
    match described.into_iter().next() {
        Some(Ok(settings)) => Ok(settings),
        Some(Err(code)) => Err(failed(KafkaError::AdminOp(code))),
        None => Err(failed(KafkaError::NoMessageReceived)),
    }
}

fn admin(connection: &Connection) -> Result<AdminClient<Reports>, LogError> {
    let client = connection.config().create_with_context(Reports);
    client.map_err(|error| connection.failure("making a client", &error))
}

fn admin_options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}

/// A topic as brokers make it when nobody says how.
#[cfg(test)]
pub(super) fn create_careless(connection: &Connection) {
    let topic =
        NewTopic::new(&connection.topic, 1, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
    let made = block_on(admin(connection).expect("a client").create_topics([&topic], &admin_options()));
    assert!(made.is_ok_and(|results| results.iter().all(Result::is_ok)));
    wait_until_known(connection).expect("the topic was made");
}
