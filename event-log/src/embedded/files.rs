//! Making a log's files, each so that a crash at any moment leaves the old state or the new one.

use super::index::SparseIndex;
use super::layout::STORAGE_FORMAT;
use super::layout::{
    BlockError, FIRST_GROUP, Frontier, META_NAME, Meta, NEW_SUFFIX, SegmentHead, segment_name,
};
use super::sector::SECTOR;
use super::shared::{Segment, io_failure};
use crate::disk::{Access, Disk, DiskFile};
use crate::engine::LogError;
use event_schemas::ids::{InstanceId, Position};
use std::io;
use std::sync::{Arc, Mutex};

/// Makes the next segment and counts it in the log's description. Its room is reserved before anything else, so a full
/// disk is met here, with nothing half-written behind.
pub(super) fn create_segment(
    disk: &dyn Disk,
    log: Meta,
    number: u64,
    len: u64,
    start: Frontier,
) -> Result<Segment, LogError> {
    let name = segment_name(number);
    let place = disk.place(&name);
    let failed = |error| io_failure(format!("making the segment {place} of {len} bytes"), &error);
    let head = SegmentHead { instance: log.instance, number, len, start };
    let file = make_file(disk, &name, &head.to_bytes(), Some(len)).map_err(failed)?;
    write_meta(disk, Meta { segments: number + 1, ..log })?;
    let index = SparseIndex::complete();
    Ok(Segment { place, head, file, index: Mutex::new(index) })
}

/// Replaces the log's description.
pub(super) fn write_meta(disk: &dyn Disk, meta: Meta) -> Result<(), LogError> {
    make_file(disk, META_NAME, &meta.to_bytes(), None)
        .map(|_| ())
        .map_err(|error| io_failure(format!("writing {}", disk.place(META_NAME)), &error))
}

/// A file appears under its name only when it is whole and durable.
pub(super) fn make_file(
    disk: &dyn Disk,
    name: &str,
    content: &[u8],
    len: Option<u64>,
) -> io::Result<Arc<dyn DiskFile>> {
    let new_name = format!("{name}{NEW_SUFFIX}");
    let fill = || {
        let file = disk.create(&new_name)?;
        if let Some(len) = len {
            file.allocate(len)?;
        }
        file.write_at(content, 0)?;
        file.sync()?;
        disk.rename(&new_name, name)?;
        disk.sync_dir()?;
        Ok(file)
    };
    let made = fill();
    if made.is_err() {
        // Gives its room back; if that fails too, the next open removes it.
        let _ = disk.remove(&new_name);
    }
    made
}

/// Reads the log's description; `None` if there is none.
pub(super) fn read_meta(disk: &dyn Disk) -> Result<Option<Meta>, LogError> {
    let place = disk.place(META_NAME);
    let read = disk.open(META_NAME, Access::Read).and_then(|file| first_sector(&*file));
    match read {
        Ok(block) => Meta::from_bytes(&block).map(Some).map_err(|error| block_failure(place, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_failure(format!("reading {place}"), &error)),
    }
}

/// Whether there is a segment of this number.
pub(super) fn segment_exists(disk: &dyn Disk, number: u64) -> Result<bool, LogError> {
    let failed = |error| io_failure(format!("listing {}", disk.place("")), &error);
    Ok(disk.list().map_err(failed)?.contains(&segment_name(number)))
}

/// Opens a segment and checks that it is the one of its name, in this log.
pub(super) fn open_segment(
    disk: &dyn Disk,
    instance: InstanceId,
    number: u64,
    access: Access,
) -> Result<Segment, LogError> {
    let name = segment_name(number);
    let place = disk.place(&name);
    let failed = |error| io_failure(format!("opening {place}"), &error);
    let file = disk.open(&name, access).map_err(failed)?;
    let block = first_sector(&*file).map_err(failed)?;
    let head = SegmentHead::from_bytes(&block).map_err(|error| block_failure(place.clone(), error))?;
    if head.instance != instance {
        return Err(LogError::WrongInstance { place, expected: instance, found: head.instance });
    }
    let segment = Segment { place, head, file, index: Mutex::new(SparseIndex::default()) };
    let position = head.start.position;
    if head.number != number {
        let what = format!("it is segment {} under another name", head.number);
        return Err(segment.damage(0, position, what));
    }
    let len = segment.file.len().map_err(|error| io_failure(format!("reading {}", segment.place), &error))?;
    if len < head.len || head.len < FIRST_GROUP {
        let what = format!("the file ends here, but was made with {} bytes", head.len);
        return Err(segment.damage(len, position, what));
    }
    Ok(segment)
}

pub(super) fn first_sector(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let mut block = vec![0; SECTOR];
    let read = file.read_at(&mut block, 0)?;
    block.truncate(read);
    Ok(block)
}

pub(super) fn block_failure(place: String, error: BlockError) -> LogError {
    match error {
        BlockError::Foreign => {
            LogError::Foreign { place, why: "its first bytes are not those of such a file".to_owned() }
        }
        BlockError::UnknownFormat(found) => LogError::UnknownFormat { place, found, known: STORAGE_FORMAT },
        BlockError::Damaged => LogError::Damaged {
            file: place,
            offset: 0,
            position: Position(0),
            what: "the checksum of its header does not match".to_owned(),
        },
    }
}
