//! The bytes of a log's files. All numbers are little-endian.
//!
//! `log.meta`, `log.mark` and the first sector of every segment `<number>.seg` are sealed blocks (see [`seal`]). A segment's groups
//! begin at [`FIRST_GROUP`], one directly behind the other, each in sectors of its own (see [`super::sector`]). The
//! content of a group:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `DGRP` |
//! | 4 | 4 | bytes of content |
//! | 8 | 4 | entries |
//! | 12 | 4 | entries of these that admission lets in |
//! | 16 | 8 | sequence number: 1, 2, 3 … through the whole log |
//! | 24 | 8 | position of the first entry |
//! | 32 | 8 | link: depends on every group before |
//! | 40 | 88 | state of admission before the group |
//! | 128 | 4 n | where each entry ends, counted from the first entry's first byte |
//! | … | | the entries |
//!
//! The state of admission is what any reader computes from the raw entries; stored here it makes a log open without
//! being read, and an entry be found by its lsn.

use super::sector::{CONTENT, SECTOR, Sectors};
use crate::admission::AdmissionState;
use crate::engine::{MAX_GROUP_BYTES, MAX_GROUP_ENTRIES};
use event_schemas::ids::{InstanceId, Lsn, Position};

/// Version of these layouts.
pub(super) const STORAGE_FORMAT: u32 = 2;

pub(super) const META_NAME: &str = "log.meta";
pub(super) const LOCK_NAME: &str = "log.lock";
pub(super) const MARK_NAME: &str = "log.mark";
/// Ending of a file that is being made; such files are removed on open.
pub(super) const NEW_SUFFIX: &str = ".new";

const META_MAGIC: [u8; 8] = *b"DANCULOG";
const MARK_MAGIC: [u8; 8] = *b"DANCUMRK";
const SEGMENT_MAGIC: [u8; 8] = *b"DANCUSEG";
const GROUP_MAGIC: [u8; 4] = *b"DGRP";

/// Where the first group of a segment begins: the header has a page of its own that is never written again.
pub(super) const FIRST_GROUP: u64 = 4_096;

/// Bytes of a group's content before the table of ends.
pub(super) const GROUP_HEAD: usize = 128;

/// Most sectors of one group.
pub(super) const MAX_GROUP_SECTORS: usize =
    (GROUP_HEAD + 4 * MAX_GROUP_ENTRIES + MAX_GROUP_BYTES).div_ceil(CONTENT);

const _: () = assert!(MAX_GROUP_SECTORS <= u16::MAX as usize);

/// Name of a segment's file.
pub(super) fn segment_name(number: u64) -> String {
    format!("{number:010}.seg")
}

/// The number in a segment's file name; `None` if it is not one.
pub(super) fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    let number = digits.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

/// Why a sealed block cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BlockError {
    Foreign,
    UnknownFormat(u32),
    Damaged,
}

/// One sector: magic, storage format u32, `fields`, zeroes, CRC32C over all before in the last four bytes.
fn seal(magic: [u8; 8], fields: &[&[u8]]) -> [u8; SECTOR] {
    let mut block = [0; SECTOR];
    block[..8].copy_from_slice(&magic);
    block[8..12].copy_from_slice(&STORAGE_FORMAT.to_le_bytes());
    let mut at = 16;
    for field in fields {
        block[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    }
    let checksum = crc32c::crc32c(&block[..508]);
    block[508..].copy_from_slice(&checksum.to_le_bytes());
    block
}

fn unseal(magic: [u8; 8], block: &[u8]) -> Result<&[u8; SECTOR], BlockError> {
    let block: &[u8; SECTOR] = block.first_chunk().ok_or(BlockError::Foreign)?;
    let sound = crc32c::crc32c(&block[..508]).to_le_bytes() == block[508..];
    if block[..8] != magic {
        return Err(BlockError::Foreign);
    }
    if !sound {
        return Err(BlockError::Damaged);
    }
    let format = u32_at(block, 8);
    if format != STORAGE_FORMAT { Err(BlockError::UnknownFormat(format)) } else { Ok(block) }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("inside a block"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("inside a block"))
}

/// What `log.meta` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Meta {
    pub instance: InstanceId,
    /// The copy that this one is being made of, or was; a log that began here has none.
    pub copy_of: Option<InstanceId>,
    /// Segments that exist at least: groups are written into a segment only once it is counted here, so that a lost
    /// last segment is noticed.
    pub segments: u64,
}

