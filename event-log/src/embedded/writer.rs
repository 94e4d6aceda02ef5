//! Appending groups: one write and one flush for each.

use super::files::create_segment;
use super::layout::{FIRST_GROUP, Frontier, encode_group};
use super::mark_file::MarkFile;
use super::sector::link_after;
use super::shared::{Mark, Segment, Shared, io_failure};
use crate::admission::Admission;
use crate::disk::Disk;
use crate::engine::LogError;
use event_schemas::ids::Position;
use std::sync::Arc;

/// Groups smaller than this are written over zeroes: a flush then writes data alone, where one into room that was only
/// reserved must also write the file system's journal. Larger groups gain nothing by it and would be written twice.
const SMALL_GROUP_BYTES: usize = 256 << 10;

/// How much is zeroed at once, ahead of small groups.
const ZEROED_AHEAD_BYTES: u64 = 8 << 20;

/// The one writer of a log. After an error it must not be used again: what is on the disk is then not known.
///
/// *Architecture invariant:* a group is written only after the flush of the one before it has succeeded, so after a
/// crash at most the last group is torn.
pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    segment: Arc<Segment>,
    segment_bytes: u64,
    mark: MarkFile,
    offset: u64,
    /// Up to here the segment's file holds written bytes.
    zeroed_to: u64,
    frontier: Frontier,
    content: Vec<u8>,
    sectors: Vec<u8>,
}

impl Writer {
    /// Continues behind the mark of `shared`.
    pub(super) fn new(disk: Arc<dyn Disk>, shared: Arc<Shared>, mark: MarkFile, segment_bytes: u64) -> Self {
        let end = shared.mark();
        let segment = shared.segment(end.segment).expect("the mark names a segment that exists");
        Self {
            disk,
            segment,
            segment_bytes,
            mark,
            offset: end.offset,
            zeroed_to: end.offset,
            frontier: end.frontier,
            shared,
            content: Vec::new(),
            sectors: Vec::new(),
        }
    }

    /// Makes the entries durable, then moves the mark.
    pub(super) fn append(&mut self, entries: &[Vec<u8>]) -> Result<(), LogError> {
        let mut admission = Admission::resume(self.frontier.admission);
        let mut position = self.frontier.position;
        let mut admitted = 0;
        for entry in entries {
            admitted += usize::from(admission.admit(position, entry).lsn().is_some());
            position = position.next();
        }
        let start = self.frontier;
        encode_group(self.shared.sectors, &start, admitted, entries, &mut self.content, &mut self.sectors);
        if self.offset + self.sectors.len() as u64 > self.segment.head.len {
            self.begin_segment(FIRST_GROUP + self.sectors.len() as u64)?;
        }
        self.write_and_sync(position)?;
        self.frontier = Frontier {
            sequence: start.sequence + 1,
            position,
            link: link_after(start.link, &self.sectors),
            admission: *admission.state(),
        };
        self.mark.write(self.frontier.sequence)?;
        self.segment.index().add(&start, self.offset);
        self.offset += self.sectors.len() as u64;
        let mark = Mark { segment: self.segment.head.number, offset: self.offset, frontier: self.frontier };
        self.shared.publish(mark);
        Ok(())
    }

    fn write_and_sync(&mut self, end: Position) -> Result<(), LogError> {
        let action = |what| {
            let (from, until) = (self.frontier.position.0, end.0);
            format!("{what} positions {from}..{until} to {}", self.segment.place)
        };
        let file = &self.segment.file;
        let group_end = self.offset + self.sectors.len() as u64;
        if group_end > self.zeroed_to {
            if self.sectors.len() < SMALL_GROUP_BYTES {
                let until = (group_end + ZEROED_AHEAD_BYTES).min(self.segment.head.len);
                let zeroes = vec![0; (until - group_end) as usize];
                file.write_at(&zeroes, group_end)
                    .map_err(|error| io_failure(action("zeroing behind"), &error))?;
                self.zeroed_to = until;
            } else {
                self.zeroed_to = group_end;
            }
        }
        file.write_at(&self.sectors, self.offset).map_err(|error| io_failure(action("writing"), &error))?;
        file.sync().map_err(|error| io_failure(action("flushing"), &error))
    }

    fn begin_segment(&mut self, needed_bytes: u64) -> Result<(), LogError> {
        let number = self.shared.segment_count();
        let len = self.segment_bytes.max(needed_bytes);
        let segment = create_segment(&*self.disk, self.shared.meta(), number, len, self.frontier)?;
        self.segment = Arc::new(segment);
        self.offset = FIRST_GROUP;
        self.zeroed_to = FIRST_GROUP;
        self.shared.add_segment(Arc::clone(&self.segment));
        Ok(())
    }
}
