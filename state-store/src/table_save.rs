//! From changed rows and keys to changed pages and leaves; and whole tables written at once.

use crate::engine::{KeyRange, Order, TableId};
use crate::leaves::{LEAF_TARGET_LEN, Leaf, LeafBuilder};
use crate::overlay::{LayerEntry, LayerIter, Layers};
use crate::pages::{PageBuilder, PageError, PageLayout};
use crate::restart::RestartPoint;
use crate::store::{Build, CheckpointWriter, Store, StoreError};
use crate::table_read::{id_of, leaf_of};
use crate::tables::{Specs, TableSpec, check_entry, check_row};
use event_schemas::ids::Lsn;
use std::iter::Peekable;
use std::ops::Bound;

type Changes<'a> = Peekable<LayerIter<'a>>;

/// Writes every page that some layers touch, once.
pub(crate) fn save_layers(
    store: &Store,
    specs: &Specs,
    layers: &Layers,
    lsn: Lsn,
    writer: &mut CheckpointWriter<'_>,
) -> Result<(), StoreError> {
    for (place, spec) in specs.list().iter().enumerate() {
        let mut changes = layers.range(place, &KeyRange::all(), Order::Ascending).peekable();
        match spec.rows() {
            Some(layout) => save_rows(store, layout, &mut changes, lsn, writer)?,
            None => save_sorted(store, spec.id, &mut changes, writer)?,
        }
    }
    Ok(())
}

fn save_rows(
    store: &Store,
    layout: PageLayout,
    changes: &mut Changes<'_>,
    lsn: Lsn,
    writer: &mut CheckpointWriter<'_>,
) -> Result<(), StoreError> {
    while let Some((key, _)) = changes.peek() {
        let number = layout.page_of(id_of(key));
        let saved = layout.load(store, number)?;
        let mut builder = PageBuilder::default();
        for slot in 0..usize::from(layout.rows_per_page) {
            let id = u64::from(layout.first_id(number)) + slot as u64;
            match changes.next_if(|(key, _)| u64::from(id_of(key)) == id) {
                Some((_, row)) => builder.push(row),
                None => builder.push(saved.as_ref().and_then(|page| page.row_bytes(slot))),
            }
        }
        match builder.is_empty() {
            true => writer.delete(layout.table, &PageLayout::key(number))?,
            false => {
                let bytes = builder.finish(layout, number, lsn).map_err(too_much)?;
                writer.put(layout.table, &PageLayout::key(number), &bytes)?;
            }
        }
    }
    Ok(())
}

fn save_sorted(
    store: &Store,
    table: TableId,
    changes: &mut Changes<'_>,
    writer: &mut CheckpointWriter<'_>,
) -> Result<(), StoreError> {
    while let Some((key, _)) = changes.peek() {
        let (fence, mut leaf) = match leaf_of(store, table, key)? {
            Some((fence, bytes)) => {
                (fence, Leaf::decode(table, &bytes).map_err(|error| store.condemn(&error.0))?)
            }
            None => (Vec::new(), Leaf::default()),
        };
        let above = KeyRange { from: Bound::Excluded(fence.clone()), to: Bound::Unbounded };
        let next = store.scan(table, &above, Order::Ascending).next().transpose()?;
        let end = next.map(|(next_fence, _)| next_fence);
        leaf.merge(within(changes, end.as_deref()));
        let leaves = leaf.into_leaves(table, &fence);
        if leaves.is_empty() {
            writer.delete(table, &fence)?;
        }
        // The upper parts of a split first: see the module `leaves`.
        for (fence, bytes) in leaves.into_iter().rev() {
            writer.put(table, &fence, &bytes)?;
        }
    }
    Ok(())
}

/// The changes before `end`.
fn within<'c, 'a>(
    changes: &'c mut Changes<'a>,
    end: Option<&'c [u8]>,
) -> impl Iterator<Item = LayerEntry<'a>> + use<'c, 'a> {
    std::iter::from_fn(move || changes.next_if(|(key, _)| end.is_none_or(|end| *key < end)))
}

fn too_much(error: PageError) -> StoreError {
    StoreError::Misuse(error.0)
}

