//! Changed keys in memory, in layers over what is saved.

use crate::engine::{Entry, KeyRange, Order};
use crate::store::StoreError;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::iter::Peekable;

/// Memory that an entry takes beside its key and value: two vectors' headers, their allocations, its share of a node.
const ENTRY_OVERHEAD_BYTES: usize = 96;

/// A key and its new value; `None` says that it was removed.
pub(crate) type LayerEntry<'a> = (&'a [u8], Option<&'a [u8]>);
pub(crate) type LayerIter<'a> = Box<dyn Iterator<Item = LayerEntry<'a>> + 'a>;
/// What is saved, in the order of the scan.
pub(crate) type BaseIter<'a> = Box<dyn Iterator<Item = Result<Entry, StoreError>> + 'a>;

/// The changed keys of all tables, by the table's place in the list of specifications.
pub(crate) struct Layer {
    tables: Vec<BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    bytes: usize,
}

impl Layer {
    pub fn new(tables: usize) -> Self {
        Self { tables: vec![BTreeMap::new(); tables], bytes: 0 }
    }

    pub fn set(&mut self, table: usize, key: Vec<u8>, value: Option<Vec<u8>>) {
        let key_len = key.len();
        self.bytes += value.as_ref().map_or(0, Vec::len);
        match self.tables[table].insert(key, value) {
            Some(replaced) => self.bytes -= replaced.map_or(0, |value| value.len()),
            None => self.bytes += key_len + ENTRY_OVERHEAD_BYTES,
        }
    }

    /// `None`: not changed here. `Some(None)`: removed here.
    pub fn get(&self, table: usize, key: &[u8]) -> Option<Option<&[u8]>> {
        self.tables[table].get(key).map(Option::as_deref)
    }

    pub fn range<'a>(&'a self, table: usize, range: &KeyRange, order: Order) -> LayerIter<'a> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let bounds = (range.from.as_ref().map(Vec::as_slice), range.to.as_ref().map(Vec::as_slice));
        let found = self.tables[table]
            .range::<[u8], _>(bounds)
            .map(|(key, value)| (key.as_slice(), value.as_deref()));
        match order {
            Order::Ascending => Box::new(found),
            Order::Descending => Box::new(found.rev()),
        }
    }

    /// Brings in everything of a newer layer.
    pub fn absorb(&mut self, newer: Self) {
        for (table, entries) in newer.tables.into_iter().enumerate() {
            for (key, value) in entries {
                self.set(table, key, value);
            }
        }
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

fn by_order(order: Order, left: &[u8], right: &[u8]) -> Ordering {
    match order {
        Order::Ascending => left.cmp(right),
        Order::Descending => right.cmp(left),
    }
}

/// Two layers as one: `upper` hides what it changed.
pub(crate) fn over<'a>(upper: LayerIter<'a>, lower: LayerIter<'a>, order: Order) -> LayerIter<'a> {
    let mut upper = upper.peekable();
    let mut lower = lower.peekable();
    Box::new(std::iter::from_fn(move || {
        let side = match (upper.peek(), lower.peek()) {
            (Some((up, _)), Some((low, _))) => by_order(order, up, low),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match side {
            Ordering::Less => upper.next(),
            Ordering::Equal => {
                lower.next();
                upper.next()
            }
            Ordering::Greater => lower.next(),
        }
    }))
}

/// Layers over what is saved: only entries that exist.
pub(crate) struct OverBase<'a> {
    layers: Peekable<LayerIter<'a>>,
    base: Peekable<BaseIter<'a>>,
    order: Order,
}

impl<'a> OverBase<'a> {
    pub fn new(layers: LayerIter<'a>, base: BaseIter<'a>, order: Order) -> Self {
        Self { layers: layers.peekable(), base: base.peekable(), order }
    }
}

impl Iterator for OverBase<'_> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let side = match (self.layers.peek(), self.base.peek()) {
                (Some((changed, _)), Some(Ok((saved, _)))) => by_order(self.order, changed, saved),
                (Some(_), None) => Ordering::Less,
                (_, Some(Err(_))) | (None, _) => Ordering::Greater,
            };
            if side == Ordering::Greater {
                return self.base.next();
            }
            if side == Ordering::Equal {
                self.base.next();
            }
            if let Some((key, Some(value))) = self.layers.next() {
                return Some(Ok((key.to_vec(), value.to_vec())));
            }
        }
    }
}
