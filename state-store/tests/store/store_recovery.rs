//! R1 and S3: crashes at every step, torn files, damage, and stores of something else.
use crate::common::{Model, contents, identity, restart_at};
use event_schemas::ids::{InstanceId, LogId, Lsn};
use proptest::prelude::*;
use state_store::engine::{Change, Engine, EngineKind, TableId};
use state_store::home::{DiskHome, Home, engine_of};
use state_store::memory::MemoryHome;
use state_store::pages::{PageError, PageLayout, PageRow};
use state_store::restart::{RestartPoint, StoreIdentity};
use state_store::store::{DiscardReason, Store, StoreError};
use std::fs;
use std::path::{Path, PathBuf};

pub type Changes = Vec<((u8, Vec<u8>), Option<Vec<u8>>)>;

pub fn checkpoint(store: &Store, lsn: u64, changes: &Changes) -> Result<(), StoreError> {
    store.checkpoint(&restart_at(lsn), |writer| {
        for ((table, key), value) in changes {
            match value {
                Some(value) => writer.put(TableId(*table), key, value)?,
                None => writer.delete(TableId(*table), key)?,
            }
        }
        Ok(())
    })?;
    Ok(())
}

fn apply(model: &mut Model, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

fn changes() -> impl Strategy<Value = Changes> {
    let key = (0..3u8, prop::collection::vec(0..4u8, 0..3));
    prop::collection::vec((key, prop::option::of(prop::collection::vec(any::<u8>(), 0..700))), 0..20)
}

/// Cases of each law; `PROPTEST_CASES` sets another number than the gate's.
fn cases(gate: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(gate)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(300)))]

    /// R1, R3: whatever step fails, and whatever then survives of unsynced writes and sectors, the store is at the
    /// last checkpoint or at the one that was under way, rows and restart point alike.
    #[test]
    fn a_crash_at_any_step_leaves_a_whole_checkpoint(
        checkpoints in prop::collection::vec(changes(), 1..6),
        crashes in prop::collection::vec((0..60u64, any::<u64>()), 1..12),
    ) {
        let mut models = vec![Model::new()];
        for changes in &checkpoints {
            let mut model = models.last().unwrap().clone();
            apply(&mut model, changes);
            models.push(model);
        }
        let home = MemoryHome::new();
        let mut crashes = crashes.into_iter();
        // Checkpoints that returned, and the one that may have been under way at the crash.
        let (mut finished, mut begun) = (0, 0);
        while finished < checkpoints.len() {
            let crash = crashes.next();
            if let Some((steps, _)) = crash {
                home.fail_after(steps);
            }
            match Store::open(Box::new(home.clone()), &identity()) {
                Ok(opened) => {
                    prop_assert!(opened.discarded.is_none(), "{:?}", opened.discarded);
                    let store = opened.store;
                    let lsn = store.restart_point().map_or(0, |restart| restart.newest_lsn.0) as usize;
                    prop_assert!(lsn == finished || lsn == begun, "at {}, not {} or {}", lsn, finished, begun);
                    prop_assert_eq!(&contents(&store), &models[lsn]);
                    finished = lsn;
                    while finished < checkpoints.len() {
                        begun = finished + 1;
                        if checkpoint(&store, begun as u64, &checkpoints[finished]).is_err() {
                            break;
                        }
                        finished = begun;
                        prop_assert_eq!(&contents(&store), &models[finished]);
                    }
                }
                Err(error) => prop_assert!(crash.is_some(), "without a crash a store opens: {}", error),
            }
            match crash {
                Some((_, seed)) => home.crash(seed),
                None => prop_assert_eq!(finished, checkpoints.len(), "without a crash everything succeeds"),
            }
        }
        let store = Store::open(Box::new(home), &identity()).unwrap().store;
        prop_assert_eq!(&contents(&store), models.last().unwrap());
        prop_assert_eq!(store.restart_point(), Some(restart_at(checkpoints.len() as u64)));
    }
}

fn open_dir(dir: &Path, kind: EngineKind) -> (Store, Option<DiscardReason>) {
    let opened = Store::open_dir(dir, kind.into(), &identity()).unwrap();
    (opened.store, opened.discarded)
}

pub fn filled(dir: &Path, kind: EngineKind) {
    let (store, _) = open_dir(dir, kind);
    let changes = (0..200u8).map(|number| ((1, vec![number]), Some(vec![number; 300]))).collect();
    checkpoint(&store, 5, &changes).unwrap();
}

