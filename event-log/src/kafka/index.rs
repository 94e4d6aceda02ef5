//! Finding entries by lsn: a thread reads the log once, runs admission, and notes where lsn and position drift apart.
//!
//! Admitted entries have lsns without a gap and positions with one wherever something was dropped. So a run of entries without
//! a drop needs one note of 16 bytes, however long it is, and the place of any lsn is exact. Where a node keeps an index, the thread goes
//! on from what was saved ([`super::saved_index`]).

use super::client::{Connection, Known, LetGo, PARTITION, REQUEST_TIMEOUT, Reading, Reports, heals};
use super::reader::KafkaReader;
use super::saved_index::{IndexFile, SavedIndex, discard};
use crate::admission::{Admission, AdmissionState, Verdict};
use crate::engine::{LogError, LogReader};
use event_schemas::header::EntryKind;
use event_schemas::ids::{InstanceId, Lsn, Position};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Entries and bytes that are judged at once.
const BATCH_ENTRIES: usize = 4_096;
const BATCH_BYTES: usize = 4 << 20;
/// Wait for the next entry, which also bounds how soon the thread ends.
const FOLLOW_WAIT: Duration = Duration::from_millis(50);
/// The index is saved after so many entries, and at its end: a start reads these again at most.
const SAVE_ENTRIES: u64 = 100_000;
/// Pause after a failure of reading.
const FAILURE_PAUSE: Duration = Duration::from_millis(500);
/// Longest that a question waits until the index has read what is in the log.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(600);

/// Answers by lsn.
pub(super) struct Index {
    shared: Arc<Shared>,
    connection: Connection,
    /// Takes single entries, one question at a time.
    fetcher: Mutex<Option<LetGo<BaseConsumer<Reports>>>>,
    /// The first position that was read since the start.
    began_at: Position,
}

struct Shared {
    instance: InstanceId,
    file: Option<IndexFile>,
    /// One thread saves at a time.
    saving: Mutex<()>,
    known: Arc<Known>,
    progress: Mutex<Progress>,
    moved: Condvar,
    is_ending: AtomicBool,
}

#[derive(Default)]
struct Progress {
    admission: Admission,
    /// Everything before this position was judged.
    read_to: Position,
    runs: Vec<Run>,
    /// The entry that was admitted last names the chain's head before it, so that it can be told again.
    is_at_linked: bool,
    saved_lsn: Lsn,
    failure: Option<LogError>,
}

/// From this lsn on, the position is as far from the lsn as here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub lsn: Lsn,
    pub position: Position,
}

impl Progress {
    fn resume(saved: SavedIndex) -> Self {
        Self {
            admission: Admission::resume(saved.state),
            read_to: saved.state.next,
            runs: saved.runs,
            is_at_linked: true,
            saved_lsn: saved.state.last_lsn,
            failure: None,
        }
    }

    fn unsaved(&self) -> u64 {
        self.admission.state().last_lsn.0 - self.saved_lsn.0
    }

    fn judge(&mut self, position: Position, entry: &[u8]) {
        self.read_to = position.next();
        let Verdict::Admitted { header, lsn } = self.admission.admit(position, entry) else { return };
        self.is_at_linked = !matches!(header.kind, EntryKind::Genesis | EntryKind::Claim);
        let goes_on = self.runs.last().is_some_and(|run| position.0 - run.position.0 == lsn.0 - run.lsn.0);
        if !goes_on {
            self.runs.push(Run { lsn, position });
        }
    }

    fn place_of(&self, lsn: Lsn) -> Option<Position> {
        if lsn == Lsn::ZERO || lsn > self.admission.state().last_lsn {
            return None;
        }
        let behind = self.runs.partition_point(|run| run.lsn <= lsn);
        let run = self.runs[behind.checked_sub(1)?];
        Some(Position(run.position.0 + (lsn.0 - run.lsn.0)))
    }
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("nothing panics while it is held")
    }

    /// Once everything that is known to be in the log was judged.
    fn caught_up(&self) -> Result<MutexGuard<'_, Progress>, LogError> {
        let wanted = self.known.end();
        let begin = Instant::now();
        let mut progress = self.progress();
        while progress.read_to < wanted {
            if let Some(failure) = progress.failure.clone().filter(|_| begin.elapsed() > REQUEST_TIMEOUT) {
                return Err(failure);
            }
            if begin.elapsed() > CATCH_UP_TIMEOUT {
                let action = format!("reading the log up to position {} to find an entry", wanted.0);
                let cause =
                    format!("only position {} was reached in {CATCH_UP_TIMEOUT:?}", progress.read_to.0);
                return Err(LogError::Io { action, cause });
            }
            let waited = self.moved.wait_timeout(progress, FOLLOW_WAIT);
            progress = waited.expect("nothing panics while it is held").0;
        }
        Ok(progress)
    }

    /// Saves the index if it can be found again by its last entry.
    fn save(&self) {
        let Some(file) = self.file.as_ref().filter(|file| file.is_kept) else { return };
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let saved = {
            let mut progress = self.progress();
            if progress.unsaved() == 0 || !progress.is_at_linked {
                return;
            }
            let state = *progress.admission.state();
            progress.saved_lsn = state.last_lsn;
            SavedIndex { instance: self.instance, state, runs: progress.runs.clone() }
        };
        if let Err(error) = saved.write(&file.path) {
            tracing::warn!(%error, path = %file.path.display(), "the index of lsns cannot be saved: a start will read the topic");
        }
    }

    fn follow(&self, connection: &Connection, known: &Arc<Known>, mut reader: KafkaReader) {
        while !self.is_ending.load(Ordering::Acquire) {
            match reader.read(BATCH_ENTRIES, BATCH_BYTES, FOLLOW_WAIT) {
                Ok(batch) => {
                    let mut progress = self.progress();
                    progress.failure = None;
                    for entry in &batch.entries {
                        progress.judge(entry.position, &entry.bytes);
                    }
                    progress.read_to = progress.read_to.max(reader.position());
                    let is_due = progress.unsaved() >= SAVE_ENTRIES;
                    drop(progress);
                    self.moved.notify_all();
                    if is_due {
                        self.save();
                    }
                }
                Err(failure) => {
                    tracing::warn!(%failure, "the index of lsns cannot be read on; it tries again");
                    self.progress().failure = Some(failure);
                    std::thread::sleep(FAILURE_PAUSE);
                    if let Ok(again) = KafkaReader::open(connection, Arc::clone(known), reader.position()) {
                        reader = again;
                    }
                }
            }
        }
    }
}

