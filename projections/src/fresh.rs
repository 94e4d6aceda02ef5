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

mod held;

pub(crate) use held::Bounds;

use crate::apply::{Applier, decode_row, encode_row};
use crate::derived::{Derived, Parts};
use crate::layout::{TABLES, TOTALS, row_ref};
use crate::projector::{ProjectorError, restart_point};
use crate::rebuild::{RebuildError, Watch};
use crate::reference::Reference;
use crate::sorter::Sorter;
use crate::view::View;
use event_log::{Admission, AdmissionState, LogSource, Verdict};
use event_schemas::ids::{LogId, Lsn};
use event_schemas::record::AdmittedEntry;
use held::{CHUNK_ROWS, Chunk, Held, HeldRows, Slot, SortedEntries, unreadable};
use state_store::TablesBuild;
use state_store::engine::TableId;
use state_store::store::{Store, StoreError};
use state_store::tables::TableKind;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZero;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

const READ_ENTRIES: usize = 2_048;
const READ_BYTES: usize = 4 << 20;
/// Batches of decoded entries that wait for the fold (O1).
const MAX_WAITING_BATCHES: usize = 4;

/// Fills an empty view with everything up to the present end of the log, or to where it is to stand. `scratch` is where runs of index entries lie.
pub(crate) fn fill(
    view: View,
    source: &dyn LogSource,
    scratch: &Path,
    bounds: Bounds,
    watch: &Watch,
) -> Result<View, RebuildError> {
    let log_id = view.log_id();
    watch.expect(source.end().0);
    view.refilled(|store| {
        let first = Pass::run(source, log_id, bounds, 0, None, watch)?;
        let Some(Reached { state, format, highest_id }) = first.read.reached() else {
            return Ok(());
        };
        let lsn = state.last_lsn;
        let mut writing = Writing::begin(store, scratch, lsn)?;
        writing.write(first.rows, &first.reference, watch)?;
        let mut sorted = first.sorted;
        let passes = highest_id / bounds.ids_a_pass;
        watch.expect(state.next.0 * u64::from(passes + 1));
        for number in 1..=passes {
            let pass = Pass::run(source, log_id, bounds, number, Some(lsn), watch)?;
            writing.write(pass.rows, &pass.reference, watch)?;
            sorted = pass.sorted;
        }
        writing.finish(sorted, &restart_point((log_id, source.instance()), &state, format))
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

/// What one piece of a table gives.
struct Finished {
    rows: Vec<(u32, Vec<u8>)>,
    derived: Vec<Derived>,
}

fn finish_chunk(
    table: TableId,
    number: u32,
    chunk: Chunk,
    reference: &Reference,
) -> Result<Finished, StoreError> {
    let mut finished = Finished { rows: Vec::new(), derived: Vec::new() };
    for (id, slot) in (number * CHUNK_ROWS as u32..).zip(chunk) {
        let row = row_ref(table, id);
        let (value, bytes) = match slot {
            Slot::Empty => continue,
            Slot::Open(value) => {
                let bytes = encode_row(&value);
                (value, bytes)
            }
            Slot::Bytes(bytes) => {
                let value = decode_row(row, &bytes).map_err(|error| unreadable(row, &error))?;
                (value, bytes.into_vec())
            }
        };
        finished.derived.push(Derived::of(row, &value, Parts::ALL, reference));
        finished.rows.push((id, bytes));
    }
    Ok(finished)
}

/// Writes the tables of a view.
struct Writing<'a> {
    build: TablesBuild<'a>,
    indexes: BTreeMap<TableId, Sorter>,
    totals: HashMap<Vec<u8>, u64>,
    threads: usize,
}

impl<'a> Writing<'a> {
    fn begin(store: &'a Store, scratch: &Path, lsn: Lsn) -> Result<Self, RebuildError> {
        let sorted = TABLES.iter().filter(|spec| spec.kind == TableKind::Sorted);
        let sorter = |table: TableId| Sorter::new(scratch.join(format!("sorting-{}", table.0)));
        Ok(Self {
            build: TablesBuild::begin(store, TABLES, lsn)?,
            indexes: sorted.map(|spec| (spec.id, sorter(spec.id))).collect(),
            totals: HashMap::new(),
            threads: std::thread::available_parallelism().map_or(1, NonZero::get),
        })
    }

    /// Rows in the order of their ids; what is derived from them is gathered.
    fn write(&mut self, rows: HeldRows, reference: &Reference, watch: &Watch) -> Result<(), RebuildError> {
        for (table, chunks) in rows.tables {
            let mut chunks = chunks.into_iter();
            loop {
                if watch.is_stopping() {
                    return Err(RebuildError::Stopping);
                }
                let some: Vec<_> = chunks.by_ref().take(self.threads).collect();
                if some.is_empty() {
                    break;
                }
                for finished in finish_chunks(table, some, reference) {
                    self.take(table, finished?)?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, table: TableId, finished: Finished) -> Result<(), StoreError> {
        for (id, bytes) in &finished.rows {
            self.build.put_row(table, *id, bytes)?;
        }
        for derived in &finished.derived {
            for entry in &derived.entries {
                let sorter = self.indexes.get_mut(&entry.table);
                let sorter = sorter.ok_or_else(|| StoreError::Misuse("an index is in no table".into()))?;
                sorter.push(&entry.key, &entry.value)?;
            }
            for key in &derived.totals {
                match self.totals.get_mut(key.as_bytes()) {
                    Some(count) => *count += 1,
                    None => drop(self.totals.insert(key.as_bytes().to_vec(), 1)),
                }
            }
        }
        Ok(())
    }

    fn finish(
        mut self,
        others: SortedEntries,
        restart: &state_store::restart::RestartPoint,
    ) -> Result<(), RebuildError> {
        // In any order: they are sorted like all others.
        let counted: Vec<_> = std::mem::take(&mut self.totals).into_iter().collect();
        for (key, count) in counted {
            let totals = self.indexes.get_mut(&TOTALS).expect("totals are a table");
            totals.push(&key, &count.to_be_bytes()).map_err(StoreError::Io)?;
        }
        for (table, entries) in others {
            let sorter = self.indexes.get_mut(&table).expect("every sorted table has a sorter");
            for (key, value) in entries {
                sorter.push(&key, &value).map_err(StoreError::Io)?;
            }
        }
        for (table, sorter) in self.indexes {
            sorter.drain(|key, value| self.build.put(table, key, value))?;
        }
        Ok(self.build.finish(restart)?)
    }
}

/// Each piece on a thread of its own.
fn finish_chunks(
    table: TableId,
    chunks: Vec<(u32, Chunk)>,
    reference: &Reference,
) -> Vec<Result<Finished, StoreError>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = chunks
            .into_iter()
            .map(|(number, chunk)| scope.spawn(move || finish_chunk(table, number, chunk, reference)))
            .collect();
        let panicked = |_| Err(StoreError::Misuse("a thread that derived indexes panicked".into()));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    })
}
