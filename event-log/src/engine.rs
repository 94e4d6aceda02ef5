//! What every engine of the log offers: append groups of raw entries, learn their outcome, read raw entries back.
//!
//! An engine knows nothing of admission's verdicts on what it is given: it keeps raw entries in one order and says
//! which of them are durable. Whether an entry is a fact is for [`crate::admission`] to say, alike for every reader.

use event_schemas::header::{HEADER_LEN, MAX_BODY_LEN};
use event_schemas::ids::{InstanceId, Lsn, Position};
use event_schemas::time::Timestamp;
use std::time::Duration;

/// Most entries of one group (O1).
pub const MAX_GROUP_ENTRIES: usize = 4_096;

/// Most bytes of all entries of one group (O1). Any single entry fits.
pub const MAX_GROUP_BYTES: usize = 4 << 20;

const _: () = assert!(HEADER_LEN + MAX_BODY_LEN <= MAX_GROUP_BYTES);

/// Entries that are submitted together, and are durable together or of unknown fate. An engine with one flush for a group keeps
/// all of them or none; one that sends entries one by one may keep the first ones alone: a command is one entry (W9).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct AppendGroup {
    pub entries: Vec<Vec<u8>>,
}

impl AppendGroup {
    /// Bytes of all entries.
    pub fn bytes(&self) -> usize {
        self.entries.iter().map(Vec::len).sum()
    }

    /// Checks the bounds that every engine keeps.
    pub fn check(&self) -> Result<(), SubmitError> {
        if self.entries.is_empty() {
            return Err(SubmitError::Empty);
        }
        let (entries, bytes) = (self.entries.len(), self.bytes());
        if entries > MAX_GROUP_ENTRIES || bytes > MAX_GROUP_BYTES {
            return Err(SubmitError::TooLarge { entries, bytes });
        }
        Ok(())
    }
}

/// Names a submitted group within the life of one [`EventLog`] value: 1, 2, 3 …
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct GroupId(pub u64);

/// What became of a submitted group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AppendOutcome {
    /// The group is in the log and stays there (W1).
    Durable { group: GroupId },
    /// The group may be in the log, or come into it later, or never. Whoever submitted it must not write in its term
    /// again (W8).
    Unknown { group: GroupId, cause: String },
}

impl AppendOutcome {
    /// The group that this is about.
    pub fn group(&self) -> GroupId {
        match self {
            Self::Durable { group } | Self::Unknown { group, .. } => *group,
        }
    }
}

/// Why a group was not taken. None of its entries is, or will be, in the log.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubmitError {
    #[error("{limit} groups are in flight already; wait for an outcome")]
    TooManyInFlight { limit: usize },
    #[error(
        "the group holds {entries} entries of {bytes} bytes together; at most {MAX_GROUP_ENTRIES} entries and \
         {MAX_GROUP_BYTES} bytes fit"
    )]
    TooLarge { entries: usize, bytes: usize },
    #[error("the group holds no entry")]
    Empty,
    #[error(transparent)]
    Failed(#[from] LogError),
}

/// Why a log cannot be opened, read or written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LogError {
    /// Another process, or another part of this one, writes this log.
    #[error(
        "{place} is in use: another process holds its lock. Stop that process first, or read without the lock"
    )]
    Locked { place: String },
    /// What is there is not a log.
    #[error("{place} is not a log of this product: {why}")]
    Foreign { place: String, why: String },
    /// What holds the log may lose what is in it.
    #[error("{place} must not keep a registry: {why}")]
    Unsuitable { place: String, why: String },
    /// A log in a format that this binary does not read.
    #[error("{place} has storage format {found}; this binary reads format {known}")]
    UnknownFormat { place: String, found: u32, known: u32 },
    /// A log, but another one.
    #[error("{place} belongs to log instance {found}, not {expected}")]
    WrongInstance { place: String, expected: InstanceId, found: InstanceId },
    /// A part of the log is not there.
    #[error("{place} is missing; the log cannot be used without it. Restore it from a copy")]
    Missing { place: String },
    /// Stored bytes are not what was written. Nothing after the place can be trusted.
    #[error("{file} is damaged at byte {offset} (position {}): {what}", position.0)]
    Damaged { file: String, offset: u64, position: Position, what: String },
    /// No room is left to write to.
    #[error("the disk is full: {action}")]
    DiskFull { action: String },
    /// The operating system, or the broker, refused an operation.
    #[error("{action}: {cause}")]
    Io { action: String, cause: String },
    /// An earlier failure of writing; nothing is written any more. The process must end and open the log anew,
    /// because a flush that is repeated after a failure may lie.
    #[error("the log failed earlier and takes nothing more: {cause}")]
    Fatal { cause: String },
    /// A position or lsn that the log does not hold.
    #[error("{wanted} is beyond the end of the log ({end})")]
    BeyondEnd { wanted: String, end: String },
}

