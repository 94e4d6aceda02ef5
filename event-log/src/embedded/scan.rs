//! Reading the last segment on open: where the log ends, and whether what stands there is a group that a crash cut
//! short, or damage to one that was answered.

use super::group::{Expected, Unpacked, unpack};
use super::layout::{FIRST_GROUP, Frontier, GroupHead, MAX_GROUP_SECTORS};
use super::sector::{SECTOR, SectorState, Sectors};
use super::shared::Segment;
use crate::admission::{Admission, AdmissionState};
use crate::engine::LogError;
use event_schemas::ids::Position;

/// Read at once while scanning.
const CHUNK_BYTES: usize = 1 << 20;

/// What a segment holds.
pub(super) struct Scanned {
    /// Behind the last whole group.
    pub offset: u64,
    pub frontier: Frontier,
    /// Where the last whole group is: offset and length.
    pub last_group: Option<(u64, u64)>,
    pub tail: Tail,
}

impl Scanned {
    /// Nothing yet, from a group's beginning on.
    pub(super) fn at(offset: u64, frontier: Frontier) -> Self {
        Self { offset, frontier, last_group: None, tail: Tail::Empty }
    }
}

/// What stands behind the last whole group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Tail {
    Empty,
    /// Part of a group that was never finished, so never answered.
    Torn,
    /// Something that no crash of this writer leaves behind.
    Refused(LogError),
}

/// Reads all groups of a segment, checks that they continue each other, and fills the segment's index.
pub(super) fn scan(segment: &Segment, sectors: Sectors) -> Result<Scanned, LogError> {
    let mut scanned = Scanned::at(FIRST_GROUP, segment.head.start);
    scan_groups(segment, sectors, &mut scanned, u64::MAX)?;
    segment.index().is_complete = true;
    scanned.tail = judge_tail(segment, sectors, &scanned)?;
    Ok(scanned)
}

/// Reads whole groups on from where `scanned` ends, those before the group `until`.
pub(super) fn scan_groups(
    segment: &Segment,
    sectors: Sectors,
    scanned: &mut Scanned,
    until: u64,
) -> Result<(), LogError> {
    let mut index = segment.index();
    let (mut buffer, mut filled, mut buffer_at) = (Vec::new(), 0, scanned.offset);
    let mut content = Vec::new();
    while scanned.frontier.sequence < until {
        let held: &[u8] = &buffer[(scanned.offset - buffer_at) as usize..filled];
        match unpack(sectors, held, &Expected::from(&scanned.frontier), &mut content) {
            Unpacked::Whole { head, link } => {
                let admission = judge_group(segment, scanned, &head, &content)?;
                index.add(&head.start, scanned.offset);
                scanned.last_group = Some((scanned.offset, head.disk_len()));
                scanned.offset += head.disk_len();
                let sequence = head.start.sequence + 1;
                scanned.frontier = Frontier { sequence, position: head.end(), link, admission };
            }
            Unpacked::NeedMore { bytes } => {
                let held_len = held.len();
                if buffer.len() < bytes.max(CHUNK_BYTES) {
                    buffer = vec![0; bytes.max(CHUNK_BYTES)];
                }
                filled = segment.read_at(&mut buffer, scanned.offset)?;
                buffer_at = scanned.offset;
                if filled <= held_len {
                    break;
                }
            }
            Unpacked::Bad { .. } => break,
        }
    }
    Ok(())
}

/// Admission's state behind a group; its head must say the same of it.
fn judge_group(
    segment: &Segment,
    scanned: &Scanned,
    head: &GroupHead,
    content: &[u8],
) -> Result<AdmissionState, LogError> {
    let wrong = |what| segment.damage(scanned.offset, head.start.position, what);
    if head.start.admission != scanned.frontier.admission {
        return Err(wrong("the group's head does not agree with the records before it"));
    }
    let mut admission = Admission::resume(head.start.admission);
    let mut admitted = 0;
    for index in 0..head.entries {
        let (start, end) = head
            .entry_range(content, index)
            .ok_or_else(|| wrong("the group's table of entries is impossible"))?;
        let position = Position(head.start.position.0 + index as u64);
        admitted += usize::from(admission.admit(position, &content[start..end]).lsn().is_some());
    }
    if admitted != head.admitted {
        return Err(wrong("the group's head does not agree with its records"));
    }
    Ok(*admission.state())
}

/// A sector behind the last whole group that is not zero.
struct Leftover {
    /// Counted from the end of the last whole group.
    number: u64,
    state: SectorState,
}

/// Tells a torn group from damage. The writer has at most one group unflushed, so a crash leaves at most the sectors
/// of that one group, some of them still zero. Anything else was answered once, or was put there by someone else.
fn judge_tail(segment: &Segment, sectors: Sectors, scanned: &Scanned) -> Result<Tail, LogError> {
    let leftovers = leftovers(segment, sectors, scanned.offset)?;
    let Some(first) = leftovers.first() else { return Ok(Tail::Empty) };
    let sequence = scanned.frontier.sequence;
    let damaged = leftovers.iter().find(|leftover| leftover.state == SectorState::Damaged);
    // A sector that fails its checksum is named first: it explains everything behind it.
    let refuse = |leftover: &Leftover, what: String| {
        let (number, what) = match damaged {
            Some(damaged) => (damaged.number, "the checksum of this sector does not match".to_owned()),
            None => (leftover.number, what),
        };
        let offset = scanned.offset + number * SECTOR as u64;
        Ok(Tail::Refused(segment.damage(offset, scanned.frontier.position, what)))
    };
    let mut count = 0;
    for leftover in &leftovers {
        let SectorState::Valid(tag) = leftover.state else { continue };
        if tag.sequence_low != sequence as u32 || u64::from(tag.index) != leftover.number {
            let found = tag.sequence_low;
            return refuse(
                leftover,
                format!("data of group {found} stands where group {sequence} should follow"),
            );
        }
        count = u64::from(tag.count);
    }
    if let Some(beyond) = leftovers.iter().find(|leftover| leftover.number >= count) {
        return refuse(beyond, "data stands behind the end of the log".to_owned());
    }
    if (leftovers.len() as u64) < count {
        return Ok(Tail::Torn);
    }
    refuse(first, "this group does not continue the one before it: stale data".to_owned())
}

/// All sectors behind `offset` that are not zero, but no more than a group can have, and one.
fn leftovers(segment: &Segment, sectors: Sectors, offset: u64) -> Result<Vec<Leftover>, LogError> {
    let mut found = Vec::new();
    // All ranges are asked for before any is read: reading ahead makes a file system take reserved room for data.
    for range in segment.data_behind(offset)? {
        // Sectors are counted from the end of the last group.
        let mut at = offset + (range.start - offset) / SECTOR as u64 * SECTOR as u64;
        while at < range.end {
            let wanted = (range.end - at).min(CHUNK_BYTES as u64) as usize;
            let mut chunk = vec![0; wanted.next_multiple_of(SECTOR)];
            let read = segment.read_at(&mut chunk, at)?;
            if read == 0 {
                break;
            }
            // A file that ends within a sector: the rest of it counts as zero.
            chunk[read..].fill(0);
            for (number, sector) in chunk.chunks_exact(SECTOR).enumerate() {
                let state = sectors.judge_mostly_zero(sector);
                if state != SectorState::Zero {
                    let number = (at - offset) / SECTOR as u64 + number as u64;
                    found.push(Leftover { number, state });
                }
                if found.len() > MAX_GROUP_SECTORS {
                    return Ok(found);
                }
            }
            at += chunk.len() as u64;
        }
    }
    Ok(found)
}
