//! Tables with one writer and many readers: changes gather in bounded memory, reads look there first, and a
//! checkpoint brings them into pages together with the restart point (R1).
//!
//! ```no_run
//! # use state_store::{tables::*, pages::*, engine::*, store::*, restart::*};
//! # use event_schemas::ids::Lsn;
//! # fn example(store: Store, restart: RestartPoint) -> Result<(), StoreError> {
//! const PERSONS: TableId = TableId(1);
//! const BY_PIN: TableId = TableId(2);
//! let tables = Tables::open(store, &[
//!     TableSpec { id: PERSONS, name: "persons", kind: TableKind::Rows { rows_per_page: 64 } },
//!     TableSpec { id: BY_PIN, name: "persons by PIN", kind: TableKind::Sorted },
//! ])?;
//!
//! // The one writer. Reads in a batch see the batch's own changes; nobody else does before it is published.
//! let mut batch = tables.batch();
//! let before = batch.get_row(PERSONS, 7)?;
//! batch.put_row(PERSONS, 7, b"row after".to_vec())?;
//! batch.put(BY_PIN, b"001203000007", 7u32.to_be_bytes().to_vec())?;
//! batch.publish(Lsn(42))?;
//! if tables.dirty_bytes() > 64 << 20 {
//!     tables.checkpoint(&restart)?; // restart.newest_lsn is 42
//! }
//!
//! // Any reader. Everything read from one snapshot is of one lsn. Keep it short: publishing waits for it.
//! let snapshot = tables.snapshot();
//! let row = snapshot.get_row(PERSONS, 7)?;
//! let found = snapshot.scan(BY_PIN, &KeyRange::prefix(b"0012"), Order::Ascending, 50)?;
//! println!("as of {}: {row:?}, {} entries", snapshot.lsn(), found.entries.len());
//! # Ok(()) }
//! ```

use crate::engine::{Entry, KeyRange, MAX_KEY_LEN, Order, TableId};
use crate::leaves::MAX_ENTRY_LEN;
use crate::overlay::{Layer, Layers};
use crate::pages::{PageError, PageLayout, PageRow, decode_row};
use crate::restart::RestartPoint;
use crate::store::{CheckpointStats, Store, StoreError};
use crate::table_read::{View, id_of};
use crate::table_save::save_layers;
use crate::unpacked::Unpacked;
use event_schemas::ids::Lsn;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Most entries that one scan returns. Longer listings go on with [`KeyRange::beyond`].
pub const MAX_SCAN_ENTRIES: usize = 10_000;

/// Most rows of one page.
pub const MAX_ROWS_PER_PAGE: u16 = 64;
/// Longest row, bytes: a page of [`MAX_ROWS_PER_PAGE`] such rows still fits.
pub const MAX_ROW_LEN: usize = 60_000;

/// How a table is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableKind {
    /// Rows with dense ids. Packing is part of the stored form: changing it needs another fold revision.
    Rows { rows_per_page: u16 },
    /// Any keys, ordered by their bytes: indexes, totals, counters.
    Sorted,
}

/// One table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableSpec {
    pub id: TableId,
    /// For messages.
    pub name: &'static str,
    pub kind: TableKind,
}

impl TableSpec {
    pub(crate) fn rows(&self) -> Option<PageLayout> {
        match self.kind {
            TableKind::Rows { rows_per_page } => Some(PageLayout::new(self.id, rows_per_page)),
            TableKind::Sorted => None,
        }
    }
}

/// A list of specifications, found by id.
#[derive(Clone)]
pub(crate) struct Specs {
    list: Vec<TableSpec>,
}

impl Specs {
    pub fn new(list: &[TableSpec]) -> Result<Self, StoreError> {
        for (place, spec) in list.iter().enumerate() {
            let twice = list[..place].iter().any(|other| other.id == spec.id);
            let unpackable = match spec.kind {
                TableKind::Rows { rows_per_page } => !(1..=MAX_ROWS_PER_PAGE).contains(&rows_per_page),
                TableKind::Sorted => false,
            };
            if twice || unpackable || spec.id == TableId::META {
                return Err(StoreError::Misuse(format!(
                    "table {} ({}) cannot be specified so",
                    spec.id, spec.name
                )));
            }
        }
        Ok(Self { list: list.to_vec() })
    }