/// The one owner's handle to a log: appends, and reads back. Used from the writer thread alone.
pub trait EventLog: Send {
    /// The copy of the log that this is.
    fn instance(&self) -> InstanceId;

    /// The copy that this one is being made of to go on in its place, or was; a log that began here has none.
    fn copy_of(&self) -> Option<InstanceId> {
        None
    }

    /// The position after the last entry that is known to be durable now.
    fn end(&self) -> Position;

    /// Starts to append. Never blocks on the disk or the network.
    fn submit(&mut self, group: AppendGroup) -> Result<GroupId, SubmitError>;

    /// The next outcome, in the order of submission; waits for it up to `wait`. `None`: nothing is in flight, or
    /// nothing was learnt in that time.
    fn poll(&mut self, wait: Duration) -> Result<Option<AppendOutcome>, LogError>;

    /// Reads raw entries from `from` on; it follows what this value and others append.
    fn reader(&self, from: Position) -> Result<Box<dyn LogReader>, LogError>;

    /// Finishes what is in flight and lets go of the log. Outcomes that were not polled are lost.
    fn close(self: Box<Self>) -> Result<(), LogError>;
}

/// Reads raw entries in the order of positions, and never beyond what is durable.
pub trait LogReader: Send {
    /// The next entries: at most `max_entries`, and at most `max_bytes` unless the first alone is longer. Waits up to
    /// `wait` if there is none yet, and returns promptly when one becomes durable.
    fn read(&mut self, max_entries: usize, max_bytes: usize, wait: Duration) -> Result<ReadBatch, LogError>;

    /// The position that the next [`Self::read`] begins at.
    fn position(&self) -> Position;

    /// When the last entry that was read came into the log, by the clock of whatever keeps it; `None` if it has none of its own.
    fn appended_at(&self) -> Option<Timestamp> {
        None
    }
}

/// Where readers of other threads get at the log.
pub trait LogSource: Send + Sync {
    /// The copy of the log that this is.
    fn instance(&self) -> InstanceId;

    /// The copy that this one is being made of to go on in its place, or was; a log that began here has none.
    fn copy_of(&self) -> Option<InstanceId> {
        None
    }

    /// The position after the last entry that is known to be durable now.
    fn end(&self) -> Position;

    /// Reads raw entries from `from` on.
    fn open_reader(&self, from: Position) -> Result<Box<dyn LogReader>, LogError>;

    /// A position at or shortly before the entry that was admitted as `lsn`; the end if it is not there yet.
    fn locate(&self, lsn: Lsn) -> Result<Position, LogError>;

    /// The bytes of the entry that was admitted as `lsn`; `None` if it is not there (yet). Entries that were dropped
    /// are never given, whatever lsn they state.
    fn fetch(&self, lsn: Lsn) -> Result<Option<Vec<u8>>, LogError>;
}

/// One raw entry and where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawEntry {
    pub position: Position,
    pub bytes: Vec<u8>,
}

/// What one [`LogReader::read`] found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ReadBatch {
    pub entries: Vec<RawEntry>,
    /// True only if nothing durable was left behind these entries when they were read. An engine that learns of the end
    /// later says so with an empty batch.
    pub at_end: bool,
}
