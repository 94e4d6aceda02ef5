//! Reading groups back from a segment's bytes.

use super::layout::{Frontier, GROUP_HEAD, GroupHead};
use super::sector::{CONTENT, SECTOR, SectorState, Sectors, disk_offset, link_after};
use super::shared::Segment;
use crate::engine::LogError;
use event_schemas::ids::Position;
use std::ops::Range;

/// What reading a whole group found.
pub(super) enum Unpacked {
    /// The group's content is in the buffer; `link` is what the next group must name.
    Whole { head: GroupHead, link: u64 },
    /// The group has this many bytes on disk, more than were given.
    NeedMore { bytes: usize },
    /// Not the expected group: what is wrong, and in which sector.
    Bad { sector: usize, what: &'static str },
}

/// What the reader expects of the next group. A reader that enters in the middle knows no link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub sequence: u64,
    pub position: Position,
    pub link: Option<u64>,
}

impl From<&Frontier> for Expected {
    fn from(frontier: &Frontier) -> Self {
        Self { sequence: frontier.sequence, position: frontier.position, link: Some(frontier.link) }
    }
}

/// Checks the sectors of the group at the front of `disk` and puts its content together.
pub(super) fn unpack(sectors: Sectors, disk: &[u8], expected: &Expected, content: &mut Vec<u8>) -> Unpacked {
    let bad = |sector, what| Unpacked::Bad { sector, what };
    if disk.len() < SECTOR {
        return Unpacked::NeedMore { bytes: SECTOR };
    }
    let SectorState::Valid(first) = sectors.judge(&disk[..SECTOR]) else {
        return bad(0, "the checksum of this sector does not match");
    };
    if first.index != 0 || first.sequence_low != expected.sequence as u32 || first.count == 0 {
        return bad(0, "another group's data is here");
    }
    let count = usize::from(first.count);
    let Some(disk) = disk.get(..count * SECTOR) else {
        return Unpacked::NeedMore { bytes: count * SECTOR };
    };
    content.clear();
    content.extend_from_slice(&disk[..CONTENT]);
    for (index, sector) in disk.chunks_exact(SECTOR).enumerate().skip(1) {
        match sectors.judge(sector) {
            SectorState::Valid(tag) if usize::from(tag.index) == index && tag.count == first.count => {
                if tag.sequence_low != first.sequence_low {
                    return bad(index, "another group's data is here");
                }
                content.extend_from_slice(&sector[..CONTENT]);
            }
            SectorState::Valid(_) => return bad(index, "another group's data is here"),
            SectorState::Zero => return bad(index, "a sector of this group was never written"),
            SectorState::Damaged => return bad(index, "the checksum of this sector does not match"),
        }
    }
    match check_head(content, expected) {
        Err(what) => bad(0, what),
        Ok(head) => {
            content.truncate(head.content_len);
            Unpacked::Whole { head, link: link_after(head.start.link, disk) }
        }
    }
}

fn check_head(content: &[u8], expected: &Expected) -> Result<GroupHead, &'static str> {
    let head = GroupHead::from_content(content).ok_or("the group's head is impossible")?;
    if head.content_len.div_ceil(CONTENT) * CONTENT != content.len() {
        return Err("the group's stated length is not its length");
    }
    if head.start.sequence != expected.sequence || head.start.position != expected.position {
        return Err("the group belongs to another place in the log");
    }
    if expected.link.is_some_and(|link| link != head.start.link) {
        return Err("the group does not continue the one before it: stale data");
    }
    match head.entry_range(content, head.entries - 1) {
        Some((_, end)) if end == head.content_len => Ok(head),
        _ => Err("the group's table of entries is impossible"),
    }
}

