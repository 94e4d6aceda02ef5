//! What the store relies on, checked for every engine.
use proptest::prelude::*;
use state_store::engine::{
    Change, Engine, EngineError, EngineKind, Entry, KeyRange, MAX_BATCH_CHANGES, Order, TableId,
};
use state_store::fjall_engine::FjallEngine;
use state_store::home::Home;
use state_store::memory::MemoryHome;
use state_store::sled_engine::SledEngine;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

type Model = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

fn for_every_engine(check: impl Fn(&dyn Engine)) {
    check(&*MemoryHome::new().open().unwrap().engine);
    for kind in EngineKind::ALL {
        let dir = tempfile::tempdir().unwrap();
        check(&*open(kind, dir.path()).unwrap());
    }
}

fn open(kind: EngineKind, dir: &Path) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match kind {
        EngineKind::Sled => Box::new(SledEngine::open(dir, 1 << 20)?),
        EngineKind::Fjall => Box::new(FjallEngine::open(dir, 1 << 20)?),
    })
}

fn put(table: u8, key: &[u8], value: &[u8]) -> Change {
    Change { table: TableId(table), key: key.to_vec(), value: Some(value.to_vec()) }
}

fn delete(table: u8, key: &[u8]) -> Change {
    Change { table: TableId(table), key: key.to_vec(), value: None }
}

fn scan(engine: &dyn Engine, table: u8, range: &KeyRange, order: Order) -> Vec<Entry> {
    engine.scan(TableId(table), range, order).collect::<Result<_, EngineError>>().unwrap()
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(254), Just(255)], 0..4)
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![Just(Bound::Unbounded), key().prop_map(Bound::Included), key().prop_map(Bound::Excluded),]
}

fn change() -> impl Strategy<Value = Change> {
    let table = prop_oneof![Just(0u8), Just(1), Just(254), Just(255)];
    (table, key(), prop::option::of(prop::collection::vec(any::<u8>(), 0..20)))
        .prop_map(|(table, key, value)| Change { table: TableId(table), key, value })
}

/// Cases of each law; `PROPTEST_CASES` sets another number than the gate's.
fn cases(gate: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(gate)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(40)))]

    #[test]
    fn an_engine_is_an_ordered_map(
        batches in prop::collection::vec(prop::collection::vec(change(), 1..12), 0..12),
        ranges in prop::collection::vec((bound(), bound()), 8),
    ) {
        for_every_engine(|engine| {
            let mut model = Model::new();
            for batch in &batches {
                engine.apply(batch).unwrap();
                for change in batch {
                    match &change.value {
                        Some(value) => model.insert((change.table.0, change.key.clone()), value.clone()),
                        None => model.remove(&(change.table.0, change.key.clone())),
                    };
                }
            }
            assert_eq!(engine.is_empty().unwrap(), model.is_empty());
            for ((table, key), value) in &model {
                assert_eq!(engine.get(TableId(*table), key).unwrap().as_ref(), Some(value));
            }
            for (table, (from, to)) in [0, 1, 254, 255].iter().cycle().zip(&ranges) {
                let range = KeyRange { from: from.clone(), to: to.clone() };
                let mut expected: Vec<Entry> = model
                    .iter()
                    .filter(|((found, key), _)| found == table && range.contains(key))
                    .map(|((_, key), value)| (key.clone(), value.clone()))
                    .collect();
                assert_eq!(scan(engine, *table, &range, Order::Ascending), expected, "{}", engine.name());
                expected.reverse();
                assert_eq!(scan(engine, *table, &range, Order::Descending), expected, "{}", engine.name());
            }
        });
    }

    #[test]
    fn a_prefix_range_holds_exactly_what_begins_with_it(prefix in key(), key in key()) {
        prop_assert_eq!(KeyRange::prefix(&prefix).contains(&key), key.starts_with(&prefix));
    }
}

#[test]
fn later_changes_of_a_batch_win() {
    for_every_engine(|engine| {
        engine.apply(&[put(1, b"a", b"1"), put(1, b"a", b"2"), put(1, b"b", b"1"), delete(1, b"b")]).unwrap();
        assert_eq!(engine.get(TableId(1), b"a").unwrap(), Some(b"2".to_vec()));
        assert_eq!(engine.get(TableId(1), b"b").unwrap(), None);
        assert_eq!(engine.get(TableId(2), b"a").unwrap(), None);
    });
}

