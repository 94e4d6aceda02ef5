//! Opening a log: for the one writer, and for readers beside it.

use super::files::{create_segment, open_segment, read_meta, write_meta};
use super::layout::{
    Frontier, LOCK_NAME, MARK_NAME, MAX_GROUP_SECTORS, META_NAME, Meta, NEW_SUFFIX, segment_name,
    segment_number,
};
use super::mark_file::MarkFile;
use super::scan::{Scanned, Tail, scan};
use super::sector::{SECTOR, Sectors};
use super::shared::{Mark, Segment, Shared, io_failure};
use super::{FlushBy, Options};
use crate::disk::{Access, Disk, DiskLock};
use crate::engine::LogError;
use std::sync::Arc;

/// A reader beside a running writer may meet a sector that is being written; it looks again this often.
const READ_ONLY_ATTEMPTS: usize = 3;

/// A log that is open for its one writer.
pub(super) struct Opened {
    pub lock: Box<dyn DiskLock>,
    pub shared: Arc<Shared>,
    pub mark: MarkFile,
}

/// Takes the lock, makes the log if there is none, repairs what a crash left, and gives the log as it is then.
pub(super) fn open_for_writing(options: &Options) -> Result<Opened, LogError> {
    let disk = &*options.disk;
    let place = disk.place("");
    let lock = disk
        .lock(LOCK_NAME)
        .map_err(|error| io_failure(format!("locking {}", disk.place(LOCK_NAME)), &error))?
        .ok_or_else(|| LogError::Locked { place: place.clone() })?;
    let meta = read_meta(disk)?;
    let names = disk.list().map_err(|error| io_failure(format!("listing {place}"), &error))?;
    remove_unfinished(disk, &names)?;
    let meta = match (meta, options.expected_instance) {
        (Some(meta), _) => meta,
        // Somebody knows this log: a new one in its place would forget everything.
        (None, Some(_)) => return Err(LogError::Missing { place: disk.place(META_NAME) }),
        (None, None) => begin_log(disk, &names, options)?,
    };
    if let Some(expected) = options.expected_instance.filter(|expected| *expected != meta.instance) {
        return Err(LogError::WrongInstance { place, expected, found: meta.instance });
    }
    let mut segments = open_segments(disk, meta, &names, Access::ReadWrite)?;
    if segments.is_empty() {
        segments.push(create_segment(disk, meta, 0, options.segment_bytes, Frontier::start())?);
    }
    let last = segments.last().expect("there is a segment now");
    let scanned = scan(last, Sectors::of(meta.instance))?;
    let is_uncounted = segments.len() as u64 > meta.segments;
    if segments.len() as u64 > meta.segments + 1 || (is_uncounted && scanned.last_group.is_some()) {
        let why = format!("{META_NAME} counts {} segments: this one was never taken into use", meta.segments);
        return Err(LogError::Foreign { place: last.place.clone(), why });
    }
    repair(last, &scanned)?;
    // A crash may have come between a change of names and its flush.
    disk.sync_dir().map_err(|error| io_failure(format!("flushing {place}"), &error))?;
    if is_uncounted {
        write_meta(disk, Meta { segments: segments.len() as u64, ..meta })?;
    }
    let mark = MarkFile::begin(disk, meta.instance, scanned.frontier.sequence)?;
    let may_wait = options.flush_by == FlushBy::Thread;
    Ok(Opened { lock, shared: Arc::new(share(meta, segments, &scanned, may_wait, None)), mark })
}

/// The log as it is now, without its lock and without changing anything. If its end is damaged, everything before that
/// can be read, and the damage is told to whoever reads that far.
pub(super) fn open_for_reading(disk: &dyn Disk) -> Result<Arc<Shared>, LogError> {
    let place = disk.place("");
    let meta = read_meta(disk)?.ok_or_else(|| no_log(disk))?;
    let names = disk.list().map_err(|error| io_failure(format!("listing {place}"), &error))?;
    for attempt in 1.. {
        let segments = open_segments(disk, meta, &names, Access::Read)?;
        let Some(last) = segments.last() else {
            let missing = disk.place(&segment_name(0));
            return Err(LogError::Missing { place: missing });
        };
        let scanned = scan(last, Sectors::of(meta.instance))?;
        let beyond_mark = match &scanned.tail {
            Tail::Empty | Tail::Torn => None,
            Tail::Refused(error) => Some(error.clone()),
        };
        if beyond_mark.is_none() || attempt == READ_ONLY_ATTEMPTS {
            return Ok(Arc::new(share(meta, segments, &scanned, false, beyond_mark)));
        }
    }
    unreachable!("the last attempt returns")
}

