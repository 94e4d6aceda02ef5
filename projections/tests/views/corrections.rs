//! Given facts and corrections of them, then these rows, indexes and totals.
use crate::common::correcting::{Corrections, stated};
use crate::common::serving::{Api, caught_up, start};
use crate::common::town::{Town, WARDS, names, place, registered};
use crate::common::{Scribe, date, event, folded, projector, run_to_end, sums};
use event_schemas::Event;
use event_schemas::event::*;
use event_schemas::ids::{EventAddress, Lsn, PersonId};
use event_schemas::person::Sex;
use event_schemas::record::Restatement;
use event_schemas::row::{Aspect, RowRef, StreamRef};
use projections::rows::{PersonRow, Row, Stamp};
use projections::{Projector, Reading};
use serde_json::Value;
use state_store::memory::MemoryHome;
use std::time::Duration;

const AN: PersonId = PersonId(1);

type Timeline = Vec<(EventAddress, Event)>;

fn at(lsn: Lsn, index: u32) -> EventAddress {
    EventAddress { lsn, index }
}

fn lives(ward: usize) -> EventBody {
    let place = place(WARDS[ward]);
    EventBody::PermanentResidenceRegistered(PermanentResidenceRegistered { person: AN, place })
}

fn stream(aspect: Aspect) -> StreamRef {
    StreamRef { row: RowRef::Person(AN), aspect }
}

fn on(day: &str, body: EventBody) -> Event {
    event(date(day), body)
}

/// A record whose corrections lead to these timelines.
fn corrected(scribe: &mut Scribe, events: Vec<Event>, restated: Vec<(Aspect, Timeline)>) -> Lsn {
    let mut changes = scribe.changes(events);
    changes.restatements = restated
        .into_iter()
        .map(|(aspect, timeline)| Restatement { stream: stream(aspect), timeline })
        .collect();
    scribe.append(changes)
}

fn annulled(event: EventAddress, aspect: Aspect) -> EventBody {
    EventBody::EventAnnulled(EventAnnulled { event, streams: vec![stream(aspect)] })
}

fn amended(event: EventAddress, aspect: Aspect) -> EventBody {
    EventBody::EventAmended(EventAmended { event, by: 1, streams: vec![stream(aspect)] })
}

fn person(reading: &Reading<'_>) -> PersonRow {
    reading.person(AN).unwrap().unwrap()
}

/// Without what every record raises.
fn believed(projector: &Projector) -> Row {
    let mut row = Row::Person(Box::new(person(&projector.view().read())));
    row.set_stamp(Stamp::default());
    row
}

/// A person who lives in the first ward from 2020 and in the second from 2021 on.
fn moved() -> (Scribe, Timeline) {
    let mut scribe = Scribe::new();
    let first = on("2020-01-01", lives(0));
    let first_at = scribe.record(vec![on("2020-01-01", registered(AN, "An", Sex::Female)), first.clone()]);
    let second = on("2021-01-01", lives(1));
    let second_at = scribe.record(vec![second.clone()]);
    (scribe, vec![(at(first_at, 1), first), (at(second_at, 0), second)])
}

#[test]
fn a_residence_that_never_was_leaves_row_and_totals_and_comes_back_with_its_correction_taken_back() {
    let (mut scribe, timeline) = moved();
    let before = believed(&folded(&scribe.log));
    let wrong = timeline[1].0;
    let today = "2022-01-01";
    let lsn = corrected(
        &mut scribe,
        vec![on(today, annulled(wrong, Aspect::PermanentResidence))],
        vec![(Aspect::PermanentResidence, timeline[..1].to_vec())],
    );
    let projected = folded(&scribe.log);
    let reading = projected.view().read();
    let counts = WARDS.map(|ward| reading.counts(ward).unwrap().permanent.all());
    assert_eq!(counts, [1, 0]);
    assert_eq!(person(&reading).homes().len(), 1);
    drop(reading);
    corrected(
        &mut scribe,
        vec![on(today, annulled(at(lsn, 0), Aspect::PermanentResidence))],
        vec![(Aspect::PermanentResidence, timeline)],
    );
    let projected = folded(&scribe.log);
    assert_eq!(believed(&projected), before, "byte for byte what it was");
    let reading = projected.view().read();
    let counts = WARDS.map(|ward| reading.counts(ward).unwrap().permanent.all());
    assert_eq!(counts, [0, 1]);
}

