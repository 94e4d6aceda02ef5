//! Saving: a checkpoint is gathered in small steps between groups and written by a thread of its own, or in place where a
//! simulation drives.
//!
//! A checkpoint begins at an lsn B: the head, changed keys and command ids are as of B. Pages changed up to B follow, each as it
//! is when its turn comes, without what is in flight, with the lsn that it reflects. So every saved page holds all records up to
//! B, none beyond the lsn E at which the last was gathered; a restart replays from B and gives a page only records beyond its own
//! (R1, R3). Ids that have an index are saved there first, so that it never lags behind the pages.
//!
//! What operations under way have staged is not saved. While there is any, restart points keep the B of the last checkpoint that
//! began without, so that a restart reads the parts again; pages, keys and ids are as new as ever.
//!
//! After a failure nothing more is saved until the next start, and the writer goes on until the command ids that wait for it in
//! memory are too many (O1). Merging runs of ids only makes lookups cheaper, so its failure stops nothing else.

mod sink;

use crate::command_ids::CommandIds;
use crate::gateway::Stats;
use crate::restore::{self, HEAD_KEY, HEAD_TABLE, IDS_TABLE, LOOKUPS_TABLE, page_table};
use crate::writer::{Failure, Surroundings, WriterOptions};
use domain::registry::Registry;
use domain::registry::lookups::LookupEntry;
use domain::registry::pages::{PageError, PageRef};
use domain::rules::IN_FORCE;
use event_log::AdmissionState;
use event_schemas::ids::{CommandId, Lsn};
use sink::{Checkpoint, Done, Job, Sink};
use state_store::engine::TableId;
use state_store::restart::{RestartPoint, StoreIdentity};
use state_store::store::{Opened, Store, StoreError, TwoRecords};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

/// Opens the store of a log; a store that cannot be used whole comes back empty.
pub type StoreOpener = Box<dyn FnMut(&StoreIdentity) -> Result<Opened, StoreError> + Send>;

/// Pages encoded in one step: about a millisecond.
const PAGES_PER_STEP: usize = 64;
/// Runs of ids, each an open file, that may pile up while they are not merged; hours of checkpoints.
const MAX_RUNS: usize = 512;
/// Bytes of one value of a run of keys or ids.
const RUN_PART_BYTES: usize = 256 << 10;

/// Gathers checkpoints and hands them to the store.
pub struct Saver {
    sink: Sink,
    gathering: Option<Gathering>,
    /// An earlier checkpoint failed: what it held is not in the store, so nothing later may be saved there.
    failure: Option<String>,
    /// The thread that saves has ended by itself: a defect, after which the writer ends too.
    thread_ended: Option<String>,
    /// Runs of ids could not be merged: they are left as they are until the next start.
    merging_failure: Option<String>,
    /// A merge found that W2 does not hold.
    broken: Option<TwoRecords>,
    max_unsaved_ids: usize,
    every_entries: u64,
    every: Duration,
    /// Where the last checkpoint began that began with nothing staged.
    anchor: AdmissionState,
    begun_lsn: Lsn,
    begun_at: Duration,
    saved_lsn: Lsn,
    checkpoints: u64,
    last_time_ms: u64,
    /// Only a mutant sets it.
    pub(crate) saves_in_flight_rows: bool,
}

/// A checkpoint in the making.
struct Gathering {
    identity: StoreIdentity,
    /// From where a restart replays.
    base: AdmissionState,
    pages: Vec<PageRef>,
    rows: Vec<SavedRow>,
    /// The ids up to the base are in their index, or there is none.
    has_saved_ids: bool,
}

type SavedRow = (TableId, Vec<u8>, Vec<u8>);

impl Saver {
    pub(crate) fn new(store: Store, options: &WriterOptions, around: &Surroundings) -> Self {
        let point = store.restart_point();
        let saved_lsn = point.as_ref().map_or(Lsn::ZERO, |point| point.oldest_lsn);
        let anchor = point.and_then(|point| AdmissionState::from_bytes(&point.admission));
        let store = Arc::new(store);
        Self {
            sink: Sink::new(store, Arc::clone(&around.timer), around.saves_in_thread),
            gathering: None,
            failure: None,
            thread_ended: None,
            merging_failure: None,
            broken: None,
            max_unsaved_ids: options.max_unsaved_ids,
            every_entries: options.checkpoint_entries,
            every: options.checkpoint_every,
            anchor: anchor.unwrap_or_default(),
            begun_lsn: saved_lsn,
            begun_at: around.timer.elapsed(),
            saved_lsn,
            checkpoints: 0,
            last_time_ms: 0,
            saves_in_flight_rows: false,
        }
    }

