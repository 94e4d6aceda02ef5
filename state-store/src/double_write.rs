//! The double-write file: all changes of one checkpoint, complete and durable before the engine sees the first.
//!
//! | part | bytes |
//! |---|---|
//! | header | magic 8, sequence 8, boot id 16, crc 4 |
//! | frame, repeated | kind 1 (= 1), length 4, crc 4, changes |
//! | trailer | kind 1 (= 2), frames 8, changes 8, crc 4 |
//!
//! A change is table 1, key length 2, value length 4 (`u32::MAX`: removed), key, value. Every crc also covers the
//! sequence, so that what an earlier checkpoint left in the file's sectors never counts as part of a later one.

use crate::engine::{Change, MAX_BATCH_CHANGES, TableId};
use std::io;

/// A frame is closed once it holds this many bytes; one frame is one batch of the engine.
const FRAME_TARGET_LEN: usize = 1 << 20;
/// No frame is longer: the target and one largest change.
const MAX_FRAME_LEN: usize = FRAME_TARGET_LEN + crate::engine::MAX_VALUE_LEN + 2_048;

const MAGIC: [u8; 8] = *b"DNCUDWF1";
const HEADER_LEN: usize = 8 + 8 + 16 + 4;
const FRAME_HEAD_LEN: usize = 1 + 4 + 4;
const TRAILER_LEN: usize = 1 + 8 + 8 + 4;
const KIND_FRAME: u8 = 1;
const KIND_TRAILER: u8 = 2;
const REMOVED: u32 = u32::MAX;

/// Which run of the machine's kernel wrote something.
pub type BootId = [u8; 16];

