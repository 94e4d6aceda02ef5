//! The index's small files: its manifest, its lock and the mark that condemns it.
//!
//! Manifest, little-endian: magic 8, log_id 16, instance 16, lsn 8, head 16, next run 8, number of runs 4, for each run
//! its number 8 and entries 8, crc 4. It is replaced by renaming, so it is whole or the one before.

use super::{IndexIdentity, Reflected};
use crate::home::lock_file;
use crate::store::StoreError;
use event_schemas::header::ChainHead;
use event_schemas::ids::{InstanceId, LogId, Lsn};
use std::fs::{self, File};
use std::io;
use std::path::Path;

const MAGIC: [u8; 8] = *b"DNCUIDM1";
const FIXED_LEN: usize = 8 + 16 + 16 + 8 + 16 + 8 + 4;
const MANIFEST_FILE: &str = "manifest";
const CONDEMNED_FILE: &str = "condemned";
const RUN_SUFFIX: &str = ".run";

pub(super) struct Manifest {
    pub identity: IndexIdentity,
    pub reflected: Reflected,
    pub next_run: u64,
    /// Number and entries of each, the oldest first.
    pub runs: Vec<(u64, u64)>,
}

impl Manifest {
    pub fn empty(identity: IndexIdentity) -> Self {
        Self { identity, reflected: Reflected::default(), next_run: 1, runs: Vec::new() }
    }

    /// The manifest in `dir`; an empty one where there is none.
    pub fn read(dir: &Path, identity: IndexIdentity) -> Result<Self, StoreError> {
        if let Some(reason) = read_if_there(&dir.join(CONDEMNED_FILE))? {
            let reason = String::from_utf8_lossy(&reason).into_owned();
            return Err(StoreError::Damaged(reason));
        }
        let Some(bytes) = read_if_there(&dir.join(MANIFEST_FILE))? else {
            return Ok(Self::empty(identity));
        };
        let manifest = Self::from_bytes(&bytes)
            .ok_or_else(|| StoreError::Damaged("the manifest fails its checksum".into()))?;
        if manifest.identity != identity {
            let IndexIdentity { log_id, instance } = manifest.identity;
            return Err(StoreError::Damaged(format!("it is of log {log_id}, instance {instance}")));
        }
        Ok(manifest)
    }

    pub fn write(&self, dir: &Path) -> Result<(), StoreError> {
        replace_file(dir, MANIFEST_FILE, &self.to_bytes())?;
        Ok(())
    }

    /// Removes runs that no manifest names: of a checkpoint or merge that did not come to its end.
    pub fn remove_strays(&self, dir: &Path) -> Result<(), StoreError> {
        for found in fs::read_dir(dir)? {
            let found = found?;
            let name = found.file_name();
            let Some(digits) = name.to_str().and_then(|name| name.strip_suffix(RUN_SUFFIX)) else {
                continue;
            };
            let number = u64::from_str_radix(digits, 16);
            if !self.runs.iter().any(|(named, _)| number == Ok(*named)) {
                fs::remove_file(found.path())?;
            }
        }
        Ok(())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.identity.log_id.0.to_le_bytes());
        bytes.extend_from_slice(&self.identity.instance.0.to_le_bytes());
        bytes.extend_from_slice(&self.reflected.lsn.0.to_le_bytes());
        bytes.extend_from_slice(&self.reflected.head.0.to_le_bytes());
        bytes.extend_from_slice(&self.next_run.to_le_bytes());
        bytes.extend_from_slice(&(self.runs.len() as u32).to_le_bytes());
        for (number, entries) in &self.runs {
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&entries.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (covered, crc) = bytes.split_last_chunk()?;
        if covered.len() < FIXED_LEN
            || covered[..8] != MAGIC
            || crc32c::crc32c(covered) != u32::from_le_bytes(*crc)
        {
            return None;
        }
        let u64_at = |at: usize| covered[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let u128_at = |at: usize| covered[at..].first_chunk().map(|bytes| u128::from_le_bytes(*bytes));
        let count = u32::from_le_bytes(*covered[72..].first_chunk()?) as usize;
        if covered.len() != FIXED_LEN + count * 16 {
            return None;
        }
        let runs =
            (0..count).map(|run| Some((u64_at(FIXED_LEN + run * 16)?, u64_at(FIXED_LEN + run * 16 + 8)?)));
        Some(Self {
            identity: IndexIdentity { log_id: LogId(u128_at(8)?), instance: InstanceId(u128_at(24)?) },
            reflected: Reflected { lsn: Lsn(u64_at(40)?), head: ChainHead(u128_at(48)?) },
            next_run: u64_at(64)?,
            runs: runs.collect::<Option<_>>()?,
        })
    }
}

/// Creates the directory and takes its lock.
pub(super) fn take_lock(dir: &Path) -> Result<File, StoreError> {
    fs::create_dir_all(dir)?;
    Ok(lock_file(dir)?)
}

/// Marks the index so that the next open discards it, if the error says that its files are damaged.
pub(super) fn condemn_if_damaged(dir: &Path, error: StoreError) -> StoreError {
    if let StoreError::Damaged(reason) = &error {
        tracing::error!(
            reason,
            "the index of command ids is damaged: the next start discards and rebuilds it"
        );
        if let Err(marking) = replace_file(dir, CONDEMNED_FILE, reason.as_bytes()) {
            tracing::error!(%marking, "the damaged index of command ids could not be marked");
        }
    }
    error
}

/// Deletes everything but the lock. The manifest goes before the runs, the mark last.
pub(super) fn erase(dir: &Path) -> io::Result<()> {
    let absent_is_fine = |outcome: io::Result<()>| match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    absent_is_fine(fs::remove_file(dir.join(MANIFEST_FILE)))?;
    File::open(dir)?.sync_all()?;
    for found in fs::read_dir(dir)? {
        let found = found?;
        if found.file_name().to_str().is_some_and(|name| name.ends_with(RUN_SUFFIX)) {
            fs::remove_file(found.path())?;
        }
    }
    absent_is_fine(fs::remove_file(dir.join(CONDEMNED_FILE)))?;
    File::open(dir)?.sync_all()
}

fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn replace_file(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = dir.join(format!("{name}.new"));
    fs::write(&new, bytes)?;
    File::open(&new)?.sync_all()?;
    fs::rename(&new, dir.join(name))?;
    File::open(dir)?.sync_all()
}
