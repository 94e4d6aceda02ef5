//! The log in the one partition of an Apache Kafka topic: an idempotent producer, readers, and no transactions.
//!
//! | in the topic | is |
//! |---|---|
//! | message 0 | the mark: a key that no entry has, and the instance of this copy of the log |
//! | every other message | one raw entry, without a key; its offset is its [`Position`] |
//!
//! The settings of the topic are checked on opening, because a topic that deletes or compacts loses facts in silence.
//! Who may write is not a matter of the broker: whatever arrives has one order, and [`crate::admission`] says what of it is
//! a fact. So a delivery whose fate is unknown needs nothing but a new term.
//!
//! *Architecture invariant:* an outcome is durable only after every delivery report of the group was clean (W1); anything
//! else is unknown (W8).
//! *Architecture invariant:* settings of clients may hold passwords; none is ever logged or part of an error.
//! *Architecture invariant:* durability here is replication: a broker does not flush every write to its disk.

mod candidacy;
mod client;
mod group;
mod index;
#[cfg(any(test, feature = "conformance"))]
pub mod local;
mod mark;
mod producer;
mod reader;
mod saved_index;
#[cfg(test)]
mod tests;
mod topic;

pub use candidacy::{Candidacy, DEFAULT_SESSION_TIMEOUT};
pub use client::{Connection, LetGo, heals};
pub use reader::KafkaReader;
pub use saved_index::IndexFile;
pub use topic::{TopicOptions, create_topic, is_good_topic};

use crate::admission::AdmissionState;
use crate::engine::{
    AppendGroup, AppendOutcome, EventLog, GroupId, LogError, LogReader, LogSource, SubmitError,
};
use client::Known;
use event_schemas::ids::{InstanceId, Lsn, Position};
use index::Index;
use mark::Mark;
use producer::Appender;
use std::sync::Arc;
use std::time::Duration;

/// Groups in flight unless said otherwise: brokers far away answer later than a disk.
pub const DEFAULT_GROUPS_IN_FLIGHT: usize = 8;

/// How to open a log in Kafka.
#[derive(Clone, Debug)]
pub struct Options {
    pub connection: Connection,
    /// Names the log if the topic is empty; random bits that the caller provides.
    pub new_instance: InstanceId,
    /// The new log is to be a copy of this one, and to go on in its place.
    pub new_copy_of: Option<InstanceId>,
    /// Refuse to open any other copy than this one.
    pub expected_instance: Option<InstanceId>,
    /// Where the index of lsns is kept; without it every start reads the whole topic.
    pub index_file: Option<IndexFile>,
    /// Bound of what is sent and not answered (O1).
    pub max_groups_in_flight: usize,
}

impl Options {
    /// With the bounds that suit most.
    pub fn new(connection: Connection, new_instance: InstanceId) -> Self {
        Self {
            connection,
            new_instance,
            new_copy_of: None,
            expected_instance: None,
            index_file: None,
            max_groups_in_flight: DEFAULT_GROUPS_IN_FLIGHT,
        }
    }
}

/// The Kafka engine, open for writing. Any number of nodes may have one open: only the admitted one's entries count.
pub struct KafkaLog {
    appender: Appender,
    handle: KafkaHandle,
}

impl KafkaLog {
    /// Connects, checks the topic, and marks it if it is empty.
    ///
    /// # Errors
    /// [`LogError::Missing`] without such a topic, or if its beginning is gone; [`LogError::Unsuitable`] if its settings
    /// would lose entries; [`LogError::Foreign`] if something else is in it; [`LogError::Io`] if no broker answers.
    pub fn open(options: Options) -> Result<Self, LogError> {
        assert!(options.max_groups_in_flight > 0, "at least one group must be allowed in flight");
        let connection = &options.connection;
        topic::check(connection)?;
        let mark = Mark { instance: options.new_instance, copy_of: options.new_copy_of };
        let end = mark::prepare(connection, mark)?;
        let expected = (options.expected_instance, options.index_file.clone());
        let handle = KafkaHandle::begin(connection.clone(), expected, end)?;
        let appender =
            Appender::start(connection.clone(), Arc::clone(&handle.known), options.max_groups_in_flight)?;
        Ok(Self { appender, handle })
    }

