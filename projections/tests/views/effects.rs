//! What a record would change is what it changes.
use crate::common::correcting::Corrections;
use crate::common::town::Town;
use crate::common::{cases, projector};
use event_log::LogSource;
use event_schemas::event::EventBody;
use event_schemas::ids::Lsn;
use event_schemas::record::{AdmittedEntry, Changes};
use projections::Projector;
use projections::checksum::{TableSum, checksum};
use projections::trial::{Effect, EntryChange, foresee};
use proptest::prelude::*;
use state_store::memory::MemoryHome;
use std::cell::Cell;
use std::time::Duration;
use xxhash_rust::xxh3::Xxh3;

/// What a record changes, if it neither establishes anything nor belongs to an operation.
fn tried(town: &Town, lsn: Lsn) -> Option<Changes> {
    let entry = AdmittedEntry::decode(lsn, &town.scribe.log.source().fetch(lsn).unwrap().unwrap()).unwrap();
    let changes = entry.changes()?.clone();
    let is_tried = changes.events.iter().all(|event| {
        !matches!(
            event.body,
            EventBody::UnitEstablished(_)
                | EventBody::OperationOpened(_)
                | EventBody::OperationPart(_)
                | EventBody::OperationApproved(_)
                | EventBody::OperationCommitted(_)
                | EventBody::OperationAbandoned(_)
        )
    });
    is_tried.then_some(changes)
}

fn sums(projector: &Projector) -> Vec<TableSum> {
    checksum(projector.view()).unwrap().unwrap().tables
}

/// How an entry counts in the sum of its table.
fn hash(entry: &EntryChange, value: &[u8]) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(&[entry.table.0]);
    hasher.update(&(entry.key.len() as u32).to_le_bytes());
    hasher.update(&entry.key);
    hasher.update(value);
    hasher.digest128()
}

/// Indexes and totals as they were, with what is said to change.
fn changed(mut sums: Vec<TableSum>, effect: &Effect) -> Vec<TableSum> {
    for entry in &effect.entries {
        let table = sums.iter_mut().find(|table| table.table == entry.table_name()).unwrap();
        let mut sum = u128::from_str_radix(&table.sum, 16).unwrap();
        if let Some(before) = &entry.before {
            sum = sum.wrapping_sub(hash(entry, before));
            table.entries -= 1;
        }
        if let Some(after) = &entry.after {
            sum = sum.wrapping_add(hash(entry, after));
            table.entries += 1;
        }
        table.sum = format!("{sum:032x}");
    }
    sums
}

/// Rows are compared one by one; entries by kind are counted of every record.
fn without_rows(sums: Vec<TableSum>) -> Vec<TableSum> {
    let of_rows =
        ["persons", "households", "cards", "dossiers", "dwellings", "units", "offices", "operations"];
    sums.into_iter().filter(|table| table.table != "facts" && !of_rows.contains(&&*table.table)).collect()
}

fn check(projector: &mut Projector, lsn: Lsn, changes: &Changes) -> Effect {
    let before = sums(projector);
    let effect = {
        let view = projector.view();
        foresee(&view.read(), lsn, changes).unwrap()
    };
    assert_eq!(sums(projector), before, "nothing is written");
    for change in &effect.rows {
        assert_eq!(projector.view().read().row(change.row).unwrap(), change.before);
    }
    while projector.step_until(1, Duration::ZERO, lsn).unwrap().applied == 0 {}
    assert_eq!(projector.lsn(), lsn);
    let touched: Vec<_> = changes.rows.iter().map(|touch| touch.row).collect();
    let told: Vec<_> = effect.rows.iter().map(|change| change.row).collect();
    let mut sorted = touched;
    sorted.sort_unstable();
    assert_eq!(told, sorted);
    for change in &effect.rows {
        assert_eq!(projector.view().read().row(change.row).unwrap().as_ref(), Some(&change.after));
    }
    assert_eq!(without_rows(sums(projector)), without_rows(changed(before, &effect)));
    effect
}

#[test]
fn a_record_changes_those_rows_indexes_and_totals_that_were_foreseen() {
    let compared = Cell::new(0_u32);
    let entries = Cell::new(0_usize);
    let life = prop::collection::vec((any::<u8>(), 0..1_000_u32), 1..50);
    let config = ProptestConfig { cases: cases(60), failure_persistence: None, ..ProptestConfig::default() };
    let run = proptest::test_runner::TestRunner::new(config).run(&life, |life| {
        let mut town = Town::new();
        let mut corrections = Corrections::default();
        for (step, (kind, which)) in life.into_iter().enumerate() {
            if step % 3 == 2 { corrections.correct(&mut town, which) } else { town.live(kind, which) }
        }
        let home = MemoryHome::new();
        let mut projector = projector(&home, &town.scribe.log);
        while projector.lsn() < town.scribe.log.last_lsn() {
            let next = projector.lsn().next();
            match tried(&town, next) {
                Some(changes) => {
                    let effect = check(&mut projector, next, &changes);
                    compared.set(compared.get() + 1);
                    entries.set(entries.get() + effect.entries.len());
                }
                None => while projector.step_until(1, Duration::ZERO, next).unwrap().applied == 0 {},
            }
        }
        Ok(())
    });
    run.unwrap_or_else(|failure| panic!("{failure}"));
    println!("{} records, {} indexes and totals", compared.get(), entries.get());
    assert!(compared.get() > 200 && entries.get() > 2_000, "{} records", compared.get());
}

#[test]
fn what_was_decided_on_rows_that_have_moved_is_not_foreseen() {
    let mut town = Town::new();
    (0..6).for_each(|which| town.live(0, which));
    let last = town.scribe.log.last_lsn();
    let changes = tried(&town, last).unwrap();
    let projector = crate::common::folded(&town.scribe.log);
    let foreseen = foresee(&projector.view().read(), last.next(), &changes);
    assert!(matches!(foreseen, Err(projections::ApplyError::OtherVersion { .. })), "{foreseen:?}");
}