    pub fn place(&self, table: TableId) -> Result<usize, StoreError> {
        let place = self.list.iter().position(|spec| spec.id == table);
        place.ok_or_else(|| StoreError::Misuse(format!("table {table} was not specified")))
    }

    pub fn rows_place(&self, table: TableId) -> Result<usize, StoreError> {
        self.kind_place(table, true)
    }

    pub fn sorted_place(&self, table: TableId) -> Result<usize, StoreError> {
        self.kind_place(table, false)
    }

    fn kind_place(&self, table: TableId, rows: bool) -> Result<usize, StoreError> {
        let place = self.place(table)?;
        if self.list[place].rows().is_some() != rows {
            return Err(StoreError::Misuse(format!("table {} is of the other kind", self.list[place].name)));
        }
        Ok(place)
    }

    pub fn list(&self) -> &[TableSpec] {
        &self.list
    }
}

struct State {
    /// What is published.
    lsn: Lsn,
    active: Layers,
    /// Being saved. Hides every key that the checkpoint writes, so that readers never see its half.
    sealed: Option<Arc<Layers>>,
    /// Checkpoints that have ended since these tables were opened.
    checkpoints: u64,
}

/// Tables over a store. See the module's example.
pub struct Tables {
    store: Store,
    specs: Specs,
    state: RwLock<State>,
    writing: Mutex<()>,
}

/// A checkpoint whose changes are sealed and wait to be saved, on any thread.
#[must_use = "sealed changes stay in memory until they are saved"]
pub struct SealedCheckpoint {
    layers: Arc<Layers>,
    restart: RestartPoint,
}

/// What a scan found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scan {
    pub entries: Vec<Entry>,
    /// Whether there is more beyond the last entry.
    pub more: bool,
}

impl Tables {
    /// Tables at the store's restart point.
    pub fn open(store: Store, specs: &[TableSpec]) -> Result<Self, StoreError> {
        let specs = Specs::new(specs)?;
        let lsn = store.restart_point().map_or(Lsn::ZERO, |restart| restart.newest_lsn);
        let state = State { lsn, active: Layers::new(specs.list()), sealed: None, checkpoints: 0 };
        Ok(Self { store, specs, state: RwLock::new(state), writing: Mutex::new(()) })
    }

    /// The store beneath.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Gives the store back; unsaved changes are lost.
    pub fn into_store(self) -> Store {
        self.store
    }

    /// Up to where the log is published.
    pub fn lsn(&self) -> Lsn {
        self.read().lsn
    }

    /// About how much memory unsaved changes take. The writer checkpoints when this reaches its bound.
    pub fn dirty_bytes(&self) -> usize {
        let state = self.read();
        state.active.bytes() + state.sealed.as_ref().map_or(0, |layers| layers.bytes())
    }

