//! Changed keys in memory, in layers over what is saved.

use crate::engine::{self, KeyRange, Order};
use crate::store::StoreError;
use crate::table_read::id_of;
use crate::tables::{TableKind, TableSpec};
use smallvec::SmallVec;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::iter::Peekable;

/// Memory that an entry takes beside its key and value: headers of both, their allocations, its share of a node.
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

/// Key of a row: its id.
type RowKey = [u8; 4];
/// Almost every key lies in the node itself: comparing it follows no pointer.
type SortedKey = SmallVec<[u8; 16]>;

/// The changed keys of all tables, by the table's place in the list of specifications.
pub(crate) struct Layer {
    tables: Vec<Table>,
}

/// The changed keys of one table.
enum Table {
    Rows(Changed<RowKey>),
    Sorted(Changed<SortedKey>),
}

struct Changed<K> {
    values: BTreeMap<K, Option<Vec<u8>>>,
    bytes: usize,
}

impl Layer {
    pub fn new(specs: &[TableSpec]) -> Self {
        Self { tables: specs.iter().map(|spec| Table::new(spec.kind)).collect() }
    }

    pub fn set(&mut self, table: usize, key: &[u8], value: Option<Vec<u8>>) {
        match &mut self.tables[table] {
            Table::Rows(rows) => rows.set(row_key(key), value),
            Table::Sorted(sorted) => sorted.set(SortedKey::from_slice(key), value),
        }
    }

    /// `None`: not changed here. `Some(None)`: removed here.
    pub fn get(&self, table: usize, key: &[u8]) -> Option<Option<&[u8]>> {
        let found = match &self.tables[table] {
            Table::Rows(rows) => rows.values.get(&row_key(key)),
            Table::Sorted(sorted) => sorted.values.get(key),
        };
        found.map(Option::as_deref)
    }

    pub fn range<'a>(&'a self, table: usize, range: &KeyRange, order: Order) -> LayerIter<'a> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        match &self.tables[table] {
            Table::Rows(rows) => rows.range(range, order),
            Table::Sorted(sorted) => sorted.range(range, order),
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
        self.tables.iter().map(Table::bytes).sum()
    }
}

/// Layers over each other, the newest first: each hides what it changed of those below.
pub(crate) struct Layers(Vec<Layer>);

impl Layers {
    pub fn new(specs: &[TableSpec]) -> Self {
        Self(vec![Layer::new(specs)])
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
    fn new(kind: TableKind) -> Self {
        match kind {
            TableKind::Rows { .. } => Self::Rows(Changed::new()),
            TableKind::Sorted => Self::Sorted(Changed::new()),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.bytes,
            Self::Sorted(sorted) => sorted.bytes,
        }
    }

    fn work_to_absorb(&self, newer: &Self) -> usize {
        match (self, newer) {
            (Self::Rows(rows), Self::Rows(newer)) => rows.work_to_absorb(newer),
            (Self::Sorted(sorted), Self::Sorted(newer)) => sorted.work_to_absorb(newer),
            _ => unreachable!("all layers have the same tables"),
        }
    }

    fn absorb(&mut self, newer: Self) {
        match (self, newer) {
            (Self::Rows(rows), Self::Rows(newer)) => rows.absorb(newer),
            (Self::Sorted(sorted), Self::Sorted(newer)) => sorted.absorb(newer),
            _ => unreachable!("all layers have the same tables"),
        }
    }
}

fn row_key(key: &[u8]) -> RowKey {
    id_of(key).to_be_bytes()
}

impl<K: Ord + Borrow<[u8]>> Changed<K> {
    fn new() -> Self {
        Self { values: BTreeMap::new(), bytes: 0 }
    }