impl Index {
    pub fn start(
        connection: &Connection,
        known: Arc<Known>,
        (instance, file): (InstanceId, Option<IndexFile>),
    ) -> Result<Self, LogError> {
        let progress = match &file {
            Some(file) => found(connection, file, instance, known.end())?,
            None => Progress::default(),
        };
        let from = progress.read_to;
        let shared = Arc::new(Shared {
            instance,
            file,
            saving: Mutex::default(),
            known: Arc::clone(&known),
            progress: Mutex::new(progress),
            moved: Condvar::new(),
            is_ending: AtomicBool::new(false),
        });
        let reader = KafkaReader::open(connection, Arc::clone(&known), from)?;
        let (following, its_connection) = (Arc::clone(&shared), connection.clone());
        let follow = move || following.follow(&its_connection, &known, reader);
        std::thread::Builder::new().name("kafka-index".to_owned()).spawn(follow).map_err(|error| {
            LogError::Io {
                action: "starting the thread that finds entries".to_owned(),
                cause: error.to_string(),
            }
        })?;
        if from > Position(0) {
            tracing::info!(position = from.0, "the index of lsns goes on from what was saved");
        }
        Ok(Self { shared, connection: connection.clone(), fetcher: Mutex::new(None), began_at: from })
    }

    /// Admission's state after everything that is known to be in the log.
    pub fn admission(&self) -> Result<AdmissionState, LogError> {
        Ok(*self.shared.caught_up()?.admission.state())
    }

    /// Where the entry is that was admitted as `lsn`.
    pub fn place_of(&self, lsn: Lsn) -> Result<Option<Position>, LogError> {
        Ok(self.shared.caught_up()?.place_of(lsn))
    }

    /// The bytes of the entry that was admitted as `lsn`.
    pub fn fetch(&self, lsn: Lsn) -> Result<Option<Vec<u8>>, LogError> {
        let Some(position) = self.place_of(lsn)? else { return Ok(None) };
        let mut fetcher = self.fetcher.lock().expect("nothing panics while it is held");
        // Moved, and never assigned anew: two ends of one partition at a time end the process in the client library.
        let offset = Offset::Offset(position.0 as i64);
        let moved = |consumer: &LetGo<BaseConsumer<Reports>>| {
            consumer.seek(&self.connection.topic, PARTITION, offset, REQUEST_TIMEOUT).is_ok()
        };
        let consumer = match fetcher.take().filter(moved) {
            Some(consumer) => consumer,
            None => {
                let consumer = self.connection.consumer(Reading::SingleEntries)?;
                self.connection.assign(&consumer, position)?;
                consumer
            }
        };
        // After a failure the next question gets a new one.
        let fetched = fetch_at(&self.connection, &consumer, position)?;
        *fetcher = Some(consumer);
        Ok(Some(fetched))
    }

    /// The first position that was read since the start: what comes before was saved.
    pub fn began_at(&self) -> Position {
        self.began_at
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.shared.is_ending.store(true, Ordering::Release);
        self.shared.save();
    }
}

/// What was saved, if it is of this log; else nothing.
fn found(
    connection: &Connection,
    file: &IndexFile,
    instance: InstanceId,
    end: Position,
) -> Result<Progress, LogError> {
    let Some(saved) = SavedIndex::read(&file.path, instance, end) else { return Ok(Progress::default()) };
    let progress = Progress::resume(saved.clone());
    let Some(position) = progress.place_of(saved.state.last_lsn) else { return Ok(Progress::default()) };
    let consumer = connection.consumer(Reading::SingleEntries)?;
    connection.assign(&consumer, position)?;
    if saved.ends_with(&fetch_at(connection, &consumer, position)?) {
        return Ok(progress);
    }
    discard(&file.path);
    Ok(Progress::default())
}

fn fetch_at(
    connection: &Connection,
    consumer: &BaseConsumer<Reports>,
    position: Position,
) -> Result<Vec<u8>, LogError> {
    let begin = Instant::now();
    while let Some(left) = REQUEST_TIMEOUT.checked_sub(begin.elapsed()) {
        match consumer.poll(left) {
            Some(Ok(message)) if message.offset() == position.0 as i64 => {
                return Ok(message.payload().unwrap_or_default().to_vec());
            }
            // Left over from the question before.
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) if heals(&error) => {}
            Some(Err(error)) => return Err(connection.failure("fetching an entry", &error)),
        }
    }
    let action = format!("fetching position {} ({})", position.0, connection.place());
    Err(LogError::Io { action, cause: format!("no answer came in {REQUEST_TIMEOUT:?}") })
}
