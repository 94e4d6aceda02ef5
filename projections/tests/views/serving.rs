//! The live view on disk: tokens, rebuilds, restarts.
use crate::common::serving::{LONG, caught_up, start};
use crate::common::town::{Town, WARDS, names};
use crate::common::{LOG, date, event};
use event_schemas::event::{EventBody, NameChanged};
use event_schemas::ids::{LogId, Lsn, PersonId, Version};
use event_schemas::record::Changes;
use event_schemas::row::{RowRef, RowTouch};
use projections::{Options, Views, WaitError, engine_in_use};
use state_store::engine::EngineKind;
use state_store::home::EngineOptions;
use std::sync::Arc;
use std::time::Duration;

fn lived(steps: u32) -> Town {
    let mut town = Town::new();
    for which in 0..steps {
        town.live(which as u8, which * 13);
    }
    town
}
fn bad_record(town: &mut Town) -> Lsn {
    let renamed = NameChanged { person: PersonId(1), names: names("Giang"), reason: "x".parse().unwrap() };
    let row = RowRef::Person(PersonId(1));
    town.scribe.append(Changes {
        bases: Vec::new(),
        events: vec![event(date("2021-07-02"), EventBody::NameChanged(renamed))],
        rows: vec![RowTouch { row, version: Version(900), previous: Lsn(1) }],
        restatements: Vec::new(),
    })
}
#[tokio::test]
async fn a_token_is_waited_for_and_no_longer_than_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = lived(30);
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let next = town.scribe.log.last_lsn().next();
    let short = Duration::from_millis(80);
    let at = views.progress().lsn;
    assert_eq!(views.wait_for(LOG, next, short).await, Err(WaitError::TimedOut { at, wanted: next }));
    let asked = LogId(1);
    assert_eq!(views.wait_for(asked, next, short).await, Err(WaitError::OtherLog { asked, shown: LOG }));

    let waiting = {
        let views = views.clone();
        tokio::spawn(async move { views.wait_for(LOG, next, LONG).await })
    };
    town.enrol(1, WARDS[0]);
    assert_eq!(waiting.await.unwrap(), Ok(()));

    let bad = bad_record(&mut town);
    let outcome = views.wait_for(LOG, bad, LONG).await;
    assert_eq!(
        outcome,
        Err(WaitError::Stopped { at: next, wanted: bad }),
        "a stopped view does not let callers wait"
    );
    let progress = views.progress();
    assert!(progress.stopped.unwrap().contains(&format!("lsn {bad}")));
    assert_eq!(progress.entries_behind, 1, "R5: what is not shown is reported");
    service.stop();
}

#[tokio::test]
async fn a_rebuild_is_proved_equal_and_switched_while_reading_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = lived(200);
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let before = views.checksum().unwrap();
    let old = views.current();

    let rebuilding = {
        let views = views.clone();
        tokio::task::spawn_blocking(move || views.rebuild(false))
    };
    for which in 0..40 {
        town.live(which as u8, which);
        views.current().read().counts(WARDS[0]).unwrap();
    }
    let report = rebuilding.await.unwrap().unwrap();
    assert!(report.switched);
    assert_eq!(report.difference, None);
    assert_eq!(report.live.as_ref(), Some(&report.rebuilt));
    assert!(report.rebuilt.lsn >= before.lsn);
    assert!(!Arc::ptr_eq(&old, &views.current()));
    old.read().counts(WARDS[0]).unwrap();
    drop(old);
    caught_up(&views, &town).await;
    let after = views.checksum().unwrap();
    service.stop();
    drop(views);

    let generations: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("view-"))
        .collect();
    assert_eq!(generations, ["view-000002"], "the replaced view is gone with its last reader");

    let (views, service) = start(dir.path(), &town);
    assert_eq!(views.progress().lsn, after.lsn, "a restart goes on at the restart point");
    assert_eq!(views.checksum().unwrap(), after);
    service.stop();
}

