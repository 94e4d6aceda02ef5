//! The projector: reads the log, admits, folds, publishes. A step function; [`crate::service`] drives it from a
//! thread, tests from a seed.

use crate::apply::{Applier, ApplyError};
use crate::derived::TotalChanges;
use crate::layout::FOLD_REVISION;
use crate::reference::Reference;
use crate::totals::TotalKey;
use crate::view::View;
use event_log::{Admission, AdmissionState, DropCounters, LogError, LogReader, LogSource, RawEntry, Verdict};
use event_schemas::header::{EntryHeader, EntryKind};
use event_schemas::ids::{InstanceId, LogId, Lsn, Position, RulesRevision};
use event_schemas::time::Timestamp;
use state_store::restart::RestartPoint;
use state_store::store::{DiscardReason, StoreError};
use state_store::tables::SealedCheckpoint;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Most bytes that one read of the log takes (O1).
const READ_BYTES: usize = 4 << 20;

/// Entries that are read at once where each is published alone.
const READ_ENTRIES: usize = 256;

/// Most memory of one unpublished batch (O1).
const MAX_BATCH_BYTES: usize = 16 << 20;

/// Why a projector stopped. It names the entry, and goes no further until somebody has looked (R5).
#[derive(Debug, thiserror::Error)]
pub enum ProjectorError {
    #[error("the log cannot be read: {0}")]
    Log(#[from] LogError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("the view's store failed: {0}")]
    Store(#[from] StoreError),
}

/// What one step did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Step {
    /// Raw entries judged.
    pub read: usize,
    /// Entries admitted and folded.
    pub applied: usize,
    /// Nothing durable was left unread when the log was last asked.
    pub at_end: bool,
}

/// Folds one log into one view.
pub struct Projector {
    view: Arc<View>,
    reference: Reference,
    instance: InstanceId,
    reader: Box<dyn LogReader>,
    admission: Admission,
    /// The latest that an entry states: what is saved is for programs that know it.
    format: u16,
    /// Read, not yet judged.
    waiting: VecDeque<RawEntry>,
    reader_at_end: bool,
}

impl Projector {
    /// Goes on where `view` was saved. A view that does not match the log is discarded whole and folded anew (S3).
    pub fn open(view: View, source: &dyn LogSource) -> Result<Self, ProjectorError> {
        let (view, state) = match saved_state(&view, source)? {
            Ok(state) => (view, state),
            Err(reason) => (view.discard(DiscardReason::Mismatch(reason))?, AdmissionState::default()),
        };
        let reference = Reference::load(&view.read())?;
        let format = view.restart_point().map_or(0, |saved| saved.format);
        Ok(Self {
            reference,
            view: Arc::new(view),
            instance: source.instance(),
            reader: source.open_reader(state.next)?,
            admission: Admission::resume(state),
            format,
            waiting: VecDeque::new(),
            reader_at_end: false,
        })
    }

    /// The view it keeps.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Judges and applies up to `max_entries` raw entries, and publishes them together: readers see the rows, indexes
    /// and totals of one lsn. Waits up to `wait` if the log has nothing new.
    pub fn step(&mut self, max_entries: usize, wait: Duration) -> Result<Step, ProjectorError> {
        self.step_until(max_entries, wait, Lsn(u64::MAX))
    }

    /// The same, but never beyond `last`.
    pub fn step_until(
        &mut self,
        max_entries: usize,
        wait: Duration,
        last: Lsn,
    ) -> Result<Step, ProjectorError> {
        self.advance((max_entries, max_entries), wait, last, &mut |_| {})
    }

    /// The next admitted entry alone: how the totals under these keys change by it. `None` if nothing came in time.
    pub(crate) fn step_counting(
        &mut self,
        wait: Duration,
        is_wanted: &dyn Fn(&TotalKey) -> bool,
    ) -> Result<Option<i64>, ProjectorError> {
        loop {
            let mut change = 0;
            let step = self.advance((READ_ENTRIES, 1), wait, Lsn(u64::MAX), &mut |totals| {
                change = totals.sum(is_wanted);
            })?;
            match step {
                Step { applied: 0, read: 0, .. } => return Ok(None),
                Step { applied: 0, .. } => {}
                _ => return Ok(Some(change)),
            }
        }
    }

