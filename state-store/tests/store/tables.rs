//! Tables against an ordered map, with checkpoints, reopening and readers beside the writer.
use crate::common::{identity, restart_at};
use event_schemas::ids::Lsn;
use proptest::prelude::*;
use state_store::TablesBuild;
use state_store::engine::{Entry, KeyRange, Order, TableId};
use state_store::memory::MemoryHome;
use state_store::store::{Store, StoreError};
use state_store::tables::{TableKind, TableSpec, Tables};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const ROWS: TableId = TableId(1);
const SORTED: TableId = TableId(2);
const SPECS: [TableSpec; 2] = [
    TableSpec { id: ROWS, name: "rows", kind: TableKind::Rows { rows_per_page: 4 } },
    TableSpec { id: SORTED, name: "sorted", kind: TableKind::Sorted },
];

fn open(home: &MemoryHome) -> Tables {
    let opened = Store::open(Box::new(home.clone()), &identity()).unwrap();
    assert!(opened.discarded.is_none(), "{:?}", opened.discarded);
    Tables::open(opened.store, &SPECS).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Row(u32, Option<Vec<u8>>),
    Key(Vec<u8>, Option<Vec<u8>>),
    Publish,
    Checkpoint,
    /// Seals, goes on, and saves only at the next checkpoint.
    Seal,
    Reopen,
}

fn sorted_key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0..5u8, 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    let value = || prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..1_500));
    prop_oneof![
        6 => (0..40u32, value()).prop_map(|(id, value)| Step::Row(id, value)),
        12 => (sorted_key(), value()).prop_map(|(key, value)| Step::Key(key, value)),
        3 => Just(Step::Publish),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Seal),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Clone, Default)]
struct Model {
    rows: BTreeMap<u32, Vec<u8>>,
    sorted: BTreeMap<Vec<u8>, Vec<u8>>,
    lsn: u64,
}

fn set<K: Ord + Clone>(map: &mut BTreeMap<K, Vec<u8>>, key: &K, value: &Option<Vec<u8>>) {
    match value {
        Some(value) => map.insert(key.clone(), value.clone()),
        None => map.remove(key),
    };
}

fn assert_equal(tables: &Tables, model: &Model) {
    let snapshot = tables.snapshot();
    assert_eq!(snapshot.lsn(), Lsn(model.lsn));
    for id in 0..40 {
        assert_eq!(snapshot.get_row(ROWS, id).unwrap().as_ref(), model.rows.get(&id));
    }
    for first in [0, 1, 17, 39, 40] {
        let expected: Vec<_> =
            model.rows.range(first..).take(7).map(|(id, row)| (*id, row.clone())).collect();
        assert_eq!(snapshot.scan_rows(ROWS, first, 7).unwrap(), expected);
    }
    for (key, value) in &model.sorted {
        assert_eq!(snapshot.get(SORTED, key).unwrap().as_ref(), Some(value));
    }
    let ranges = [
        KeyRange::all(),
        KeyRange::prefix(&[2]),
        KeyRange { from: Bound::Excluded(vec![1, 2]), to: Bound::Included(vec![3, 3, 3]) },
        KeyRange { from: Bound::Included(vec![4]), to: Bound::Excluded(vec![1]) },
    ];
    for range in ranges {
        let mut expected: Vec<Entry> = model
            .sorted
            .iter()
            .filter(|(key, _)| range.contains(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        for (order, limit) in [(Order::Ascending, 1_000), (Order::Descending, 1_000), (Order::Ascending, 3)] {
            let found = snapshot.scan(SORTED, &range, order, limit).unwrap();
            if order == Order::Descending {
                expected.reverse();
            }
            assert_eq!(found.entries, expected[..limit.min(expected.len())]);
            assert_eq!(found.more, expected.len() > limit);
            if order == Order::Descending {
                expected.reverse();
            }
        }
    }
}

/// Cases of each law; `PROPTEST_CASES` sets another number than the gate's.
fn cases(gate: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(gate)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(150)))]

    #[test]
    fn tables_equal_an_ordered_map_through_batches_checkpoints_and_reopening(
        steps in prop::collection::vec(step(), 0..250),
    ) {
        let home = MemoryHome::new();
        let mut tables = open(&home);
        let mut published = Model::default();
        let mut saved = Model::default();
        let mut sealed = None;
        let mut pending: Vec<Step> = Vec::new();
        for step in steps {
            match step {
                Step::Row(..) | Step::Key(..) => pending.push(step),
                Step::Publish => {
                    let mut batch = tables.batch();
                    for change in pending.drain(..) {
                        match change {
                            Step::Row(id, value) => {
                                set(&mut published.rows, &id, &value);
                                match &value {
                                    Some(row) => batch.put_row(ROWS, id, row.clone()).unwrap(),
                                    None => batch.delete_row(ROWS, id).unwrap(),
                                }
                                prop_assert_eq!(batch.get_row(ROWS, id).unwrap(), value);
                            }
                            Step::Key(key, value) => {
                                set(&mut published.sorted, &key, &value);
                                match &value {
                                    Some(value) => batch.put(SORTED, &key, value.clone()).unwrap(),
                                    None => batch.delete(SORTED, &key).unwrap(),
                                }
                                prop_assert_eq!(batch.get(SORTED, &key).unwrap(), value);
                            }
                            other => unreachable!("{other:?} is never pending"),
                        }
                    }
                    published.lsn += 1;
                    batch.publish(Lsn(published.lsn)).unwrap();
                }
                Step::Seal if sealed.is_none() => {
                    sealed = Some((tables.seal(&restart_at(published.lsn)).unwrap(), published.clone()));
                }
                Step::Seal => prop_assert!(tables.seal(&restart_at(published.lsn)).is_err(), "one at a time"),
                Step::Checkpoint => {
                    if let Some((checkpoint, model)) = sealed.take() {
                        tables.save(checkpoint).unwrap();
                        saved = model;
                    } else {
                        tables.checkpoint(&restart_at(published.lsn)).unwrap();
                        prop_assert_eq!(tables.dirty_bytes(), 0);
                        saved = published.clone();
                    }
                }
                Step::Reopen => {
                    drop(sealed.take());
                    drop(tables);
                    home.crash(published.lsn);
                    tables = open(&home);
                    published = saved.clone();
                }
            }
            assert_equal(&tables, &published);
        }
    }
}

