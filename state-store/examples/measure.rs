//! Measures the tables on an engine (build, random updates with checkpoints, point reads, reopening) and the index of
//! command ids. One figure a line.
//!
//! `cargo run --release -p state-store --example measure -- <empty directory> [rows] [rows a page] [cache in MB] [sled | fjall]`
#![allow(clippy::unwrap_used, reason = "a measurement may stop with a panic")]

use event_schemas::header::ChainHead;
use event_schemas::ids::{CommandId, InstanceId, LogId, Lsn, Position, RulesRevision};
use event_schemas::time::Timestamp;
use state_store::TablesBuild;
use state_store::engine::{EngineKind, TableId};
use state_store::home::{DiskHome, EngineOptions};
use state_store::id_index::{DEFAULT_RECENT_IDS, IdIndex, IndexIdentity};
use state_store::restart::{RestartPoint, StoreIdentity};
use state_store::store::Store;
use state_store::tables::{TableKind, TableSpec, Tables};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

const ROWS: TableId = TableId(1);
const INDEX: TableId = TableId(2);
const UPDATES: u64 = 300_000;
const UPDATES_PER_BATCH: u64 = 1_000;
const DIRTY_LIMIT_BYTES: usize = 64 << 20;

fn restart_at(lsn: u64) -> RestartPoint {
    RestartPoint {
        log_id: LogId(1),
        instance: InstanceId(2),
        next_position: Position(lsn + 1),
        admission: Vec::new(),
        oldest_lsn: Lsn(lsn),
        newest_lsn: Lsn(lsn),
        head_oldest: ChainHead(1),
        head_newest: ChainHead(1),
        recorded_at: Timestamp(0),
        format: 0,
        rules: RulesRevision(1),
        fold_revision: 1,
    }
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 17
}

/// About 100 bytes, half of which compress, as in a row of codes, dates and a name.
fn row(id: u32, seed: &mut u64) -> Vec<u8> {
    let mut row = id.to_le_bytes().to_vec();
    for _ in 0..6 {
        row.extend_from_slice(&random(seed).to_le_bytes());
    }
    row.extend_from_slice(b"\0\0\0\0\x01\0\0\0\xe9\x07\x02\0Nguyen Thi \0\0\0\0\0\0\0\0\0\0\0\0");
    row.resize(100, 0);
    row
}

fn resident_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    peak.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

fn report(name: &str, count: u64, from: Instant) {
    let seconds = from.elapsed().as_secs_f64();
    println!("{name}: {:.0} /s ({seconds:.1} s), peak RSS {} MB", count as f64 / seconds, resident_mb());
}

