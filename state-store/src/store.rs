//! The store: an engine, a double-write file and a restart point that changes together with the rows (R1).

use crate::census::{Census, apply_checkpoint, complete_checkpoint};
use crate::double_write::{DoubleWriter, ScratchFile};
use crate::engine::{
    Change, Engine, EngineError, Entry, KeyRange, MAX_BATCH_CHANGES, MAX_KEY_LEN, MAX_VALUE_LEN, Order,
    TableId,
};
use crate::faults::{OpenFailure, is_environment};
use crate::home::{DiskHome, EngineOptions, Home};
use crate::restart::{RestartPoint, StoreIdentity};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

pub use crate::faults::{DiscardReason, StoreError, TwoRecords};

const RESTART_KEY: &[u8] = b"restart";
const CRC_LEN: usize = 4;

/// A store, and what opening it found.
pub struct Opened {
    pub store: Store,
    /// Set if there was a store that could not be used. The operator must be told.
    pub discarded: Option<DiscardReason>,
    /// Whether an interrupted checkpoint was completed from the double-write file.
    pub completed_checkpoint: bool,
}

/// What one checkpoint wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CheckpointStats {
    pub changes: u64,
    pub bytes: u64,
}

/// Keys, values and one restart point. Reading and saving may go on from different threads; saves take turns.
pub struct Store {
    // Dropped in this order: the engine lets go of its files before the home lets go of its lock.
    engine: Box<dyn Engine>,
    saver: Mutex<Saver>,
    /// Of the last checkpoint. Apart from the saver, so that it can be read while one is being written.
    restart: Mutex<Option<RestartPoint>>,
    home: Box<dyn Home>,
    identity: StoreIdentity,
}

struct Saver {
    scratch: Box<dyn ScratchFile>,
    /// Number of the last checkpoint.
    sequence: u64,
    census: Census,
    failed: bool,
}

/// What opening found usable.
struct Usable {
    engine: Box<dyn Engine>,
    saver: Saver,
    restart: Option<RestartPoint>,
    completed_checkpoint: bool,
}

impl Store {
    /// Opens the store in `dir`.
    pub fn open_dir(
        dir: &Path,
        engine: EngineOptions,
        expected: &StoreIdentity,
    ) -> Result<Opened, StoreError> {
        let home = DiskHome::lock(dir, engine)?;
        Self::open(Box::new(home), expected)
    }

    /// Opens a store. One that cannot be used whole is deleted and recreated empty, and the reason is returned (S3).
    /// Opening reads everything once: every checksum, and that no entry is missing.
    ///
    /// Errors: only what deleting would not mend (another process holds it, permissions, a full disk).
    pub fn open(home: Box<dyn Home>, expected: &StoreIdentity) -> Result<Opened, StoreError> {
        match Self::try_open(&*home, expected) {
            Ok(usable) => Ok(Self::opened(usable, home, expected, None)),
            Err(OpenFailure::Fatal(error)) => Err(error),
            Err(OpenFailure::Discard(reason)) => Self::recreate(home, expected, reason),
        }
    }

    /// Deletes everything and starts empty: the caller compared the restart point with the log and it did not match.
    pub fn discard(self, reason: DiscardReason) -> Result<Opened, StoreError> {
        let Self { engine, saver, home, identity, .. } = self;
        drop((engine, saver));
        Self::recreate(home, &identity, reason)
    }

    fn recreate(
        home: Box<dyn Home>,
        expected: &StoreIdentity,
        reason: DiscardReason,
    ) -> Result<Opened, StoreError> {
        tracing::warn!(%reason, "the saved state is discarded and will be rebuilt from the log");
        home.erase()?;
        match Self::try_open(&*home, expected) {
            Ok(usable) => Ok(Self::opened(usable, home, expected, Some(reason))),
            Err(OpenFailure::Fatal(error)) => Err(error),
            Err(OpenFailure::Discard(again)) => Err(StoreError::Damaged(again.to_string())),
        }
    }

