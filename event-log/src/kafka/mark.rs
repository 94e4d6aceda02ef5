//! The mark: the first message of the topic, which names this copy of the log, and the one that it is a copy of.
//!
//! Several nodes may meet an empty topic at once. Each sends a mark; the one that arrives first is the mark, the others
//! are foreign bytes to admission. Nobody writes an entry before it has read the mark.

use super::client::{Connection, LetGo, PARTITION, REQUEST_TIMEOUT, Reading, Reports, heals};
use crate::engine::LogError;
use event_schemas::ids::{InstanceId, Position};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::{Duration, Instant};

/// Key of the mark; entries have none.
const KEY: &[u8] = b"dancu-log";
/// Where entries begin: behind the mark.
pub(super) const FIRST_ENTRY: Position = Position(1);

/// What the mark says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    pub instance: InstanceId,
    /// The copy that this one is being made of, or was.
    pub copy_of: Option<InstanceId>,
}

impl Mark {
    /// One id or two, big-endian.
    fn to_bytes(self) -> Vec<u8> {
        let ids = [Some(self.instance), self.copy_of];
        ids.into_iter().flatten().flat_map(|id| id.0.to_be_bytes()).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first_chunk()?;
        let copy_of = match rest {
            [] => None,
            rest => Some(InstanceId(u128::from_be_bytes(rest.try_into().ok()?))),
        };
        Some(Self { instance: InstanceId(u128::from_be_bytes(*first)), copy_of })
    }
}

/// The position after the last message. Asks the broker.
pub(super) fn end_of(connection: &Connection) -> Result<Position, LogError> {
    end_within(connection, REQUEST_TIMEOUT)
}

pub(super) fn end_within(connection: &Connection, within: Duration) -> Result<Position, LogError> {
    let consumer = connection.consumer(Reading::SingleEntries)?;
    let marks = consumer.fetch_watermarks(&connection.topic, PARTITION, within);
    let (low, high) = marks.map_err(|error| connection.failure("asking for the log's end", &error))?;
    if low > 0 {
        let place = format!("the beginning of {} (its first message is {low})", connection.place());
        return Err(LogError::Missing { place });
    }
    Ok(Position(high.max(0) as u64))
}

/// Marks the topic if it is empty, and tells its end.
pub(super) fn prepare(connection: &Connection, new: Mark) -> Result<Position, LogError> {
    let end = end_of(connection)?;
    if end != Position(0) {
        return Ok(end);
    }
    send(connection, new)?;
    end_of(connection)
}

fn send(connection: &Connection, mark: Mark) -> Result<(), LogError> {
    let failed = |error: KafkaError| connection.failure("marking the empty topic", &error);
    let mut config = connection.config();
    config.set("acks", "all").set("enable.idempotence", "true");
    let producer: BaseProducer<Reports> = config.create_with_context(Reports).map_err(failed)?;
    let producer = LetGo::new(producer);
    let payload = mark.to_bytes();
    let record = BaseRecord::to(&connection.topic).partition(PARTITION).key(KEY).payload(&payload);
    producer.send(record).map_err(|(error, _)| failed(error))?;
    // Whether it arrived shows when the mark is read.
    producer.flush(REQUEST_TIMEOUT).map_err(failed)
}

/// Reads the mark.
pub(super) fn read(connection: &Connection) -> Result<Mark, LogError> {
    let consumer = connection.consumer(Reading::SingleEntries)?;
    connection.assign(&consumer, Position(0))?;
    first_message(connection, &consumer)
}

fn first_message(
    connection: &Connection,
    consumer: &rdkafka::consumer::BaseConsumer<Reports>,
) -> Result<Mark, LogError> {
    let begin = Instant::now();
    while begin.elapsed() < REQUEST_TIMEOUT {
        match consumer.poll(REQUEST_TIMEOUT - begin.elapsed()) {
            Some(Ok(message)) => {
                let payload = message.payload().filter(|_| message.key() == Some(KEY));
                return payload.and_then(Mark::from_bytes).ok_or_else(|| foreign(connection));
            }
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            // One of several brokers is away, perhaps.
            Some(Err(error)) if heals(&error) => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_the_round_trip_and_nothing_else_is_one() {
        for copy_of in [None, Some(InstanceId(7))] {
            let mark = Mark { instance: InstanceId(5), copy_of };
            assert_eq!(Mark::from_bytes(&mark.to_bytes()), Some(mark));
        }
        for len in [0, 15, 17, 31, 33] {
            assert_eq!(Mark::from_bytes(&vec![1; len]), None);
        }
    }
}