    fn range<'a>(&'a self, range: &KeyRange, order: Order) -> LayerIter<'a> {
        let bounds = (range.from.as_ref().map(Vec::as_slice), range.to.as_ref().map(Vec::as_slice));
        let found = self.values.range::<[u8], _>(bounds).map(|(key, value)| (key.borrow(), value.as_deref()));
        match order {
            Order::Ascending => Box::new(found),
            Order::Descending => Box::new(found.rev()),
        }
    }

    fn set(&mut self, key: K, value: Option<Vec<u8>>) {
        let bytes = entry_bytes(key.borrow(), value.as_deref());
        let key_bytes = entry_bytes(key.borrow(), None);
        self.bytes += bytes;
        if let Some(replaced) = self.values.insert(key, value) {
            self.bytes -= key_bytes + replaced.map_or(0, |value| value.len());
        }
    }

    fn work_to_absorb(&self, newer: &Self) -> usize {
        let (larger, smaller) =
            (self.values.len().max(newer.values.len()), self.values.len().min(newer.values.len()));
        // One pass costs an eighth for each key that it passes.
        if smaller <= larger / FEW { smaller } else { (larger + smaller) / 8 }
    }

    fn absorb(&mut self, mut newer: Self) {
        if newer.values.len() <= self.values.len() / FEW {
            newer.values.into_iter().for_each(|(key, value)| self.set(key, value));
        } else if self.values.len() <= newer.values.len() / FEW {
            std::mem::swap(self, &mut newer);
            newer.values.into_iter().for_each(|(key, value)| self.set_if_unchanged(key, value));
        } else {
            self.values.append(&mut newer.values);
            self.bytes =
                self.values.iter().map(|(key, value)| entry_bytes(key.borrow(), value.as_deref())).sum();
        }
    }

    fn set_if_unchanged(&mut self, key: K, value: Option<Vec<u8>>) {
        if let Entry::Vacant(place) = self.values.entry(key) {
            self.bytes += entry_bytes(place.key().borrow(), value.as_deref());
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
    use crate::engine::TableId;
    use proptest::prelude::*;

    /// Both kinds of table.
    const SPECS: [TableSpec; 2] = [
        TableSpec { id: TableId(1), name: "sorted", kind: TableKind::Sorted },
        TableSpec { id: TableId(2), name: "rows", kind: TableKind::Rows { rows_per_page: 4 } },
    ];

    fn layer_of(changes: &[(u8, Option<u8>)]) -> Layer {
        let mut layer = Layer::new(&SPECS);
        for (key, value) in changes {
            let value = value.map(|value| vec![value; usize::from(value % 7)]);
            layer.set(SORTED, &sorted_key(*key), value.clone());
            layer.set(ROWS, &[*key; 4], value);
        }
        layer
    }

    const SORTED: usize = 0;
    const ROWS: usize = 1;

    /// Short ones and long ones.
    fn sorted_key(key: u8) -> Vec<u8> {
        vec![key; 1 + usize::from(key % 32)]
    }

    fn shown<'a>(layer: impl Fn(usize, &KeyRange, Order) -> LayerIter<'a>) -> Vec<LayerEntry<'a>> {
        let ways = [SORTED, ROWS]
            .into_iter()
            .flat_map(|table| [Order::Ascending, Order::Descending].map(|order| (table, order)));
        ways.flat_map(|(table, order)| layer(table, &KeyRange::all(), order)).collect()
    }

    #[test]
    fn what_is_large_beside_something_large_becomes_a_layer_of_its_own() {
        let large = |begin: u32| {
            let mut layer = Layer::new(&SPECS);
            (begin..begin + 100_000).for_each(|key| layer.set(ROWS, &key.to_be_bytes(), None));
            layer
        };
        let mut layers = Layers::new(&SPECS);
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
            prop_assert_eq!(
                shown(|table, range, order| absorbed.range(table, range, order)),
                shown(|table, range, order| expected.range(table, range, order))
            );
            prop_assert_eq!(absorbed.bytes(), expected.bytes());
        }

        /// However many layers became of them.
        #[test]
        fn layers_show_what_was_changed_last(
            changes in prop::collection::vec(prop::collection::vec((any::<u8>(), any::<Option<u8>>()), 0..60), 1..8),
            apart in prop::collection::vec(any::<bool>(), 8),
        ) {
            let mut layers = Layers::new(&SPECS);
            for (changes, apart) in changes.iter().zip(apart) {
                match apart {
                    true => layers.0.insert(0, layer_of(changes)),
                    false => layers.absorb(layer_of(changes)),
                }
            }
            let expected = layer_of(&changes.concat());
            prop_assert_eq!(
                shown(|table, range, order| layers.range(table, range, order)),
                shown(|table, range, order| expected.range(table, range, order))
            );
            for key in 0..=u8::MAX {
                prop_assert_eq!(layers.get(SORTED, &sorted_key(key)), expected.get(SORTED, &sorted_key(key)));
                prop_assert_eq!(layers.get(ROWS, &[key; 4]), expected.get(ROWS, &[key; 4]));
            }
        }
    }
}