#[test]
fn a_store_of_another_log_instance_format_or_fold_is_discarded_with_the_reason() {
    let discarded_for = |expected: StoreIdentity| {
        let home = MemoryHome::new();
        let store = Store::open(Box::new(home.clone()), &identity()).unwrap().store;
        checkpoint(&store, 5, &vec![((1, vec![1]), Some(vec![1]))]).unwrap();
        drop(store);
        let opened = Store::open(Box::new(home), &expected).unwrap();
        assert!(contents(&opened.store).is_empty() && opened.store.restart_point().is_none());
        opened.discarded.unwrap()
    };
    let reason = discarded_for(StoreIdentity { log_id: LogId(9), ..identity() });
    assert!(matches!(reason, DiscardReason::OtherLog { .. }));
    let reason = discarded_for(StoreIdentity { instance: InstanceId(9), ..identity() });
    assert!(matches!(reason, DiscardReason::OtherInstance { .. }));
    let reason = discarded_for(StoreIdentity { formats: 1..=2, ..identity() });
    assert!(matches!(reason, DiscardReason::Format(0)));
    let reason = discarded_for(StoreIdentity { fold_revision: 4, ..identity() });
    assert_eq!(reason.to_string(), "its rows were made by fold revision 3; this program runs 4");
}

#[test]
fn a_store_of_a_later_format_is_left_to_the_program_that_knows_it() {
    let home = MemoryHome::new();
    let later = StoreIdentity { formats: 0..=1, ..identity() };
    let store = Store::open(Box::new(home.clone()), &later).unwrap().store;
    store.checkpoint(&RestartPoint { format: 1, ..restart_at(5) }, |_| Ok(())).unwrap();
    drop(store);
    let refused = Store::open(Box::new(home.clone()), &identity());
    assert!(matches!(refused, Err(StoreError::NewerFormat { found: 1, newest: 0 })));
    let opened = Store::open(Box::new(home), &later).unwrap();
    assert!(opened.discarded.is_none() && opened.store.restart_point().is_some());
}

#[test]
fn a_flipped_bit_condemns_the_store_and_the_next_open_discards_it() {
    let home = MemoryHome::new();
    let store = Store::open(Box::new(home.clone()), &identity()).unwrap().store;
    checkpoint(&store, 5, &vec![((1, vec![1]), Some(vec![1])), ((1, vec![2]), Some(vec![2]))]).unwrap();
    assert_eq!(store.verify().unwrap(), 4);
    assert!(home.flip_bit(TableId(1), &[1], 35));
    assert!(matches!(store.get(TableId(1), &[1]), Err(StoreError::Damaged(_))));
    assert!(matches!(store.verify(), Err(StoreError::Damaged(_))));
    assert_eq!(store.get(TableId(1), &[2]).unwrap(), Some(vec![2]));
    drop(store);
    let opened = Store::open(Box::new(home), &identity()).unwrap();
    let reason = opened.discarded.unwrap().to_string();
    assert_eq!(reason, "it was condemned: a value of T1 fails its checksum");
    assert!(contents(&opened.store).is_empty());
}

struct Number(u32);

impl PageRow for Number {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    fn decode(input: &mut &[u8]) -> Result<Self, PageError> {
        let (bytes, rest) =
            input.split_first_chunk().ok_or_else(|| PageError::new("a number is cut short"))?;
        *input = rest;
        Ok(Self(u32::from_le_bytes(*bytes)))
    }
}

#[test]
fn pages_of_different_lsns_come_back_with_theirs_and_none_may_be_beyond_the_restart_point() {
    const NUMBERS: PageLayout = PageLayout::new(TableId(2), 100);
    let home = MemoryHome::new();
    let store = Store::open(Box::new(home.clone()), &identity()).unwrap().store;
    let rows: Vec<Number> = (0..250).map(Number).collect();
    let save = |newest: u64, lsns: [u64; 3]| {
        let mut restart = restart_at(newest);
        restart.oldest_lsn = Lsn(1);
        store.checkpoint(&restart, |writer| {
            for (page, (rows, lsn)) in (0u32..).zip(rows.chunks(100).zip(lsns)) {
                let bytes = NUMBERS.encode(page, Lsn(lsn), rows.iter().map(Some)).unwrap();
                writer.put(NUMBERS.table, &PageLayout::key(page), &bytes)?;
            }
            Ok(())
        })
    };
    save(30, [10, 20, 30]).unwrap();
    let mut seen = Vec::new();
    for page in NUMBERS.load_all(&store) {
        let page = page.unwrap();
        for (id, _) in page.rows() {
            assert_eq!(page.row::<Number>(NUMBERS.slot_of(id)).unwrap().unwrap().0, id);
        }
        seen.push((page.number(), page.lsn(), page.rows().count()));
    }
    assert_eq!(seen, [(0, Lsn(10), 100), (1, Lsn(20), 100), (2, Lsn(30), 50)]);

    save(25, [10, 20, 30]).unwrap();
    let outcome: Result<Vec<_>, _> = NUMBERS.load_all(&store).collect();
    assert!(matches!(outcome, Err(StoreError::Damaged(_))));
    drop(store);
    let reason = Store::open(Box::new(home), &identity()).unwrap().discarded.unwrap();
    assert!(reason.to_string().contains("beyond the restart point's 25"), "{reason}");
}

