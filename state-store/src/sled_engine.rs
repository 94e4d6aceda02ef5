//! The default engine: sled 0.34.7, pinned, no longer developed. Nobody outside this module names it.

use crate::engine::{Change, Engine, EngineError, Entry, EntryIter, KeyRange, Order, TableId};
use std::fs::File;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// sled gives its lock back from another thread some time after the last handle was dropped.
const OPEN_ATTEMPTS: u32 = 100;
const OPEN_RETRY_DELAY: Duration = Duration::from_millis(20);

/// All tables live in one tree: a key is the table's byte and then the key, so that one batch covers several tables.
pub struct SledEngine {
    dir: PathBuf,
    db: sled::Db,
}

impl SledEngine {
    /// Opens or creates the files in `dir`.
    ///
    /// sled answers some damage with a panic instead of an error; both become [`EngineError::Damaged`].
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        // Flushing is the store's decision: no timer.
        let config = sled::Config::new().path(dir).cache_capacity(cache_bytes).flush_every_ms(None);
        for _ in 1..OPEN_ATTEMPTS {
            match Self::attempt(&config, dir) {
                Err(EngineError::InUse) => thread::sleep(OPEN_RETRY_DELAY),
                outcome => return outcome,
            }
        }
        Self::attempt(&config, dir)
    }

    fn attempt(config: &sled::Config, dir: &Path) -> Result<Self, EngineError> {
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => Ok(Self { dir: dir.to_path_buf(), db }),
            // sled wraps the lock's error in one of its own kind and keeps only the text.
            Ok(Err(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") => {
                Err(EngineError::InUse)
            }
            Ok(Err(error)) => Err(engine_error(error)),
            Err(_) => Err(EngineError::Damaged("sled panicked while it opened its files".into())),
        }
    }
}

fn engine_error(error: sled::Error) -> EngineError {
    match error {
        sled::Error::Io(error) => EngineError::Io(error),
        other => EngineError::Damaged(other.to_string()),
    }
}

fn full_key(table: TableId, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(1 + key.len());
    full.push(table.0);
    full.extend_from_slice(key);
    full
}

/// The range over full keys. The end of a table is the start of the next one.
fn full_range(table: TableId, range: &KeyRange) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let from = match &range.from {
        Bound::Included(key) => Bound::Included(full_key(table, key)),
        Bound::Excluded(key) => Bound::Excluded(full_key(table, key)),
        Bound::Unbounded => Bound::Included(vec![table.0]),
    };
    let to = match &range.to {
        Bound::Included(key) => Bound::Included(full_key(table, key)),
        Bound::Excluded(key) => Bound::Excluded(full_key(table, key)),
        Bound::Unbounded => match table.0.checked_add(1) {
            Some(next) => Bound::Excluded(vec![next]),
            None => Bound::Unbounded,
        },
    };
    (from, to)
}

fn entry(pair: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Entry, EngineError> {
    let (key, value) = pair.map_err(engine_error)?;
    Ok((key[1..].to_vec(), value.to_vec()))
}

impl Engine for SledEngine {
    fn name(&self) -> &'static str {
        "sled"
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

fn sync_tree(dir: &Path) -> std::io::Result<()> {
    for found in std::fs::read_dir(dir)? {
        let found = found?;
        if found.file_type()?.is_dir() {
            sync_tree(&found.path())?;
            continue;
        }
        match File::open(found.path()) {
            Ok(file) => file.sync_all()?,
            // sled removes old snapshots and blobs on its own.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    File::open(dir)?.sync_all()
}

fn tree_bytes(dir: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for found in std::fs::read_dir(dir)? {
        let found = found?;
        if found.file_type()?.is_dir() {
            bytes += tree_bytes(&found.path())?;
            continue;
        }
        match found.metadata() {
            Ok(metadata) => bytes += metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}
