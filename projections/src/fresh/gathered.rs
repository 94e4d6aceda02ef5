//! What passes over the log have gathered, on its way into the tables of a view.
//!
//! | file | holds |
//! |---|---|
//! | `rows-0` … | the rows of one pass: table 1, id 4, length 4, row; the last pass's go straight into the view |
//! | `totals-0` … | every total so far: key length 1, key, count 8 |
//! | `sorting-5.0` … | runs of index entries |
//! | `PROGRESS` | how many passes are whole, and up to where the log was read; replaced by renaming |
//!
//! What `PROGRESS` counts is durable, and named there with length and checksum: if one file is not as it was, all passes begin anew.
//! Whatever else lies beside it is of a pass that a crash interrupted, and is written again.

use super::held::{CHUNK_ROWS, Chunk, HeldRows, Slot, SortedEntries, unreadable};
use super::{Bounds, misuse};
use crate::apply::{decode_row, encode_row};
use crate::derived::{Derived, Parts};
use crate::layout::{FOLD_REVISION, TABLES, TOTALS, row_ref};
use crate::rebuild::{RebuildError, Watch};
use crate::reference::Reference;
use crate::sorter::Sorter;
use event_schemas::ids::{InstanceId, LogId, Lsn, Position};
use serde::{Deserialize, Serialize};
use state_store::TablesBuild;
use state_store::engine::TableId;
use state_store::restart::RestartPoint;
use state_store::store::{Store, StoreError};
use state_store::tables::TableKind;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

const PROGRESS: &str = "PROGRESS";
const PROGRESS_NEW: &str = "PROGRESS.new";
const BUFFER_BYTES: usize = 1 << 20;

/// What is folded how: passes of another fold are of no use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    log_id: LogId,
    instance: InstanceId,
    fold_revision: u32,
    ids_a_pass: u32,
    until: Lsn,
}

impl Asked {
    pub fn new((log_id, instance): (LogId, InstanceId), bounds: Bounds) -> Self {
        let Bounds { ids_a_pass, until, .. } = bounds;
        Self { log_id, instance, fold_revision: FOLD_REVISION, ids_a_pass, until }
    }
}

/// What outlasts a crash.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    asked: Asked,
    /// Passes that are whole.
    passes: u32,
    /// The restart point of what the first pass read.
    restart: Vec<u8>,
    highest_id: u32,
    /// Runs of index entries by table.
    runs: BTreeMap<u8, usize>,
    /// Every file that is kept, by name.
    files: BTreeMap<String, FileSum>,
    /// The view holds everything, and nothing of this is needed any more.
    is_whole: bool,
}

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct FileSum {
    len: u64,
    xxh3: u64,
}

impl FileSum {
    fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (mut hash, mut len, mut bytes) = (Xxh3::new(), 0, vec![0; BUFFER_BYTES]);
        loop {
            match file.read(&mut bytes)? {
                0 => return Ok(Self { len, xxh3: hash.digest() }),
                read => {
                    hash.update(&bytes[..read]);
                    len += read as u64;
                }
            }
        }
    }
}

impl Progress {
    fn load(scratch: &Path) -> io::Result<Option<Self>> {
        match fs::read(scratch.join(PROGRESS)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn save(&self, scratch: &Path) -> io::Result<()> {
        let new = scratch.join(PROGRESS_NEW);
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&new, scratch.join(PROGRESS))?;
        File::open(scratch)?.sync_all()
    }
}

/// What a fold that was interrupted has left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    /// Passes that are whole.
    Passes,
    /// The view is filled.
    Everything,
}

/// What is left in such a directory; none if nothing in it is of use.
pub(crate) fn left_in(scratch: &Path) -> io::Result<Option<Left>> {
    let left = |progress: Progress| if progress.is_whole { Left::Everything } else { Left::Passes };
    Ok(Progress::load(scratch)?.map(left))
}

/// How far the first pass came.
pub(super) struct ReachedBefore {
    pub lsn: Lsn,
    pub next: Position,
    /// How many passes there are in all.
    pub passes: u32,
}

/// Rows go to a file, or into the view.
type PutRow<'a> = dyn FnMut(TableId, u32, &[u8]) -> Result<(), StoreError> + 'a;

/// Everything that passes have given so far.
pub(super) struct Gathered {
    scratch: PathBuf,
    asked: Asked,
    passes: u32,
    /// Of the first pass.
    reached: Option<(RestartPoint, u32)>,
    indexes: BTreeMap<TableId, Sorter>,
    totals: HashMap<Vec<u8>, u64>,
    files: BTreeMap<String, FileSum>,
    threads: usize,
}

