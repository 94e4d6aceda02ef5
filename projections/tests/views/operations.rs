//! Operations larger than one record in the views: nothing before the commit, everything with it.
use crate::common::town::{PROVINCE, Town, WARDS};
use crate::common::{folded, projector, run_to_end, sums};
use event_schemas::event::{EventBody, PinNoticeHandedOver};
use event_schemas::ids::{Lsn, OperationId, PersonId, UnitId};
use event_schemas::operation::OperationStatus;
use event_schemas::row::RowRef;
use projections::Reading;
use projections::history::history;
use state_store::memory::MemoryHome;
use std::collections::BTreeSet;
use std::time::Duration;

const FIRST: OperationId = OperationId(1);

/// Six people, and an operation that has staged all of them.
fn staged() -> Town {
    let mut town = Town::new();
    town.enrol(4, WARDS[0]);
    town.enrol(2, WARDS[1]);
    (0..3).for_each(|_| town.number_many(1));
    town
}

fn numbers(reading: &Reading<'_>, person: PersonId) -> usize {
    reading.person(person).unwrap().unwrap().pins.len()
}

fn status(reading: &Reading<'_>) -> OperationStatus {
    reading.operation(FIRST).unwrap().unwrap().current_status()
}

#[test]
fn nothing_shows_before_the_commit_and_everything_with_it() {
    let mut town = staged();
    let before = folded(&town.scribe.log);
    let reading = before.view().read();
    let staging = town.staging.clone().unwrap();
    assert_eq!((staging.staged.len(), status(&reading)), (6, OperationStatus::Staged));
    for staged in &staging.staged {
        assert_eq!(reading.by_pin(staged.pin).unwrap(), None);
        assert_eq!(numbers(&reading, staged.person), 1);
    }
    drop(reading);
    town.number_many(1);
    let after = folded(&town.scribe.log);
    let reading = after.view().read();
    assert_eq!(status(&reading), OperationStatus::Committed);
    for staged in &staging.staged {
        assert_eq!(reading.by_pin(staged.pin).unwrap(), Some((staged.person, true)));
        let row = reading.person(staged.person).unwrap().unwrap();
        assert_eq!((row.pin(), row.stamp.last_lsn), (Some(staged.pin), town.scribe.log.last_lsn()));
        assert_eq!(row.notice_due().map(|due| due.pin), Some(staged.pin));
    }
    let cells = reading.pin_cells(Some(1), None, 10).unwrap().items;
    assert_eq!(cells.iter().map(|cell| (cell.given, cell.reserved)).collect::<Vec<_>>(), [(6, 0), (6, 0)]);
    assert_eq!(cells[0].free, 1_000_000 - 6);
    let parts =
        crate::common::sums(&after).tables.into_iter().find(|table| table.table == "staged by operations");
    assert_eq!(parts.unwrap().entries, 0, "what was staged is freed");
}

#[test]
fn a_restart_between_any_two_entries_of_an_operation_leads_to_the_same_view() {
    let mut town = staged();
    town.rename(0, 0);
    town.live(2, 2);
    town.number_many(1);
    town.rename(1, 400);
    let fresh = sums(&folded(&town.scribe.log));
    for cut in 1..town.scribe.log.last_lsn().0 {
        let home = MemoryHome::new();
        let mut live = projector(&home, &town.scribe.log);
        live.step_until(1_000, Duration::ZERO, Lsn(cut)).unwrap();
        live.checkpoint().unwrap();
        drop(live);
        let mut live = projector(&home, &town.scribe.log);
        run_to_end(&mut live);
        assert_eq!(sums(&live), fresh, "cut at {cut}");
    }
}

#[test]
fn a_history_goes_through_a_commit_and_tells_the_number_that_it_gave() {
    let mut town = staged();
    town.rename(0, 0);
    let staging = town.staging.clone().unwrap();
    town.number_many(1);
    town.rename(0, 0);
    let projector = folded(&town.scribe.log);
    for staged in &staging.staged {
        let row = RowRef::Person(staged.person);
        let last = projector.view().read().stamp(row).unwrap().unwrap();
        let page = history(&town.scribe.log.source(), row, last.last_lsn, 100).unwrap();
        let versions: Vec<u32> = page.records.iter().map(|record| record.version.0).collect();
        assert_eq!(versions, (1..=last.version.0).rev().collect::<Vec<_>>(), "W3 for {row}");
        let given: Vec<_> = page.records.iter().flat_map(|record| &record.events).collect();
        let issued = given.iter().any(|event| match &event.body {
            Some(EventBody::PinIssued(issued)) => issued.pin == staged.pin && issued.person == staged.person,
            _ => false,
        });
        assert!(issued, "{given:#?}");
    }
}

#[test]
fn notices_are_listed_by_unit_until_they_are_handed_over() {
    let mut town = staged();
    town.number_many(1);
    let all = BTreeSet::from([PROVINCE, UnitId(2), WARDS[0], WARDS[1]]);
    let projector = folded(&town.scribe.log);
    let reading = projector.view().read();
    let due = reading.notices_due(&all, (UnitId(0), PersonId(0)), 100).unwrap().items;
    assert_eq!(
        due.iter().map(|(unit, _)| *unit).collect::<Vec<_>>(),
        [vec![WARDS[0]; 4], vec![WARDS[1]; 2]].concat()
    );
    let mut paged = Vec::new();
    loop {
        let after = paged.last().copied().unwrap_or((UnitId(0), PersonId(0)));
        let page = reading.notices_due(&all, after, 4).unwrap();
        paged.extend(page.items);
        if !page.more {
            break;
        }
    }
    assert_eq!(paged, due);
    drop(reading);
    let person = due[0].1;
    let pin = *town.people[&person].pins.last().unwrap();
    town.record(vec![EventBody::PinNoticeHandedOver(PinNoticeHandedOver { person, pin })]);
    let projector = folded(&town.scribe.log);
    let left = projector.view().read().notices_due(&all, (UnitId(0), PersonId(0)), 100).unwrap().items;
    assert_eq!(left, due[1..]);
}

#[test]
fn whoever_an_operation_leaves_out_is_listed() {
    let mut town = staged();
    town.live(2, 0);
    let dead = *town.people.iter().find(|(_, truth)| !truth.alive).unwrap().0;
    town.number_many(1);
    let projector = folded(&town.scribe.log);
    let reading = projector.view().read();
    let left_out = reading.left_out(FIRST, PersonId(0), 10).unwrap().items;
    assert_eq!(left_out, [(dead, event_schemas::operation::LeftOutReason::Died)]);
    assert_eq!(numbers(&reading, dead), 1);
    let operations = reading.operations(OperationId(0), 10).unwrap();
    assert_eq!((operations.items.len(), operations.more), (1, false));
    assert_eq!(operations.items[0].1.counts.changed, 5);
}
