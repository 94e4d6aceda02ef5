//! Following a log that another process writes, as far as that process has said that it is durable.
//!
//! *Architecture invariant:* a follower takes no lock and shows no group that is not durable: whatever crashes, what it has shown stays
//! (W1). Up to the mark every group must be whole; what stands behind it is not looked at.

use super::files::{open_segment, read_meta, segment_exists};
use super::layout::FIRST_GROUP;
use super::mark_file::read_mark;
use super::open::{no_log, open_segments};
use super::scan::{Scanned, scan_groups};
use super::shared::{Mark, Segment, Shared, io_failure};
use crate::disk::{Access, Disk};
use crate::engine::LogError;
use std::sync::{Arc, Mutex, PoisonError};

/// How a follower learns of more.
pub(super) struct Growth {
    disk: Arc<dyn Disk>,
    /// One reader looks at a time.
    looking: Mutex<()>,
}

/// The log as far as it is durable now.
pub(super) fn open_to_follow(disk: Arc<dyn Disk>) -> Result<Arc<Shared>, LogError> {
    let meta = read_meta(&*disk)?.ok_or_else(|| no_log(&*disk))?;
    let durable = read_mark(&*disk, meta.instance)?.unwrap_or(1);
    let place = disk.place("");
    let names = disk.list().map_err(|error| io_failure(format!("listing {place}"), &error))?;
    let mut segments = open_segments(&*disk, meta, &names, Access::Read)?;
    // The writer may be about to begin the last one: it is met again when the mark is in it.
    let begins_before = |segment: &Segment, durable| segment.head.start.sequence <= durable;
    segments.truncate(segments.partition_point(|segment| begins_before(segment, durable)).max(1));
    let Some(last) = segments.last() else { return Err(no_log(&*disk)) };
    last.index().is_complete = true;
    let start = last.head.start;
    let at = Mark { segment: segments.len() as u64 - 1, offset: FIRST_GROUP, frontier: start };
    let growth = Growth { disk, looking: Mutex::default() };
    let segments = segments.into_iter().map(Arc::new).collect();
    let shared = Shared::new((meta.instance, meta.copy_of), segments, at, true, None).growing(growth);
    shared.look_further()?;
    Ok(Arc::new(shared))
}

impl Shared {
    /// Looks whether more is durable, if another process writes this log; true if so.
    pub(super) fn look_further(&self) -> Result<bool, LogError> {
        let Some(growth) = &self.growth else { return Ok(false) };
        let _looking = growth.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(durable) = read_mark(&*growth.disk, self.instance)? else { return Ok(false) };
        let before = self.end();
        while self.mark().frontier.sequence < durable {
            self.take_durable(growth, self.mark(), durable)?;
        }
        Ok(self.end() > before)
    }

    /// Takes the groups of the segment at the mark in, up to `durable`, or enters the next.
    fn take_durable(&self, growth: &Growth, at: Mark, durable: u64) -> Result<(), LogError> {
        let segment = self.segment(at.segment).expect("the mark names a segment that exists");
        let mut scanned = Scanned::at(at.offset, at.frontier);
        scan_groups(&segment, self.sectors, &mut scanned, durable)?;
        self.publish(Mark { offset: scanned.offset, frontier: scanned.frontier, ..at });
        if scanned.frontier.sequence >= durable {
            return Ok(());
        }
        let (number, frontier) = (at.segment + 1, scanned.frontier);
        let broken = |what| Err(segment.damage(scanned.offset, frontier.position, what));
        if !segment_exists(&*growth.disk, number)? {
            return broken("a group that was durable is damaged, or not there");
        }
        let next = open_segment(&*growth.disk, self.instance, number, Access::Read)?;
        if next.head.start != frontier {
            return broken("the next segment does not continue this one");
        }
        next.index().is_complete = true;
        self.add_segment(Arc::new(next));
        self.publish(Mark { segment: number, offset: FIRST_GROUP, frontier });
        Ok(())
    }
}
