//! An immutable file of sorted entries.
//!
//! | part | bytes |
//! |---|---|
//! | blocks | up to 170 entries each: id 16 (big-endian), lsn 8 (little-endian) |
//! | fences | for each block: first id 16, crc of the block 4 |
//! | filter | words of 8 |
//! | footer | magic 8, entries 8, filter words 8, crc of fences and filter 4, crc of the footer 4 |
//!
//! Fences and filter stay in memory: about 1.4 bytes an entry. Blocks are read when they are needed.

use super::bloom::{Bloom, IdHash};
use crate::faults::is_environment;
use crate::store::StoreError;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An id and the lsn of the record it led to.
pub(super) type IdEntry = (u128, u64);

const ENTRY_LEN: usize = 24;
const ENTRIES_PER_BLOCK: usize = 170;
const BLOCK_LEN: usize = ENTRY_LEN * ENTRIES_PER_BLOCK;
const FENCE_LEN: usize = 20;
const FOOTER_LEN: usize = 8 + 8 + 8 + 4 + 4;
const MAGIC: [u8; 8] = *b"DNCUIDR1";

struct Fence {
    first: u128,
    crc: u32,
}

pub(super) struct Run {
    pub number: u64,
    pub entries: u64,
    path: PathBuf,
    file: File,
    fences: Vec<Fence>,
    bloom: Bloom,
}

pub(super) fn run_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.run"))
}

impl Run {
    /// Bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.fences.capacity() * size_of::<Fence>() + self.bloom.memory_bytes()
    }

    pub fn open(dir: &Path, number: u64, entries: u64) -> Result<Self, StoreError> {
        let path = run_path(dir, number);
        let damaged = |what: &str| StoreError::Damaged(format!("run {number}: {what}"));
        let file = File::open(&path)?;
        let len = file.metadata()?.len();
        let mut footer = [0; FOOTER_LEN];
        let footer_at =
            len.checked_sub(FOOTER_LEN as u64).ok_or_else(|| damaged("shorter than its footer"))?;
        file.read_exact_at(&mut footer, footer_at)?;
        let crc = u32_at(&footer, FOOTER_LEN - 4);
        if footer[..8] != MAGIC || crc32c::crc32c(&footer[..FOOTER_LEN - 4]) != crc {
            return Err(damaged("its footer fails its checksum"));
        }
        let (stated, words) = (u64_at(&footer, 8), u64_at(&footer, 16));
        let blocks = stated.div_ceil(ENTRIES_PER_BLOCK as u64);
        let fences_at = stated * ENTRY_LEN as u64;
        let index_len = blocks * FENCE_LEN as u64 + words * 8;
        if stated != entries || fences_at + index_len != footer_at {
            return Err(damaged("its length is not what its footer and the manifest say"));
        }
        let mut index = vec![0; index_len as usize];
        file.read_exact_at(&mut index, fences_at)?;
        if crc32c::crc32c(&index) != u32_at(&footer, 24) {
            return Err(damaged("its fences or its filter fail their checksum"));
        }
        let (fence_bytes, filter_bytes) = index.split_at((blocks as usize) * FENCE_LEN);
        let fences = fence_bytes
            .chunks_exact(FENCE_LEN)
            .map(|bytes| Fence { first: u128_at(bytes), crc: u32_at(bytes, 16) })
            .collect();
        let filter_words = filter_bytes.chunks_exact(8).map(|bytes| u64_at(bytes, 0)).collect();
        let bloom = Bloom::from_words(filter_words).ok_or_else(|| damaged("its filter is cut"))?;
        Ok(Self { number, entries, path, file, fences, bloom })
    }

    /// The lsn of an id. One read of a block, and only if the filter lets the id pass.
    pub fn get(&self, id: u128, hash: IdHash) -> Result<Option<u64>, StoreError> {
        if !self.bloom.may_hold(hash) {
            return Ok(None);
        }
        let Some(block) = self.fences.partition_point(|fence| fence.first <= id).checked_sub(1) else {
            return Ok(None);
        };
        let entries = self.read_block(block)?;
        Ok(entries.binary_search_by_key(&id, |entry| entry.0).ok().map(|place| entries[place].1))
    }

    /// Entries of one block; empty behind the last.
    pub fn read_block(&self, block: usize) -> Result<Vec<IdEntry>, StoreError> {
        let Some(fence) = self.fences.get(block) else {
            return Ok(Vec::new());
        };
        let start = block * ENTRIES_PER_BLOCK;
        let count = ENTRIES_PER_BLOCK.min(self.entries as usize - start);
        let number = self.number;
        let mut bytes = vec![0; count * ENTRY_LEN];
        match self.file.read_exact_at(&mut bytes, (start * ENTRY_LEN) as u64) {
            Ok(()) => {}
            Err(error) if is_environment(&error) => return Err(StoreError::Io(error)),
            Err(error) => {
                return Err(StoreError::Damaged(format!(
                    "run {number}: block {block} cannot be read: {error}"
                )));
            }
        }
        if crc32c::crc32c(&bytes) != fence.crc {
            return Err(StoreError::Damaged(format!("run {number}: block {block} fails its checksum")));
        }
        Ok(bytes.chunks_exact(ENTRY_LEN).map(|entry| (u128_at(entry), u64_at(entry, 16))).collect())
    }

    pub fn remove_file(&self) -> std::io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// Reads a run from start to end.
