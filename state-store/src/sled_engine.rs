//! The default engine: sled 0.34.7, pinned, no longer developed. Nobody outside this module names it.

use crate::engine::{Change, Engine, EngineError, EngineKind, Entry, EntryIter, KeyRange, Order, TableId};
use crate::flat::{full_key, full_range, open_patiently, sync_tree, tree_bytes};
use std::path::{Path, PathBuf};

/// All tables live in one tree.
pub struct SledEngine {
    dir: PathBuf,
    db: sled::Db,
}

impl SledEngine {
    /// Opens or creates the files in `dir`.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        // Flushing is the store's decision: no timer.
        let config = sled::Config::new().path(dir).cache_capacity(cache_bytes).flush_every_ms(None);
        let db = open_patiently(EngineKind::Sled.name(), || config.open().map_err(opening_error))?;
        Ok(Self { dir: dir.to_path_buf(), db })
    }
}

/// sled wraps the lock's error in one of its own kind and keeps only the text.
fn opening_error(error: sled::Error) -> EngineError {
    match error {
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => EngineError::InUse,
        other => engine_error(other),
    }
}

fn engine_error(error: sled::Error) -> EngineError {
    match error {
        sled::Error::Io(error) => EngineError::Io(error),
        other => EngineError::Damaged(other.to_string()),
    }
}

fn entry(pair: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Entry, EngineError> {
    let (key, value) = pair.map_err(engine_error)?;
    Ok((key[1..].to_vec(), value.to_vec()))
}

impl Engine for SledEngine {
    fn name(&self) -> &'static str {
        EngineKind::Sled.name()
    }

    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let value = self.db.get(full_key(table, key)).map_err(engine_error)?;
        Ok(value.map(|bytes| bytes.to_vec()))
    }

    fn apply(&self, batch: &[Change]) -> Result<(), EngineError> {
        let mut sled_batch = sled::Batch::default();
        for change in batch {
            let key = full_key(change.table, &change.key);
            match &change.value {
                Some(value) => sled_batch.insert(key, value.as_slice()),
                None => sled_batch.remove(key),
            }
        }
        self.db.apply_batch(sled_batch).map_err(engine_error)
    }

    fn scan<'a>(&'a self, table: TableId, range: &KeyRange, order: Order) -> EntryIter<'a> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let found = self.db.range(full_range(table, range));
        match order {
            Order::Ascending => Box::new(found.map(entry)),
            Order::Descending => Box::new(found.rev().map(entry)),
        }
    }

    fn sync_files(&self) -> Result<(), EngineError> {
        // sled's own flush writes its buffers but ends in `sync_file_range`, which is no promise. An fsync on any
        // descriptor of a file covers all that was written to it.
        self.db.flush().map_err(engine_error)?;
        sync_tree(&self.dir)?;
        Ok(())
    }

    fn is_empty(&self) -> Result<bool, EngineError> {
        Ok(self.db.is_empty())
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        Ok(tree_bytes(&self.dir)?)
    }

    fn keeps_synced_data(&self) -> bool {
        // sled reuses segments of its log before the pages that moved out of them are known to be on disk.
        false
    }
}
