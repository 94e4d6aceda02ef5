//! What the writer and all readers of one open log share: its segments and the durable mark.

use super::following::Growth;
use super::index::SparseIndex;
use super::layout::{Frontier, Meta, SegmentHead};
use super::sector::Sectors;
use crate::disk::DiskFile;
use crate::engine::LogError;
use event_schemas::ids::{InstanceId, Position};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// One segment of an open log.
pub(super) struct Segment {
    /// Its file's full name, for messages.
    pub place: String,
    pub head: SegmentHead,
    pub file: Arc<dyn DiskFile>,
    pub index: Mutex<SparseIndex>,
}

impl Segment {
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, LogError> {
        self.file
            .read_at(buffer, offset)
            .map_err(|error| io_failure(format!("reading {}", self.place), &error))
    }

    /// The ranges behind `offset` in which anything may have been written.
    pub(super) fn data_behind(&self, mut offset: u64) -> Result<Vec<Range<u64>>, LogError> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let failed = |error| io_failure(format!("reading {}", self.place), &error);
        while let Some(range) = self.file.next_data(offset).map_err(failed)? {
            offset = range.end;
            match ranges.last_mut().filter(|last| last.end == range.start) {
                Some(last) => last.end = range.end,
                None => ranges.push(range),
            }
        }
        Ok(ranges)
    }

    pub(super) fn damage(&self, offset: u64, position: Position, what: impl Into<String>) -> LogError {
        LogError::Damaged { file: self.place.clone(), offset, position, what: what.into() }
    }

    pub(super) fn index(&self) -> MutexGuard<'_, SparseIndex> {
        // The index only grows by whole entries, so it is usable whatever happened to another reader.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Up to where the log is durable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Number of the segment that is written.
    pub segment: u64,
    /// End of its last durable group in the file.
    pub offset: u64,
    /// What the next group begins on.
    pub frontier: Frontier,
}

/// One open log, as its readers see it.
pub(super) struct Shared {
    pub instance: InstanceId,
    /// The copy that this one is being made of, or was.
    pub copy_of: Option<InstanceId>,
    pub sectors: Sectors,
    /// False in a single-threaded simulation, where waiting would wait for ever.
    pub may_wait: bool,
    /// What stands behind the mark and is no log; readers learn it when they come there. Only of a log that was
    /// opened for reading: a writer refuses it.
    pub beyond_mark: Option<LogError>,
    /// Of a log that another process writes: how more of it becomes known.
    pub growth: Option<Growth>,
    segments: RwLock<Vec<Arc<Segment>>>,
    end: AtomicU64,
    mark: Mutex<Mark>,
    grown: Condvar,
    failure: Mutex<Option<String>>,
}

impl Shared {
    pub(super) fn new(
        (instance, copy_of): (InstanceId, Option<InstanceId>),
        segments: Vec<Arc<Segment>>,
        mark: Mark,
        may_wait: bool,
        beyond_mark: Option<LogError>,
    ) -> Self {
        Self {
            instance,
            copy_of,
            sectors: Sectors::of(instance),
            may_wait,
            beyond_mark,
            growth: None,
            segments: RwLock::new(segments),
            end: AtomicU64::new(mark.frontier.position.0),
            mark: Mutex::new(mark),
            grown: Condvar::new(),
            failure: Mutex::new(None),
        }
    }

    /// The same, of a log that another process writes.
    pub(super) fn growing(self, growth: Growth) -> Self {
        Self { growth: Some(growth), ..self }
    }

    /// What the log's description says now.
    pub(super) fn meta(&self) -> Meta {
        Meta { instance: self.instance, copy_of: self.copy_of, segments: self.segment_count() }
    }

    /// The position after the last durable entry.
    pub(super) fn end(&self) -> Position {
        Position(self.end.load(Ordering::Acquire))
    }

    pub(super) fn mark(&self) -> Mark {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the mark and wakes all readers that wait.
    pub(super) fn publish(&self, mark: Mark) {
        let mut held = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(mark.frontier.position >= held.frontier.position, "the durable mark never goes back");
        *held = mark;
        self.end.store(mark.frontier.position.0, Ordering::Release);
        drop(held);
        self.grown.notify_all();
    }

    /// Waits until the log is durable beyond `position`; false if it was not by then.
    pub(super) fn wait_beyond(&self, position: Position, wait: Duration) -> bool {
        if !self.may_wait {
            return self.end() > position;
        }
        let deadline = Instant::now() + wait;
        let mut held = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        while held.frontier.position <= position {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            held = self.grown.wait_timeout(held, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// The segment of this number, if it exists.
    pub(super) fn segment(&self, number: u64) -> Option<Arc<Segment>> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.get(number as usize).cloned()
    }

    /// The last segment for which `begins_before` holds; it must hold for a first part of them.
    pub(super) fn last_segment_where(
        &self,
        begins_before: impl Fn(&Frontier) -> bool,
    ) -> Option<Arc<Segment>> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        let behind = segments.partition_point(|segment| begins_before(&segment.head.start));
        behind.checked_sub(1).map(|at| Arc::clone(&segments[at]))
    }

    /// How many segments there are.
    pub(super) fn segment_count(&self) -> u64 {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    pub(super) fn add_segment(&self, segment: Arc<Segment>) {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).push(segment);
    }

    /// Why nothing is written any more, if so.
    pub(super) fn failure(&self) -> Option<LogError> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone().map(|cause| LogError::Fatal { cause })
    }

    /// The first failure of writing is the last.
    pub(super) fn fail(&self, cause: String) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
    }
}

/// An error of the operating system, with what was being done.
pub(super) fn io_failure(action: impl Into<String>, error: &io::Error) -> LogError {
    let action = action.into();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LogError::DiskFull { action },
        _ => LogError::Io { action, cause: error.to_string() },
    }
}
