//! The projector: what it drops, where it stops, and what readers see meanwhile.
use crate::common::town::{Town, WARDS, names, registered};
use crate::common::{INSTANCE, LOG, date, event, folded, projector, run_to_end, step, sums};
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::event::{EventBody, NameChanged};
use event_schemas::ids::{InstanceId, LogId, Lsn, OfficerId, PersonId, UnitId, Version};
use event_schemas::person::Sex;
use event_schemas::record::{Changes, EntryBody};
use event_schemas::row::{RowRef, RowTouch};
use projections::{ApplyError, Projector, ProjectorError, ResidenceKind, View};
use state_store::memory::MemoryHome;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn a_record_that_does_not_follow_its_row_stops_the_projector_where_it_is() {
    let mut town = Town::new();
    town.enrol(1, WARDS[0]);
    let good = town.scribe.log.last_lsn();
    let row = RowRef::Person(PersonId(1));
    let renamed = NameChanged { person: PersonId(1), names: names("Giang"), reason: "x".parse().unwrap() };
    let changes = Changes {
        bases: vec![Basis::of(BasisKind::Court)],
        events: vec![event(date("2021-07-02"), EventBody::NameChanged(renamed))],
        rows: vec![RowTouch { row, version: Version(7), previous: good }],
        restatements: Vec::new(),
    };
    let bad = town.scribe.append(changes);
    let mut projector = projector(&MemoryHome::new(), &town.scribe.log);
    let error = loop {
        match projector.step(1, Duration::ZERO) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    match error {
        ProjectorError::Apply(ApplyError::OtherVersion { lsn, row: named, .. }) => {
            assert_eq!((lsn, named), (bad, row));
        }
        other => panic!("{other}"),
    }
    assert_eq!(projector.view().lsn(), good, "what came before is shown, and nothing of the bad record");
    assert_eq!(projector.lsn(), good);
}

#[test]
fn a_record_that_changes_a_row_it_does_not_name_stops_the_projector() {
    let mut town = Town::new();
    let mut changes =
        town.scribe.changes(vec![event(date("2021-07-01"), registered(PersonId(1), "An", Sex::Male))]);
    changes.rows.clear();
    let bad = town.scribe.append(changes);
    let mut projector = projector(&MemoryHome::new(), &town.scribe.log);
    let error = projector.step(100, Duration::ZERO).unwrap_err();
    assert!(
        matches!(error, ProjectorError::Apply(ApplyError::RowNotNamed { lsn, .. }) if lsn == bad),
        "{error}"
    );
}

#[test]
fn an_unknown_format_stops_the_projector() {
    let town = Town::new();
    let format = event_schemas::format::NEWEST + 1;
    town.scribe.log.append(&EntryBody::Activate { format, officer: OfficerId(1) });
    let mut projector = projector(&MemoryHome::new(), &town.scribe.log);
    let error = projector.step(100, Duration::ZERO).unwrap_err();
    assert!(matches!(error, ProjectorError::Apply(ApplyError::UnknownFormat { .. })), "{error}");
    assert!(error.to_string().contains(&format!("it is of format {format}")), "{error}");
}

#[test]
fn foreign_bytes_and_duplicates_are_dropped_and_counted_by_reason() {
    let mut town = Town::new();
    town.live(11, 0);
    town.live(11, 2);
    let projector = folded(&town.scribe.log);
    assert_eq!(projector.lsn(), town.scribe.log.last_lsn());
    assert_eq!(projector.drops().total(), 2);
    let day = projector.view().read().day().unwrap().unwrap();
    assert_eq!(day, date("2021-07-05"));
}

#[test]
fn a_view_of_another_log_or_of_a_rewritten_one_is_folded_anew() {
    let mut town = Town::new();
    town.enrol(2, WARDS[0]);
    let home = MemoryHome::new();
    let mut first = projector(&home, &town.scribe.log);
    run_to_end(&mut first);
    first.checkpoint().unwrap();
    drop(first);

    let (_, discarded) = View::open(Box::new(home.clone()), LogId(78), INSTANCE).unwrap();
    assert!(discarded.is_some(), "another log");

    let home = MemoryHome::new();
    let mut first = projector(&home, &town.scribe.log);
    run_to_end(&mut first);
    first.checkpoint().unwrap();
    drop(first);
    let mut other = Town::new();
    other.enrol(2, WARDS[1]);
    other.enrol(2, WARDS[1]);
    let mut second = projector(&home, &other.scribe.log);
    assert_eq!(second.lsn(), Lsn::ZERO, "the saved rows are of a history that this log does not hold");
    run_to_end(&mut second);
    assert_eq!(sums(&second), sums(&folded(&other.scribe.log)));
    second.checkpoint().unwrap();
    drop(second);
    let shorter = Town::new();
    assert_eq!(
        projector(&home, &shorter.scribe.log).lsn(),
        Lsn::ZERO,
        "the log is shorter than what was saved"
    );

    let (_, discarded) = View::open(Box::new(home), LOG, InstanceId(2)).unwrap();
    assert!(discarded.is_none(), "discarding left nothing behind to discard again");
}

#[test]
fn a_saved_view_goes_on_where_it_was_even_behind_a_claim() {
    let mut town = Town::new();
    town.enrol(2, WARDS[0]);
    town.live(11, 1);
    let home = MemoryHome::new();
    let mut first = projector(&home, &town.scribe.log);
    run_to_end(&mut first);
    first.checkpoint().unwrap();
    let lsn = first.lsn();
    drop(first);
    town.enrol(1, WARDS[1]);
    let mut second = projector(&home, &town.scribe.log);
    assert_eq!(second.lsn(), lsn);
    assert_eq!(step(&mut second).applied, 1);
}

/// Rows, indexes and totals of one reading agree, whatever is published meanwhile.
#[test]
fn readers_see_one_lsn_only() {
    let mut town = Town::new();
    for which in 0..150 {
        town.live([0, 0, 3, 2, 1, 3][which as usize % 6], which * 7);
    }
    let mut projector: Projector = projector(&MemoryHome::new(), &town.scribe.log);
    let view = std::sync::Arc::clone(projector.view());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut readings = 0;
            while !done.load(Ordering::Acquire) || readings == 0 {
                let reading = view.read();
                let before = reading.lsn();
                for unit in WARDS {
                    let residents =
                        reading.residents(unit, ResidenceKind::Permanent, PersonId(0), 10_000).unwrap();
                    let counted = reading.counts(unit).unwrap().permanent.all();
                    assert_eq!(residents.items.len() as u64, counted, "index and total at lsn {before}");
                    for person in &residents.items {
                        let row = reading.person(*person).unwrap().unwrap();
                        assert_eq!(row.permanent_unit(), Some(unit), "index and row at lsn {before}");
                        assert!(row.stamp.last_lsn <= before);
                    }
                }
                assert_eq!(reading.counts(UnitId::NONE).unwrap().permanent.all(), 0);
                assert_eq!(reading.lsn(), before);
                readings += 1;
                drop(reading);
                std::thread::sleep(Duration::from_millis(1));
            }
            readings
        });
        loop {
            let done_now = projector.step(3, Duration::ZERO).unwrap().at_end;
            if projector.lsn().0.is_multiple_of(40) {
                projector.checkpoint().unwrap();
            }
            if done_now {
                break;
            }
        }
        done.store(true, Ordering::Release);
        assert!(reader.join().unwrap() > 0);
    });
}
