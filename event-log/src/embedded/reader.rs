//! Reading raw entries in order, up to the durable mark.

use super::group::{Expected, Unpacked, unpack};
use super::index::{Found, Target, find};
use super::layout::{FIRST_GROUP, GroupHead};
use super::sector::SECTOR;
use super::shared::{Mark, Segment, Shared};
use crate::engine::{LogError, LogReader, RawEntry, ReadBatch};
use event_schemas::ids::Position;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Read ahead, so that small groups do not cost a system call each.
const READ_AHEAD_BYTES: usize = 256 << 10;

/// Between two looks at a log that another process writes.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Follows an open log from one position on.
pub struct EmbeddedReader {
    shared: Arc<Shared>,
    segment: Arc<Segment>,
    /// Where the next group begins in the segment's file.
    offset: u64,
    expected: Expected,
    /// The mark as this reader saw it last.
    known: Mark,
    /// Bytes of the file from `buffer_at` on; only durable ones.
    buffer: Vec<u8>,
    buffer_at: u64,
    /// The current group.
    head: Option<GroupHead>,
    content: Vec<u8>,
    next_in_group: usize,
    position: Position,
}

impl EmbeddedReader {
    pub(super) fn new(shared: Arc<Shared>, from: Position) -> Result<Self, LogError> {
        let known = shared.mark();
        let end = known.frontier.position;
        if from > end {
            let (wanted, end) = (format!("position {}", from.0), format!("position {}", end.0));
            return Err(LogError::BeyondEnd { wanted, end });
        }
        let (segment, offset, expected) = if from == end {
            let segment = shared.segment(known.segment).expect("the mark names a segment that exists");
            (segment, known.offset, Expected::from(&known.frontier))
        } else {
            let Found { segment, offset, head } = find(&shared, Target::Position(from))?;
            let expected =
                Expected { sequence: head.start.sequence, position: head.start.position, link: None };
            (segment, offset, expected)
        };
        let mut reader = Self {
            shared,
            segment,
            offset,
            expected,
            known,
            buffer: Vec::new(),
            buffer_at: 0,
            head: None,
            content: Vec::new(),
            next_in_group: 0,
            position: from,
        };
        if from > reader.expected.position {
            let first = reader.expected.position;
            let found = reader.load_next_group()?;
            assert!(found, "a position before the mark lies in a group before the mark");
            reader.next_in_group = (from.0 - first.0) as usize;
        }
        Ok(reader)
    }

    /// True if the next group was loaded, false at the durable mark.
    fn load_next_group(&mut self) -> Result<bool, LogError> {
        if self.expected.position >= self.known.frontier.position {
            self.known = self.shared.mark();
            if self.expected.position >= self.known.frontier.position {
                return Ok(false);
            }
        }
        self.enter_next_segment_at_its_start()?;
        let mut wanted = READ_AHEAD_BYTES.max(SECTOR);
        loop {
            let held_from = self.offset.saturating_sub(self.buffer_at) as usize;
            let held = self.buffer.get(held_from..).unwrap_or_default();
            let unpacked = unpack(self.shared.sectors, held, &self.expected, &mut self.content);
            match unpacked {
                Unpacked::Whole { head, link } => {
                    self.offset += head.disk_len();
                    let sequence = head.start.sequence + 1;
                    self.expected = Expected { sequence, position: head.end(), link: Some(link) };
                    self.head = Some(head);
                    self.next_in_group = 0;
                    return Ok(true);
                }
                Unpacked::NeedMore { bytes } => {
                    wanted = wanted.max(bytes);
                    if !self.fill(wanted)? || self.buffer.len() < bytes {
                        return Err(self.damage(0, "the segment ends too early"));
                    }
                }
                Unpacked::Bad { sector, what } => return Err(self.damage(sector, what)),
            }
        }
    }