    fn opened(
        usable: Usable,
        home: Box<dyn Home>,
        expected: &StoreIdentity,
        discarded: Option<DiscardReason>,
    ) -> Opened {
        let Usable { engine, saver, restart, completed_checkpoint } = usable;
        let (saver, restart) = (Mutex::new(saver), Mutex::new(restart));
        let store = Self { engine, saver, restart, home, identity: expected.clone() };
        Opened { store, discarded, completed_checkpoint }
    }

    fn try_open(home: &dyn Home, expected: &StoreIdentity) -> Result<Usable, OpenFailure> {
        if let Some(reason) = home.condemned()? {
            return Err(OpenFailure::Discard(DiscardReason::Condemned(reason)));
        }
        let opened = home.open()?;
        let (engine, mut scratch) = (opened.engine, opened.scratch);
        let completed_checkpoint = complete_checkpoint(&*engine, &mut *scratch, home.boot())?;
        let saved = match engine.get(TableId::META, RESTART_KEY)? {
            Some(sealed) => Some(read_restart(&sealed).map_err(OpenFailure::Discard)?),
            None => None,
        };
        match &saved {
            Some((_, restart)) => {
                check_format(restart, expected)?;
                check_identity(restart, expected).map_err(OpenFailure::Discard)?;
            }
            None if engine.is_empty()? => {}
            None => return Err(OpenFailure::Discard(DiscardReason::UnfinishedBuild)),
        }
        let (sequence, restart) = saved.map_or((0, None), |(sequence, restart)| (sequence, Some(restart)));
        let census = Census::take(&*engine)?;
        if restart.is_some() && Census::recorded(&*engine)? != Some(census) {
            return Err(OpenFailure::Discard(DiscardReason::EntriesMissing));
        }
        let saver = Saver { scratch, sequence, census, failed: false };
        Ok(Usable { engine, saver, restart, completed_checkpoint })
    }

    /// Where to go on reading the log; `None` while nothing was ever saved.
    pub fn restart_point(&self) -> Option<RestartPoint> {
        self.restart.lock().expect("nothing that can panic runs while it is held").clone()
    }

    /// What this store was opened for.
    pub fn identity(&self) -> &StoreIdentity {
        &self.identity
    }

