//! Which record each command id led to, for ever (W2).
//!
//! The recent part is a map in memory; the rest lies in immutable sorted runs with filters, merged in tiers. A
//! checkpoint turns the recent part into a run and names the lsn it reflects. After a restart the records beyond that
//! lsn are added again, which changes nothing if they are there already (R3). Anything that cannot be read makes the
//! whole index be discarded and rebuilt from the log (S3).
//!
//! Everything that waits for a disk, [`SealedIds::write`] and [`Merge::step`], may run on another thread than the
//! owner's; the index answers meanwhile.

mod bloom;
mod manifest;
mod merge;
mod run;

pub use merge::Merge;

use crate::faults::{TwoRecords, is_environment};
use crate::store::StoreError;
use bloom::IdHash;
use event_schemas::header::ChainHead;
use event_schemas::ids::{CommandId, InstanceId, LogId, Lsn};
use manifest::{Manifest, condemn_if_damaged, erase, take_lock};
use run::{IdEntry, Run, RunWriter};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs of one tier that are merged into one of the next.
const FAN_IN: usize = 4;
/// Ids kept in memory before a checkpoint is due: about 16 MB.
pub const DEFAULT_RECENT_IDS: usize = 1 << 18;

/// What an index must match to be used at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexIdentity {
    pub log_id: LogId,
    pub instance: InstanceId,
}

/// Up to where the log is contained in what is saved. The caller compares the head with the log's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reflected {
    pub lsn: Lsn,
    pub head: ChainHead,
}

/// An index, and what opening it found.
pub struct OpenedIndex {
    pub index: IdIndex,
    /// Set if there was an index that could not be used. The operator must be told.
    pub discarded: Option<String>,
}

/// The permanent map from command ids to lsns. One owner; see the module for what may run elsewhere.
pub struct IdIndex {
    /// `None`: everything stays in memory, for simulations.
    files: Option<Files>,
    recent: HashMap<u128, u64>,
    recent_limit: usize,
    /// Sorted; being written as a run.
    sealed: Option<Arc<Vec<IdEntry>>>,
    /// The oldest first.
    runs: Vec<Arc<Run>>,
    next_run: u64,
    reflected: Reflected,
}

struct Files {
    dir: PathBuf,
    identity: IndexIdentity,
    _lock: File,
}

/// A recent part that waits to be written.
#[must_use = "sealed ids stay in memory until they are written and installed"]
pub struct SealedIds {
    dir: PathBuf,
    number: u64,
    entries: Arc<Vec<IdEntry>>,
    reflected: Reflected,
}

/// A recent part that was written and waits to be installed.
#[must_use = "a written run counts only after it is installed"]
pub struct WrittenIds {
    run: Option<Run>,
    reflected: Reflected,
}

impl IdIndex {
    /// An index without files: rebuilt from the log at each start.
    pub fn in_memory() -> Self {
        Self {
            files: None,
            recent: HashMap::new(),
            recent_limit: usize::MAX,
            sealed: None,
            runs: Vec::new(),
            next_run: 1,
            reflected: Reflected::default(),
        }
    }

    /// Opens or creates the index in `dir`, of which it takes the lock. What cannot be used is deleted and recreated
    /// empty, and the reason is returned.
    pub fn open(dir: &Path, identity: IndexIdentity, recent_limit: usize) -> Result<OpenedIndex, StoreError> {
        let lock = take_lock(dir)?;
        let (manifest, runs, discarded) = match Self::load(dir, identity) {
            Ok((manifest, runs)) => (manifest, runs, None),
            Err(StoreError::Io(error)) if is_environment(&error) => return Err(StoreError::Io(error)),
            Err(reason) => {
                tracing::warn!(%reason, "the index of command ids is discarded and will be rebuilt from the log");
                erase(dir)?;
                (Manifest::empty(identity), Vec::new(), Some(reason.to_string()))
            }
        };
        let index = Self {
            files: Some(Files { dir: dir.to_path_buf(), identity, _lock: lock }),
            recent: HashMap::new(),
            recent_limit,
            sealed: None,
            runs,
            next_run: manifest.next_run,
            reflected: manifest.reflected,
        };
        Ok(OpenedIndex { index, discarded })
    }