impl Gathered {
    /// Goes on with what lies in `scratch`, if that is of the same fold; else begins.
    pub fn resume(scratch: &Path, asked: Asked) -> Result<Self, RebuildError> {
        let stem = |table: TableId| scratch.join(format!("sorting-{}", table.0));
        let sorted = || TABLES.iter().filter(|spec| spec.kind == TableKind::Sorted).map(|spec| spec.id);
        let mut gathered = Self {
            scratch: scratch.to_path_buf(),
            asked,
            passes: 0,
            reached: None,
            indexes: sorted().map(|table| (table, Sorter::new(stem(table)))).collect(),
            totals: HashMap::new(),
            files: BTreeMap::new(),
            threads: std::thread::available_parallelism().map_or(1, NonZero::get),
        };
        let found = Progress::load(scratch).map_err(StoreError::Io)?;
        // Of a view that was filled and is not there any more, nothing that it was made of is kept.
        let is_of_use =
            |found: &Progress| found.asked == gathered.asked && found.passes > 0 && !found.is_whole;
        let Some(found) = found.filter(is_of_use) else { return Ok(gathered) };
        let changed = |(name, sum): (&String, &FileSum)| FileSum::of(&scratch.join(name)).ok() != Some(*sum);
        if found.files.iter().any(changed) {
            tracing::warn!("what an interrupted fold has left is not as it was; the log is folded anew");
            return Ok(gathered);
        }
        let restart = RestartPoint::from_bytes(&found.restart);
        let restart = restart.map_err(|error| misuse(&format!("{PROGRESS}: {error}")))?;
        for (table, sorter) in &mut gathered.indexes {
            *sorter = Sorter::resume(stem(*table), found.runs.get(&table.0).copied().unwrap_or(0));
        }
        gathered.totals = read_totals(&gathered.file("totals", found.passes - 1)).map_err(StoreError::Io)?;
        gathered.passes = found.passes;
        gathered.files = found.files;
        gathered.reached = Some((restart, found.highest_id));
        tracing::info!(passes = found.passes, of = gathered.all_passes(), "goes on with an interrupted fold");
        Ok(gathered)
    }