#[tokio::test]
async fn a_view_that_was_changed_behind_its_back_is_found_out_by_a_rebuild() {
    use state_store::tables::{TableKind, TableSpec, Tables};
    let dir = tempfile::tempdir().unwrap();
    let town = lived(60);
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let view = views.current();
    service.stop();
    let restart = view.restart_point().unwrap();
    drop((view, views));

    let identity = state_store::restart::StoreIdentity {
        log_id: LOG,
        instance: crate::common::INSTANCE,
        formats: 0..=0,
        fold_revision: projections::FOLD_REVISION,
    };
    let totals = state_store::engine::TableId(30);
    let spec = TableSpec { id: totals, name: "totals", kind: TableKind::Sorted };
    let view_dir = dir.path().join("view-000001");
    let opened = state_store::store::Store::open_dir(&view_dir, EngineOptions::default(), &identity).unwrap();
    let tables = Tables::open(opened.store, &[spec]).unwrap();
    let mut batch = tables.batch();
    batch.put(totals, &[0, 0, 0, 3, 1, 1, 0, 0, 0, 0], 999_u64.to_be_bytes().to_vec()).unwrap();
    batch.publish(restart.newest_lsn).unwrap();
    tables.checkpoint(&restart).unwrap();
    drop(tables);

    let (views, service) = start(dir.path(), &town);
    let rebuild = |accept| {
        let views = views.clone();
        tokio::task::spawn_blocking(move || views.rebuild(accept).unwrap())
    };
    let report = rebuild(false).await.unwrap();
    let difference = report.difference.unwrap();
    assert_eq!((difference.table.as_str(), difference.key.as_str()), ("totals", "00000003010100000000"));
    assert!(!report.switched, "the operator decides");
    assert!(rebuild(true).await.unwrap().switched);
    let report = rebuild(false).await.unwrap();
    assert!(report.switched && report.difference.is_none());
    service.stop();
}

#[tokio::test]
async fn views_go_from_one_engine_to_another_by_a_rebuild_and_are_refused_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let town = lived(60);
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let again = views.clone();
    let rebuild = tokio::task::spawn_blocking(move || again.rebuild_with(EngineKind::Fjall, false));
    let report = rebuild.await.unwrap().unwrap();
    assert!(report.switched && report.difference.is_none(), "engines hold the same entries");
    service.stop();
    drop(views);
    assert_eq!(engine_in_use(dir.path()).unwrap(), Some(EngineKind::Fjall));

    let source = || Arc::new(town.scribe.log.source());
    let refused = Views::start(Options::in_directory(dir.path()), LOG, source()).err().unwrap();
    assert!(refused.to_string().contains("written by the engine fjall"), "{refused}");
    let options = Options { engine: EngineKind::Fjall.into(), ..Options::in_directory(dir.path()) };
    let (views, service) = Views::start(options, LOG, source()).unwrap();
    caught_up(&views, &town).await;
    assert_eq!(views.checksum().unwrap(), report.rebuilt);
    service.stop();
}

#[tokio::test]
async fn a_view_that_is_folded_at_once_equals_one_that_followed_step_by_step() {
    let town = lived(300);
    let mut sums = Vec::new();
    for (at_once_from, ids_at_once) in [(0, 1 << 20), (0, 7), (u64::MAX, 1)] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { at_once_from, ids_at_once, ..Options::in_directory(dir.path()) };
        let (views, service) = Views::start(options, LOG, Arc::new(town.scribe.log.source())).unwrap();
        caught_up(&views, &town).await;
        sums.push(views.checksum().unwrap());
        service.stop();
        drop(views);
        let names = std::fs::read_dir(dir.path()).unwrap().map(|found| found.unwrap().file_name());
        assert_eq!(names.count(), 2, "one view and the file that names it are left");
    }
    assert_eq!(sums[0], sums[2]);
    assert_eq!(sums[1], sums[2], "in several readings of the log");
}

#[tokio::test]
async fn a_stopped_projector_can_be_rebuilt_only_as_far_as_the_log_can_be_folded() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = lived(20);
    bad_record(&mut town);
    let (views, service) = start(dir.path(), &town);
    assert!(views.wait_for(LOG, town.scribe.log.last_lsn(), LONG).await.is_err());
    let again = views.clone();
    let outcome = tokio::task::spawn_blocking(move || again.rebuild(true)).await.unwrap();
    assert!(outcome.is_err(), "what the fold cannot apply, a fresh fold cannot apply either");
    assert!(views.current().read().counts(WARDS[0]).is_ok(), "and reading goes on");
    service.stop();
}