#[test]
fn a_first_build_that_never_finished_is_discarded() {
    let home = MemoryHome::new();
    let store = Store::open(Box::new(home.clone()), &identity()).unwrap().store;
    let mut build = store.build().unwrap();
    for number in 0..1_000u32 {
        build.put(TableId(1), &number.to_be_bytes(), b"row").unwrap();
    }
    drop(build);
    drop(store);
    let opened = Store::open(Box::new(home.clone()), &identity()).unwrap();
    assert!(matches!(opened.discarded, Some(DiscardReason::UnfinishedBuild)));
    let mut build = opened.store.build().unwrap();
    build.put(TableId(1), b"a", b"row").unwrap();
    build.finish(&restart_at(9)).unwrap();
    assert!(opened.store.build().is_err(), "only an empty store can be built");
    drop(opened);
    home.crash(1);
    let opened = Store::open(Box::new(home), &identity()).unwrap();
    assert!(opened.discarded.is_none());
    assert_eq!(opened.store.get(TableId(1), b"a").unwrap(), Some(b"row".to_vec()));
}

#[test]
fn on_disk_a_store_comes_back_and_is_held_by_one_process() {
    for kind in EngineKind::ALL {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), kind);
        let (store, discarded) = open_dir(dir.path(), kind);
        assert!(discarded.is_none(), "{discarded:?}");
        assert_eq!(store.engine_name(), kind.name());
        assert_eq!(contents(&store).len(), 200);
        assert_eq!(store.restart_point(), Some(restart_at(5)));
        let second = Store::open_dir(dir.path(), kind.into(), &identity());
        assert!(matches!(second, Err(StoreError::InUse)));
        assert_eq!(contents(&store).len(), 200, "an opener that was turned away deletes nothing");
        let discarded = store.discard(DiscardReason::Mismatch("the log is shorter".into())).unwrap();
        assert!(contents(&discarded.store).is_empty());
    }
}

#[test]
fn a_store_that_another_engine_wrote_is_refused_and_kept() {
    for (wrote, asked) in [(EngineKind::Sled, EngineKind::Fjall), (EngineKind::Fjall, EngineKind::Sled)] {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(engine_of(dir.path()).unwrap(), None);
        filled(dir.path(), wrote);
        assert_eq!(engine_of(dir.path()).unwrap(), Some(wrote));
        let refused = Store::open_dir(dir.path(), asked.into(), &identity()).err().unwrap();
        assert!(matches!(refused, StoreError::OtherEngine { found, .. } if found == wrote), "{refused}");
        let (store, discarded) = open_dir(dir.path(), wrote);
        assert!(discarded.is_none() && contents(&store).len() == 200);
    }
}

#[test]
fn a_store_whose_engine_cannot_be_told_is_discarded() {
    for kind in EngineKind::ALL {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), kind);
        fs::write(dir.path().join("engine.name"), "sl").unwrap();
        let (store, discarded) = open_dir(dir.path(), kind);
        assert!(matches!(discarded, Some(DiscardReason::Unreadable(_))), "{discarded:?}");
        assert!(contents(&store).is_empty());
        drop(store);
        assert_eq!(engine_of(dir.path()).unwrap(), Some(kind));
        assert!(open_dir(dir.path(), kind).1.is_none(), "once");
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for found in fs::read_dir(dir).unwrap() {
        let found = found.unwrap();
        match found.file_type().unwrap().is_dir() {
            true => files.extend(files_below(&found.path())),
            false => files.push(found.path()),
        }
    }
    files.sort();
    files
}

