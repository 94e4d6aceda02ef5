//! How many entries a store holds and the sum of their hashes: shows that an engine lost some without a word.
//!
//! A checksum in each value cannot show an entry that is gone, and sled cuts what it cannot read without an error.

use crate::double_write::{BootId, ScratchFile, read_file};
use crate::engine::{Change, Engine, EngineError, KeyRange, Order, TableId};
use crate::faults::{DiscardReason, OpenFailure};
use crate::store::{seal, unseal};
use std::collections::BTreeMap;
use std::io;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const CENSUS_KEY: &[u8] = b"census";

/// Entries of all tables but the store's own, and the wrapping sum of their hashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Census {
    entries: u64,
    sum: u64,
}

impl Census {
    pub fn add(&mut self, table: TableId, key: &[u8], sealed: &[u8]) {
        self.entries += 1;
        self.sum = self.sum.wrapping_add(entry_hash(table, key, sealed));
    }

    fn remove(&mut self, hash: u64) {
        self.entries = self.entries.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(hash);
    }

    /// Counts everything and checks every value's checksum on the way.
    pub fn take(engine: &dyn Engine) -> Result<Self, OpenFailure> {
        let mut census = Self::default();
        for table in (0..TableId::META.0).map(TableId) {
            for entry in engine.scan(table, &KeyRange::all(), Order::Ascending) {
                let (key, sealed) = entry?;
                census.add(table, &key, &sealed);
                if unseal(table, &key, sealed).is_none() {
                    let reason = format!("a value of {table} fails its checksum");
                    return Err(OpenFailure::Discard(DiscardReason::Unreadable(reason)));
                }
            }
        }
        Ok(census)
    }

    /// What the last checkpoint recorded.
    pub fn recorded(engine: &dyn Engine) -> Result<Option<Self>, EngineError> {
        let Some(sealed) = engine.get(TableId::META, CENSUS_KEY)? else {
            return Ok(None);
        };
        let damaged = || EngineError::Damaged("the count of entries fails its checksum".into());
        let value = unseal(TableId::META, CENSUS_KEY, sealed).ok_or_else(damaged)?;
        let (entries, sum) = value.split_first_chunk().ok_or_else(damaged)?;
        let sum = sum.try_into().map_err(|_| damaged())?;
        Ok(Some(Self { entries: u64::from_le_bytes(*entries), sum: u64::from_le_bytes(sum) }))
    }

    fn record(self, engine: &dyn Engine) -> Result<(), EngineError> {
        let mut value = self.entries.to_le_bytes().to_vec();
        value.extend_from_slice(&self.sum.to_le_bytes());
        let sealed = seal(TableId::META, CENSUS_KEY, &value);
        engine.apply(&[Change { table: TableId::META, key: CENSUS_KEY.to_vec(), value: Some(sealed) }])
    }
}

fn entry_hash(table: TableId, key: &[u8], sealed: &[u8]) -> u64 {
    xxh3_64_with_seed(sealed, xxh3_64_with_seed(key, u64::from(table.0)))
}

/// Second half of a checkpoint: from the complete double-write file into the engine, made durable, the file freed.
/// Returns the new count.
pub(crate) fn apply_checkpoint(
    engine: &dyn Engine,
    scratch: &mut dyn ScratchFile,
    mut census: Census,
) -> Result<Census, EngineError> {
    let whole = read_file(scratch, |batch| {
        count_batch(engine, &batch, &mut census)?;
        engine.apply(&batch)
    })?;
    if whole.is_none() {
        return Err(EngineError::Damaged("the double-write file changed while it was applied".into()));
    }
    census.record(engine)?;
    engine.sync_files()?;
    scratch.clear()?;
    Ok(census)
}

/// Counts what a batch will change, before it is applied.
fn count_batch(engine: &dyn Engine, batch: &[Change], census: &mut Census) -> Result<(), EngineError> {
    // A key may change twice within a batch: what the engine holds is only the first one's predecessor.
    let mut current: BTreeMap<(TableId, &[u8]), Option<u64>> = BTreeMap::new();
    for change in batch {
        let (table, key) = (change.table, change.key.as_slice());
        if table == TableId::META {
            continue;
        }
        let before = match current.get(&(table, key)) {
            Some(hash) => *hash,
            None => engine.get(table, key)?.map(|sealed| entry_hash(table, key, &sealed)),
        };
        if let Some(hash) = before {
            census.remove(hash);
        }
        let after = change.value.as_ref().map(|sealed| entry_hash(table, key, sealed));
        if let Some(sealed) = &change.value {
            census.add(table, key, sealed);
        }
        current.insert((table, key), after);
    }
    Ok(())
}

/// Brings a checkpoint that was interrupted to its end, or drops one that never became complete.
pub(crate) fn complete_checkpoint(
    engine: &dyn Engine,
    scratch: &mut dyn ScratchFile,
    boot: BootId,
) -> Result<bool, OpenFailure> {
    if scratch.byte_len()? == 0 {
        return Ok(false);
    }
    let Some(file) = read_file(scratch, |_| Ok::<(), io::Error>(()))? else {
        scratch.clear()?;
        return Ok(false);
    };
    let machine_stayed_up = file.boot == boot && boot != BootId::default();
    if !machine_stayed_up && !engine.keeps_synced_data() {
        return Err(OpenFailure::Discard(DiscardReason::MachineWentDown));
    }
    read_file(scratch, |batch| engine.apply(&batch))?;
    // Part of it may have been applied before, so the count cannot be carried on. Nothing synced was lost: either
    // the machine stayed up or the engine keeps it.
    Census::take(engine)?.record(engine)?;
    engine.sync_files()?;
    scratch.clear()?;
    tracing::info!(
        sequence = file.sequence,
        changes = file.changes,
        "an interrupted checkpoint was completed"
    );
    Ok(true)
}