#[test]
fn large_values_and_full_batches_are_kept() {
    for_every_engine(|engine| {
        let value = vec![0xab; 1 << 20];
        engine.apply(&[put(1, b"large", &value)]).unwrap();
        let batch: Vec<Change> =
            (0..MAX_BATCH_CHANGES as u32).map(|number| put(2, &number.to_be_bytes(), &[7; 3_000])).collect();
        engine.apply(&batch).unwrap();
        engine.sync_files().unwrap();
        assert_eq!(engine.get(TableId(1), b"large").unwrap(), Some(value));
        assert_eq!(scan(engine, 2, &KeyRange::all(), Order::Ascending).len(), MAX_BATCH_CHANGES);
        assert!(engine.disk_bytes().unwrap() > 1 << 20);
    });
}

#[test]
fn a_listing_goes_on_beyond_its_last_entry() {
    for_every_engine(|engine| {
        let batch: Vec<Change> = (0..10u8).map(|number| put(1, &[number], &[number])).collect();
        engine.apply(&batch).unwrap();
        for order in [Order::Ascending, Order::Descending] {
            let whole = scan(engine, 1, &KeyRange::all(), order);
            let mut range = KeyRange::all();
            let mut pieced = Vec::new();
            while let Some(entry) = engine.scan(TableId(1), &range, order).next() {
                let (key, value) = entry.unwrap();
                range = range.beyond(&key, order);
                pieced.push((key, value));
            }
            assert_eq!(pieced, whole);
        }
    });
}

#[test]
fn what_was_synced_survives_and_a_second_opener_is_turned_away() {
    for kind in EngineKind::ALL {
        let dir = tempfile::tempdir().unwrap();
        let first = open(kind, dir.path()).unwrap();
        first.apply(&[put(1, b"a", b"1")]).unwrap();
        first.sync_files().unwrap();
        assert!(matches!(open(kind, dir.path()), Err(EngineError::InUse)));
        drop(first);
        let again = open(kind, dir.path()).unwrap();
        assert_eq!(again.get(TableId(1), b"a").unwrap(), Some(b"1".to_vec()));
    }
}

/// Copies what is in the files at this moment: what a process that is killed here leaves behind.
fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for found in std::fs::read_dir(from).unwrap() {
        let found = found.unwrap();
        let target = to.join(found.file_name());
        match found.file_type().unwrap().is_dir() {
            true => copy_tree(&found.path(), &target),
            false => drop(std::fs::copy(found.path(), target).unwrap()),
        }
    }
}

#[test]
fn what_was_synced_is_in_the_files_when_the_process_is_killed() {
    for kind in EngineKind::ALL {
        let dir = tempfile::tempdir().unwrap();
        let engine = open(kind, &dir.path().join("live")).unwrap();
        for round in 0..4_u32 {
            let batch: Vec<Change> =
                (0..100_u32).map(|number| put(1, &number.to_be_bytes(), &round.to_be_bytes())).collect();
            engine.apply(&batch).unwrap();
            engine.sync_files().unwrap();
            engine.apply(&[put(2, b"unsynced", &round.to_be_bytes())]).unwrap();
            let left = dir.path().join(format!("left-{round}"));
            copy_tree(&dir.path().join("live"), &left);
            let found = scan(&*open(kind, &left).unwrap(), 1, &KeyRange::all(), Order::Ascending);
            assert_eq!(found.len(), 100, "{kind}, round {round}");
            assert!(found.iter().all(|(_, value)| *value == round.to_be_bytes()), "{kind}, round {round}");
        }
    }
}

#[test]
fn in_memory_each_unsynced_change_survives_a_crash_or_not() {
    let home = MemoryHome::new();
    let engine = home.open().unwrap().engine;
    engine.apply(&[put(1, b"a", b"1")]).unwrap();
    engine.sync_files().unwrap();
    for seed in 0..20 {
        engine.apply(&[put(1, b"b", b"1"), delete(1, b"a"), put(1, b"a", b"1")]).unwrap();
        home.crash(seed);
        // What nobody touched stays.
        engine.apply(&[put(1, b"a", b"1")]).unwrap();
        engine.sync_files().unwrap();
        assert_eq!(engine.get(TableId(1), b"a").unwrap(), Some(b"1".to_vec()));
    }
}