    /// A consistent view of one lsn. Publishing waits while it lives: keep it for one answer.
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot { tables: self, state: self.read(), unpacked: Unpacked::default() }
    }

    /// Begins the writer's next batch; a second writer waits.
    pub fn batch(&self) -> Batch<'_> {
        let turn = match self.writing.lock() {
            Ok(turn) => turn,
            // A batch that was not published changed nothing.
            Err(poisoned) => poisoned.into_inner(),
        };
        let layer = Layer::new(self.specs.list());
        Batch { tables: self, layer, unpacked: Unpacked::default(), _turn: turn }
    }

    /// Saves everything published so far together with `restart`, which must name the published lsn.
    pub fn checkpoint(&self, restart: &RestartPoint) -> Result<CheckpointStats, StoreError> {
        let sealed = self.seal(restart)?;
        self.save(sealed)
    }

    /// First half of a checkpoint, instantaneous: what is published now will be saved, later batches will not. Only
    /// one checkpoint at a time.
    pub fn seal(&self, restart: &RestartPoint) -> Result<SealedCheckpoint, StoreError> {
        let mut state = self.write();
        if restart.newest_lsn != state.lsn || restart.oldest_lsn != state.lsn {
            let (newest, lsn) = (restart.newest_lsn, state.lsn);
            return Err(StoreError::Misuse(format!(
                "the restart point is at lsn {newest}, the tables at {lsn}"
            )));
        }
        if state.sealed.is_some() {
            return Err(StoreError::Misuse("an earlier checkpoint has not been saved".into()));
        }
        let layers = Arc::new(std::mem::replace(&mut state.active, Layers::new(self.specs.list())));
        state.sealed = Some(Arc::clone(&layers));
        Ok(SealedCheckpoint { layers, restart: restart.clone() })
    }

    /// Second half: writes the pages. Reading and publishing go on. After an error reads still answer, but the store
    /// must be opened again before anything can be saved.
    pub fn save(&self, sealed: SealedCheckpoint) -> Result<CheckpointStats, StoreError> {
        let SealedCheckpoint { layers, restart } = sealed;
        let stats = self.store.checkpoint(&restart, |writer| {
            save_layers(&self.store, &self.specs, &layers, restart.newest_lsn, writer)
        })?;
        let mut state = self.write();
        state.sealed = None;
        state.checkpoints += 1;
        Ok(stats)
    }

    fn view<'a>(&'a self, own: Option<&'a Layer>, state: &'a State, unpacked: &'a Unpacked) -> View<'a> {
        View {
            store: &self.store,
            specs: self.specs.list(),
            own,
            active: &state.active,
            sealed: state.sealed.as_deref(),
            checkpoints: state.checkpoints,
            unpacked,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().expect("nothing that can panic runs while the state is written")
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().expect("nothing that can panic runs while the state is written")
    }
}

/// A consistent view of one lsn.
pub struct Snapshot<'a> {
    tables: &'a Tables,
    state: RwLockReadGuard<'a, State>,
    unpacked: Unpacked,
}

impl Snapshot<'_> {
    /// Every answer of this snapshot reflects exactly the log up to here.
    pub fn lsn(&self) -> Lsn {
        self.state.lsn
    }

    /// The value of a key of a sorted table.
    pub fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.view().get(self.tables.specs.sorted_place(table)?, key)
    }

    /// The bytes of a row.
    pub fn get_row(&self, table: TableId, id: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_row(table, id, <[u8]>::to_vec)
    }

    /// A row, decoded. Bytes that cannot be decoded condemn the store (S3).
    pub fn row<R: PageRow>(&self, table: TableId, id: u32) -> Result<Option<R>, StoreError> {
        let found = self.read_row(table, id, decode_row)?;
        decoded(self.tables, found)
    }

    /// What `read` makes of a row's bytes.
    pub fn read_row<T>(
        &self,
        table: TableId,
        id: u32,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, StoreError> {
        self.view().read(self.tables.specs.rows_place(table)?, &id.to_be_bytes(), read)
    }

    /// Entries of a sorted table within `range`, at most `limit` and [`MAX_SCAN_ENTRIES`].
    pub fn scan(
        &self,
        table: TableId,
        range: &KeyRange,
        order: Order,
        limit: usize,
    ) -> Result<Scan, StoreError> {
        self.view().scan(self.tables.specs.sorted_place(table)?, range, order, limit)
    }

    /// Rows with ids from `first` on, at most `limit` and [`MAX_SCAN_ENTRIES`].
    pub fn scan_rows(
        &self,
        table: TableId,
        first: u32,
        limit: usize,
    ) -> Result<Vec<(u32, Vec<u8>)>, StoreError> {
        let range = KeyRange { from: Bound::Included(first.to_be_bytes().to_vec()), to: Bound::Unbounded };
        let place = self.tables.specs.rows_place(table)?;
        let found = self.view().scan(place, &range, Order::Ascending, limit)?;
        Ok(found.entries.into_iter().map(|(key, row)| (id_of(&key), row)).collect())
    }

    fn view(&self) -> View<'_> {
        self.tables.view(None, &self.state, &self.unpacked)
    }
}