/// Every file of the engine that holds something, and where that ends.
fn used_files(dir: &Path) -> Vec<(PathBuf, usize)> {
    let files = files_below(&dir.join("engine")).into_iter();
    files
        .filter_map(|path| {
            let used = fs::read(&path).unwrap().iter().rposition(|byte| *byte != 0)?;
            Some((path, used))
        })
        .collect()
}

/// Nothing noticed: then all is there, or nothing is and the log is folded from its start.
fn is_whole_or_empty(dir: &Path, kind: EngineKind, damage: &str) {
    let (store, discarded) = open_dir(dir, kind);
    match store.restart_point() {
        Some(_) => assert_eq!(contents(&store).len(), 200, "{kind}, {damage}"),
        None => assert!(contents(&store).is_empty(), "{kind}, {damage}: {discarded:?}"),
    }
}

#[test]
fn damaged_engine_files_are_discarded_and_never_half_used() {
    for kind in EngineKind::ALL {
        let files = {
            let dir = tempfile::tempdir().unwrap();
            filled(dir.path(), kind);
            used_files(dir.path()).len()
        };
        for file in 0..files {
            for (from, to) in [(0.0, 0.05), (0.3, 0.6), (0.0, 1.0)] {
                let dir = tempfile::tempdir().unwrap();
                filled(dir.path(), kind);
                let mut found = used_files(dir.path());
                found.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
                let Some((path, used)) = found.into_iter().nth(file) else { continue };
                let mut bytes = fs::read(&path).unwrap();
                bytes[(used as f64 * from) as usize..(used as f64 * to) as usize].fill(0x5a);
                fs::write(&path, bytes).unwrap();
                is_whole_or_empty(dir.path(), kind, &format!("{} from {from} to {to}", path.display()));
                // The largest holds the rows; of the small ones one damage each will do.
                if file > 0 {
                    break;
                }
            }
        }
    }
}

#[test]
fn engine_files_that_are_cut_short_are_discarded_and_never_half_used() {
    for kind in EngineKind::ALL {
        for kept in [0.0, 0.2, 0.5, 0.9, 0.999] {
            let dir = tempfile::tempdir().unwrap();
            filled(dir.path(), kind);
            let (path, used) = used_files(dir.path()).into_iter().max_by_key(|(_, used)| *used).unwrap();
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len((used as f64 * kept) as u64).unwrap();
            is_whole_or_empty(dir.path(), kind, &format!("{} cut at {kept}", path.display()));
        }
    }
}

#[test]
fn an_entry_that_the_engine_lost_or_kept_too_long_is_noticed() {
    let tampered = |tamper: &dyn Fn(&dyn Engine)| {
        let home = MemoryHome::new();
        let store = Store::open(Box::new(home.clone()), &identity()).unwrap().store;
        let both = vec![((1, vec![1]), Some(vec![1])), ((1, vec![2]), Some(vec![2]))];
        checkpoint(&store, 5, &both).unwrap();
        checkpoint(&store, 6, &vec![((1, vec![2]), None), ((1, vec![3]), Some(vec![3]))]).unwrap();
        drop(store);
        tamper(&*home.open().unwrap().engine);
        let opened = Store::open(Box::new(home), &identity()).unwrap();
        assert_eq!(opened.discarded.is_some(), opened.store.restart_point().is_none());
        opened.discarded
    };
    let change = |key: u8, value: Option<Vec<u8>>| Change { table: TableId(1), key: vec![key], value };
    assert!(tampered(&|_| ()).is_none());
    let lost = tampered(&|engine| engine.apply(&[change(3, None)]).unwrap());
    assert!(matches!(lost, Some(DiscardReason::EntriesMissing)), "{lost:?}");
    let swapped = tampered(&|engine| {
        let value = engine.get(TableId(1), &[1]).unwrap();
        engine.apply(&[change(2, value)]).unwrap();
    });
    assert!(matches!(swapped, Some(DiscardReason::Unreadable(_))), "{swapped:?}");
}

#[test]
fn a_condemned_directory_is_discarded() {
    for kind in EngineKind::ALL {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path(), kind);
        DiskHome::lock(dir.path(), kind.into()).unwrap().condemn("a fold stopped").unwrap();
        let (store, discarded) = open_dir(dir.path(), kind);
        assert_eq!(discarded.unwrap().to_string(), "it was condemned: a fold stopped");
        assert!(contents(&store).is_empty());
        drop(store);
        assert!(open_dir(dir.path(), kind).1.is_none(), "once");
    }
}