    /// How many passes are whole.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    fn all_passes(&self) -> u32 {
        self.reached.as_ref().map_or(1, |(_, highest)| highest / self.asked.ids_a_pass + 1)
    }

    pub fn is_last_pass(&self) -> bool {
        self.passes + 1 == self.all_passes()
    }

    pub fn reached(&self) -> Option<ReachedBefore> {
        let (restart, _) = self.reached.as_ref()?;
        Some(ReachedBefore {
            lsn: restart.newest_lsn,
            next: restart.next_position,
            passes: self.all_passes(),
        })
    }

    /// Notes how far the first pass came; later ones must come to the same.
    pub fn reach(&mut self, restart: &RestartPoint, highest_id: u32) -> Result<(), RebuildError> {
        let (first, _) = self.reached.get_or_insert_with(|| (restart.clone(), highest_id));
        if (first.newest_lsn, first.head_newest) != (restart.newest_lsn, restart.head_newest) {
            return Err(misuse("the log is another than at the first pass"));
        }
        Ok(())
    }

    /// Keeps what a pass gave, which is not the last.
    pub fn keep(&mut self, rows: HeldRows, reference: &Reference, watch: &Watch) -> Result<(), RebuildError> {
        let path = self.file("rows", self.passes);
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::create(path).map_err(StoreError::Io)?);
        self.derive(rows, reference, watch, &mut |table, id, row| {
            file.write_all(&[table.0])?;
            file.write_all(&id.to_le_bytes())?;
            file.write_all(&(row.len() as u32).to_le_bytes())?;
            Ok(file.write_all(row)?)
        })?;
        self.save(file).map_err(StoreError::Io)?;
        Ok(())
    }

    fn save(&mut self, rows: BufWriter<File>) -> io::Result<()> {
        rows.into_inner()?.sync_all()?;
        write_totals(&self.file("totals", self.passes), &self.totals)?;
        let mut written = vec![self.file("rows", self.passes), self.file("totals", self.passes)];
        let mut runs = BTreeMap::new();
        for (table, sorter) in &mut self.indexes {
            written.extend(sorter.save()?.iter().cloned());
            runs.insert(table.0, sorter.runs());
        }
        if let Some(before) = self.passes.checked_sub(1) {
            self.files.remove(&name_of(&self.file("totals", before)));
        }
        for path in written {
            self.files.insert(name_of(&path), FileSum::of(&path)?);
        }
        self.passes += 1;
        self.progress(runs, false)
    }

    fn progress(&self, runs: BTreeMap<u8, usize>, is_whole: bool) -> io::Result<()> {
        let Some((restart, highest_id)) = &self.reached else { return Ok(()) };
        let restart = restart.to_bytes().map_err(io::Error::other)?;
        let (asked, passes, highest_id) = (self.asked.clone(), self.passes, *highest_id);
        let files = self.files.clone();
        Progress { asked, passes, restart, highest_id, runs, files, is_whole }.save(&self.scratch)
    }

    /// Writes the tables of an empty view: what was kept, and what the last pass gave.
    pub fn write(
        mut self,
        store: &Store,
        rows: HeldRows,
        others: SortedEntries,
        reference: &Reference,
        watch: &Watch,
    ) -> Result<(), RebuildError> {
        let Some((restart, _)) = self.reached.clone() else {
            return Err(misuse("no pass has come to its end"));
        };
        let mut build = TablesBuild::begin(store, TABLES, restart.newest_lsn)?;
        for pass in 0..self.passes {
            each_row(&self.file("rows", pass), &mut |table, id, row| build.put_row(table, id, row))?;
        }
        self.derive(rows, reference, watch, &mut |table, id, row| build.put_row(table, id, row))?;
        // In any order: they are sorted like all others.
        let counted = std::mem::take(&mut self.totals);
        let counted = counted.into_iter().map(|(key, count)| (TOTALS, key, count.to_be_bytes().to_vec()));
        let others = others
            .into_iter()
            .flat_map(|(table, entries)| entries.into_iter().map(move |(key, value)| (table, key, value)));
        for (table, key, value) in counted.chain(others) {
            self.sorter(table)?.push(&key, &value).map_err(StoreError::Io)?;
        }
        for (table, sorter) in std::mem::take(&mut self.indexes) {
            sorter.drain(|key, value| build.put(table, key, value))?;
        }
        build.finish(&restart)?;
        self.progress(BTreeMap::new(), true).map_err(StoreError::Io)?;
        Ok(())
    }

    /// Rows in the order of their ids; what is derived from them is gathered.
    fn derive(
        &mut self,
        rows: HeldRows,
        reference: &Reference,
        watch: &Watch,
        put_row: &mut PutRow<'_>,
    ) -> Result<(), RebuildError> {
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
                    let finished = finished?;
                    for (id, bytes) in &finished.rows {
                        put_row(table, *id, bytes)?;
                    }
                    self.take(&finished.derived)?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, derived: &[Derived]) -> Result<(), StoreError> {
        for derived in derived {
            for entry in &derived.entries {
                self.sorter(entry.table)?.push(&entry.key, &entry.value)?;
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

    fn sorter(&mut self, table: TableId) -> Result<&mut Sorter, StoreError> {
        let sorter = self.indexes.get_mut(&table);
        sorter.ok_or_else(|| StoreError::Misuse(format!("{table} is not sorted")))
    }

    fn file(&self, what: &str, pass: u32) -> PathBuf {
        self.scratch.join(format!("{what}-{pass}"))
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn each_row(path: &Path, put_row: &mut PutRow<'_>) -> Result<(), StoreError> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    let (mut head, mut row) = ([0; 9], Vec::new());
    while begins(&mut file, &mut head)? {
        let [table, id @ .., l0, l1, l2, l3] = head;
        row.resize(u32::from_le_bytes([l0, l1, l2, l3]) as usize, 0);
        file.read_exact(&mut row)?;
        put_row(TableId(table), u32::from_le_bytes(id), &row)?;
    }
    Ok(())
}

fn write_totals(path: &Path, totals: &HashMap<Vec<u8>, u64>) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, File::create(path)?);
    // In any order: they are counted on, and sorted at the end.
    totals.iter().try_for_each(|(key, count)| {
        file.write_all(&[u8::try_from(key.len()).map_err(io::Error::other)?])?;
        file.write_all(key)?;
        file.write_all(&count.to_le_bytes())
    })?;
    file.into_inner()?.sync_all()
}

fn read_totals(path: &Path) -> io::Result<HashMap<Vec<u8>, u64>> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    let (mut totals, mut len, mut count) = (HashMap::new(), [0; 1], [0; 8]);
    while begins(&mut file, &mut len)? {
        let mut key = vec![0; usize::from(len[0])];
        file.read_exact(&mut key)?;
        file.read_exact(&mut count)?;
        totals.insert(key, u64::from_le_bytes(count));
    }
    Ok(totals)
}

/// Reads the head of what comes next; false at the end of the file.
fn begins(file: &mut impl Read, head: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(head) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
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