/// Writes whole tables into an empty store, each page once: a first build or a rebuild.
///
/// Within each table entries come in ascending order; tables may be mixed. Nothing counts before
/// [`TablesBuild::finish`]: a store left without it is discarded at its next open.
pub struct TablesBuild<'a> {
    build: Build<'a>,
    specs: Specs,
    lsn: Lsn,
    open: Vec<OpenPart>,
}

/// The page or leaf being filled.
enum OpenPart {
    Rows { layout: PageLayout, page: u32, builder: PageBuilder, next_id: u64 },
    Sorted { builder: LeafBuilder, last_key: Option<Vec<u8>> },
}

impl<'a> TablesBuild<'a> {
    /// Begins; the store must be empty. `lsn` is what the rows reflect.
    pub fn begin(store: &'a Store, specs: &[TableSpec], lsn: Lsn) -> Result<Self, StoreError> {
        let specs = Specs::new(specs)?;
        let build = store.build()?;
        let open = specs.list().iter().map(|spec| match spec.rows() {
            Some(layout) => OpenPart::Rows { layout, page: 0, builder: PageBuilder::default(), next_id: 0 },
            None => OpenPart::Sorted { builder: LeafBuilder::new(spec.id, Vec::new()), last_key: None },
        });
        let open = open.collect();
        Ok(Self { build, specs, lsn, open })
    }

    /// Writes a row whose id is above the table's last.
    pub fn put_row(&mut self, table: TableId, id: u32, row: &[u8]) -> Result<(), StoreError> {
        check_row(row)?;
        let place = self.specs.rows_place(table)?;
        let OpenPart::Rows { layout, page, builder, next_id } = &mut self.open[place] else {
            unreachable!("rows_place finds only tables of rows");
        };
        if u64::from(id) < *next_id {
            return Err(StoreError::Misuse(format!("row {id} of {table} does not come in order")));
        }
        if layout.page_of(id) != *page {
            close_page(&mut self.build, *layout, *page, std::mem::take(builder), self.lsn)?;
            *page = layout.page_of(id);
            *next_id = u64::from(layout.first_id(*page));
        }
        for _ in *next_id..u64::from(id) {
            builder.push(None);
        }
        builder.push(Some(row));
        *next_id = u64::from(id) + 1;
        Ok(())
    }

    /// Writes an entry of a sorted table whose key is above the table's last.
    pub fn put(&mut self, table: TableId, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        check_entry(key, value)?;
        let place = self.specs.sorted_place(table)?;
        let OpenPart::Sorted { builder, last_key } = &mut self.open[place] else {
            unreachable!("sorted_place finds only sorted tables");
        };
        if last_key.as_deref().is_some_and(|last| last >= key) {
            return Err(StoreError::Misuse(format!("a key of {table} does not come in order")));
        }
        if builder.len() >= LEAF_TARGET_LEN {
            let full = std::mem::replace(builder, LeafBuilder::new(table, key.to_vec()));
            let (fence, bytes) = full.finish();
            self.build.put(table, &fence, &bytes)?;
        }
        builder.push(key, value);
        *last_key = Some(key.to_vec());
        Ok(())
    }

    /// Writes what is open, makes all durable and sets the restart point.
    pub fn finish(mut self, restart: &RestartPoint) -> Result<(), StoreError> {
        if restart.newest_lsn != self.lsn || restart.oldest_lsn != self.lsn {
            let (newest, lsn) = (restart.newest_lsn, self.lsn);
            return Err(StoreError::Misuse(format!(
                "the restart point is at lsn {newest}, the rows at {lsn}"
            )));
        }
        for part in self.open {
            match part {
                OpenPart::Rows { layout, page, builder, .. } => {
                    close_page(&mut self.build, layout, page, builder, self.lsn)?;
                }
                OpenPart::Sorted { builder, .. } if builder.len() > 0 => {
                    let table = builder.table();
                    let (fence, bytes) = builder.finish();
                    self.build.put(table, &fence, &bytes)?;
                }
                OpenPart::Sorted { .. } => {}
            }
        }
        self.build.finish(restart)
    }
}

fn close_page(
    build: &mut Build<'_>,
    layout: PageLayout,
    page: u32,
    builder: PageBuilder,
    lsn: Lsn,
) -> Result<(), StoreError> {
    if builder.is_empty() {
        return Ok(());
    }
    let bytes = builder.finish(layout, page, lsn).map_err(too_much)?;
    build.put(layout.table, &PageLayout::key(page), &bytes)
}
