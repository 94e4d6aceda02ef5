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

/// Keys that readers wait for while they are put in one by one: some milliseconds.
const MAX_WORK: usize = 10_000;
/// Most layers between two checkpoints: every read looks into each.
const MAX_LAYERS: usize = 4;

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

    /// How much work it is to bring in a newer layer, in keys that are put in one by one.
    fn work_to_absorb(&self, newer: &Self) -> usize {
        self.tables.iter().zip(&newer.tables).map(|(table, newer)| table.work_to_absorb(newer)).sum()
    }

    /// Brings in everything of a newer layer: what it takes follows from the smaller of the two, but where both are large and one pass
    /// over both is less.
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

/// Layers over each other, the newest first: each hides what it changed of those below.
pub(crate) struct Layers(Vec<Layer>);

impl Layers {
    pub fn new(tables: usize) -> Self {
        Self(vec![Layer::new(tables)])
    }

    /// `None`: not changed here. `Some(None)`: removed here.
    pub fn get(&self, table: usize, key: &[u8]) -> Option<Option<&[u8]>> {
        self.0.iter().find_map(|layer| layer.get(table, key))
    }

    pub fn range<'a>(&'a self, table: usize, range: &KeyRange, order: Order) -> LayerIter<'a> {
        let each = self.0.iter().map(|layer| layer.range(table, range, order));
        each.reduce(|upper, lower| over(upper, lower, order)).unwrap_or_else(|| Box::new(std::iter::empty()))
    }

    /// Brings in everything of a newer layer. Readers wait for it: what would keep them too long becomes a layer of its own.
    pub fn absorb(&mut self, newer: Layer) {
        let is_full = self.0.len() >= MAX_LAYERS;
        match self.0.first_mut() {
            Some(top) if is_full || top.work_to_absorb(&newer) <= MAX_WORK => top.absorb(newer),
            _ => self.0.insert(0, newer),
        }
    }

    /// About how much memory they take.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(Layer::bytes).sum()
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

    fn work_to_absorb(&self, newer: &Self) -> usize {
        let (larger, smaller) =
            (self.changed.len().max(newer.changed.len()), self.changed.len().min(newer.changed.len()));
        // One pass costs an eighth for each key that it passes.
        if smaller <= larger / FEW { smaller } else { (larger + smaller) / 8 }
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

    #[test]
    fn what_is_large_beside_something_large_becomes_a_layer_of_its_own() {
        let large = |begin: u32| {
            let mut layer = Layer::new(1);
            (begin..begin + 100_000).for_each(|key| layer.set(0, key.to_be_bytes().to_vec(), None));
            layer
        };
        let mut layers = Layers::new(1);
        layers.absorb(large(0));
        layers.absorb(layer_of(&[(1, None)]));
        assert_eq!(layers.0.len(), 1, "little is brought into what is there");
        for begin in 1..10 {
            layers.absorb(large(begin));
        }
        assert_eq!(layers.0.len(), MAX_LAYERS);
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

        /// However many layers became of them.
        #[test]
        fn layers_show_what_was_changed_last(
            changes in prop::collection::vec(prop::collection::vec((any::<u8>(), any::<Option<u8>>()), 0..60), 1..8),
            apart in prop::collection::vec(any::<bool>(), 8),
        ) {
            let mut layers = Layers::new(1);
            for (changes, apart) in changes.iter().zip(apart) {
                match apart {
                    true => layers.0.insert(0, layer_of(changes)),
                    false => layers.absorb(layer_of(changes)),
                }
            }
            let expected = layer_of(&changes.concat());
            for order in [Order::Ascending, Order::Descending] {
                let shown: Vec<_> = layers.range(0, &KeyRange::all(), order).collect();
                prop_assert_eq!(shown, expected.range(0, &KeyRange::all(), order).collect::<Vec<_>>());
            }
            for key in 0..=u8::MAX {
                prop_assert_eq!(layers.get(0, &[key; 2]), expected.get(0, &[key; 2]));
            }
        }
    }
}
