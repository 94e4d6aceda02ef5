//! The log in one directory: preallocated segment files, groups made durable by one flush each, for one process.
//!
//! | file | holds |
//! |---|---|
//! | `log.lock` | nothing; its lock is held for the life of the writer |
//! | `log.meta` | the log's instance id, which one it is a copy of, the storage format, how many segments there are |
//! | `log.mark` | up to which group it is durable, for processes that follow it |
//! | `0000000000.seg` … | a header page, then groups of entries, then zeroes |
//!
//! What is found on open, and what becomes of it:
//!
//! | found | told by | then |
//! |---|---|---|
//! | a torn last group | some of its sectors are zero | cut: it was never answered |
//! | a flipped bit in an answered group | a sector that is neither zero nor sound | refused, with its place |
//! | stale data behind a short group | sequence numbers, links | refused, with its place |
//! | a segment too few | numbers without a gap, the count in `log.meta` | refused, with its name |
//! | another log's, or a foreign, file | magic, instance id in every checksum | refused, with its name |
//!
//! *Architecture invariant:* safety against two processes is the exclusive lock alone.
//! *Architecture invariant:* readers never see what is not durable (W1, W8).
//! *Architecture invariant:* after a failed write or flush nothing is written any more; only opening the log anew,
//! which writes the last group again, makes it usable.

mod files;
mod following;
mod group;
mod handle;
mod index;
mod layout;
mod mark_file;
mod open;
mod reader;
mod scan;
mod sector;
mod shared;
#[cfg(test)]
mod tests;
mod writer;

pub use handle::EmbeddedHandle;
pub use reader::EmbeddedReader;

use crate::disk::{Disk, DiskLock, RealDisk};
use crate::engine::{AppendGroup, AppendOutcome, EventLog, GroupId, LogError, LogReader, SubmitError};
use event_schemas::ids::{InstanceId, Position};
use layout::FIRST_GROUP;
use open::Opened;
use shared::{Shared, io_failure};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use writer::Writer;

/// Size of a segment unless said otherwise.
pub const DEFAULT_SEGMENT_BYTES: u64 = 256 << 20;

/// Groups in flight unless said otherwise: one is flushed, the next is written behind it, and one is being decided.
pub const DEFAULT_GROUPS_IN_FLIGHT: usize = 4;

/// Who does the writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlushBy {
    /// A thread of its own, so that [`EventLog::submit`] never waits for the disk.
    Thread,
    /// [`EventLog::poll`], so that a simulation stays on one thread. Readers then never wait.
    Caller,
}

/// How to open an embedded log.
#[derive(Clone)]
pub struct Options {
    /// The directory.
    pub disk: Arc<dyn Disk>,
    /// Names the log if there is none yet; random bits that the caller provides.
    pub new_instance: InstanceId,
    /// The new log is to be a copy of this one, and to go on in its place.
    pub new_copy_of: Option<InstanceId>,
    /// Refuse to open any other log than this one, and to begin one where this one is missing.
    pub expected_instance: Option<InstanceId>,
    /// Size of new segments. A group that is larger gets a segment of its size.
    pub segment_bytes: u64,
    /// Bound of the queue between [`EventLog::submit`] and the disk (O1).
    pub max_groups_in_flight: usize,
    pub flush_by: FlushBy,
}

impl Options {
    /// A log in a directory of the operating system, which is made unless it exists.
    pub fn in_directory(directory: impl AsRef<Path>, new_instance: InstanceId) -> Result<Self, LogError> {
        let directory = directory.as_ref();
        let disk = RealDisk::create(directory)
            .map_err(|error| io_failure(format!("making the directory {}", directory.display()), &error))?;
        Ok(Self::on_disk(Arc::new(disk), new_instance))
    }

    /// A log on any disk.
    pub fn on_disk(disk: Arc<dyn Disk>, new_instance: InstanceId) -> Self {
        Self {
            disk,
            new_instance,
            new_copy_of: None,
            expected_instance: None,
            segment_bytes: DEFAULT_SEGMENT_BYTES,
            max_groups_in_flight: DEFAULT_GROUPS_IN_FLIGHT,
            flush_by: FlushBy::Thread,
        }
    }
}

/// The embedded engine, open for writing. There is one at a time, whatever the number of processes.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    flusher: Flusher,
    max_in_flight: usize,
    in_flight: usize,
    last_group: GroupId,
    /// Released last: the fields are dropped in order.
    _lock: Box<dyn DiskLock>,
}

enum Flusher {
    Thread(FlushThread),
    Caller { writer: Box<Writer>, queue: VecDeque<(GroupId, AppendGroup)> },
}

impl EmbeddedLog {
    /// Opens the log, or makes it if the directory is empty.
    ///
    /// # Errors
    /// [`LogError::Locked`] if another process writes it; any other if what is there is not a whole log.
    ///
    /// # Panics
    /// If the options allow no group in flight.
    pub fn open(options: Options) -> Result<Self, LogError> {
        assert!(options.max_groups_in_flight > 0, "at least one group must be allowed in flight");
        let segment_bytes = options.segment_bytes.max(FIRST_GROUP);
        let Opened { lock, shared, mark } = open::open_for_writing(&options)?;
        let writer = Writer::new(Arc::clone(&options.disk), Arc::clone(&shared), mark, segment_bytes);
        let flusher = match options.flush_by {
            FlushBy::Caller => Flusher::Caller { writer: Box::new(writer), queue: VecDeque::new() },
            FlushBy::Thread => Flusher::Thread(FlushThread::start(
                writer,
                Arc::clone(&shared),
                options.max_groups_in_flight,
            )?),
        };
        let max_in_flight = options.max_groups_in_flight;
        Ok(Self { shared, flusher, max_in_flight, in_flight: 0, last_group: GroupId(0), _lock: lock })
    }