#[test]
fn an_amended_fact_shows_under_its_own_address_and_is_found_by_what_it_says() {
    let (mut scribe, timeline) = moved();
    let named = EventBody::NameChanged(NameChanged {
        person: AN,
        names: names("Bính"),
        reason: "misspelt".parse().unwrap(),
    });
    let registered_event = on("2020-01-01", registered(AN, "An", Sex::Female));
    let wrong = on("2021-05-01", named.clone());
    let wrong_at = at(scribe.record(vec![wrong]), 0);
    let EventBody::NameChanged(right) = named else { unreachable!() };
    let right = EventBody::NameChanged(NameChanged { names: names("Bình"), ..right });
    let right = on("2021-05-01", right);
    let lsn = scribe.log.last_lsn().next();
    let identity = vec![(at(timeline[0].0.lsn, 0), registered_event), (at(lsn, 1), right.clone())];
    corrected(
        &mut scribe,
        vec![on("2022-01-01", amended(wrong_at, Aspect::Identity)), right],
        vec![(Aspect::Identity, identity)],
    );
    let projected = folded(&scribe.log);
    let row = person(&projected.view().read());
    assert_eq!(row.display_name(), "Nguyễn Bình");
    assert_eq!(row.former_names.iter().map(|former| former.by).collect::<Vec<_>>(), [at(lsn, 1)]);
}

/// R2: whatever the steps in which it is folded, and anew from the beginning.
#[test]
fn corrections_fold_to_the_same_view_live_and_rebuilt() {
    let (mut scribe, timeline) = moved();
    let home = MemoryHome::new();
    let mut live = projector(&home, &scribe.log);
    run_to_end(&mut live);
    let wrong = timeline[0].0;
    let lsn = scribe.log.last_lsn().next();
    let right = on("2020-06-01", lives(1));
    let restated = vec![(at(lsn, 1), right.clone()), timeline[1].clone()];
    corrected(
        &mut scribe,
        vec![on("2022-01-01", amended(wrong, Aspect::PermanentResidence)), right],
        vec![(Aspect::PermanentResidence, restated.clone())],
    );
    while !live.step(1, Duration::ZERO).unwrap().at_end {}
    corrected(
        &mut scribe,
        vec![on("2022-01-02", annulled(timeline[1].0, Aspect::PermanentResidence))],
        vec![(Aspect::PermanentResidence, restated[..1].to_vec())],
    );
    while !live.step(1, Duration::ZERO).unwrap().at_end {}
    assert_eq!(sums(&live), sums(&folded(&scribe.log)));
    assert_eq!(person(&live.view().read()).homes().len(), 1);
}

/// A registration that was taken back leaves totals, lists and the search; its row and its numbers stay, and tell that it was.
#[tokio::test]
async fn a_registration_that_was_taken_back_is_in_no_total_and_still_found_by_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = Town::new();
    town.enrol(2, WARDS[0]);
    let named = town.people[&AN].pins[0];
    let counted = |town: &Town| {
        let projected = folded(&town.scribe.log);
        let reading = projected.view().read();
        (reading.counts(WARDS[0]).unwrap().permanent.all(), reading.by_pin(named).unwrap())
    };
    assert_eq!(counted(&town), (2, Some((AN, true))));
    let mut corrections = Corrections::default();
    for (slot, event) in stated(&town.scribe) {
        let is_its = match &event.body {
            EventBody::PersonRegistered(e) => e.person == AN,
            EventBody::PermanentResidenceRegistered(e) => e.person == AN,
            _ => false,
        };
        if is_its {
            corrections.annul(&mut town, slot);
        }
    }
    assert_eq!(counted(&town), (1, Some((AN, false))));
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    for path in ["/v1/persons/P1".to_owned(), format!("/v1/persons/by-pin/{named}")] {
        let (status, answer) = api.get(&path).await;
        let person = &answer["person"];
        assert_eq!(
            (status, &person["annulled"], &person["alive"]),
            (200, &true.into(), &false.into()),
            "{path}"
        );
        assert_eq!((&person["pin"], &person["pins"][0]["in_force"]), (&Value::Null, &false.into()));
    }
    let last = town.scribe.log.last_lsn().0;
    for asked in ["valid_on=2021-07-01".to_owned(), format!("known_at={last}")] {
        let (status, answer) = api.get(&format!("/v1/persons/P1?{asked}")).await;
        assert_eq!((status, &answer["person"]["annulled"]), (200, &true.into()), "{asked}: {answer}");
    }
    let (status, _) = api.get("/v1/persons/P2?valid_on=1950-01-01").await;
    assert_eq!(status, 404, "who was not born yet was not taken back");
    let known_then = town.scribe.log.last_lsn().0 - corrections.said.len() as u64;
    let (status, then) = api.get(&format!("/v1/persons/P1?known_at={known_then}")).await;
    assert_eq!((status, &then["person"]["annulled"]), (200, &false.into()), "{then}");
    let (status, history) = api.get("/v1/persons/P1/history").await;
    assert_eq!(status, 200);
    assert!(history["records"].as_array().unwrap().len() > corrections.said.len());
    let (_, found) = api.get("/v1/persons?name=Nguy%E1%BB%85n&unit=00001").await;
    assert_eq!(found["found"], 1, "{found}");
    tokio::task::spawn_blocking(move || service.stop()).await.unwrap();
}