    /// Whether a checkpoint should begin at this lsn. `are_ids_due`: the index of ids asks for it.
    pub fn is_due(&self, lsn: Lsn, now: Duration, are_ids_due: bool) -> bool {
        if self.failure.is_some() {
            return true; // Only to let go of what would pile up.
        }
        if self.gathering.is_some() || self.sink.is_busy() || lsn <= self.begun_lsn {
            return false;
        }
        are_ids_due
            || lsn.0 - self.begun_lsn.0 >= self.every_entries
            || now.saturating_sub(self.begun_at) >= self.every
    }

    /// Whether another step at once gets a checkpoint further.
    pub fn has_work(&self) -> bool {
        self.gathering.as_ref().is_some_and(|gathering| !gathering.pages.is_empty())
    }

    /// Begins a checkpoint. The registry without what is in flight stands at `base`.
    pub(crate) fn begin(
        &mut self,
        registry: &mut Registry,
        ids: &mut CommandIds,
        base: AdmissionState,
        now: Duration,
    ) {
        debug_assert_eq!(registry.confirmed_head().lsn, base.last_lsn);
        let pages = registry.take_dirty_pages();
        let lookups = registry.take_lookup_changes();
        // After a start merging goes on, and brings down whatever an earlier process left.
        if self.failure.is_none() && self.merging_failure.is_some() && ids.run_count() >= MAX_RUNS {
            self.fail(&format!("{MAX_RUNS} runs of command ids are not merged"));
        }
        if self.failure.is_some() {
            return;
        }
        let new_ids = ids.take_unsaved();
        (self.begun_lsn, self.begun_at) = (base.last_lsn, now);
        let mut rows = Vec::new();
        let head = registry.confirmed_head();
        let identity = restore::identity(head.log_id, self.sink.instance());
        rows.push((HEAD_TABLE, HEAD_KEY.to_vec(), head.encode().expect("numbers and dates encode")));
        put_run(LOOKUPS_TABLE, base.last_lsn, &mut rows, &lookups, |lookup: &LookupEntry, out| {
            lookup.encode_into(out).expect("numbers encode");
        });
        put_run(IDS_TABLE, base.last_lsn, &mut rows, &new_ids, |(id, lsn): &(CommandId, Lsn), out| {
            out.extend_from_slice(&id.0.to_le_bytes());
            out.extend_from_slice(&lsn.0.to_le_bytes());
        });
        let has_saved_ids = match ids.seal(base.last_lsn, base.head) {
            Ok(None) => true,
            Ok(Some(sealed)) => {
                self.sink.start(Job::Ids(sealed));
                false
            }
            Err(error) => return self.fail(&error),
        };
        if !registry.holds_staged_rows() {
            self.anchor = base;
        }
        let base = self.anchor;
        self.gathering = Some(Gathering { identity, base, pages, rows, has_saved_ids });
    }

    /// Encodes some pages, hands a complete checkpoint over, learns what became of the last job. `state` is admission's now.
    pub(crate) fn step(&mut self, registry: &Registry, ids: &mut CommandIds, state: &AdmissionState) {
        if self.thread_ended.is_none()
            && let Some(done) = self.sink.poll()
        {
            self.learn(done, ids);
        }
        let Some(gathering) = &mut self.gathering else {
            return;
        };
        let left = gathering.pages.len().saturating_sub(PAGES_PER_STEP);
        for page in gathering.pages.split_off(left) {
            match encode_page(registry, page, self.saves_in_flight_rows) {
                Ok(row) => gathering.rows.push(row),
                Err(error) => return self.fail(&error),
            }
        }
        if gathering.pages.is_empty() && gathering.has_saved_ids && !self.sink.is_busy() {
            let gathering = self.gathering.take().expect("just seen");
            // Pages may hold what came after it was begun.
            let format = registry.confirmed_head().format;
            self.sink.start(Job::Checkpoint(gathering.finish(state, format)));
        }
    }

    /// Writes what is being gathered or written to its end, and gives the last saved lsn.
    pub(crate) fn finish(
        &mut self,
        registry: &Registry,
        ids: &mut CommandIds,
        state: &AdmissionState,
    ) -> Lsn {
        while self.gathering.is_some() || self.sink.is_busy() {
            if let Some(done) = self.sink.wait() {
                self.learn(done, ids);
            }
            self.step(registry, ids, state);
        }
        self.saved_lsn
    }

    fn learn(&mut self, done: Done, ids: &mut CommandIds) {
        let learnt = match done {
            Done::Ids(written) => written.and_then(|written| ids.install(written)).map(|()| {
                if let Some(gathering) = &mut self.gathering {
                    gathering.has_saved_ids = true;
                }
            }),
            Done::Checkpoint { lsn, outcome } => outcome.map(|time| {
                self.saved_lsn = lsn;
                self.checkpoints += 1;
                self.last_time_ms = time.as_millis() as u64;
                self.merge_if_due(ids);
            }),
            Done::Merge(merged) => {
                if let Err(error) = merged.and_then(|merge| ids.install_merge(*merge)) {
                    self.stop_merging(error);
                }
                return;
            }
            Done::ThreadEnded(cause) => {
                tracing::error!(cause, "the thread that saves the registry has ended");
                self.gathering = None;
                self.failure = Some(cause.clone());
                self.thread_ended = Some(cause);
                return;
            }
        };
        if let Err(error) = learnt {
            self.fail(&error);
        }
    }