/// Ids saved and merged, then lookups of ids that are there and that are not.
fn measure_ids(dir: &Path, ids: u64) {
    let identity = IndexIdentity { log_id: LogId(1), instance: InstanceId(2) };
    let mut index = IdIndex::open(dir, identity, DEFAULT_RECENT_IDS).unwrap().index;
    // Two of three 64-bit halves by chance, as in time-ordered UUIDs.
    let id = |number: u64| {
        let mut seed = number;
        CommandId(u128::from(number >> 10) << 80 | u128::from(random(&mut seed)) << 32 | u128::from(number))
    };
    let from = Instant::now();
    for number in 1..=ids {
        index.add(id(number), Lsn(number)).unwrap();
        if index.is_due() || number == ids {
            index.checkpoint(Lsn(number), ChainHead(1)).unwrap();
            while let Some(mut merge) = index.plan_merge().unwrap() {
                while !merge.step(65_536).unwrap() {}
                index.install_merge(merge).unwrap();
            }
        }
    }
    report("command ids added, saved and merged", ids, from);
    println!("runs: {}", index.run_count());
    let lookups = 2_000_000;
    let mut seed = 9;
    let from = Instant::now();
    for _ in 0..lookups {
        assert!(index.get(id(ids + 1 + random(&mut seed) % ids)).unwrap().is_none());
    }
    report("lookup of an absent id", lookups, from);
    let from = Instant::now();
    for _ in 0..lookups / 10 {
        assert!(index.get(id(1 + random(&mut seed) % ids)).unwrap().is_some());
    }
    report("lookup of a saved id", lookups / 10, from);
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().expect("a directory"));
    let rows: u32 = arguments.next().map_or(5_000_000, |text| text.parse().unwrap());
    let rows_per_page: u16 = arguments.next().map_or(64, |text| text.parse().unwrap());
    let cache_mb: u64 = arguments.next().map_or(64, |text| text.parse().unwrap());
    let kind = arguments.next().map_or(EngineKind::default(), |name| EngineKind::of_name(&name).unwrap());
    println!("{kind}");
    let open = |identity: &StoreIdentity| {
        let home = DiskHome::lock(&dir, EngineOptions { kind, cache_bytes: cache_mb << 20 }).unwrap();
        Store::open(Box::new(home), identity).unwrap()
    };
    let identity =
        StoreIdentity { log_id: LogId(1), instance: InstanceId(2), formats: 0..=0, fold_revision: 1 };
    let specs = [
        TableSpec { id: ROWS, name: "rows", kind: TableKind::Rows { rows_per_page } },
        TableSpec { id: INDEX, name: "index", kind: TableKind::Sorted },
    ];
    let mut seed = 1;

    let store = open(&identity).store;
    let from = Instant::now();
    let mut build = TablesBuild::begin(&store, &specs, Lsn(1)).unwrap();
    for id in 1..=rows {
        build.put_row(ROWS, id, &row(id, &mut seed)).unwrap();
    }
    report("build, rows", rows.into(), from);
    let from_index = Instant::now();
    for id in 1..=rows {
        let mut key = (u64::from(id) * 977).to_be_bytes().to_vec();
        key.extend_from_slice(&id.to_be_bytes());
        build.put(INDEX, &key, b"").unwrap();
    }
    report("build, index entries of 12 bytes", rows.into(), from_index);
    build.finish(&restart_at(1)).unwrap();
    report("build, rows and their index entries, durable", rows.into(), from);
    println!("disk: {} MB", store.disk_bytes().unwrap() >> 20);
    drop(store);

    let from = Instant::now();
    let opened = open(&identity);
    assert!(opened.discarded.is_none(), "{:?}", opened.discarded);
    report("open and verify, rows", rows.into(), from);

    let tables = Tables::open(opened.store, &specs).unwrap();
    let (from, mut lsn, mut checkpoints, mut bytes) = (Instant::now(), 1, 0, 0);
    for _ in 0..UPDATES / UPDATES_PER_BATCH {
        let mut batch = tables.batch();
        for _ in 0..UPDATES_PER_BATCH {
            let id = 1 + (random(&mut seed) % u64::from(rows)) as u32;
            let before = batch.get_row(ROWS, id).unwrap().unwrap();
            let after = row(id, &mut seed);
            assert_eq!(before[..4], after[..4]);
            batch.put_row(ROWS, id, after).unwrap();
        }
        lsn += 1;
        batch.publish(Lsn(lsn)).unwrap();
        if tables.dirty_bytes() > DIRTY_LIMIT_BYTES {
            bytes += tables.checkpoint(&restart_at(lsn)).unwrap().bytes;
            checkpoints += 1;
        }
    }
    bytes += tables.checkpoint(&restart_at(lsn)).unwrap().bytes;
    report("random read and update of a row, checkpoints included", UPDATES, from);
    println!(
        "checkpoints: {}, double-written {} MB, disk {} MB",
        checkpoints + 1,
        bytes >> 20,
        tables.store().disk_bytes().unwrap() >> 20
    );

    let from = Instant::now();
    let reads = 200_000;
    for _ in 0..reads {
        let id = 1 + (random(&mut seed) % u64::from(rows)) as u32;
        assert!(tables.snapshot().get_row(ROWS, id).unwrap().is_some());
    }
    report("random point read of a row", reads, from);
    let from = Instant::now();
    for _ in 0..reads {
        let id = 1 + (random(&mut seed) % u64::from(rows)) as u32;
        let mut key = (u64::from(id) * 977).to_be_bytes().to_vec();
        key.extend_from_slice(&id.to_be_bytes());
        assert!(tables.snapshot().get(INDEX, &key).unwrap().is_some());
    }
    report("random point read of an index entry", reads, from);
    drop(tables);

    let from = Instant::now();
    let opened = open(&identity);
    assert!(opened.discarded.is_none(), "{:?}", opened.discarded);
    report("open and verify again, rows", rows.into(), from);
    drop(opened);

    let ids_dir = dir.join("ids");
    measure_ids(&ids_dir, 10_000_000);
}
