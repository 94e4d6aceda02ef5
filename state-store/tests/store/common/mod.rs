//! What several tests share.
#![allow(dead_code, reason = "each test program uses a part of it")]

use event_schemas::header::ChainHead;
use event_schemas::ids::{InstanceId, LogId, Lsn, Position, RulesRevision};
use event_schemas::time::Timestamp;
use state_store::engine::{KeyRange, Order, TableId};
use state_store::restart::{RestartPoint, StoreIdentity};
use state_store::store::Store;
use std::collections::BTreeMap;

pub fn identity() -> StoreIdentity {
    StoreIdentity { log_id: LogId(1), instance: InstanceId(2), formats: 0..=0, fold_revision: 3 }
}

pub fn restart_at(lsn: u64) -> RestartPoint {
    RestartPoint {
        log_id: LogId(1),
        instance: InstanceId(2),
        next_position: Position(lsn + 1),
        admission: vec![7; 40],
        oldest_lsn: Lsn(lsn),
        newest_lsn: Lsn(lsn),
        head_oldest: ChainHead(u128::from(lsn)),
        head_newest: ChainHead(u128::from(lsn)),
        recorded_at: Timestamp(lsn as i64),
        format: 0,
        rules: RulesRevision(1),
        fold_revision: 3,
    }
}

pub type Model = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// Everything a store holds in the tables 0 to 3.
pub fn contents(store: &Store) -> Model {
    let mut found = Model::new();
    for table in 0..4 {
        for entry in store.scan(TableId(table), &KeyRange::all(), Order::Ascending) {
            let (key, value) = entry.expect("an intact store can be read");
            found.insert((table, key), value);
        }
    }
    found
}
