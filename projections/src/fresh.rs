//! A whole view at once: the log is folded in memory, indexes and totals are derived once from the rows at the end, and each
//! page is written once.
//!
//! | step | where |
//! |---|---|
//! | read, admit and decode the log | a thread of its own |
//! | fold rows, held decoded while they are in use and as bytes otherwise | this thread |
//! | derive and encode, rows in the order of their ids | a thread for each processor |
//! | write pages; sort index entries in runs, merge, write leaves | this thread |
//!
//! Rows are held for a range of ids; beyond it, the log is read again for the next range. So memory is bounded by
//! [`Bounds::ids_a_pass`], whatever the size of the nation.

mod gathered;
mod held;

pub(crate) use gathered::{Left, left_in};
pub(crate) use held::Bounds;

use crate::apply::Applier;
use crate::projector::{ProjectorError, restart_point};
use crate::rebuild::{RebuildError, Watch};
use crate::reference::Reference;
use crate::view::View;
use event_log::{Admission, AdmissionState, LogSource, Verdict};
use event_schemas::ids::{LogId, Lsn};
use event_schemas::record::AdmittedEntry;
use gathered::{Asked, Gathered};
use held::{Held, HeldRows, SortedEntries};
use state_store::store::StoreError;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

const READ_ENTRIES: usize = 2_048;
const READ_BYTES: usize = 4 << 20;
/// Batches of decoded entries that wait for the fold (O1).
const MAX_WAITING_BATCHES: usize = 4;

/// Fills an empty view with everything up to the present end of the log, or to where it is to stand. `scratch` holds what is gathered
/// meanwhile; after a crash it goes on after the last pass that is whole there.
pub(crate) fn fill(
    view: View,
    source: &dyn LogSource,
    scratch: &Path,
    bounds: Bounds,
    watch: &Watch,
) -> Result<View, RebuildError> {
    let log = (view.log_id(), source.instance());
    watch.expect(source.end().0);
    view.refilled(|store| {
        let mut gathered = Gathered::resume(scratch, Asked::new(log, bounds))?;
        loop {
            let before = gathered.reached();
            if let Some(before) = &before {
                watch.expect(before.next.0 * u64::from(before.passes));
                watch.begin_at(before.next.0 * u64::from(gathered.passes()));
            }
            let last = before.map(|before| before.lsn);
            let pass = Pass::run(source, log.0, bounds, gathered.passes(), last, watch)?;
            let Some(reached) = pass.read.reached() else { return Ok(()) };
            gathered.reach(&restart_point(log, &reached.state, reached.format), reached.highest_id)?;
            if gathered.is_last_pass() {
                return gathered.write(store, pass.rows, pass.sorted, &pass.reference, watch);
            }
            gathered.keep(pass.rows, &pass.reference, watch)?;
        }
    })
}

/// What reading the log came to.
struct Reached {
    state: AdmissionState,
    /// The latest that an entry states.
    format: u16,
    highest_id: u32,
}

impl Reached {
    /// Nothing, if the log has not begun.
    fn reached(self) -> Option<Self> {
        (self.state.last_lsn > Lsn::ZERO).then_some(self)
    }
}

/// One reading of the log.
struct Pass {
    read: Reached,
    rows: HeldRows,
    sorted: SortedEntries,
    reference: Reference,
}

impl Pass {
    fn run(
        source: &dyn LogSource,
        log_id: LogId,
        bounds: Bounds,
        number: u32,
        last: Option<Lsn>,
        watch: &Watch,
    ) -> Result<Self, RebuildError> {
        let (sender, receiver) = sync_channel(MAX_WAITING_BATCHES);
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || read_log(source, last.unwrap_or(bounds.until), watch, &sender));
            let folded = fold(log_id, bounds, number, &receiver);
            // A fold that stopped early lets go of its end: the reader then ends too.
            drop(receiver);
            let state = reading.join().map_err(|_| misuse("the thread that read the log panicked"))?;
            let (held, reference) = folded?;
            let (state, format) = state?;
            if last.is_some_and(|last| state.last_lsn != last) {
                return Err(RebuildError::NoProgress(last.unwrap_or_default()));
            }
            let Held { rows, sorted, highest_id, .. } = held;
            Ok(Self { read: Reached { state, format, highest_id }, rows, sorted, reference })
        })
    }
}

fn misuse(what: &str) -> RebuildError {
    RebuildError::Compare(StoreError::Misuse(what.to_owned()))
}

type Decoded = Vec<(Lsn, Result<AdmittedEntry, crate::ApplyError>)>;

/// Reads, admits and decodes up to the present end of the log, or to `last`.
fn read_log(
    source: &dyn LogSource,
    last: Lsn,
    watch: &Watch,
    sender: &SyncSender<Decoded>,
) -> Result<(AdmissionState, u16), RebuildError> {
    let mut format = 0;
    let state = AdmissionState::default();
    let mut reader = source.open_reader(state.next).map_err(ProjectorError::from)?;
    let mut admission = Admission::resume(state);
    loop {
        if watch.is_stopping() {
            return Err(RebuildError::Stopping);
        }
        let batch = reader.read(READ_ENTRIES, READ_BYTES, Duration::ZERO).map_err(ProjectorError::from)?;
        watch.have_read(batch.entries.len());
        let mut decoded = Vec::with_capacity(batch.entries.len());
        for entry in &batch.entries {
            if admission.state().last_lsn == last {
                break;
            }
            if let Verdict::Admitted { lsn, header } = admission.admit(entry.position, &entry.bytes) {
                format = format.max(header.format);
                decoded.push((lsn, crate::apply::decode_entry(lsn, &entry.bytes)));
            }
        }
        let is_done = batch.at_end || admission.state().last_lsn == last;
        if sender.send(decoded).is_err() || is_done {
            return Ok((*admission.state(), format));
        }
    }
}

fn fold(
    log_id: LogId,
    bounds: Bounds,
    number: u32,
    receiver: &Receiver<Decoded>,
) -> Result<(Held, Reference), ProjectorError> {
    let mut reference = Reference::default();
    let mut applier = Applier::new(Held::new(bounds, number), &mut reference, log_id);
    for batch in receiver {
        for (lsn, entry) in batch {
            applier.apply_decoded(lsn, entry?)?;
        }
    }
    let held = applier.publish()?;
    Ok((held, reference))
}