/// Reads heads of groups, and keeps what it has read for the next one.
pub(super) struct HeadWalker<'a> {
    segment: &'a Segment,
    sectors: Sectors,
    chunk_bytes: usize,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl<'a> HeadWalker<'a> {
    /// Reads `chunk_bytes` ahead, but at first only one sector.
    pub(super) fn new(segment: &'a Segment, sectors: Sectors, chunk_bytes: usize) -> Self {
        Self { segment, sectors, chunk_bytes, buffer: Vec::new(), buffer_at: 0 }
    }

    /// The head of the group at `offset`. `near` is a position to name if it is damaged.
    pub(super) fn head_at(&mut self, offset: u64, near: Position) -> Result<GroupHead, LogError> {
        let is_held =
            offset >= self.buffer_at && offset + SECTOR as u64 <= self.buffer_at + self.buffer.len() as u64;
        if !is_held {
            let bytes = if self.buffer.is_empty() { SECTOR } else { self.chunk_bytes };
            self.buffer.resize(bytes, 0);
            let read = self.segment.read_at(&mut self.buffer, offset)?;
            self.buffer.truncate(read);
            self.buffer_at = offset;
        }
        let at = (offset - self.buffer_at) as usize;
        let sector = self.buffer.get(at..at + SECTOR).unwrap_or_default();
        if sector.is_empty() {
            return Err(self.segment.damage(offset, near, "the segment ends too early"));
        }
        match self.sectors.judge(sector) {
            SectorState::Valid(tag) if tag.index == 0 => GroupHead::from_content(&sector[..CONTENT])
                .ok_or_else(|| self.segment.damage(offset, near, "the group's head is impossible")),
            SectorState::Zero => Err(self.segment.damage(offset, near, "a group is missing")),
            _ => Err(self.segment.damage(offset, near, "the head of a group is damaged")),
        }
    }
}

/// One entry of the group at `offset`, reading no more than its sectors and those of its place in the table.
pub(super) fn read_entry(
    segment: &Segment,
    sectors: Sectors,
    offset: u64,
    head: &GroupHead,
    index: usize,
) -> Result<Vec<u8>, LogError> {
    let impossible =
        || segment.damage(offset, head.start.position, "the group's table of entries is impossible");
    let first = index.saturating_sub(1);
    let ends_at = GROUP_HEAD + 4 * first;
    let ends = read_content(segment, sectors, offset, head, ends_at..GROUP_HEAD + 4 * (index + 1))?;
    let end_of = |number: usize| {
        let bytes = ends[4 * (number - first)..].first_chunk().expect("both ends were read");
        u32::from_le_bytes(*bytes) as usize
    };
    let start = if index == 0 { 0 } else { end_of(first) };
    let (start, end) = (head.entries_at() + start, head.entries_at() + end_of(index));
    if start > end || end > head.content_len {
        return Err(impossible());
    }
    read_content(segment, sectors, offset, head, start..end)
}

/// Part of the content of the group at `offset`, from checked sectors.
fn read_content(
    segment: &Segment,
    sectors: Sectors,
    offset: u64,
    head: &GroupHead,
    range: Range<usize>,
) -> Result<Vec<u8>, LogError> {
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let first = range.start / CONTENT;
    let last = (range.end - 1) / CONTENT;
    let mut disk = vec![0; (last + 1 - first) * SECTOR];
    let disk_at = offset + (first * SECTOR) as u64;
    let read = segment.read_at(&mut disk, disk_at)?;
    if read < disk.len() {
        return Err(segment.damage(disk_at, head.start.position, "the segment ends too early"));
    }
    let mut content = Vec::with_capacity(range.len());
    for (number, sector) in disk.chunks_exact(SECTOR).enumerate() {
        let index = first + number;
        let fits = match sectors.judge(sector) {
            SectorState::Valid(tag) => {
                usize::from(tag.index) == index && tag.sequence_low == head.start.sequence as u32
            }
            _ => false,
        };
        if !fits {
            let at = offset + (index * SECTOR) as u64;
            return Err(segment.damage(
                at,
                head.start.position,
                "the checksum of this sector does not match",
            ));
        }
        let from = range.start.saturating_sub(index * CONTENT);
        let until = (range.end - index * CONTENT).min(CONTENT);
        content.extend_from_slice(&sector[from..until]);
    }
    debug_assert_eq!(disk_offset(range.start) / SECTOR, first);
    Ok(content)
}
