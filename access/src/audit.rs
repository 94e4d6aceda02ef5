//! The audit log of personal reads: who, whom, why and when, kept before a read is answered. What a command is answered
//! without standing in the log of records, a dry run or a refusal that tells of rows, is a read like any other.
//!
//! JSON lines in files of their own, `reads-000001.ndjson`, `reads-000002.ndjson` …; a file that has grown to its bound
//! is closed for good and the next begun. Lines that arrive together share one write and one sync.
//!
//! - [`line`]: what a line holds, and the chain over all lines that shows a gap or a change;
//! - [`file`]: appending, rotation, what is done about a line that a crash has cut;
//! - [`verify`]: checks the chain of a whole directory.

pub mod file;
pub mod line;
pub mod verify;

use crate::WallClock;
use crate::http::{AuditFailure, AuditLog, PersonalRead};
use event_schemas::time::Timestamp;
use file::{AuditError, AuditFile, TornTail};
use line::Entry;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Requests whose reads wait to be recorded; more are not answered (O1).
const MAX_WAITING: usize = 4_096;
/// A group that shares one write takes no further request once it has so many reads.
const MAX_GROUP: usize = 1_024;
/// Under [`Durability::Written`] the file is synced this often.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// What a record has come through before the read is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// Handed to the operating system: it survives the process. Synced each second, so a machine that goes down loses
    /// at most the last second's.
    Written,
    /// Synced: it survives the machine. Reads that arrive together share one sync.
    #[default]
    Synced,
}

/// How an audit log is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuditOptions {
    pub durability: Durability,
    /// Size at which the next file is begun.
    pub max_file_bytes: u64,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self { durability: Durability::default(), max_file_bytes: 64 << 20 }
    }
}

/// An audit log in a directory. Dropping it finishes what waits.
pub struct FileAudit {
    /// `None` once it was told to end.
    waiting: Mutex<Option<SyncSender<Waiting>>>,
    thread: Option<JoinHandle<()>>,
    torn: Option<TornTail>,
}

struct Waiting {
    reads: Vec<PersonalRead>,
    reply: oneshot::Sender<Result<(), AuditFailure>>,
}

impl FileAudit {
    /// Goes on behind the last whole line. One process at a time.
    ///
    /// Errors: the directory is held by another process, a file fails, or lines before the last ones do not continue
    /// the chain; such a log is for an operator to set aside.
    pub fn open(directory: &Path, options: AuditOptions, now: WallClock) -> Result<Self, AuditError> {
        let (file, torn) = AuditFile::open(directory, options.max_file_bytes, now())?;
        let (sender, receiver) = sync_channel(MAX_WAITING);
        let keeper = Keeper { file, durability: options.durability, now, unsynced_since: None };
        let thread = std::thread::Builder::new().name("audit".into()).spawn(move || keeper.run(&receiver))?;
        Ok(Self { waiting: Mutex::new(Some(sender)), thread: Some(thread), torn })
    }

    /// What a crash had cut and opening has set aside.
    pub fn torn(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }
}

impl Drop for FileAudit {
    fn drop(&mut self) {
        if let Ok(waiting) = self.waiting.get_mut() {
            *waiting = None;
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the audit log's thread had panicked");
        }
    }
}

#[async_trait::async_trait]
impl AuditLog for FileAudit {
    async fn record(&self, read: PersonalRead) -> Result<(), AuditFailure> {
        self.record_all(vec![read]).await
    }

    /// They share one write and one sync, also with others that wait.
    async fn record_all(&self, reads: Vec<PersonalRead>) -> Result<(), AuditFailure> {
        if reads.is_empty() {
            return Ok(());
        }
        let (reply, kept) = oneshot::channel();
        let sender = self.waiting.lock().map_or(None, |waiting| waiting.clone());
        let sender = sender.ok_or_else(|| AuditFailure("it was closed".into()))?;
        sender.try_send(Waiting { reads, reply }).map_err(|error| match error {
            TrySendError::Full(_) => AuditFailure(format!("{MAX_WAITING} requests wait already")),
            TrySendError::Disconnected(_) => AuditFailure("its thread has ended".into()),
        })?;
        drop(sender);
        kept.await.unwrap_or_else(|_| Err(AuditFailure("its thread has ended".into())))
    }
}

/// The thread that owns the file.
struct Keeper {
    file: AuditFile,
    durability: Durability,
    now: WallClock,
    unsynced_since: Option<Instant>,
}

impl Keeper {
    fn run(mut self, receiver: &Receiver<Waiting>) {
        loop {
            let first = match self.unsynced_since {
                Some(since) => receiver.recv_timeout(SYNC_INTERVAL.saturating_sub(since.elapsed())),
                None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match first {
                Ok(first) => self.keep_group(first, receiver),
                Err(RecvTimeoutError::Timeout) => self.sync_late(),
                Err(RecvTimeoutError::Disconnected) => return self.sync_late(),
            }
            if self.unsynced_since.is_some_and(|since| since.elapsed() >= SYNC_INTERVAL) {
                self.sync_late();
            }
        }
    }

    fn keep_group(&mut self, first: Waiting, receiver: &Receiver<Waiting>) {
        let at = (self.now)();
        let mut next = Some(first);
        let mut replies = Vec::new();
        let mut count = 0;
        while let Some(Waiting { reads, reply }) = next {
            count += reads.len();
            match self.push_all(at, reads) {
                Ok(()) => replies.push(reply),
                Err(error) => answer(reply, Err(failure(&error))),
            }
            next = if count < MAX_GROUP { receiver.try_recv().ok() } else { None };
        }
        let outcome = self.write(at).map_err(|error| failure(&error));
        for reply in replies {
            answer(reply, outcome.clone());
        }
    }

    /// If one cannot be kept, those before it are recorded all the same, and none is answered.
    fn push_all(&mut self, at: Timestamp, reads: Vec<PersonalRead>) -> Result<(), AuditError> {
        reads.into_iter().try_for_each(|read| self.file.push(at, &Entry::Read(read)))
    }

    fn write(&mut self, at: Timestamp) -> Result<(), AuditError> {
        self.file.write(at)?;
        match self.durability {
            Durability::Synced => self.file.sync(),
            Durability::Written => {
                self.unsynced_since.get_or_insert_with(Instant::now);
                Ok(())
            }
        }
    }

    /// Those reads were answered already: a failure shows in the next ones, which are refused.
    fn sync_late(&mut self) {
        if self.unsynced_since.take().is_some()
            && let Err(error) = self.file.sync()
        {
            tracing::error!(%error, "reads of up to the last second may be missing from the audit log");
        }
    }
}

fn failure(error: &AuditError) -> AuditFailure {
    tracing::error!(%error, "the audit log cannot be written");
    AuditFailure(error.to_string())
}

fn answer(reply: oneshot::Sender<Result<(), AuditFailure>>, outcome: Result<(), AuditFailure>) {
    // Whoever asked may have gone; the read is recorded all the same.
    let _ = reply.send(outcome);
}

#[cfg(test)]
mod tests;