    /// The value of a key.
    pub fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.engine.get(table, key).map_err(|error| self.read_failed(error))?;
        let Some(sealed) = found else {
            return Ok(None);
        };
        match unseal(table, key, sealed) {
            Some(value) => Ok(Some(value)),
            None => Err(self.condemn(&format!("a value of {table} fails its checksum"))),
        }
    }

    /// Entries of a table in the order of their keys, lazily. Ends after the first error.
    pub fn scan<'a>(
        &'a self,
        table: TableId,
        range: &KeyRange,
        order: Order,
    ) -> impl Iterator<Item = Result<Entry, StoreError>> + use<'a> {
        self.engine.scan(table, range, order).map(move |entry| {
            let (key, sealed) = entry.map_err(|error| self.read_failed(error))?;
            match unseal(table, &key, sealed) {
                Some(value) => Ok((key, value)),
                None => Err(self.condemn(&format!("a value of {table} fails its checksum"))),
            }
        })
    }

    /// Saves what `fill` writes, and `restart`, together (R1): a crash at any moment leaves both or neither.
    ///
    /// `fill` may read the store, which shows the state before this checkpoint until the double-write file is durable.
    /// After an error in the second half nothing more can be saved until the store is opened again.
    pub fn checkpoint(
        &self,
        restart: &RestartPoint,
        fill: impl FnOnce(&mut CheckpointWriter<'_>) -> Result<(), StoreError>,
    ) -> Result<CheckpointStats, StoreError> {
        check_identity(restart, &self.identity).map_err(|reason| StoreError::Misuse(reason.to_string()))?;
        let restart_bytes = restart.to_bytes()?;
        let mut saver = self.saver();
        if saver.failed {
            return Err(StoreError::FailedEarlier);
        }
        let sequence = saver.sequence + 1;
        // Until the end is reached the saver counts as failed: an early return leaves it so.
        saver.failed = true;
        let double_writer = DoubleWriter::begin(&mut *saver.scratch, sequence, self.home.boot())?;
        let mut writer = CheckpointWriter { double_writer };
        if let Err(error) = fill(&mut writer) {
            saver.scratch.clear()?;
            saver.failed = false;
            return Err(error);
        }
        let mut restart_value = sequence.to_le_bytes().to_vec();
        restart_value.extend_from_slice(&restart_bytes);
        writer.put_any(TableId::META, RESTART_KEY, &restart_value)?;
        let (changes, bytes) = writer.double_writer.finish()?;

        let census = saver.census;
        saver.census = apply_checkpoint(&*self.engine, &mut *saver.scratch, census)?;
        saver.sequence = sequence;
        saver.failed = false;
        *self.restart.lock().expect("nothing that can panic runs while it is held") = Some(restart.clone());
        Ok(CheckpointStats { changes, bytes })
    }

    /// Starts filling an empty store directly, without the double write: until [`Build::finish`] there is no restart
    /// point, and a store with rows but without one is discarded when it is opened.
    pub fn build(&self) -> Result<Build<'_>, StoreError> {
        if self.restart_point().is_some() || !self.engine.is_empty()? {
            return Err(StoreError::Misuse("only an empty store can be built".into()));
        }
        Ok(Build { store: self, batch: Vec::new(), batch_bytes: 0, census: Census::default() })
    }

    /// Reads everything once and compares the checksums. Returns the number of values.
    pub fn verify(&self) -> Result<u64, StoreError> {
        let mut values = 0;
        for table in 0..=u8::MAX {
            for entry in self.scan(TableId(table), &KeyRange::all(), Order::Ascending) {
                entry?;
                values += 1;
            }
        }
        Ok(values)
    }

    /// Marks the store so that the next open discards it, and returns the error to stop with.
    pub fn condemn(&self, reason: &str) -> StoreError {
        tracing::error!(reason, "the saved state is damaged");
        match self.home.condemn(reason) {
            Ok(()) => StoreError::Damaged(reason.to_owned()),
            Err(error) => StoreError::Damaged(format!("{reason} (and marking it so failed: {error})")),
        }
    }

    /// Bytes its files take.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        Ok(self.engine.disk_bytes()?)
    }

    /// Name of the engine.
    pub fn engine_name(&self) -> &'static str {
        self.engine.name()
    }

    fn saver(&self) -> MutexGuard<'_, Saver> {
        match self.saver.lock() {
            Ok(saver) => saver,
            // `failed` was set before anything could panic.
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    fn read_failed(&self, error: EngineError) -> StoreError {
        match error {
            EngineError::Io(error) if is_environment(&error) => StoreError::Io(error),
            other => self.condemn(&other.to_string()),
        }
    }
}

/// Takes the changes of one checkpoint.
pub struct CheckpointWriter<'a> {
    double_writer: DoubleWriter<'a>,
}

impl CheckpointWriter<'_> {
    /// Writes a key.
    pub fn put(&mut self, table: TableId, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        check_lengths(table, key, value.len())?;
        self.put_any(table, key, value)
    }

    /// Removes a key.
    pub fn delete(&mut self, table: TableId, key: &[u8]) -> Result<(), StoreError> {
        check_lengths(table, key, 0)?;
        Ok(self.double_writer.push(table, key, None)?)
    }

    fn put_any(&mut self, table: TableId, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let crc = value_crc(table, key, value).to_le_bytes();
        Ok(self.double_writer.push(table, key, Some([&crc, value]))?)
    }
}

/// Fills an empty store.
pub struct Build<'a> {
    store: &'a Store,
    batch: Vec<Change>,
    batch_bytes: usize,
    census: Census,
}