    /// Reads up to so many entries, and publishes up to so many; `look` sees how totals change by those.
    fn advance(
        &mut self,
        (max_read, max_entries): (usize, usize),
        wait: Duration,
        last: Lsn,
        look: &mut dyn FnMut(&TotalChanges),
    ) -> Result<Step, ProjectorError> {
        if self.waiting.is_empty() {
            let batch = self.reader.read(max_read, READ_BYTES, wait)?;
            self.reader_at_end = batch.at_end;
            self.waiting.extend(batch.entries);
        }
        let mut step = Step::default();
        let mut applier = Applier::new(self.view.tables().batch(), &mut self.reference, self.view.log_id());
        // What is applied to a batch that is not published changes nothing, so admission must not run ahead of it.
        let mut admission = self.admission.clone();
        while step.read < max_entries
            && admission.state().last_lsn < last
            && applier.bytes() < MAX_BATCH_BYTES
        {
            let Some(entry) = self.waiting.pop_front() else { break };
            step.read += 1;
            if let Verdict::Admitted { lsn, header } = admission.admit(entry.position, &entry.bytes) {
                applier.apply(lsn, &entry.bytes)?;
                self.format = self.format.max(header.format);
                step.applied += 1;
            }
        }
        if step.applied > 0 {
            look(applier.totals());
            applier.publish()?;
        }
        self.admission = admission;
        step.at_end = self.waiting.is_empty() && self.reader_at_end;
        Ok(step)
    }

    /// Up to where the log is shown.
    pub fn lsn(&self) -> Lsn {
        self.admission.state().last_lsn
    }

    /// Recorded time of the last entry that is shown.
    pub fn recorded_at(&self) -> Timestamp {
        self.admission.state().recorded_at
    }

    /// The first raw entry that is not shown.
    pub fn next_position(&self) -> Position {
        self.admission.state().next
    }

    /// Entries that were dropped, by reason, since this projector was opened.
    pub fn drops(&self) -> &DropCounters {
        self.admission.drops()
    }

    /// Saves what is shown, together with the restart point (R1).
    pub fn checkpoint(&self) -> Result<(), ProjectorError> {
        if self.lsn() == Lsn::ZERO {
            return Ok(());
        }
        let sealed = self.seal()?;
        self.view.tables().save(sealed)?;
        Ok(())
    }

    /// First half of a checkpoint; the second, [`state_store::tables::Tables::save`], may run on any thread.
    pub(crate) fn seal(&self) -> Result<SealedCheckpoint, ProjectorError> {
        let place = (self.view.log_id(), self.instance);
        let restart = restart_point(place, self.admission.state(), self.format);
        Ok(self.view.tables().seal(&restart)?)
    }
}

/// Where a view that shows the log up to `state` goes on.
pub(crate) fn restart_point(
    (log_id, instance): (LogId, InstanceId),
    state: &AdmissionState,
    format: u16,
) -> RestartPoint {
    RestartPoint {
        log_id,
        instance,
        next_position: state.next,
        admission: state.to_bytes().to_vec(),
        oldest_lsn: state.last_lsn,
        newest_lsn: state.last_lsn,
        head_oldest: state.head,
        head_newest: state.head,
        recorded_at: state.recorded_at,
        format,
        rules: RulesRevision::NONE,
        fold_revision: FOLD_REVISION,
    }
}

/// Where a saved view goes on, or in the inner error why it does not match the log.
fn saved_state(
    view: &View,
    source: &dyn LogSource,
) -> Result<Result<AdmissionState, String>, ProjectorError> {
    let Some(restart) = view.restart_point() else {
        return Ok(Ok(AdmissionState::default()));
    };
    let Some(state) = AdmissionState::from_bytes(&restart.admission) else {
        return Ok(Err("its admission state cannot be read".into()));
    };
    if state.last_lsn != restart.newest_lsn || state.next != restart.next_position {
        return Ok(Err("its admission state is not that of its restart point".into()));
    }
    if source.end() < state.next {
        let (next, end) = (state.next.0, source.end().0);
        return Ok(Err(format!("it reflects the log up to position {next}, but the log ends at {end}")));
    }
    if !head_matches(&state, source)? {
        return Ok(Err(format!("the log's entry {} is not the one it was folded from", state.last_lsn)));
    }
    Ok(Ok(state))
}

/// Most claims in a row that are walked back to an entry that states its predecessor.
const MAX_CLAIMS_WALKED: usize = 1_000;

/// Whether the log's chain passes through the saved head. An entry states the head it was written on; claims state
/// none, so the walk begins at the last entry that does.
fn head_matches(state: &AdmissionState, source: &dyn LogSource) -> Result<bool, LogError> {
    let mut walked = Vec::new();
    let mut lsn = state.last_lsn;
    for _ in 0..MAX_CLAIMS_WALKED {
        let Some(bytes) = source.fetch(lsn)? else {
            return Ok(false);
        };
        let Ok(header) = EntryHeader::of_entry(&bytes) else {
            return Ok(false);
        };
        walked.push(bytes);
        if header.kind == EntryKind::Claim {
            lsn = Lsn(lsn.0 - 1);
            continue;
        }
        let head = walked.iter().rev().fold(header.prev, |head, entry| head.extend(entry));
        return Ok(head == state.head);
    }
    Ok(false)
}