impl Meta {
    pub(super) fn to_bytes(self) -> [u8; SECTOR] {
        let (instance, segments) = (self.instance.0.to_le_bytes(), self.segments.to_le_bytes());
        let copy_of = self.copy_of.map_or([0; 16], |of| of.0.to_le_bytes());
        seal(META_MAGIC, &[&instance, &segments, &[u8::from(self.copy_of.is_some())], &copy_of])
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, BlockError> {
        let block = unseal(META_MAGIC, bytes)?;
        let instance_at =
            |at: usize| InstanceId(u128::from_le_bytes(*block[at..].first_chunk().expect("inside a block")));
        let copy_of = (block[40] != 0).then(|| instance_at(41));
        Ok(Self { instance: instance_at(16), copy_of, segments: u64_at(block, 32) })
    }
}

/// What `log.mark` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct DurableMark {
    pub instance: InstanceId,
    /// Every group before this one is durable.
    pub sequence: u64,
}

impl DurableMark {
    pub(super) fn to_bytes(self) -> [u8; SECTOR] {
        seal(MARK_MAGIC, &[&self.instance.0.to_le_bytes(), &self.sequence.to_le_bytes()])
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, BlockError> {
        let block = unseal(MARK_MAGIC, bytes)?;
        let instance = InstanceId(u128::from_le_bytes(*block[16..].first_chunk().expect("inside a block")));
        Ok(Self { instance, sequence: u64_at(block, 32) })
    }
}

/// Where a group begins in the order of the log: what a segment's header and a group's head have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Frontier {
    /// Sequence number of the next group.
    pub sequence: u64,
    /// Position of the next entry.
    pub position: Position,
    /// Link that the next group must name.
    pub link: u64,
    /// Admission's state before the next entry.
    pub admission: AdmissionState,
}

impl Frontier {
    /// Of an empty log.
    pub(super) fn start() -> Self {
        Self { sequence: 1, position: Position(0), link: 0, admission: AdmissionState::default() }
    }
}

/// What a segment's first sector says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SegmentHead {
    pub instance: InstanceId,
    pub number: u64,
    /// Bytes that the file was given when it was made; it is never shorter.
    pub len: u64,
    /// Where its first group begins.
    pub start: Frontier,
}

impl SegmentHead {
    pub(super) fn to_bytes(self) -> [u8; SECTOR] {
        seal(
            SEGMENT_MAGIC,
            &[
                &self.instance.0.to_le_bytes(),
                &self.number.to_le_bytes(),
                &self.len.to_le_bytes(),
                &self.start.sequence.to_le_bytes(),
                &self.start.position.0.to_le_bytes(),
                &self.start.link.to_le_bytes(),
                &self.start.admission.to_bytes(),
            ],
        )
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, BlockError> {
        let block = unseal(SEGMENT_MAGIC, bytes)?;
        let state = &block[72..72 + AdmissionState::LEN];
        Ok(Self {
            instance: InstanceId(u128::from_le_bytes(*block[16..].first_chunk().expect("inside a block"))),
            number: u64_at(block, 32),
            len: u64_at(block, 40),
            start: Frontier {
                sequence: u64_at(block, 48),
                position: Position(u64_at(block, 56)),
                link: u64_at(block, 64),
                admission: AdmissionState::from_bytes(state).ok_or(BlockError::Damaged)?,
            },
        })
    }
}

/// What a group's first sector says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct GroupHead {
    pub content_len: usize,
    pub entries: usize,
    pub admitted: usize,
    pub start: Frontier,
}

impl GroupHead {
    /// Reads the head at the front of a group's content. `None` if no writer writes such a head.
    pub(super) fn from_content(content: &[u8]) -> Option<Self> {
        if content.len() < GROUP_HEAD || content[..4] != GROUP_MAGIC {
            return None;
        }
        let head = Self {
            content_len: u32_at(content, 4) as usize,
            entries: u32_at(content, 8) as usize,
            admitted: u32_at(content, 12) as usize,
            start: Frontier {
                sequence: u64_at(content, 16),
                position: Position(u64_at(content, 24)),
                link: u64_at(content, 32),
                admission: AdmissionState::from_bytes(&content[40..GROUP_HEAD])?,
            },
        };
        let possible = (1..=MAX_GROUP_ENTRIES).contains(&head.entries)
            && head.admitted <= head.entries
            && head.content_len >= head.entries_at()
            && head.content_len - head.entries_at() <= MAX_GROUP_BYTES;
        possible.then_some(head)
    }

