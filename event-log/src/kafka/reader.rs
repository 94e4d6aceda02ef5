//! Reading raw entries in the order of offsets.

use super::client::{Connection, Known, LetGo, Reading, Reports, heals};
use super::mark::FIRST_ENTRY;
use crate::engine::{LogError, LogReader, RawEntry, ReadBatch};
use event_schemas::ids::Position;
use event_schemas::time::Timestamp;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, Timestamp as MessageTime};
use std::sync::Arc;
use std::time::Duration;

/// Longest that one read waits for an entry that is known to be in the log.
const FETCH_WAIT: Duration = Duration::from_millis(100);

/// Reads the log; it has a client of its own.
pub struct KafkaReader {
    connection: Connection,
    known: Arc<Known>,
    consumer: LetGo<BaseConsumer<Reports>>,
    position: Position,
    /// Where the broker last said that nothing follows.
    end_seen_at: Option<Position>,
    /// The broker's clock when the last message came.
    appended_at: Option<Timestamp>,
    /// Fetched, but too long for the batch before.
    kept: Option<RawEntry>,
}

/// What one look brought.
enum Seen {
    Entry(RawEntry),
    /// Nothing follows for now.
    End,
    Nothing,
}

impl KafkaReader {
    pub(super) fn open(connection: &Connection, known: Arc<Known>, from: Position) -> Result<Self, LogError> {
        let end = known.end();
        if from > end {
            let (wanted, end) = (format!("position {}", from.0), format!("position {}", end.0));
            return Err(LogError::BeyondEnd { wanted, end });
        }
        let position = from.max(FIRST_ENTRY);
        let consumer = connection.consumer(Reading::Everything)?;
        connection.assign(&consumer, position)?;
        let connection = connection.clone();
        Ok(Self { connection, known, consumer, position, end_seen_at: None, appended_at: None, kept: None })
    }

    fn next(&mut self, wait: Duration) -> Result<Seen, LogError> {
        if let Some(entry) = self.kept.take() {
            return Ok(Seen::Entry(entry));
        }
        match self.consumer.poll(wait) {
            None => Ok(Seen::Nothing),
            Some(Ok(message)) => {
                let position = Position(message.offset().max(0) as u64);
                // The topic's setting was checked on opening; a producer's own time says nothing.
                if let MessageTime::LogAppendTime(milliseconds) = message.timestamp() {
                    self.appended_at = Some(Timestamp(milliseconds.saturating_mul(1_000)));
                }
                // A borrowed message holds on to everything that was fetched with it.
                let bytes = message.payload().unwrap_or_default().to_vec();
                Ok(Seen::Entry(RawEntry { position, bytes }))
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {
                self.end_seen_at = Some(self.position);
                Ok(Seen::End)
            }
            Some(Err(error)) => self.judge(error),
        }
    }

    /// Clients heal by themselves after most errors; after these they do not.
    fn judge(&self, error: KafkaError) -> Result<Seen, LogError> {
        if heals(&error) {
            tracing::debug!(%error, "reading goes on when the broker answers");
            return Ok(Seen::Nothing);
        }
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                let place = format!("position {} of {}", self.position.0, self.connection.place());
                Err(LogError::Missing { place })
            }
            _ => Err(self.connection.failure("reading the log", &error)),
        }
    }

    /// How long the next look may wait. What is known to be there comes soon; else only the first look of a read waits.
    fn wait_now(&self, is_first: bool, wait: Duration) -> Duration {
        if self.position < self.known.end() {
            FETCH_WAIT
        } else if is_first {
            wait
        } else {
            Duration::ZERO
        }
    }
}

impl LogReader for KafkaReader {
    fn read(&mut self, max_entries: usize, max_bytes: usize, wait: Duration) -> Result<ReadBatch, LogError> {
        let mut batch = ReadBatch::default();
        let mut bytes = 0;
        while batch.entries.len() < max_entries {
            match self.next(self.wait_now(batch.entries.is_empty(), wait))? {
                Seen::Entry(entry) => {
                    if !batch.entries.is_empty() && bytes + entry.bytes.len() > max_bytes {
                        self.kept = Some(entry);
                        break;
                    }
                    bytes += entry.bytes.len();
                    self.position = entry.position.next();
                    self.known.raise(self.position);
                    batch.entries.push(entry);
                }
                Seen::End | Seen::Nothing => break,
            }
        }
        batch.at_end = self.kept.is_none()
            && self.end_seen_at == Some(self.position)
            && self.position >= self.known.end();
        Ok(batch)
    }

    fn position(&self) -> Position {
        self.position
    }

    fn appended_at(&self) -> Option<Timestamp> {
        self.appended_at
    }
}