pub(super) struct RunCursor {
    run: Arc<Run>,
    block: usize,
    entries: std::vec::IntoIter<IdEntry>,
}

impl RunCursor {
    pub fn new(run: Arc<Run>) -> Self {
        Self { run, block: 0, entries: Vec::new().into_iter() }
    }

    pub fn next(&mut self) -> Result<Option<IdEntry>, StoreError> {
        if let Some(entry) = self.entries.next() {
            return Ok(Some(entry));
        }
        self.entries = self.run.read_block(self.block)?.into_iter();
        self.block += 1;
        Ok(self.entries.next())
    }
}

/// Writes a run; ids come in ascending order.
pub(super) struct RunWriter {
    dir: PathBuf,
    number: u64,
    out: BufWriter<File>,
    block: Vec<u8>,
    index: Vec<u8>,
    bloom: Bloom,
    entries: u64,
}

impl RunWriter {
    /// `at_most` entries will come.
    pub fn create(dir: &Path, number: u64, at_most: u64) -> Result<Self, StoreError> {
        let out = BufWriter::with_capacity(1 << 20, File::create(run_path(dir, number))?);
        let bloom = Bloom::sized_for(at_most);
        let (dir, block) = (dir.to_path_buf(), Vec::with_capacity(BLOCK_LEN));
        Ok(Self { dir, number, out, block, index: Vec::new(), bloom, entries: 0 })
    }

    pub fn push(&mut self, (id, lsn): IdEntry) -> Result<(), StoreError> {
        if self.block.is_empty() {
            self.index.extend_from_slice(&id.to_be_bytes());
        }
        self.block.extend_from_slice(&id.to_be_bytes());
        self.block.extend_from_slice(&lsn.to_le_bytes());
        self.bloom.insert(IdHash::of(id));
        self.entries += 1;
        if self.block.len() == BLOCK_LEN {
            self.close_block()?;
        }
        Ok(())
    }

    /// Makes the file and its name durable and opens it.
    pub fn finish(mut self) -> Result<Run, StoreError> {
        if !self.block.is_empty() {
            self.close_block()?;
        }
        for word in self.bloom.words() {
            self.index.extend_from_slice(&word.to_le_bytes());
        }
        let mut footer = MAGIC.to_vec();
        footer.extend_from_slice(&self.entries.to_le_bytes());
        footer.extend_from_slice(&(self.bloom.words().len() as u64).to_le_bytes());
        footer.extend_from_slice(&crc32c::crc32c(&self.index).to_le_bytes());
        let crc = crc32c::crc32c(&footer);
        footer.extend_from_slice(&crc.to_le_bytes());
        self.out.write_all(&self.index)?;
        self.out.write_all(&footer)?;
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        File::open(&self.dir)?.sync_all()?;
        Run::open(&self.dir, self.number, self.entries)
    }

    fn close_block(&mut self) -> Result<(), StoreError> {
        self.index.extend_from_slice(&crc32c::crc32c(&self.block).to_le_bytes());
        self.out.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("the caller cut it to length"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("the caller cut it to length"))
}

/// Big-endian, so that bytes are ordered as ids are.
fn u128_at(bytes: &[u8]) -> u128 {
    u128::from_be_bytes(*bytes.first_chunk().expect("the caller cut it to length"))
}