#[test]
fn an_unpublished_batch_is_seen_by_nobody_and_leaves_nothing() {
    let tables = open(&MemoryHome::new());
    let mut batch = tables.batch();
    batch.put_row(ROWS, 1, vec![1]).unwrap();
    assert_eq!(batch.get_row(ROWS, 1).unwrap(), Some(vec![1]));
    assert_eq!(tables.snapshot().get_row(ROWS, 1).unwrap(), None);
    drop(batch);
    assert_eq!(tables.batch().get_row(ROWS, 1).unwrap(), None);
    assert_eq!((tables.lsn(), tables.dirty_bytes()), (Lsn::ZERO, 0));
}

/// What a reader has unpacked is of no use any more once a checkpoint has ended: what hid the changes from it is gone.
#[test]
fn a_batch_reads_what_a_checkpoint_saved_that_ended_meanwhile() {
    let tables = open(&MemoryHome::new());
    let set = |value: &[u8], lsn| {
        let mut batch = tables.batch();
        batch.put_row(ROWS, 1, value.to_vec()).unwrap();
        batch.put(SORTED, b"b", value.to_vec()).unwrap();
        if lsn == 1 {
            batch.put_row(ROWS, 2, b"beside".to_vec()).unwrap();
            batch.put(SORTED, b"c", b"beside".to_vec()).unwrap();
        }
        batch.publish(Lsn(lsn)).unwrap();
    };
    set(b"before", 1);
    tables.checkpoint(&restart_at(1)).unwrap();
    set(b"after", 2);
    let sealed = tables.seal(&restart_at(2)).unwrap();
    let batch = tables.batch();
    let read = || (batch.get_row(ROWS, 1).unwrap().unwrap(), batch.get(SORTED, b"b").unwrap().unwrap());
    let beside = || (batch.get_row(ROWS, 2).unwrap().unwrap(), batch.get(SORTED, b"c").unwrap().unwrap());
    assert_eq!(beside(), (b"beside".to_vec(), b"beside".to_vec()), "page and leaf are unpacked");
    assert_eq!(read(), (b"after".to_vec(), b"after".to_vec()));
    tables.save(sealed).unwrap();
    assert_eq!(read(), (b"after".to_vec(), b"after".to_vec()));
    assert_eq!(beside(), (b"beside".to_vec(), b"beside".to_vec()));
}

