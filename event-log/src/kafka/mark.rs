//! The mark: the first message of the topic, which names this copy of the log.
//!
//! Several nodes may meet an empty topic at once. Each sends a mark; the one that arrives first is the mark, the others
//! are foreign bytes to admission. Nobody writes an entry before it has read the mark.

use super::client::{Connection, LetGo, PARTITION, REQUEST_TIMEOUT, Reading, Reports};
use crate::engine::LogError;
use event_schemas::ids::{InstanceId, Position};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::Instant;

/// Key of the mark; entries have none.
const KEY: &[u8] = b"dancu-log";
/// Where entries begin: behind the mark.
pub(super) const FIRST_ENTRY: Position = Position(1);

/// The position after the last message. Asks the broker.
pub(super) fn end_of(connection: &Connection) -> Result<Position, LogError> {
    let consumer = connection.consumer(Reading::SingleEntries)?;
    let marks = consumer.fetch_watermarks(&connection.topic, PARTITION, REQUEST_TIMEOUT);
    let (low, high) = marks.map_err(|error| connection.failure("asking for the log's end", &error))?;
    if low > 0 {
        let place = format!("the beginning of {} (its first message is {low})", connection.place());
        return Err(LogError::Missing { place });
    }
    Ok(Position(high.max(0) as u64))
}

/// Marks the topic if it is empty, and tells its end.
pub(super) fn prepare(connection: &Connection, new_instance: InstanceId) -> Result<Position, LogError> {
    let end = end_of(connection)?;
    if end != Position(0) {
        return Ok(end);
    }
    send(connection, new_instance)?;
    end_of(connection)
}

fn send(connection: &Connection, instance: InstanceId) -> Result<(), LogError> {
    let failed = |error: KafkaError| connection.failure("marking the empty topic", &error);
    let mut config = connection.config();
    config.set("acks", "all").set("enable.idempotence", "true");
    let producer: BaseProducer<Reports> = config.create_with_context(Reports).map_err(failed)?;
    let producer = LetGo::new(producer);
    let payload = instance.0.to_be_bytes();
    let record = BaseRecord::to(&connection.topic).partition(PARTITION).key(KEY).payload(&payload[..]);
    producer.send(record).map_err(|(error, _)| failed(error))?;
    // Whether it arrived shows when the mark is read.
    producer.flush(REQUEST_TIMEOUT).map_err(failed)
}

/// Reads the mark.
pub(super) fn read(connection: &Connection) -> Result<InstanceId, LogError> {
    let consumer = connection.consumer(Reading::SingleEntries)?;
    connection.assign(&consumer, Position(0))?;
    first_message(connection, &consumer)
}

fn first_message(
    connection: &Connection,
    consumer: &rdkafka::consumer::BaseConsumer<Reports>,
) -> Result<InstanceId, LogError> {
    let begin = Instant::now();
    while begin.elapsed() < REQUEST_TIMEOUT {
        match consumer.poll(REQUEST_TIMEOUT - begin.elapsed()) {
            Some(Ok(message)) => {
                let payload = message.payload().and_then(|payload| <[u8; 16]>::try_from(payload).ok());
                return match payload.filter(|_| message.key() == Some(KEY)) {
                    Some(bytes) => Ok(InstanceId(u128::from_be_bytes(bytes))),
                    None => Err(foreign(connection)),
                };
            }
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) => return Err(connection.failure("reading the mark", &error)),
        }
    }
    let timed_out = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
    Err(connection.failure("reading the mark", &timed_out))
}

fn foreign(connection: &Connection) -> LogError {
    let why = "its first message is not the mark of a log; make a topic of its own".to_owned();
    LogError::Foreign { place: connection.place(), why }
}