/// The file under the double write. What was appended may be there in part after a crash until it was synced.
pub trait ScratchFile: Send {
    /// Makes the file empty.
    fn clear(&mut self) -> io::Result<()>;
    /// Appends.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes all that was appended durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Bytes in the file.
    fn byte_len(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset`, or fails.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// What a complete file says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CompleteFile {
    pub sequence: u64,
    pub boot: BootId,
    pub frames: u64,
    pub changes: u64,
    pub bytes: u64,
}

/// Writes one checkpoint's changes.
pub(crate) struct DoubleWriter<'a> {
    file: &'a mut dyn ScratchFile,
    sequence: u64,
    frame: Vec<u8>,
    changes_in_frame: usize,
    frames: u64,
    changes: u64,
}

impl<'a> DoubleWriter<'a> {
    pub fn begin(file: &'a mut dyn ScratchFile, sequence: u64, boot: BootId) -> io::Result<Self> {
        file.clear()?;
        let mut header = Vec::with_capacity(HEADER_LEN);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&sequence.to_le_bytes());
        header.extend_from_slice(&boot);
        let crc = crc32c::crc32c(&header);
        header.extend_from_slice(&crc.to_le_bytes());
        file.append(&header)?;
        Ok(Self { file, sequence, frame: Vec::new(), changes_in_frame: 0, frames: 0, changes: 0 })
    }

    /// Adds a change; the value is the concatenation of `value`'s parts. Lengths were checked by the caller.
    pub fn push(&mut self, table: TableId, key: &[u8], value: Option<[&[u8]; 2]>) -> io::Result<()> {
        let value_len = value.map_or(REMOVED, |parts| (parts[0].len() + parts[1].len()) as u32);
        self.frame.push(table.0);
        self.frame.extend_from_slice(&(key.len() as u16).to_le_bytes());
        self.frame.extend_from_slice(&value_len.to_le_bytes());
        self.frame.extend_from_slice(key);
        for part in value.into_iter().flatten() {
            self.frame.extend_from_slice(part);
        }
        self.changes_in_frame += 1;
        self.changes += 1;
        if self.changes_in_frame == MAX_BATCH_CHANGES || self.frame.len() >= FRAME_TARGET_LEN {
            self.close_frame()?;
        }
        Ok(())
    }

    /// Closes the file and makes it durable. Only now is it complete.
    pub fn finish(mut self) -> io::Result<(u64, u64)> {
        if self.changes_in_frame > 0 {
            self.close_frame()?;
        }
        let mut trailer = vec![KIND_TRAILER];
        trailer.extend_from_slice(&self.frames.to_le_bytes());
        trailer.extend_from_slice(&self.changes.to_le_bytes());
        let crc = sequenced_crc(self.sequence, &trailer);
        trailer.extend_from_slice(&crc.to_le_bytes());
        self.file.append(&trailer)?;
        self.file.sync()?;
        Ok((self.changes, self.file.byte_len()?))
    }

    fn close_frame(&mut self) -> io::Result<()> {
        let mut head = vec![KIND_FRAME];
        head.extend_from_slice(&(self.frame.len() as u32).to_le_bytes());
        head.extend_from_slice(&sequenced_crc(self.sequence, &self.frame).to_le_bytes());
        self.file.append(&head)?;
        self.file.append(&self.frame)?;
        self.frame.clear();
        self.changes_in_frame = 0;
        self.frames += 1;
        Ok(())
    }
}

fn sequenced_crc(sequence: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&sequence.to_le_bytes()), bytes)
}

/// Reads a file once from start to end, handing over each intact frame; `None` unless it is complete.
pub(crate) fn read_file<E: From<io::Error>>(
    file: &dyn ScratchFile,
    mut on_frame: impl FnMut(Vec<Change>) -> Result<(), E>,
) -> Result<Option<CompleteFile>, E> {
    let bytes = file.byte_len()?;
    let Some((sequence, boot)) = read_header(file, bytes)? else {
        return Ok(None);
    };
    let (mut offset, mut frames, mut changes) = (HEADER_LEN as u64, 0, 0);
    loop {
        let mut kind = [0];
        if offset >= bytes {
            return Ok(None);
        }
        file.read_exact_at(&mut kind, offset)?;
        if kind[0] == KIND_TRAILER {
            let whole = trailer_agrees(file, offset, bytes, sequence, frames, changes)?;
            return Ok(whole.then_some(CompleteFile { sequence, boot, frames, changes, bytes }));
        }
        let Some((batch, next_offset)) = read_frame(file, offset, bytes, sequence)? else {
            return Ok(None);
        };
        frames += 1;
        changes += batch.len() as u64;
        offset = next_offset;
        on_frame(batch)?;
    }
}

fn read_header(file: &dyn ScratchFile, bytes: u64) -> io::Result<Option<(u64, BootId)>> {
    let mut header = [0; HEADER_LEN];
    if bytes < HEADER_LEN as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut header, 0)?;
    let (covered, crc) = header.split_last_chunk::<4>().expect("the header ends in its crc");
    if header[..8] != MAGIC || crc32c::crc32c(covered).to_le_bytes() != *crc {
        return Ok(None);
    }
    let sequence = u64::from_le_bytes(*header[8..].first_chunk().expect("inside the header"));
    Ok(Some((sequence, *header[16..].first_chunk().expect("inside the header"))))
}

fn trailer_agrees(
    file: &dyn ScratchFile,
    offset: u64,
    bytes: u64,
    sequence: u64,
    frames: u64,
    changes: u64,
) -> io::Result<bool> {
    let mut expected = vec![KIND_TRAILER];
    expected.extend_from_slice(&frames.to_le_bytes());
    expected.extend_from_slice(&changes.to_le_bytes());
    let crc = sequenced_crc(sequence, &expected);
    expected.extend_from_slice(&crc.to_le_bytes());
    if offset + TRAILER_LEN as u64 != bytes {
        return Ok(false);
    }
    let mut found = [0; TRAILER_LEN];
    file.read_exact_at(&mut found, offset)?;
    Ok(found == expected.as_slice())
}

/// The frame at `offset` and where the next part begins, unless it is torn.
fn read_frame(
    file: &dyn ScratchFile,
    offset: u64,
    bytes: u64,
    sequence: u64,
) -> io::Result<Option<(Vec<Change>, u64)>> {
    let mut head = [0; FRAME_HEAD_LEN];
    let body_offset = offset + FRAME_HEAD_LEN as u64;
    if body_offset > bytes {
        return Ok(None);
    }
    file.read_exact_at(&mut head, offset)?;
    let len = u32::from_le_bytes(*head[1..].first_chunk().expect("inside the head"));
    let next_offset = body_offset + u64::from(len);
    if head[0] != KIND_FRAME || len as usize > MAX_FRAME_LEN || next_offset > bytes {
        return Ok(None);
    }
    let mut body = vec![0; len as usize];
    file.read_exact_at(&mut body, body_offset)?;
    if sequenced_crc(sequence, &body).to_le_bytes() != head[5..9] {
        return Ok(None);
    }
    Ok(decode_changes(&body).map(|batch| (batch, next_offset)))
}

fn decode_changes(mut body: &[u8]) -> Option<Vec<Change>> {
    let mut batch = Vec::new();
    while let Some((table, rest)) = body.split_first() {
        let (key_len, rest) = rest.split_first_chunk()?;
        let (value_len, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*key_len)))?;
        let value_len = u32::from_le_bytes(*value_len);
        let (value, rest) = match value_len {
            REMOVED => (None, rest),
            len => {
                let (value, rest) = rest.split_at_checked(len as usize)?;
                (Some(value.to_vec()), rest)
            }
        };
        batch.push(Change { table: TableId(*table), key: key.to_vec(), value });
        body = rest;
    }
    Some(batch)
}
