//! The index on a disk, so that a start reads what is new and not the whole topic.
//!
//! What is saved counts only if it is of the topic's instance, and the entry that it says was admitted last is there and brings the chain
//! to the head that it says: then everything before is the same. Anything else is discarded whole (S3), and the topic is read.

use super::index::Run;
use crate::admission::AdmissionState;
use event_schemas::header::EntryHeader;
use event_schemas::ids::{InstanceId, Lsn, Position};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"DANCUIDX";
const VERSION: u32 = 1;
/// Magic, version, four zeroes, instance, admission's state.
const HEAD_BYTES: usize = 8 + 4 + 4 + 16 + AdmissionState::LEN;
const RUN_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 4;

/// Where an index is kept, and whether this process writes it: several may read it.
#[derive(Clone, Debug)]
pub struct IndexFile {
    pub path: PathBuf,
    pub is_kept: bool,
}

/// What the file holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SavedIndex {
    pub instance: InstanceId,
    pub state: AdmissionState,
    pub runs: Vec<Run>,
}

impl SavedIndex {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + RUN_BYTES * self.runs.len() + CHECKSUM_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.instance.0.to_le_bytes());
        bytes.extend_from_slice(&self.state.to_bytes());
        for run in &self.runs {
            bytes.extend_from_slice(&run.lsn.0.to_le_bytes());
            bytes.extend_from_slice(&run.position.0.to_le_bytes());
        }
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
        let (head, runs) = body.split_at_checked(HEAD_BYTES)?;
        let is_sound = head[..8] == MAGIC
            && head[8..12] == VERSION.to_le_bytes()
            && runs.len().is_multiple_of(RUN_BYTES)
            && crc32c::crc32c(body).to_le_bytes() == *checksum;
        if !is_sound {
            return None;
        }
        let number = |bytes: &[u8]| u64::from_le_bytes(*bytes.first_chunk().expect("long enough"));
        let runs = runs.chunks_exact(RUN_BYTES);
        Some(Self {
            instance: InstanceId(u128::from_le_bytes(*head[16..].first_chunk()?)),
            state: AdmissionState::from_bytes(&head[32..])?,
            runs: runs
                .map(|run| Run { lsn: Lsn(number(run)), position: Position(number(&run[8..])) })
                .collect(),
        })
    }

    /// What is saved of this log, which ends at `end`; `None`, with a word to the operator unless there is none, if it cannot be used.
    pub fn read(path: &Path, instance: InstanceId, end: Position) -> Option<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the saved index of lsns cannot be read");
                return None;
            }
        };
        let saved = Self::from_bytes(&bytes);
        let saved = saved.filter(|saved| saved.instance == instance && saved.state.next <= end);
        if saved.is_none() {
            discard(path);
        }
        saved
    }

    /// Whether this is the entry that was admitted last, at the end of the same chain.
    pub fn ends_with(&self, entry: &[u8]) -> bool {
        let Ok(header) = EntryHeader::of_entry(entry) else { return false };
        header.lsn == self.state.last_lsn
            && header.term == self.state.term
            && header.prev.extend(entry) == self.state.head
    }

    /// Replaces what is saved.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&self.to_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    }
}

/// Says that what is saved is not used.
pub(super) fn discard(path: &Path) {
    tracing::warn!(path = %path.display(), "the saved index of lsns is not of this log as it is: the topic is read from its beginning");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_index_survives_the_round_trip_and_any_flipped_byte_is_noticed() {
        let run = |lsn, position| Run { lsn: Lsn(lsn), position: Position(position) };
        let state = AdmissionState { last_lsn: Lsn(9), next: Position(12), ..AdmissionState::default() };
        let saved = SavedIndex { instance: InstanceId(5), state, runs: vec![run(1, 1), run(7, 9)] };
        let bytes = saved.to_bytes();
        assert_eq!(SavedIndex::from_bytes(&bytes), Some(saved));
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!(SavedIndex::from_bytes(&flipped), None, "byte {at}");
            assert_eq!(SavedIndex::from_bytes(&bytes[..at]), None);
        }
    }
}