    fn merge_if_due(&mut self, ids: &mut CommandIds) {
        if self.merging_failure.is_some() {
            return;
        }
        match ids.plan_merge() {
            Ok(Some(merge)) => self.sink.start(Job::Merge(Box::new(merge))),
            Ok(None) => {}
            Err(error) => self.stop_merging(error),
        }
    }

    /// The runs stay as they are, and everything else goes on.
    fn stop_merging(&mut self, error: StoreError) {
        tracing::error!(%error, "command ids are not merged any more until the next start");
        self.merging_failure = Some(error.to_string());
        if let StoreError::TwoRecords(two) = error {
            self.broken = Some(two);
        }
    }

    /// What was saved stays good; nothing is added to it any more.
    fn fail(&mut self, error: &dyn Display) {
        tracing::warn!(%error, "the registry cannot be saved any more; the next start reads the log from the last checkpoint");
        self.gathering = None;
        self.failure = Some(error.to_string());
    }

    /// Why the writer must end, if it must: what is not saved would pile up, or an invariant does not hold.
    pub(crate) fn check(&self, ids: &CommandIds) -> Result<(), Failure> {
        if let Some(cause) = &self.thread_ended {
            return Err(Failure::SaverEnded(cause.clone()));
        }
        if let Some(two) = self.broken {
            return Err(Failure::Broken(two.into()));
        }
        match &self.failure {
            Some(cause) if ids.unsaved_len() > self.max_unsaved_ids => {
                let (cause, unsaved_ids) = (cause.clone(), ids.unsaved_len());
                Err(Failure::SavingFailed { cause, unsaved_ids, max_unsaved_ids: self.max_unsaved_ids })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn report(&self, stats: &mut Stats) {
        stats.saved_lsn = self.saved_lsn;
        stats.checkpoints = self.checkpoints;
        stats.checkpoint_time_ms = self.last_time_ms;
        stats.saving_failure = self.failure.clone();
        stats.merging_failure = self.merging_failure.clone();
        stats.max_unsaved_command_ids = self.max_unsaved_ids as u64;
        if stats.failure.is_none() {
            stats.failure = self.failure.as_ref().map(|cause| format!("saving failed: {cause}"));
        }
    }
}

impl Gathering {
    fn finish(self, state: &AdmissionState, format: u16) -> Checkpoint {
        let restart = RestartPoint {
            log_id: self.identity.log_id,
            instance: self.identity.instance,
            next_position: self.base.next,
            admission: self.base.to_bytes().to_vec(),
            oldest_lsn: self.base.last_lsn,
            newest_lsn: state.last_lsn,
            head_oldest: self.base.head,
            head_newest: state.head,
            recorded_at: self.base.recorded_at,
            format,
            rules: IN_FORCE.revision,
            fold_revision: self.identity.fold_revision,
        };
        Checkpoint { restart, rows: self.rows }
    }
}

/// Packs items into values of bounded size, under keys that begin with the checkpoint's lsn.
fn put_run<T>(
    table: TableId,
    lsn: Lsn,
    rows: &mut Vec<SavedRow>,
    items: &[T],
    mut encode: impl FnMut(&T, &mut Vec<u8>),
) {
    let mut part = Vec::new();
    let mut number = 0_u32;
    for (place, item) in items.iter().enumerate() {
        encode(item, &mut part);
        if part.len() >= RUN_PART_BYTES || place + 1 == items.len() {
            let mut key = lsn.0.to_be_bytes().to_vec();
            key.extend_from_slice(&number.to_be_bytes());
            rows.push((table, key, lz4_flex::compress_prepend_size(&part)));
            part.clear();
            number += 1;
        }
    }
}

fn encode_page(registry: &Registry, page: PageRef, with_in_flight: bool) -> Result<SavedRow, PageError> {
    let (lsn, bytes) = registry.encode_page(page)?;
    let bytes = if with_in_flight {
        let mut all = registry.clone();
        while all.groups_in_flight() > 0 {
            all.confirm_group();
        }
        all.encode_page(page)?.1
    } else {
        bytes
    };
    let mut value = lsn.0.to_le_bytes().to_vec();
    value.extend_from_slice(&lz4_flex::compress_prepend_size(&bytes));
    Ok((page_table(page.table), page.page.to_be_bytes().to_vec(), value))
}
