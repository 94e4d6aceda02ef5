//! Reading: the layers of changes over the saved pages and leaves.

use crate::engine::{Entry, KeyRange, Order, TableId};
use crate::leaves::Leaf;
use crate::overlay::{BaseIter, Layer, Layers, OverBase, over};
use crate::pages::PageLayout;
use crate::store::{Store, StoreError};
use crate::tables::{MAX_SCAN_ENTRIES, Scan, TableSpec};
use crate::unpacked::Unpacked;
use std::ops::Bound;

/// Layers over the saved pages.
pub(crate) struct View<'a> {
    pub store: &'a Store,
    pub specs: &'a [TableSpec],
    /// The reading batch's own; it hides the published, which hides what is being saved.
    pub own: Option<&'a Layer>,
    pub active: &'a Layers,
    pub sealed: Option<&'a Layers>,
    /// Checkpoints that have ended.
    pub checkpoints: u64,
    pub unpacked: &'a Unpacked,
}

impl View<'_> {
    pub fn get(&self, place: usize, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(place, key, <[u8]>::to_vec)
    }

    /// What `read` makes of a value's bytes, where they lie.
    pub fn read<T>(
        &self,
        place: usize,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, StoreError> {
        let own = self.own.and_then(|layer| layer.get(place, key));
        let changed = own.or_else(|| self.active.get(place, key));
        if let Some(found) = changed.or_else(|| self.sealed?.get(place, key)) {
            return Ok(found.map(read));
        }
        let spec = &self.specs[place];
        match spec.rows() {
            Some(layout) => self.unpacked.row(self.store, self.checkpoints, (layout, id_of(key)), read),
            None => {
                let found = self.unpacked.entry(self.store, self.checkpoints, spec.id, key)?;
                Ok(found.map(|value| read(&value)))
            }
        }
    }

    pub fn scan(
        &self,
        place: usize,
        range: &KeyRange,
        order: Order,
        limit: usize,
    ) -> Result<Scan, StoreError> {
        let limit = limit.min(MAX_SCAN_ENTRIES);
        let mut changed = self.active.range(place, range, order);
        if let Some(sealed) = self.sealed {
            changed = over(changed, sealed.range(place, range, order), order);
        }
        if let Some(own) = self.own {
            changed = over(own.range(place, range, order), changed, order);
        }
        let spec = &self.specs[place];
        let saved = match spec.rows() {
            Some(layout) => saved_rows(self.store, layout, range, order),
            None => saved_entries(self.store, spec.id, range, order)?,
        };
        let mut found = OverBase::new(changed, saved, order);
        let entries = found.by_ref().take(limit).collect::<Result<Vec<Entry>, StoreError>>()?;
        let more = found.next().transpose()?.is_some();
        Ok(Scan { entries, more })
    }
}

/// The leaf whose range holds `key`: its fence and bytes.
pub(crate) fn leaf_of(store: &Store, table: TableId, key: &[u8]) -> Result<Option<Entry>, StoreError> {
    let up_to_key = KeyRange { from: Bound::Unbounded, to: Bound::Included(key.to_vec()) };
    store.scan(table, &up_to_key, Order::Descending).next().transpose()
}

fn saved_entries<'a>(
    store: &'a Store,
    table: TableId,
    range: &KeyRange,
    order: Order,
) -> Result<BaseIter<'a>, StoreError> {
    let from = match &range.from {
        Bound::Included(key) | Bound::Excluded(key) => match leaf_of(store, table, key)? {
            Some((fence, _)) => Bound::Included(fence),
            None => Bound::Unbounded,
        },
        Bound::Unbounded => Bound::Unbounded,
    };
    let leaves = store.scan(table, &KeyRange { from, to: range.to.clone() }, order);
    let entries = leaves.flat_map(move |leaf| {
        let decoded =
            leaf.and_then(|(_, bytes)| Leaf::decode(table, &bytes).map_err(|error| store.condemn(&error.0)));
        in_order(decoded.map(|leaf| leaf.entries), order)
    });
    let mut left = range.clone();
    // A leaf that is split meanwhile may show an entry twice: each entry moves the range beyond itself.
    Ok(Box::new(entries.filter(move |entry| match entry {
        Ok((key, _)) if left.contains(key) => {
            left = std::mem::replace(&mut left, KeyRange::all()).beyond(key, order);
            true
        }
        Ok(_) => false,
        Err(_) => true,
    })))
}

fn saved_rows<'a>(store: &'a Store, layout: PageLayout, range: &KeyRange, order: Order) -> BaseIter<'a> {
    let page_key = |bound: &Bound<Vec<u8>>| match bound {
        Bound::Included(key) | Bound::Excluded(key) => {
            Bound::Included(PageLayout::key(layout.page_of(id_of(key))).to_vec())
        }
        Bound::Unbounded => Bound::Unbounded,
    };
    let pages =
        store.scan(layout.table, &KeyRange { from: page_key(&range.from), to: page_key(&range.to) }, order);
    let range = range.clone();
    let rows = pages.flat_map(move |page| {
        let decoded = page.and_then(|(key, bytes)| {
            let page = layout.decode(id_of(&key), &bytes).map_err(|error| store.condemn(&error.0))?;
            Ok(page.rows().map(|(id, row)| (id.to_be_bytes().to_vec(), row.to_vec())).collect())
        });
        in_order(decoded, order)
    });
    Box::new(rows.filter(move |row| row.as_ref().map_or(true, |(key, _)| range.contains(key))))
}

fn in_order(entries: Result<Vec<Entry>, StoreError>, order: Order) -> BaseIter<'static> {
    match (entries, order) {
        (Ok(entries), Order::Ascending) => Box::new(entries.into_iter().map(Ok)),
        (Ok(entries), Order::Descending) => Box::new(entries.into_iter().rev().map(Ok)),
        (Err(error), _) => Box::new(std::iter::once(Err(error))),
    }
}

pub(crate) fn id_of(key: &[u8]) -> u32 {
    u32::from_be_bytes(key.try_into().expect("row tables are keyed by four bytes only"))
}