    /// Reads `wanted` bytes from the next group on, but nothing beyond the durable mark: what stands there may change.
    /// False if that gives nothing more than was held.
    fn fill(&mut self, wanted: usize) -> Result<bool, LogError> {
        let held_from = self.offset.saturating_sub(self.buffer_at) as usize;
        let held_len = self.buffer.len().saturating_sub(held_from);
        let mut len = wanted;
        if self.segment.head.number == self.known.segment {
            len = len.min((self.known.offset - self.offset) as usize);
        }
        self.buffer.resize(len, 0);
        let read = self.segment.read_at(&mut self.buffer, self.offset)?;
        self.buffer.truncate(read);
        self.buffer_at = self.offset;
        Ok(self.buffer.len() > held_len)
    }

    /// A segment ends where the next one begins. One that was made just before a crash may hold no group.
    fn enter_next_segment_at_its_start(&mut self) -> Result<(), LogError> {
        while let Some(next) = self.shared.segment(self.segment.head.number + 1) {
            let start = next.head.start;
            if start.position != self.expected.position {
                break;
            }
            let continues = start.sequence == self.expected.sequence
                && self.expected.link.is_none_or(|link| link == start.link);
            if !continues {
                return Err(next.damage(
                    0,
                    start.position,
                    "the segment does not continue the one before it",
                ));
            }
            self.segment = next;
            self.offset = FIRST_GROUP;
            self.expected = Expected::from(&start);
            self.buffer.clear();
            self.buffer_at = 0;
        }
        Ok(())
    }

    fn damage(&self, sector: usize, what: &str) -> LogError {
        self.segment.damage(self.offset + (sector * SECTOR) as u64, self.expected.position, what)
    }

    /// Moves entries of the current group into the batch. False when the batch is full.
    fn take_entries(&mut self, batch: &mut ReadBatch, room: &mut Room) -> Result<bool, LogError> {
        let Some(head) = self.head else { return Ok(true) };
        batch.entries.reserve(room.entries.min(head.entries - self.next_in_group));
        while self.next_in_group < head.entries {
            let Some((start, end)) = head.entry_range(&self.content, self.next_in_group) else {
                let what = "the group's table of entries is impossible";
                return Err(self.segment.damage(self.offset, self.position, what));
            };
            if !room.take(end - start) {
                return Ok(false);
            }
            batch
                .entries
                .push(RawEntry { position: self.position, bytes: self.content[start..end].to_vec() });
            self.next_in_group += 1;
            self.position = self.position.next();
        }
        self.head = None;
        Ok(true)
    }
}

/// What still fits into a batch.
struct Room {
    entries: usize,
    bytes: usize,
    is_untouched: bool,
}

impl Room {
    /// True if one more entry of this length fits; the first always does.
    fn take(&mut self, len: usize) -> bool {
        let fits = self.is_untouched || (self.entries > 0 && self.bytes >= len);
        if fits {
            self.entries = self.entries.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(len);
            self.is_untouched = false;
        }
        fits
    }
}

impl LogReader for EmbeddedReader {
    fn read(&mut self, max_entries: usize, max_bytes: usize, wait: Duration) -> Result<ReadBatch, LogError> {
        let deadline = Instant::now() + wait;
        let mut batch = ReadBatch::default();
        let mut room = Room { entries: max_entries, bytes: max_bytes, is_untouched: true };
        while self.take_entries(&mut batch, &mut room)? {
            if self.load_next_group()? {
                continue;
            }
            if !batch.entries.is_empty() {
                break;
            }
            if let Some(error) = &self.shared.beyond_mark {
                return Err(error.clone());
            }
            if self.shared.look_further()? {
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let rest = if self.shared.growth.is_some() { left.min(LOOK_EVERY) } else { left };
            if left.is_zero() || (!self.shared.wait_beyond(self.position, rest) && rest == left) {
                break;
            }
        }
        batch.at_end = self.position >= self.shared.end() && self.shared.beyond_mark.is_none();
        Ok(batch)
    }

    fn position(&self) -> Position {
        self.position
    }
}