    /// Access for other threads. It stays usable after the log was closed, for what was durable then.
    pub fn handle(&self) -> EmbeddedHandle {
        EmbeddedHandle::new(Arc::clone(&self.shared))
    }
}

impl EventLog for EmbeddedLog {
    fn instance(&self) -> InstanceId {
        self.shared.instance
    }

    fn copy_of(&self) -> Option<InstanceId> {
        self.shared.copy_of
    }

    fn end(&self) -> Position {
        self.shared.end()
    }

    fn submit(&mut self, group: AppendGroup) -> Result<GroupId, SubmitError> {
        group.check()?;
        if let Some(failure) = self.shared.failure() {
            return Err(SubmitError::Failed(failure));
        }
        if self.in_flight >= self.max_in_flight {
            return Err(SubmitError::TooManyInFlight { limit: self.max_in_flight });
        }
        let id = GroupId(self.last_group.0 + 1);
        match &mut self.flusher {
            Flusher::Caller { queue, .. } => queue.push_back((id, group)),
            Flusher::Thread(thread) => thread.give(id, group)?,
        }
        self.last_group = id;
        self.in_flight += 1;
        Ok(id)
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<AppendOutcome>, LogError> {
        if self.in_flight == 0 {
            return self.shared.failure().map_or(Ok(None), Err);
        }
        let outcome = match &mut self.flusher {
            Flusher::Thread(thread) => thread.take(wait)?,
            Flusher::Caller { writer, queue } => {
                queue.pop_front().map(|(id, group)| append(writer, &self.shared, id, &group))
            }
        };
        self.in_flight -= usize::from(outcome.is_some());
        Ok(outcome)
    }

    fn reader(&self, from: Position) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(EmbeddedReader::new(Arc::clone(&self.shared), from)?))
    }

    fn close(mut self: Box<Self>) -> Result<(), LogError> {
        match &mut self.flusher {
            Flusher::Thread(thread) => thread.stop(),
            Flusher::Caller { writer, queue } => {
                for (id, group) in queue.drain(..) {
                    append(writer, &self.shared, id, &group);
                }
            }
        }
        self.shared.failure().map_or(Ok(()), Err)
    }
}

/// Appends one group, unless an earlier one failed.
fn append(writer: &mut Writer, shared: &Shared, group: GroupId, entries: &AppendGroup) -> AppendOutcome {
    let unknown = |error: LogError| AppendOutcome::Unknown { group, cause: error.to_string() };
    if let Some(failure) = shared.failure() {
        return unknown(failure);
    }
    match writer.append(&entries.entries) {
        Ok(()) => AppendOutcome::Durable { group },
        Err(error) => {
            shared.fail(error.to_string());
            unknown(error)
        }
    }
}

/// The thread that writes and flushes, with a bounded queue on either side.
struct FlushThread {
    /// `None` once it was told to stop.
    groups: Option<SyncSender<(GroupId, AppendGroup)>>,
    outcomes: Receiver<AppendOutcome>,
    thread: Option<JoinHandle<()>>,
}

impl FlushThread {
    fn start(mut writer: Writer, shared: Arc<Shared>, max_in_flight: usize) -> Result<Self, LogError> {
        let (groups, incoming) = sync_channel::<(GroupId, AppendGroup)>(max_in_flight);
        // Never more outcomes than groups in flight, so the thread never waits here.
        let (outgoing, outcomes) = sync_channel(max_in_flight);
        let work = move || {
            while let Ok((id, group)) = incoming.recv() {
                let outcome = append(&mut writer, &shared, id, &group);
                if outgoing.send(outcome).is_err() {
                    // The owner is gone, but what it submitted is finished all the same.
                    continue;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("event-log-flush".to_owned())
            .spawn(work)
            .map_err(|error| io_failure("starting the thread that flushes the log", &error))?;
        Ok(Self { groups: Some(groups), outcomes, thread: Some(thread) })
    }

    fn give(&self, id: GroupId, group: AppendGroup) -> Result<(), LogError> {
        let groups = self.groups.as_ref().expect("only closing and dropping stop the thread");
        groups.send((id, group)).map_err(|_| Self::ended())
    }

    fn take(&self, wait: Duration) -> Result<Option<AppendOutcome>, LogError> {
        match self.outcomes.recv_timeout(wait) {
            Ok(outcome) => Ok(Some(outcome)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Self::ended()),
        }
    }

    fn ended() -> LogError {
        LogError::Fatal { cause: "the thread that flushes the log has ended".to_owned() }
    }

    fn stop(&mut self) {
        self.groups = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported where it happened; here only its end matters.
            let _ = thread.join();
        }
    }
}

impl Drop for FlushThread {
    fn drop(&mut self) {
        self.stop();
    }
}