impl Build<'_> {
    const MAX_BATCH_BYTES: usize = 1 << 20;

    /// Writes a key. Each key once: a second value would make the store be discarded at its next open.
    pub fn put(&mut self, table: TableId, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        check_lengths(table, key, value.len())?;
        let sealed = seal(table, key, value);
        self.census.add(table, key, &sealed);
        self.batch_bytes += key.len() + sealed.len();
        self.batch.push(Change { table, key: key.to_vec(), value: Some(sealed) });
        if self.batch.len() == MAX_BATCH_CHANGES || self.batch_bytes >= Self::MAX_BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Makes everything durable and then writes the restart point.
    pub fn finish(mut self, restart: &RestartPoint) -> Result<(), StoreError> {
        self.flush()?;
        self.store.engine.sync_files()?;
        self.store.saver().census = self.census;
        self.store.checkpoint(restart, |_| Ok(()))?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.store.engine.apply(&self.batch)?;
        self.batch.clear();
        self.batch_bytes = 0;
        Ok(())
    }
}

fn check_lengths(table: TableId, key: &[u8], value_len: usize) -> Result<(), StoreError> {
    if table == TableId::META {
        return Err(StoreError::Misuse(format!("{table} is the store's own")));
    }
    if key.len() > MAX_KEY_LEN || value_len + CRC_LEN > MAX_VALUE_LEN {
        let key_len = key.len();
        return Err(StoreError::Misuse(format!(
            "{table}: key {key_len} bytes, value {value_len} bytes: too long"
        )));
    }
    Ok(())
}

/// Covers table and key too, so that a value found under another key fails as well.
fn value_crc(table: TableId, key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&[table.0]), key), value)
}

pub(crate) fn seal(table: TableId, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(CRC_LEN + value.len());
    sealed.extend_from_slice(&value_crc(table, key, value).to_le_bytes());
    sealed.extend_from_slice(value);
    sealed
}

pub(crate) fn unseal(table: TableId, key: &[u8], mut sealed: Vec<u8>) -> Option<Vec<u8>> {
    let (crc, value) = sealed.split_first_chunk::<CRC_LEN>()?;
    if u32::from_le_bytes(*crc) != value_crc(table, key, value) {
        return None;
    }
    sealed.drain(..CRC_LEN);
    Some(sealed)
}

fn read_restart(sealed: &[u8]) -> Result<(u64, RestartPoint), DiscardReason> {
    let value = unseal(TableId::META, RESTART_KEY, sealed.to_vec())
        .ok_or_else(|| DiscardReason::Unreadable("the restart point fails its checksum".into()))?;
    let (sequence, bytes) = value
        .split_first_chunk()
        .ok_or_else(|| DiscardReason::Unreadable("the restart point is cut short".into()))?;
    let restart =
        RestartPoint::from_bytes(bytes).map_err(|error| DiscardReason::Unreadable(error.to_string()))?;
    Ok((u64::from_le_bytes(*sequence), restart))
}

/// Whoever went back to an earlier program shall be able to go on with the later one.
fn check_format(restart: &RestartPoint, expected: &StoreIdentity) -> Result<(), OpenFailure> {
    let is_ours = (restart.log_id, restart.instance) == (expected.log_id, expected.instance);
    let (found, newest) = (restart.format, *expected.formats.end());
    if is_ours && found > newest {
        return Err(OpenFailure::Fatal(StoreError::NewerFormat { found, newest }));
    }
    Ok(())
}

fn check_identity(restart: &RestartPoint, expected: &StoreIdentity) -> Result<(), DiscardReason> {
    if restart.log_id != expected.log_id {
        return Err(DiscardReason::OtherLog { found: restart.log_id, expected: expected.log_id });
    }
    if restart.instance != expected.instance {
        return Err(DiscardReason::OtherInstance { found: restart.instance, expected: expected.instance });
    }
    if !expected.formats.contains(&restart.format) {
        return Err(DiscardReason::Format(restart.format));
    }
    if restart.fold_revision != expected.fold_revision {
        return Err(DiscardReason::FoldRevision {
            found: restart.fold_revision,
            expected: expected.fold_revision,
        });
    }
    Ok(())
}