/// What is there is none.
pub(super) fn no_log(disk: &dyn Disk) -> LogError {
    LogError::Foreign { place: disk.place(""), why: format!("it holds no {META_NAME}") }
}

fn share(
    meta: Meta,
    segments: Vec<Segment>,
    scanned: &Scanned,
    may_wait: bool,
    beyond_mark: Option<LogError>,
) -> Shared {
    let mark =
        Mark { segment: segments.len() as u64 - 1, offset: scanned.offset, frontier: scanned.frontier };
    let segments = segments.into_iter().map(Arc::new).collect();
    Shared::new((meta.instance, meta.copy_of), segments, mark, may_wait, beyond_mark)
}

/// Files that were being made when a process ended.
fn remove_unfinished(disk: &dyn Disk, names: &[String]) -> Result<(), LogError> {
    for name in names.iter().filter(|name| name.ends_with(NEW_SUFFIX)) {
        let base = name.strip_suffix(NEW_SUFFIX).expect("it was filtered by its ending");
        if base == META_NAME || base == MARK_NAME || segment_number(base).is_some() {
            disk.remove(name)
                .map_err(|error| io_failure(format!("removing {}", disk.place(name)), &error))?;
        }
    }
    Ok(())
}

/// Names a new log, in a directory that holds nothing else.
fn begin_log(disk: &dyn Disk, names: &[String], options: &Options) -> Result<Meta, LogError> {
    if names.iter().any(|name| segment_number(name).is_some()) {
        return Err(LogError::Missing { place: disk.place(META_NAME) });
    }
    let harmless = |name: &str| name == LOCK_NAME || name == "lost+found" || name.ends_with(NEW_SUFFIX);
    if let Some(name) = names.iter().find(|name| !harmless(name)) {
        let why = format!("it holds {name}, and no log. Choose an empty directory for a new log");
        return Err(LogError::Foreign { place: disk.place(""), why });
    }
    let meta = Meta { instance: options.new_instance, copy_of: options.new_copy_of, segments: 0 };
    write_meta(disk, meta)?;
    Ok(meta)
}

/// Opens all segments, which must be there without a gap.
pub(super) fn open_segments(
    disk: &dyn Disk,
    meta: Meta,
    names: &[String],
    access: Access,
) -> Result<Vec<Segment>, LogError> {
    let mut segments: Vec<Segment> = Vec::new();
    for name in names.iter().filter(|name| name.ends_with(".seg")) {
        let Some(number) = segment_number(name) else {
            let why = "its name is not that of a segment".to_owned();
            return Err(LogError::Foreign { place: disk.place(name), why });
        };
        if number != segments.len() as u64 {
            return Err(LogError::Missing { place: disk.place(&segment_name(segments.len() as u64)) });
        }
        let segment = open_segment(disk, meta.instance, number, access)?;
        let start = segment.head.start;
        let continues = match segments.last() {
            None => start == Frontier::start(),
            Some(before) => {
                let before = before.head.start;
                start.sequence >= before.sequence && start.position >= before.position
            }
        };
        if !continues {
            let what = "the segment does not continue the one before it";
            return Err(segment.damage(0, start.position, what));
        }
        segments.push(segment);
    }
    if (segments.len() as u64) < meta.segments {
        return Err(LogError::Missing { place: disk.place(&segment_name(segments.len() as u64)) });
    }
    Ok(segments)
}

/// Zeroes what may be left of a torn group, and writes the last whole one again. Both also where nothing seems wrong:
/// after a flush that failed, the operating system shows what was written though the medium never got it.
fn repair(segment: &Segment, scanned: &Scanned) -> Result<(), LogError> {
    if let Tail::Refused(error) = &scanned.tail {
        return Err(error.clone());
    }
    let failed = |error| io_failure(format!("repairing the end of {}", segment.place), &error);
    let room = segment.head.len.saturating_sub(scanned.offset);
    let zeroes = vec![0; room.min((MAX_GROUP_SECTORS * SECTOR) as u64) as usize];
    segment.file.write_at(&zeroes, scanned.offset).map_err(failed)?;
    if let Some((offset, len)) = scanned.last_group {
        let mut group = vec![0; len as usize];
        let read = segment.read_at(&mut group, offset)?;
        if read < group.len() {
            return Err(segment.damage(offset, scanned.frontier.position, "the segment ends too early"));
        }
        segment.file.write_at(&group, offset).map_err(failed)?;
    }
    segment.file.sync().map_err(failed)
}