/// The writer's changes until they are published together. Dropped unpublished, it leaves nothing.
pub struct Batch<'a> {
    tables: &'a Tables,
    layer: Layer,
    unpacked: Unpacked,
    _turn: MutexGuard<'a, ()>,
}

impl Batch<'_> {
    /// Writes a key of a sorted table.
    pub fn put(&mut self, table: TableId, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        check_entry(key, &value)?;
        let place = self.tables.specs.sorted_place(table)?;
        self.layer.set(place, key, Some(value));
        Ok(())
    }

    /// Removes a key of a sorted table.
    pub fn delete(&mut self, table: TableId, key: &[u8]) -> Result<(), StoreError> {
        let place = self.tables.specs.sorted_place(table)?;
        self.layer.set(place, key, None);
        Ok(())
    }

    /// Writes a row.
    pub fn put_row(&mut self, table: TableId, id: u32, row: Vec<u8>) -> Result<(), StoreError> {
        check_row(&row)?;
        let place = self.tables.specs.rows_place(table)?;
        self.layer.set(place, &id.to_be_bytes(), Some(row));
        Ok(())
    }

    /// Removes a row.
    pub fn delete_row(&mut self, table: TableId, id: u32) -> Result<(), StoreError> {
        let place = self.tables.specs.rows_place(table)?;
        self.layer.set(place, &id.to_be_bytes(), None);
        Ok(())
    }

    /// The value of a key, this batch's changes included.
    pub fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.view(|view| view.get(self.tables.specs.sorted_place(table)?, key))
    }

    /// The bytes of a row, this batch's changes included.
    pub fn get_row(&self, table: TableId, id: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_row(table, id, <[u8]>::to_vec)
    }

    /// A row, decoded, this batch's changes included.
    pub fn row<R: PageRow>(&self, table: TableId, id: u32) -> Result<Option<R>, StoreError> {
        let found = self.read_row(table, id, decode_row)?;
        decoded(self.tables, found)
    }

    /// What `read` makes of a row's bytes, this batch's changes included.
    pub fn read_row<T>(
        &self,
        table: TableId,
        id: u32,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, StoreError> {
        let place = self.tables.specs.rows_place(table)?;
        self.view(|view| view.read(place, &id.to_be_bytes(), read))
    }

    /// Entries of a sorted table within `range`, this batch's changes included.
    pub fn scan(
        &self,
        table: TableId,
        range: &KeyRange,
        order: Order,
        limit: usize,
    ) -> Result<Scan, StoreError> {
        self.view(|view| view.scan(self.tables.specs.sorted_place(table)?, range, order, limit))
    }

    /// About how much memory this batch's changes take.
    pub fn bytes(&self) -> usize {
        self.layer.bytes()
    }

    /// Shows all changes at once: from here on the tables reflect the log up to `lsn`, which never goes back.
    pub fn publish(self, lsn: Lsn) -> Result<(), StoreError> {
        let mut state = self.tables.write();
        if lsn < state.lsn {
            return Err(StoreError::Misuse(format!("lsn {lsn} is behind the published {}", state.lsn)));
        }
        state.active.absorb(self.layer);
        state.lsn = lsn;
        Ok(())
    }

    fn view<T>(&self, read: impl FnOnce(View<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        read(self.tables.view(Some(&self.layer), &self.tables.read(), &self.unpacked))
    }
}

fn decoded<R>(tables: &Tables, found: Option<Result<R, PageError>>) -> Result<Option<R>, StoreError> {
    found.transpose().map_err(|error| tables.store.condemn(&error.0))
}

pub(crate) fn check_entry(key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    if key.len() > MAX_KEY_LEN || value.len() + key.len() > MAX_ENTRY_LEN {
        let (key_len, value_len) = (key.len(), value.len());
        return Err(StoreError::Misuse(format!("key {key_len} bytes, value {value_len} bytes: too long")));
    }
    Ok(())
}

pub(crate) fn check_row(row: &[u8]) -> Result<(), StoreError> {
    if row.len() > MAX_ROW_LEN {
        return Err(StoreError::Misuse(format!("a row of {} bytes is too long", row.len())));
    }
    Ok(())
}
