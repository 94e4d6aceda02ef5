//! Access to an open log from other threads, and to a log that another process writes.

use super::following::open_to_follow;
use super::index::{fetch, locate};
use super::open::open_for_reading;
use super::reader::EmbeddedReader;
use super::shared::{Shared, io_failure};
use crate::admission::AdmissionState;
use crate::disk::{Disk, RealDisk};
use crate::engine::{LogError, LogReader, LogSource};
use event_schemas::ids::{InstanceId, Lsn, Position};
use std::path::Path;
use std::sync::Arc;

/// Opens readers on any thread. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddedHandle {
    shared: Arc<Shared>,
}

impl EmbeddedHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The log in a directory as it is now, for tools that only read: takes no lock and changes nothing, whether a
    /// writer is running or not. What is appended later is not seen. Damage at the end of the log is told to whoever
    /// reads that far.
    pub fn open_read_only(directory: impl AsRef<Path>) -> Result<Self, LogError> {
        let directory = directory.as_ref();
        let disk = RealDisk::open(directory)
            .map_err(|error| io_failure(format!("opening {}", directory.display()), &error))?;
        Self::open_read_only_on(&disk)
    }

    /// The log in a directory, for readers beside a running writer, or none: takes no lock and changes nothing. What is appended later
    /// is seen by readers once it is durable, and by [`LogSource::end`] once a reader has seen it.
    ///
    /// # Errors
    /// If no writer has opened it since there are followers: its mark is missing.
    pub fn follow(directory: impl AsRef<Path>) -> Result<Self, LogError> {
        let directory = directory.as_ref();
        let disk = RealDisk::open(directory)
            .map_err(|error| io_failure(format!("opening {}", directory.display()), &error))?;
        Self::follow_on(Arc::new(disk))
    }

    /// As [`Self::follow`], on any disk.
    pub fn follow_on(disk: Arc<dyn Disk>) -> Result<Self, LogError> {
        open_to_follow(disk).map(Self::new)
    }

    /// As [`Self::open_read_only`], on any disk.
    pub fn open_read_only_on(disk: &dyn Disk) -> Result<Self, LogError> {
        open_for_reading(disk).map(Self::new)
    }

    /// Admission's state after the last durable entry.
    pub fn admission(&self) -> AdmissionState {
        self.shared.mark().frontier.admission
    }

    /// How many segment files the log has.
    pub fn segments(&self) -> u64 {
        self.shared.segment_count()
    }

    /// Bytes that the log takes on the disk up to its durable end; what is only reserved behind it is left out.
    pub fn stored_bytes(&self) -> u64 {
        let mark = self.shared.mark();
        let full = (0..mark.segment).filter_map(|number| self.shared.segment(number));
        full.map(|segment| segment.head.len).sum::<u64>() + mark.offset
    }
}

impl LogSource for EmbeddedHandle {
    fn instance(&self) -> InstanceId {
        self.shared.instance
    }

    fn copy_of(&self) -> Option<InstanceId> {
        self.shared.copy_of
    }

    fn end(&self) -> Position {
        self.shared.end()
    }

    fn open_reader(&self, from: Position) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(EmbeddedReader::new(Arc::clone(&self.shared), from)?))
    }

    fn locate(&self, lsn: Lsn) -> Result<Position, LogError> {
        locate(&self.shared, lsn)
    }

    fn fetch(&self, lsn: Lsn) -> Result<Option<Vec<u8>>, LogError> {
        fetch(&self.shared, lsn)
    }
}