    /// Where the entries' bytes begin in the content.
    pub(super) fn entries_at(&self) -> usize {
        GROUP_HEAD + 4 * self.entries
    }

    /// Bytes of the whole group on disk.
    pub(super) fn disk_len(&self) -> u64 {
        (self.content_len.div_ceil(CONTENT) * SECTOR) as u64
    }

    /// Position after the group's last entry.
    pub(super) fn end(&self) -> Position {
        Position(self.start.position.0 + self.entries as u64)
    }

    /// Lsn of the last entry that is admitted up to the end of this group.
    pub(super) fn last_lsn(&self) -> Lsn {
        Lsn(self.start.admission.last_lsn.0 + self.admitted as u64)
    }

    /// Where entry number `index` begins and ends in the content, from the table of ends in `content`, of which only
    /// the part up to this entry's end must be present.
    pub(super) fn entry_range(&self, content: &[u8], index: usize) -> Option<(usize, usize)> {
        let end_of = |number: usize| {
            let at = GROUP_HEAD + 4 * number;
            content.get(at..at + 4).map(|_| u32_at(content, at) as usize)
        };
        let start = if index == 0 { 0 } else { end_of(index - 1)? };
        let end = end_of(index)?;
        let (start, end) = (self.entries_at() + start, self.entries_at() + end);
        (start <= end && end <= self.content_len).then_some((start, end))
    }
}

/// Puts a group's content together into `content`, and its sectors into `disk`, both emptied before.
pub(super) fn encode_group(
    sectors: Sectors,
    start: &Frontier,
    admitted: usize,
    entries: &[Vec<u8>],
    content: &mut Vec<u8>,
    disk: &mut Vec<u8>,
) {
    content.clear();
    disk.clear();
    let entries_len: usize = entries.iter().map(Vec::len).sum();
    let content_len = GROUP_HEAD + 4 * entries.len() + entries_len;
    content.reserve(content_len);
    content.extend_from_slice(&GROUP_MAGIC);
    content.extend_from_slice(&(content_len as u32).to_le_bytes());
    content.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    content.extend_from_slice(&(admitted as u32).to_le_bytes());
    content.extend_from_slice(&start.sequence.to_le_bytes());
    content.extend_from_slice(&start.position.0.to_le_bytes());
    content.extend_from_slice(&start.link.to_le_bytes());
    content.extend_from_slice(&start.admission.to_bytes());
    let mut end = 0_u32;
    for entry in entries {
        end += entry.len() as u32;
        content.extend_from_slice(&end.to_le_bytes());
    }
    for entry in entries {
        content.extend_from_slice(entry);
    }
    sectors.write(content, start.sequence, disk);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_blocks_survive_the_round_trip_and_notice_damage() {
        let meta = Meta { instance: InstanceId(5), copy_of: None, segments: 3 };
        assert_eq!(Meta::from_bytes(&meta.to_bytes()), Ok(meta));
        let copy = Meta { copy_of: Some(InstanceId(9)), ..meta };
        assert_eq!(Meta::from_bytes(&copy.to_bytes()), Ok(copy));
        let mark = DurableMark { instance: InstanceId(5), sequence: 7 };
        assert_eq!(DurableMark::from_bytes(&mark.to_bytes()), Ok(mark));
        let start = Frontier { sequence: 9, position: Position(4), link: 7, ..Frontier::start() };
        let head = SegmentHead { instance: InstanceId(5), number: 2, len: 8_192, start };
        assert_eq!(SegmentHead::from_bytes(&head.to_bytes()), Ok(head));
        assert_eq!(SegmentHead::from_bytes(&meta.to_bytes()), Err(BlockError::Foreign));
        let mut flipped = head.to_bytes();
        flipped[40] ^= 1;
        assert_eq!(SegmentHead::from_bytes(&flipped), Err(BlockError::Damaged));
        let mut newer = meta.to_bytes();
        newer[8] = 3;
        let checksum = crc32c::crc32c(&newer[..508]);
        newer[508..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Meta::from_bytes(&newer), Err(BlockError::UnknownFormat(3)));
    }

    #[test]
    fn names_of_segments_are_exact() {
        assert_eq!(segment_number(&segment_name(12)), Some(12));
        assert_eq!(segment_number("12.seg"), None);
        assert_eq!(segment_number("0000000012.seg.new"), None);
    }
}
