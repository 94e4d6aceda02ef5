//! The second engine: fjall 3, a log-structured merge tree. Nobody outside this module names it.

use crate::engine::{Change, Engine, EngineError, EngineKind, Entry, EntryIter, KeyRange, Order, TableId};
use crate::flat::{full_key, full_range, open_patiently, tree_bytes};
use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The one keyspace, in which all tables live.
const ROWS: &str = "rows";
/// Changes gather in memory up to here before they become a sorted file. A few of these may wait at a time.
const MEMTABLE_BYTES: u64 = 32 << 20;
/// Journals that may wait until what they hold has become sorted files.
const JOURNAL_BYTES: u64 = 128 << 20;

/// All tables live in one keyspace.
pub struct FjallEngine {
    dir: PathBuf,
    rows: Keyspace,
    db: Database,
}

impl FjallEngine {
    /// Opens or creates the files in `dir`.
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        open_patiently(EngineKind::Fjall.name(), || Self::attempt(dir, cache_bytes).map_err(engine_error))
    }

    fn attempt(dir: &Path, cache_bytes: u64) -> fjall::Result<Self> {
        // When the journal goes to disk is the store's decision.
        let builder = Database::builder(dir).cache_size(cache_bytes).max_journaling_size(JOURNAL_BYTES);
        let db = builder.manual_journal_persist(true).open()?;
        let options = || {
            KeyspaceCreateOptions::default().manual_journal_persist(true).max_memtable_size(MEMTABLE_BYTES)
        };
        let rows = db.keyspace(ROWS, options)?;
        Ok(Self { dir: dir.to_path_buf(), rows, db })
    }
}

fn engine_error(error: fjall::Error) -> EngineError {
    match error {
        fjall::Error::Locked => EngineError::InUse,
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => EngineError::Io(error),
        // What is on disk may be sound; this process cannot go on with it.
        fjall::Error::Poisoned => {
            EngineError::Io(io::Error::other("an earlier write to fjall's files failed"))
        }
        other => EngineError::Damaged(other.to_string()),
    }
}

fn entry(found: Guard) -> Result<Entry, EngineError> {
    let (key, value) = found.into_inner().map_err(engine_error)?;
    Ok((key[1..].to_vec(), value.to_vec()))
}

impl Engine for FjallEngine {
    fn name(&self) -> &'static str {
        EngineKind::Fjall.name()
    }

    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let value = self.rows.get(full_key(table, key)).map_err(engine_error)?;
        Ok(value.map(|bytes| bytes.to_vec()))
    }

    fn apply(&self, batch: &[Change]) -> Result<(), EngineError> {
        // All of a batch has one sequence number, so that a key may change only once in it: the last change wins.
        let last: BTreeMap<_, _> =
            batch.iter().map(|change| (full_key(change.table, &change.key), &change.value)).collect();
        let mut fjall_batch = self.db.batch();
        for (key, value) in last {
            match value {
                Some(value) => fjall_batch.insert(&self.rows, key, value.as_slice()),
                None => fjall_batch.remove(&self.rows, key),
            }
        }
        fjall_batch.commit().map_err(engine_error)
    }

    fn scan<'a>(&'a self, table: TableId, range: &KeyRange, order: Order) -> EntryIter<'a> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let found = self.rows.range(full_range(table, range));
        match order {
            Order::Ascending => Box::new(found.map(entry)),
            Order::Descending => Box::new(found.rev().map(entry)),
        }
    }

    fn sync_files(&self) -> Result<(), EngineError> {
        // Everything applied is in the journal, or in sorted files that were synced before their journal was removed.
        self.db.persist(PersistMode::SyncAll).map_err(engine_error)
    }

    fn is_empty(&self) -> Result<bool, EngineError> {
        self.rows.is_empty().map_err(engine_error)
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        Ok(tree_bytes(&self.dir)?)
    }

    fn keeps_synced_data(&self) -> bool {
        // Files are never written over: a journal goes only when what it held is in synced files, and these only when
        // the files merged from them are synced and named.
        true
    }
}