    fn load(dir: &Path, identity: IndexIdentity) -> Result<(Manifest, Vec<Arc<Run>>), StoreError> {
        let manifest = Manifest::read(dir, identity)?;
        let mut runs = Vec::with_capacity(manifest.runs.len());
        for (number, entries) in &manifest.runs {
            runs.push(Arc::new(Run::open(dir, *number, *entries)?));
        }
        manifest.remove_strays(dir)?;
        Ok((manifest, runs))
    }

    /// Up to where the log is saved: records beyond are added again.
    pub fn reflected(&self) -> Reflected {
        self.reflected
    }

    /// The record that an accepted command led to. An absent id costs one cache line a run.
    pub fn get(&self, id: CommandId) -> Result<Option<Lsn>, StoreError> {
        if let Some(lsn) = self.recent.get(&id.0) {
            return Ok(Some(Lsn(*lsn)));
        }
        if let Some(sealed) = &self.sealed
            && let Ok(place) = sealed.binary_search_by_key(&id.0, |entry| entry.0)
        {
            return Ok(Some(Lsn(sealed[place].1)));
        }
        let hash = IdHash::of(id.0);
        // The oldest first: of two records for one id (W2) the first is meant.
        for run in &self.runs {
            match run.get(id.0, hash) {
                Ok(None) => {}
                Ok(Some(lsn)) => return Ok(Some(Lsn(lsn))),
                Err(error) => return Err(self.condemn(error)),
            }
        }
        Ok(None)
    }

    /// Adds the id of an admitted record. Adding it again changes nothing; if it stands for another record already, that one
    /// stays and [`StoreError::TwoRecords`] says so (W2).
    pub fn add(&mut self, id: CommandId, lsn: Lsn) -> Result<(), StoreError> {
        match self.get(id)? {
            None => self.add_absent(id, lsn),
            Some(first) => one_record(id, first, lsn),
        }
    }

    /// The same for an id that [`Self::get`] did not find before; costs no look into the runs.
    pub fn add_absent(&mut self, id: CommandId, lsn: Lsn) -> Result<(), StoreError> {
        let first = *self.recent.entry(id.0).or_insert(lsn.0);
        one_record(id, Lsn(first), lsn)
    }

    /// Ids that are only in memory.
    pub fn unsaved_len(&self) -> usize {
        self.recent.len() + self.sealed.as_ref().map_or(0, |sealed| sealed.len())
    }

    /// Bytes in memory, about: what is recent, and of each run its fences and filter.
    pub fn memory_bytes(&self) -> usize {
        // A table of this kind has one byte of control beside each place.
        let recent = self.recent.capacity() * (size_of::<IdEntry>() + 1);
        let sealed = self.sealed.as_ref().map_or(0, |sealed| sealed.capacity() * size_of::<IdEntry>());
        recent + sealed + self.runs.iter().map(|run| run.memory_bytes()).sum::<usize>()
    }

    /// Whether the recent part has reached its limit and a checkpoint is due.
    pub fn is_due(&self) -> bool {
        self.recent.len() >= self.recent_limit
    }

    /// Seals, writes and installs. `lsn` is the last record whose id was added, `head` the chain's head after it.
    pub fn checkpoint(&mut self, lsn: Lsn, head: ChainHead) -> Result<(), StoreError> {
        match self.seal(lsn, head)? {
            Some(sealed) => {
                let written = sealed.write()?;
                self.install(written)
            }
            None => Ok(()),
        }
    }

    /// First part of a checkpoint, in memory. `None` if the index has no files. Only one at a time.
    pub fn seal(&mut self, lsn: Lsn, head: ChainHead) -> Result<Option<SealedIds>, StoreError> {
        let Some(files) = &self.files else {
            return Ok(None);
        };
        if self.sealed.is_some() {
            return Err(StoreError::Misuse("an earlier part of the id index has not been installed".into()));
        }
        let mut entries: Vec<IdEntry> = self.recent.drain().collect();
        entries.sort_unstable();
        let entries = Arc::new(entries);
        self.sealed = Some(Arc::clone(&entries));
        let number = self.next_run;
        self.next_run += 1;
        let reflected = Reflected { lsn, head };
        Ok(Some(SealedIds { dir: files.dir.clone(), number, entries, reflected }))
    }

    /// Last part of a checkpoint: the manifest names the new run and lsn.
    pub fn install(&mut self, written: WrittenIds) -> Result<(), StoreError> {
        let mut runs = self.runs.clone();
        runs.extend(written.run.map(Arc::new));
        self.write_manifest(&runs, written.reflected)?;
        self.runs = runs;
        self.reflected = written.reflected;
        self.sealed = None;
        Ok(())
    }

