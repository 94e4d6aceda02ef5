//! The durable mark as other processes see it: `log.mark` says which group is the first that may not be durable.
//!
//! The writer writes it behind each flush and never flushes it itself: after a power cut it may name fewer groups than are there, and
//! never more.

use super::files::{block_failure, first_sector, make_file};
use super::layout::{BlockError, DurableMark, MARK_NAME};
use super::shared::io_failure;
use crate::disk::{Access, Disk, DiskFile};
use crate::engine::LogError;
use event_schemas::ids::InstanceId;
use std::io;
use std::sync::Arc;

/// The writer's open file.
pub(super) struct MarkFile {
    place: String,
    instance: InstanceId,
    file: Arc<dyn DiskFile>,
}

impl MarkFile {
    /// One that is there is written in place, so that followers find it at any moment.
    pub(super) fn begin(disk: &dyn Disk, instance: InstanceId, sequence: u64) -> Result<Self, LogError> {
        let place = disk.place(MARK_NAME);
        let failed = |error| io_failure(format!("writing {place}"), &error);
        let file = match disk.open(MARK_NAME, Access::ReadWrite) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_file(disk, MARK_NAME, &DurableMark { instance, sequence }.to_bytes(), None)
                    .map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        };
        let mark = Self { place, instance, file };
        mark.write(sequence)?;
        Ok(mark)
    }

    /// Every group before `sequence` is durable.
    pub(super) fn write(&self, sequence: u64) -> Result<(), LogError> {
        let block = DurableMark { instance: self.instance, sequence }.to_bytes();
        self.file.write_at(&block, 0).map_err(|error| io_failure(format!("writing {}", self.place), &error))
    }
}

/// The first group that may not be durable, as a follower sees it; `None` while the mark is being written. Opened anew each time: a log
/// that was put into the place of this one is not taken for one that nobody writes.
///
/// # Errors
/// If the mark is not there, or is that of another log.
pub(super) fn read_mark(disk: &dyn Disk, instance: InstanceId) -> Result<Option<u64>, LogError> {
    let place = disk.place(MARK_NAME);
    let file = disk.open(MARK_NAME, Access::Read).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LogError::Io {
            action: format!("following {}", disk.place("")),
            cause: format!("there is no {MARK_NAME}; start its service once, which makes it"),
        },
        _ => io_failure(format!("opening {place}"), &error),
    })?;
    let block = first_sector(&*file).map_err(|error| io_failure(format!("reading {place}"), &error))?;
    match DurableMark::from_bytes(&block) {
        Ok(mark) if mark.instance == instance => Ok(Some(mark.sequence)),
        Ok(mark) => Err(LogError::WrongInstance { place, expected: instance, found: mark.instance }),
        Err(BlockError::Damaged) => Ok(None),
        Err(error) => Err(block_failure(place, error)),
    }
}
