//! Several runs into one, a bounded number of entries at a time.

use super::manifest::condemn_if_damaged;
use super::run::{IdEntry, Run, RunCursor, RunWriter};
use crate::faults::TwoRecords;
use crate::store::StoreError;
use event_schemas::ids::{CommandId, Lsn};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A merge under way. It may be stepped on any thread; the index goes on answering from the runs it merges.
///
/// A run that is found damaged condemns the index: it answers what it can, and the next open discards it (S3). Else the same
/// merge would be tried, and fail, for ever. An id with two records is no damage: what shows it must not vanish.
pub struct Merge {
    dir: PathBuf,
    pub(super) inputs: Vec<u64>,
    cursors: Vec<(Option<IdEntry>, RunCursor)>,
    writer: Option<RunWriter>,
    pub(super) merged: Option<Run>,
}

impl Merge {
    pub(super) fn begin(dir: &Path, number: u64, runs: &[Arc<Run>]) -> Result<Self, StoreError> {
        Self::try_begin(dir, number, runs).map_err(|error| condemn_if_damaged(dir, error))
    }

    fn try_begin(dir: &Path, number: u64, runs: &[Arc<Run>]) -> Result<Self, StoreError> {
        let at_most = runs.iter().map(|run| run.entries).sum();
        let mut cursors = Vec::with_capacity(runs.len());
        for run in runs {
            let mut cursor = RunCursor::new(Arc::clone(run));
            cursors.push((cursor.next()?, cursor));
        }
        let inputs = runs.iter().map(|run| run.number).collect();
        let writer = Some(RunWriter::create(dir, number, at_most)?);
        Ok(Self { dir: dir.to_path_buf(), inputs, cursors, writer, merged: None })
    }

    /// Writes up to `max_entries` and says whether the merge is complete. Give a complete one to
    /// [`super::IdIndex::install_merge`]; one that is dropped leaves the index as it was.
    pub fn step(&mut self, max_entries: usize) -> Result<bool, StoreError> {
        self.try_step(max_entries).map_err(|error| condemn_if_damaged(&self.dir, error))
    }

    fn try_step(&mut self, max_entries: usize) -> Result<bool, StoreError> {
        let Some(writer) = &mut self.writer else {
            return Ok(true);
        };
        for _ in 0..max_entries {
            let heads = self.cursors.iter().filter_map(|(head, _)| *head);
            let Some((id, lsn)) = heads.min() else {
                let writer = self.writer.take().expect("it was there at the start of this step");
                self.merged = Some(writer.finish()?);
                return Ok(true);
            };
            writer.push((id, lsn))?;
            for (head, cursor) in &mut self.cursors {
                match *head {
                    Some((same, other)) if same == id && other != lsn => {
                        // The heads are in order, so the other is the later one.
                        let (first, second) = (Lsn(lsn), Lsn(other));
                        return Err(TwoRecords { id: CommandId(id), first, second }.into());
                    }
                    // Added again after a restart: once is enough.
                    Some((same, _)) if same == id => *head = cursor.next()?,
                    _ => {}
                }
            }
        }
        Ok(false)
    }
}