    /// Access for readers on other threads.
    pub fn handle(&self) -> KafkaHandle {
        self.handle.clone()
    }

    /// Joins the group of nodes that may lead this log as the node `name`.
    pub fn stand(&self, name: &str, session_timeout: Duration) -> Result<Candidacy, LogError> {
        Candidacy::begin(&self.handle.connection, name, session_timeout)
    }
}

impl EventLog for KafkaLog {
    fn instance(&self) -> InstanceId {
        self.handle.instance
    }

    fn copy_of(&self) -> Option<InstanceId> {
        self.handle.copy_of
    }

    fn end(&self) -> Position {
        self.handle.end()
    }

    fn submit(&mut self, group: AppendGroup) -> Result<GroupId, SubmitError> {
        group.check()?;
        self.appender.submit(&group)
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<AppendOutcome>, LogError> {
        Ok(self.appender.poll(wait))
    }

    fn reader(&self, from: Position) -> Result<Box<dyn LogReader>, LogError> {
        self.handle.open_reader(from)
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        self.appender.close()
    }
}

/// Opens readers on any thread, and finds entries by lsn. Cheap to clone.
#[derive(Clone)]
pub struct KafkaHandle {
    connection: Connection,
    instance: InstanceId,
    copy_of: Option<InstanceId>,
    known: Arc<Known>,
    index: Arc<Index>,
}

impl KafkaHandle {
    /// A log that others write.
    ///
    /// # Errors
    /// As [`KafkaLog::open`]; [`LogError::Missing`] if it has not begun.
    pub fn open_read_only(connection: Connection, expected: Option<InstanceId>) -> Result<Self, LogError> {
        Self::open_with_index(connection, expected, None)
    }

    /// The same, with an index that may have been saved.
    pub fn open_with_index(
        connection: Connection,
        expected: Option<InstanceId>,
        index_file: Option<IndexFile>,
    ) -> Result<Self, LogError> {
        topic::check(&connection)?;
        let end = mark::end_of(&connection)?;
        if end == Position(0) {
            return Err(LogError::Missing { place: connection.place() });
        }
        Self::begin(connection, (expected, index_file), end)
    }

    fn begin(
        connection: Connection,
        (expected, index_file): (Option<InstanceId>, Option<IndexFile>),
        end: Position,
    ) -> Result<Self, LogError> {
        let Mark { instance, copy_of } = mark::read(&connection)?;
        if let Some(expected) = expected.filter(|expected| *expected != instance) {
            return Err(LogError::WrongInstance { place: connection.place(), expected, found: instance });
        }
        let known = Arc::new(Known::new(end));
        let index = Arc::new(Index::start(&connection, Arc::clone(&known), (instance, index_file))?);
        Ok(Self { connection, instance, copy_of, known, index })
    }

    /// The first position that was read since the start to find entries by lsn: what comes before was saved.
    pub fn index_began_at(&self) -> Position {
        self.index.began_at()
    }

    /// Admission's state after everything that is known to be in the log.
    pub fn admission(&self) -> Result<AdmissionState, LogError> {
        self.index.admission()
    }
}

impl LogSource for KafkaHandle {
    fn instance(&self) -> InstanceId {
        self.instance
    }

    fn copy_of(&self) -> Option<InstanceId> {
        self.copy_of
    }

    fn end(&self) -> Position {
        self.known.end()
    }

    fn open_reader(&self, from: Position) -> Result<Box<dyn LogReader>, LogError> {
        if from > self.known.end() {
            self.known.raise(mark::end_of(&self.connection)?);
        }
        Ok(Box::new(KafkaReader::open(&self.connection, Arc::clone(&self.known), from)?))
    }

    fn locate(&self, lsn: Lsn) -> Result<Position, LogError> {
        if lsn == Lsn::ZERO {
            return Ok(Position(0));
        }
        let end = self.end();
        Ok(self.index.place_of(lsn)?.unwrap_or(end))
    }

    fn fetch(&self, lsn: Lsn) -> Result<Option<Vec<u8>>, LogError> {
        self.index.fetch(lsn)
    }
}