    /// The next merge, if one is due.
    pub fn plan_merge(&mut self) -> Result<Option<Merge>, StoreError> {
        let Some(files) = &self.files else {
            return Ok(None);
        };
        let tiers: Vec<u32> = self.runs.iter().map(|run| self.tier(run.entries)).collect();
        // Four of one tier, or an older run that is smaller than a newer one: else at most three runs a tier are left.
        let due = tiers.windows(FAN_IN).rposition(|window| {
            let (oldest, newer) = (window[0], &window[1..]);
            newer.iter().all(|tier| *tier == oldest) || newer.iter().any(|tier| *tier > oldest)
        });
        let Some(first) = due else {
            return Ok(None);
        };
        let number = self.next_run;
        self.next_run += 1;
        Merge::begin(&files.dir, number, &self.runs[first..first + FAN_IN]).map(Some)
    }

    /// Puts a complete merge in the place of its inputs.
    pub fn install_merge(&mut self, merge: Merge) -> Result<(), StoreError> {
        let misuse = |what: &str| StoreError::Misuse(format!("this merge {what}"));
        let merged = Arc::new(merge.merged.ok_or_else(|| misuse("is not complete"))?);
        let first = self.runs.iter().position(|run| run.number == merge.inputs[0]);
        let first = first.ok_or_else(|| misuse("is of runs that are gone"))?;
        let mut runs = self.runs.clone();
        let replaced: Vec<Arc<Run>> = runs.splice(first..first + merge.inputs.len(), [merged]).collect();
        if replaced.iter().map(|run| run.number).ne(merge.inputs.iter().copied()) {
            return Err(misuse("is of runs that were merged meanwhile"));
        }
        self.write_manifest(&runs, self.reflected)?;
        self.runs = runs;
        for run in replaced {
            // One that stays behind is removed at the next open.
            if let Err(error) = run.remove_file() {
                tracing::warn!(%error, run = run.number, "a merged run could not be removed");
            }
        }
        Ok(())
    }

    /// Ids in the runs, those added twice counted twice until they are merged.
    pub fn saved_entries(&self) -> u64 {
        self.runs.iter().map(|run| run.entries).sum()
    }

    /// Number of runs that a lookup may have to ask.
    pub fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// Deletes everything and starts empty: the caller compared [`IdIndex::reflected`] with the log and it did not
    /// match.
    pub fn discard(&mut self) -> Result<(), StoreError> {
        if let Some(files) = &self.files {
            erase(&files.dir)?;
        }
        self.recent.clear();
        (self.sealed, self.runs, self.next_run) = (None, Vec::new(), 1);
        self.reflected = Reflected::default();
        Ok(())
    }

    /// Four times the entries, one tier more.
    fn tier(&self, entries: u64) -> u32 {
        let parts = entries / (self.recent_limit as u64).max(1);
        parts.max(1).ilog(FAN_IN as u64)
    }

    fn write_manifest(&self, runs: &[Arc<Run>], reflected: Reflected) -> Result<(), StoreError> {
        let Some(files) = &self.files else {
            return Err(StoreError::Misuse("this id index has no files".into()));
        };
        let runs = runs.iter().map(|run| (run.number, run.entries)).collect();
        Manifest { identity: files.identity, reflected, next_run: self.next_run, runs }.write(&files.dir)
    }

    fn condemn(&self, error: StoreError) -> StoreError {
        match &self.files {
            Some(files) => condemn_if_damaged(&files.dir, error),
            None => error,
        }
    }
}

fn one_record(id: CommandId, first: Lsn, lsn: Lsn) -> Result<(), StoreError> {
    if first == lsn { Ok(()) } else { Err(TwoRecords { id, first, second: lsn }.into()) }
}

impl SealedIds {
    /// Writes the run and makes it durable. It counts after [`IdIndex::install`].
    pub fn write(self) -> Result<WrittenIds, StoreError> {
        let Self { dir, number, entries, reflected } = self;
        if entries.is_empty() {
            return Ok(WrittenIds { run: None, reflected });
        }
        let mut writer = RunWriter::create(&dir, number, entries.len() as u64)?;
        for entry in entries.iter() {
            writer.push(*entry)?;
        }
        Ok(WrittenIds { run: Some(writer.finish()?), reflected })
    }
}
