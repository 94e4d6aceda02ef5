//! Finding a group by position or lsn: a sparse index over each segment, built when it is first needed.
//!
//! Every group's head names its first position and the last lsn before it, so an index needs no body and no second
//! source of truth. An entry for every 16 KiB of file costs 0.4 MB for a segment of 256 MiB.

use super::group::{HeadWalker, read_entry};
use super::layout::{FIRST_GROUP, Frontier, GroupHead};
use super::shared::{Segment, Shared};
use crate::admission::Admission;
use crate::engine::LogError;
use event_schemas::ids::{Lsn, Position};
use std::sync::Arc;

/// Bytes of file between two entries of the index.
const SPARSE_BYTES: u64 = 16 << 10;

/// Read ahead while a whole segment is indexed. Small: heads of large groups are far apart.
const INDEXING_CHUNK_BYTES: usize = 4 << 10;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Position(Position),
    /// The entry that was admitted as this lsn.
    Lsn(Lsn),
}

impl Target {
    /// True if the target is not before what begins here.
    fn is_reached_from(self, start: &Frontier) -> bool {
        match self {
            Self::Position(position) => start.position <= position,
            Self::Lsn(lsn) => start.admission.last_lsn < lsn,
        }
    }

    fn is_inside(self, head: &GroupHead) -> bool {
        match self {
            Self::Position(position) => position < head.end(),
            Self::Lsn(lsn) => lsn <= head.last_lsn(),
        }
    }
}

/// Some of a segment's groups, in order.
#[derive(Default)]
pub(super) struct SparseIndex {
    entries: Vec<SparseEntry>,
    /// True once every group of the segment was offered to [`Self::add`]; the writer keeps it so.
    pub is_complete: bool,
}

struct SparseEntry {
    position: Position,
    lsn_before: Lsn,
    offset: u64,
}

impl SparseIndex {
    /// Of a segment that holds no group yet.
    pub(super) fn complete() -> Self {
        Self { entries: Vec::new(), is_complete: true }
    }

    /// Takes note of the group at `offset`, if the last one noted is far enough before it. Groups come in order.
    pub(super) fn add(&mut self, start: &Frontier, offset: u64) {
        let is_far = self.entries.last().is_none_or(|last| offset >= last.offset + SPARSE_BYTES);
        if is_far {
            let lsn_before = start.admission.last_lsn;
            self.entries.push(SparseEntry { position: start.position, lsn_before, offset });
        }
    }

    /// A group at or before the target.
    fn nearest(&self, target: Target) -> u64 {
        let behind = self.entries.partition_point(|entry| match target {
            Target::Position(position) => entry.position <= position,
            Target::Lsn(lsn) => entry.lsn_before < lsn,
        });
        behind.checked_sub(1).map_or(FIRST_GROUP, |at| self.entries[at].offset)
    }
}

/// A group that holds a target.
pub(super) struct Found {
    pub segment: Arc<Segment>,
    pub offset: u64,
    pub head: GroupHead,
}

/// The group that holds `target`, which must lie before the durable mark.
pub(super) fn find(shared: &Shared, target: Target) -> Result<Found, LogError> {
    let segment = shared
        .last_segment_where(|start| target.is_reached_from(start))
        .expect("the first segment begins before everything");
    let mut offset = {
        let mut index = segment.index();
        if !index.is_complete {
            complete(shared, &segment, &mut index)?;
        }
        index.nearest(target)
    };
    let mut walker = HeadWalker::new(&segment, shared.sectors, SPARSE_BYTES as usize);
    let mut near = segment.head.start.position;
    loop {
        let head = walker.head_at(offset, near)?;
        if target.is_inside(&head) {
            return Ok(Found { segment: Arc::clone(&segment), offset, head });
        }
        near = head.end();
        offset += head.disk_len();
    }
}

/// Walks all groups of a segment that was closed before the log was opened.
fn complete(shared: &Shared, segment: &Segment, index: &mut SparseIndex) -> Result<(), LogError> {
    let next = shared.segment(segment.head.number + 1).expect("the last segment's index is always complete");
    let mut walker = HeadWalker::new(segment, shared.sectors, INDEXING_CHUNK_BYTES);
    let mut frontier = segment.head.start;
    let mut offset = FIRST_GROUP;
    *index = SparseIndex::default();
    while frontier.position < next.head.start.position {
        let head = walker.head_at(offset, frontier.position)?;
        if head.start.sequence != frontier.sequence || head.start.position != frontier.position {
            return Err(segment.damage(
                offset,
                frontier.position,
                "the group belongs to another place in the log",
            ));
        }
        index.add(&head.start, offset);
        offset += head.disk_len();
        frontier = Frontier { sequence: frontier.sequence + 1, position: head.end(), ..head.start };
    }
    index.is_complete = true;
    Ok(())
}

/// A position at or before the entry admitted as `lsn`; the end if there is none yet.
pub(super) fn locate(shared: &Shared, lsn: Lsn) -> Result<Position, LogError> {
    let end = shared.mark().frontier;
    if lsn > end.admission.last_lsn {
        return Ok(end.position);
    }
    if lsn == Lsn::ZERO {
        return Ok(Position(0));
    }
    let Found { head, .. } = find(shared, Target::Lsn(lsn))?;
    let inside = if head.admitted == head.entries { lsn.0 - head.start.admission.last_lsn.0 - 1 } else { 0 };
    Ok(Position(head.start.position.0 + inside))
}

/// The entry admitted as `lsn`, if it is durable.
pub(super) fn fetch(shared: &Shared, lsn: Lsn) -> Result<Option<Vec<u8>>, LogError> {
    if lsn == Lsn::ZERO || lsn > shared.mark().frontier.admission.last_lsn {
        return Ok(None);
    }
    let Found { segment, offset, head } = find(shared, Target::Lsn(lsn))?;
    if head.admitted == head.entries {
        let index = (lsn.0 - head.start.admission.last_lsn.0 - 1) as usize;
        return read_entry(&segment, shared.sectors, offset, &head, index).map(Some);
    }
    // Some entries of this group were dropped: judge them again to know which.
    let mut admission = Admission::resume(head.start.admission);
    for index in 0..head.entries {
        let entry = read_entry(&segment, shared.sectors, offset, &head, index)?;
        let position = Position(head.start.position.0 + index as u64);
        if admission.admit(position, &entry).lsn() == Some(lsn) {
            return Ok(Some(entry));
        }
    }
    Err(segment.damage(
        offset,
        head.start.position,
        "the group does not hold the records that its head counts",
    ))
}