#[test]
fn misuse_is_refused() {
    let tables = open(&MemoryHome::new());
    let misuse = |outcome: Result<(), StoreError>| assert!(matches!(outcome, Err(StoreError::Misuse(_))));
    let mut batch = tables.batch();
    misuse(batch.put(ROWS, b"key", Vec::new()));
    misuse(batch.put_row(SORTED, 1, Vec::new()));
    misuse(batch.put(TableId(3), b"key", Vec::new()));
    misuse(batch.put_row(ROWS, 1, vec![0; 60_001]));
    misuse(batch.put(SORTED, &[0; 1_025], Vec::new()));
    batch.publish(Lsn(4)).unwrap();
    misuse(tables.batch().publish(Lsn(3)));
    misuse(tables.checkpoint(&restart_at(3)).map(|_| ()));
    tables.checkpoint(&restart_at(4)).unwrap();
    let twice = [SPECS[0], SPECS[0]];
    assert!(Tables::open(tables.into_store(), &twice).is_err());
}

#[test]
fn a_build_equals_the_same_rows_put_one_by_one() {
    let home = MemoryHome::new();
    let store = Store::open(Box::new(home.clone()), &identity()).unwrap().store;
    let mut build = TablesBuild::begin(&store, &SPECS, Lsn(7)).unwrap();
    let by_hand = open(&MemoryHome::new());
    let mut batch = by_hand.batch();
    for id in (0..5_000u32).filter(|id| id % 7 != 3) {
        let row = id.to_string().into_bytes();
        let key = format!("key {id:09}").into_bytes();
        build.put_row(ROWS, id, &row).unwrap();
        build.put(SORTED, &key, &row).unwrap();
        batch.put_row(ROWS, id, row.clone()).unwrap();
        batch.put(SORTED, &key, row).unwrap();
    }
    assert!(build.put_row(ROWS, 4_999, b"again").is_err());
    assert!(build.put(SORTED, b"key 000000001", b"late").is_err());
    batch.publish(Lsn(7)).unwrap();
    build.finish(&restart_at(7)).unwrap();
    drop(store);
    home.crash(3);
    let built = open(&home);
    let (left, right) = (built.snapshot(), by_hand.snapshot());
    assert_eq!(left.lsn(), right.lsn());
    assert_eq!(left.scan_rows(ROWS, 0, 10_000).unwrap(), right.scan_rows(ROWS, 0, 10_000).unwrap());
    let all = |snapshot: &state_store::tables::Snapshot<'_>| {
        snapshot.scan(SORTED, &KeyRange::all(), Order::Ascending, 10_000).unwrap()
    };
    assert_eq!(all(&left), all(&right));
    assert_eq!(all(&left).entries.len(), 4_286);
}

/// Every batch writes its lsn into all rows and keys: a reader that sees two different numbers in one snapshot has
/// seen half a batch. A checkpoint runs beside them all the time.
#[test]
fn readers_see_whole_batches_while_the_writer_publishes_and_saves() {
    const BATCHES: u64 = 300;
    let tables = open(&MemoryHome::new());
    let done = AtomicBool::new(false);
    let write = || {
        for lsn in 1..=BATCHES {
            let mut batch = tables.batch();
            for id in 0..40u32 {
                let number = lsn.to_be_bytes().to_vec();
                batch.put_row(ROWS, id, number.clone()).unwrap();
                // Keys of three generations: leaves are split and removed as the writer goes on.
                let mut value = number;
                value.resize(900, 0);
                batch.put(SORTED, &[(lsn % 3) as u8, id as u8], value).unwrap();
                batch.delete(SORTED, &[((lsn + 1) % 3) as u8, id as u8]).unwrap();
            }
            batch.publish(Lsn(lsn)).unwrap();
            if lsn % 2 == 0 {
                tables.checkpoint(&restart_at(lsn)).unwrap();
            }
        }
        done.store(true, Ordering::SeqCst);
    };
    let read = || {
        let mut snapshots = 0;
        while !done.load(Ordering::SeqCst) {
            let snapshot = tables.snapshot();
            let lsn = snapshot.lsn().0;
            if lsn < 2 {
                continue;
            }
            for (_, row) in snapshot.scan_rows(ROWS, 0, 100).unwrap() {
                assert_eq!(row, lsn.to_be_bytes());
            }
            for order in [Order::Ascending, Order::Descending] {
                let found = snapshot.scan(SORTED, &KeyRange::all(), order, 1_000).unwrap();
                assert_eq!(found.entries.len(), 80);
                for (key, value) in found.entries {
                    let expected = if u64::from(key[0]) == lsn % 3 { lsn } else { lsn - 1 };
                    assert_eq!(value[..8], expected.to_be_bytes());
                }
            }
            snapshots += 1;
        }
        snapshots
    };
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(read)).collect();
        write();
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
}
