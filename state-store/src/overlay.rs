//! Changed keys in memory, in layers over what is saved.

use crate::engine::{self, KeyRange, Order};
use crate::store::StoreError;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::iter::Peekable;

/// Memory that an entry takes beside its key and value: two vectors' headers, their allocations, its share of a node.
const ENTRY_OVERHEAD_BYTES: usize = 96;

/// A key and its new value; `None` says that it was removed.
pub(crate) type LayerEntry<'a> = (&'a [u8], Option<&'a [u8]>);
pub(crate) type LayerIter<'a> = Box<dyn Iterator<Item = LayerEntry<'a>> + 'a>;
/// What is saved, in the order of the scan.
pub(crate) type BaseIter<'a> = Box<dyn Iterator<Item = Result<engine::Entry, StoreError>> + 'a>;

/// Beside so many times as many others, keys are brought in one by one; otherwise all are merged in one pass.
const FEW: usize = 16;

type Changed = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The changed keys of all tables, by the table's place in the list of specifications.
pub(crate) struct Layer {
    tables: Vec<Table>,
}

#[derive(Clone, Default)]
struct Table {
    changed: Changed,
    bytes: usize,
}

impl Layer {
    pub fn new(tables: usize) -> Self {
        Self { tables: vec![Table::default(); tables] }
    }

    pub fn set(&mut self, table: usize, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.tables[table].set(key, value);
    }

    /// `None`: not changed here. `Some(None)`: removed here.
    pub fn get(&self, table: usize, key: &[u8]) -> Option<Option<&[u8]>> {
        self.tables[table].changed.get(key).map(Option::as_deref)
    }

    pub fn range<'a>(&'a self, table: usize, range: &KeyRange, order: Order) -> LayerIter<'a> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let bounds = (range.from.as_ref().map(Vec::as_slice), range.to.as_ref().map(Vec::as_slice));
        let found = self.tables[table]
            .changed
            .range::<[u8], _>(bounds)
            .map(|(key, value)| (key.as_slice(), value.as_deref()));
        match order {
            Order::Ascending => Box::new(found),
            Order::Descending => Box::new(found.rev()),
        }
    }

    /// Brings in everything of a newer layer. Readers wait for it: what it takes follows from the smaller of the two, but where both are
    /// large and one pass over both is less.
    pub fn absorb(&mut self, newer: Self) {
        for (table, newer) in self.tables.iter_mut().zip(newer.tables) {
            table.absorb(newer);
        }
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> usize {
        self.tables.iter().map(|table| table.bytes).sum()
    }
}

impl Table {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let bytes = entry_bytes(&key, value.as_deref());
        let key_bytes = entry_bytes(&key, None);
        self.bytes += bytes;
        if let Some(replaced) = self.changed.insert(key, value) {
            self.bytes -= key_bytes + replaced.map_or(0, |value| value.len());
        }
    }

    fn absorb(&mut self, mut newer: Self) {
        if newer.changed.len() <= self.changed.len() / FEW {
            newer.changed.into_iter().for_each(|(key, value)| self.set(key, value));
        } else if self.changed.len() <= newer.changed.len() / FEW {
            std::mem::swap(self, &mut newer);
            newer.changed.into_iter().for_each(|(key, value)| self.set_if_unchanged(key, value));
        } else {
            self.changed.append(&mut newer.changed);
            self.bytes = self.changed.iter().map(|(key, value)| entry_bytes(key, value.as_deref())).sum();
        }
    }

    fn set_if_unchanged(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        if let Entry::Vacant(place) = self.changed.entry(key) {
            self.bytes += entry_bytes(place.key(), value.as_deref());
            place.insert(value);
        }
    }
}

fn entry_bytes(key: &[u8], value: Option<&[u8]>) -> usize {
    key.len() + ENTRY_OVERHEAD_BYTES + value.map_or(0, <[u8]>::len)
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
    type Item = Result<engine::Entry, StoreError>;

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layer_of(changes: &[(u8, Option<u8>)]) -> Layer {
        let mut layer = Layer::new(1);
        for (key, value) in changes {
            layer.set(0, vec![*key; 2], value.map(|value| vec![value; usize::from(value % 7)]));
        }
        layer
    }

    proptest! {
        /// Whichever of the two is larger.
        #[test]
        fn a_newer_layer_hides_what_it_changed(
            older in prop::collection::vec((any::<u8>(), any::<Option<u8>>()), 0..200),
            newer in prop::collection::vec((any::<u8>(), any::<Option<u8>>()), 0..200),
            (keep_older, keep_newer) in prop_oneof![Just((200, 200)), Just((3, 200)), Just((200, 3))],
        ) {
            let older = &older[..older.len().min(keep_older)];
            let newer = &newer[..newer.len().min(keep_newer)];
            let mut absorbed = layer_of(older);
            absorbed.absorb(layer_of(newer));
            let expected = layer_of(&[older, newer].concat());
            prop_assert_eq!(&absorbed.tables[0].changed, &expected.tables[0].changed);
            prop_assert_eq!(absorbed.bytes(), expected.bytes());
        }
    }
}
