//! Questions about the past over HTTP.
use crate::common::correcting::Corrections;
use crate::common::serving::{Api, caught_up, start};
use crate::common::town::{Town, WARDS, names, place};
use crate::common::{LOG, date, event};
use axum::body::Body;
use axum::http::Request;
use event_schemas::event::{EventBody, NameChanged, PermanentResidenceRegistered};
use event_schemas::ids::{Lsn, PersonId};
use event_schemas::record::EntryBody;
use event_schemas::row::RowRef;
use projections::answers::{ChronicleAnswer, ExplanationAnswer, PersonAnswer};
use projections::explanation::Because;
use serde_json::{Value, json};
use tower::ServiceExt;

fn moved(person: PersonId, ward: usize) -> EventBody {
    EventBody::PermanentResidenceRegistered(PermanentResidenceRegistered {
        person,
        place: place(WARDS[ward]),
    })
}

/// Somebody enrolled on 1 July 2021 in the first ward, who moved to the second on 1 August; that was recorded on 1 October,
/// after a move back on 1 September. Every record's lsn.
fn a_late_move() -> (Town, [Lsn; 3]) {
    let mut town = Town::new();
    town.enrol(1, WARDS[0]);
    let enrolled = town.scribe.log.last_lsn();
    let open = |town: &mut Town, day: &str| {
        town.today = date(day);
        town.scribe.log.append(&EntryBody::DayOpened { date: town.today });
    };
    open(&mut town, "2021-09-01");
    let back = town.record(vec![moved(PersonId(1), 0)]);
    open(&mut town, "2021-10-01");
    let late = town.scribe.record(vec![event(date("2021-08-01"), moved(PersonId(1), 1))]);
    (town, [enrolled, back, late])
}

#[tokio::test]
async fn where_somebody_lived_depends_on_the_day_and_on_what_was_known() {
    let dir = tempfile::tempdir().unwrap();
    let (town, [enrolled, back, late]) = a_late_move();
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let ward = async |valid_on: &str, known_at: Lsn| -> Value {
        let path = format!("/v1/persons/P1/residence?valid_on={valid_on}&known_at={known_at}");
        let (status, answer) = api.get(&path).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["as_of"]["valid_on"], json!(valid_on));
        assert_eq!((&answer["as_of"]["known_at"], &answer["lsn"]), (&json!(known_at.0), &json!(known_at.0)));
        json!([answer["permanent"]["place"]["domestic"]["unit"]["code"], answer["permanent"]["since"]])
    };
    assert_eq!(ward("2021-08-15", back).await, json!(["00001", "2021-07-01"]), "nobody knew yet");
    assert_eq!(ward("2021-08-15", late).await, json!(["00004", "2021-08-01"]));
    assert_eq!(ward("2021-09-15", back).await, json!(["00001", "2021-09-01"]));
    assert_eq!(ward("2021-09-15", late).await, json!(["00001", "2021-09-01"]));
    assert_eq!(ward("2021-10-01", enrolled).await, json!(["00001", "2021-07-01"]));
    // Both default to now; a day means its end, and an instant everything up to it.
    let now: Value = api.get("/v1/persons/P1").await.1;
    assert_eq!(now["as_of"], json!({ "valid_on": "2021-10-01", "known_at": late.0 }));
    let (_, by_day) = api.get("/v1/persons/P1?known_at=1970-01-01").await;
    assert_eq!(by_day["as_of"]["known_at"], json!(late.0), "the test's clock counts from 1970");
    let (_, then) = api.get(&format!("/v1/persons/P1?known_at={back}")).await;
    let recorded_at = then["as_of"]["recorded_at"].as_str().unwrap();
    let (_, by_time) = api.get(&format!("/v1/persons/P1?known_at={recorded_at}")).await;
    assert_eq!((&by_time["as_of"], &by_time["person"]), (&then["as_of"], &then["person"]));
    assert_eq!(then["as_of"]["valid_on"], json!("2021-10-01"));
    assert_ne!(then["person"]["version"], now["person"]["version"]);
    // The past is read with the same scopes and recorded like the present.
    let (status, refused) = api.get_as("units:read", "/v1/persons/P1?valid_on=2021-08-15").await;
    assert_eq!((status, &refused["code"]), (403, &json!("scope_missing")));
    let reads = api.reads.0.lock().unwrap();
    assert!(reads.iter().all(|read| read.shown == [RowRef::Person(PersonId(1))]));
    assert_eq!(reads[0].lsn, Some(back));
    assert!(reads[0].target.contains("valid_on=2021-08-15"));
    drop(reads);
    service.stop();
}

#[tokio::test]
async fn households_cards_and_kin_are_told_as_of_the_same_pair() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = Town::new();
    town.enrol(3, WARDS[0]);
    let before = town.scribe.log.last_lsn();
    // A card, a birth, then a move of the head into another household.
    town.live(8, 1);
    let with_card = town.scribe.log.last_lsn();
    town.live(1, 0);
    let born = town.scribe.log.last_lsn();
    town.live(3, 0);
    town.live(9, 1);
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let members = async |known_at: Lsn| {
        let (status, answer) = api.get(&format!("/v1/households/H1?known_at={known_at}")).await;
        assert_eq!(status, 200, "{answer}");
        let members = answer["household"]["members"].as_array().unwrap();
        members.iter().map(|member| member["person"]["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(members(before).await, [1, 2, 3]);
    assert_eq!(members(born).await, [1, 2, 3, 4]);
    let (_, now) = api.get("/v1/households/H1").await;
    assert_eq!(now["household"]["members"].as_array().unwrap().len(), 3, "the head moved out");
    let (_, mother) = api.get(&format!("/v1/persons/P1?known_at={before}")).await;
    assert_eq!(mother["person"]["children"], json!([]));
    let (_, mother) = api.get(&format!("/v1/persons/P1?known_at={born}")).await;
    assert_eq!(mother["person"]["children"][0]["child"]["id"], json!(4));
    let (status, child) = api.get(&format!("/v1/persons/P4?known_at={before}")).await;
    assert_eq!((status, &child["code"]), (404, &json!("not_known_then")));
    let (_, then) = api.get(&format!("/v1/cards/C1?known_at={with_card}")).await;
    assert_eq!(
        (&then["card"]["status"], &then["card"]["acceptance"]["accepted"]),
        (&json!("active"), &json!(true))
    );
    let (_, now) = api.get("/v1/cards/C1").await;
    assert_eq!(now["card"]["status"], json!("reported_lost"));
    let pin = town.people[&PersonId(4)].pins[0];
    let (_, by_pin) = api.get(&format!("/v1/persons/by-pin/{pin}?known_at={born}")).await;
    assert_eq!(by_pin["found_by"]["pin"], json!({ "pin": pin, "cancelled": false, "current": pin }));
    service.stop();
}

#[tokio::test]
async fn questions_about_no_time_there_is_are_refused_by_code() {
    let dir = tempfile::tempdir().unwrap();
    let (town, [_, _, late]) = a_late_move();
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let beyond = Lsn(late.0 + 1);
    let cases = [
        ("/v1/persons/P1?valid_on=2021".to_owned(), 400, "bad_valid_on"),
        ("/v1/persons/P1?valid_on=2021-02-30".to_owned(), 400, "bad_valid_on"),
        ("/v1/persons/P1?valid_on=2021-10-02".to_owned(), 400, "valid_on_in_future"),
        ("/v1/persons/P1?valid_on=2021-06-30".to_owned(), 404, "not_known_then"),
        ("/v1/persons/P1?known_at=yesterday".to_owned(), 400, "bad_known_at"),
        ("/v1/persons/P1?known_at=-3".to_owned(), 400, "bad_known_at"),
        ("/v1/persons/P1?known_at=0".to_owned(), 400, "known_at_before_genesis"),
        ("/v1/persons/P1?known_at=1969-12-01".to_owned(), 400, "known_at_before_genesis"),
        ("/v1/persons/P1?known_at=1969-12-01T10:00:00Z".to_owned(), 400, "known_at_before_genesis"),
        (format!("/v1/persons/P1?known_at={beyond}"), 400, "known_at_in_future"),
        ("/v1/persons/P1?known_at=2021-10-02".to_owned(), 400, "known_at_in_future"),
        ("/v1/persons/P1?known_at=2399-12-31T23:00:00Z".to_owned(), 400, "known_at_in_future"),
        ("/v1/persons/P1?known_at=1".to_owned(), 404, "not_known_then"),
        ("/v1/persons/P9?known_at=3".to_owned(), 404, "not_known_then"),
        ("/v1/households/H9?valid_on=2021-07-01".to_owned(), 404, "not_known_then"),
        ("/v1/cards/C9?valid_on=2021-07-01".to_owned(), 404, "not_known_then"),
        ("/v1/dossiers/D9?valid_on=2021-07-01".to_owned(), 404, "not_known_then"),
        ("/v1/persons?name=An&valid_on=2021-07-01".to_owned(), 400, "bad_query"),
        (
            "/v1/units/001/household-sizes?known_at=1969-12-31T16:59:59Z".to_owned(),
            400,
            "known_at_before_genesis",
        ),
        ("/v1/persons/P9/chronicle".to_owned(), 404, "person_not_found"),
        ("/v1/persons/P1/chronicle?valid_on=2021-07-01".to_owned(), 400, "not_a_choice_here"),
        ("/v1/households/H9/chronicle".to_owned(), 404, "household_not_found"),
        ("/v1/cards/C9/explanation".to_owned(), 404, "not_known_then"),
    ];
    for (path, status, code) in cases {
        let (got, body) = api.get(&path).await;
        assert_eq!((got, &body["code"]), (status, &json!(code)), "{path}: {body}");
        assert_ne!(body["vi"], body["detail"]);
    }
    for question in ["structure", "moves", "population"] {
        let (status, now) = api.get(&format!("/v1/units/001/{question}?known_at={late}")).await;
        assert_eq!((status, &now["lsn"]), (200, &json!(late.0)), "what is known now may be named");
    }
    service.stop();
}

#[tokio::test]
async fn what_changed_in_a_unit_between_two_pairs_is_told_with_its_causes() {
    let dir = tempfile::tempdir().unwrap();
    let (mut town, [_, back, late]) = a_late_move();
    town.enrol(5, WARDS[0]);
    let mut corrections = Corrections::default();
    corrections.annul(&mut town, event_schemas::ids::EventAddress { lsn: late, index: 0 });
    let corrected = town.scribe.log.last_lsn();
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let changes = async |unit: &str, from: String, to: String| -> Vec<Value> {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/units/{unit}/changes?from={from}&to={to}&limit=1{after}");
            let (status, answer) = api.get(&path).await;
            assert_eq!(status, 200, "{answer}");
            found.extend(answer["changes"].as_array().unwrap().clone());
            match answer["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return found,
            }
        }
    };
    let brief = |changes: &[Value]| -> Value {
        let change = |change: &Value| {
            let aspect = &change["aspects"][0];
            let causes = |side: &str| -> Vec<Value> {
                aspect[side].as_array().unwrap().iter().map(|event| event["at"]["lsn"].clone()).collect()
            };
            json!([change["person"]["id"], change["outcome"], causes("no_longer"), causes("newly")])
        };
        changes.iter().map(change).collect()
    };
    let on = |day: &str, lsn: Lsn| format!("{day}@{lsn}");
    // The late record brings him into the one ward and out of the other; the correction undoes it.
    let day = "2021-08-15";
    let (before, after) = (on(day, back), on(day, late));
    let came = changes("00004", before.clone(), after.clone()).await;
    assert_eq!(brief(&came), json!([[1, "came", [], [late]]]));
    assert_eq!(came[0]["aspects"][0]["before"]["permanent"]["since"], json!("2021-07-01"));
    let gone = changes("00001", before.clone(), after.clone()).await;
    assert_eq!(brief(&gone), json!([[1, "gone", [], [late]]]));
    let within = changes("001", before.clone(), after.clone()).await;
    assert_eq!(brief(&within), json!([[1, "changed", [], [late]]]));
    let undone = changes("00004", after.clone(), on(day, corrected)).await;
    assert_eq!(
        brief(&undone),
        json!([[1, "gone", [late], []]]),
        "who has no trace of it now is found all the same"
    );
    assert_eq!(changes("001", before.clone(), on(day, corrected)).await, [] as [Value; 0]);
    let residents = async |unit: &str, known_at: Lsn| -> Value {
        let path = format!("/v1/units/{unit}/members?valid_on={day}&known_at={known_at}");
        let (status, answer) = api.get(&path).await;
        assert_eq!((status, &answer["as_of"]["valid_on"]), (200, &json!(day)), "{answer}");
        answer["members"].as_array().unwrap().iter().map(|member| member["id"].clone()).collect()
    };
    assert_eq!((residents("00001", back).await, residents("00004", back).await), (json!([1]), json!([])));
    assert_eq!((residents("00001", late).await, residents("00004", late).await), (json!([]), json!([1])));
    assert_eq!(
        (residents("00001", corrected).await, residents("00004", corrected).await),
        (json!([1]), json!([]))
    );
    // Between two days by what is known now: five were enrolled.
    let grown = changes("00001", "2021-09-30@".to_owned(), String::new()).await;
    assert_eq!(grown.iter().filter(|change| change["outcome"] == "came").count(), 5);
    for (path, code) in [
        ("from=2021", "bad_valid_on"),
        ("from=@x", "bad_known_at"),
        ("from=2021-08-15@99999", "known_at_in_future"),
    ] {
        let (status, refused) = api.get(&format!("/v1/units/001/changes?{path}")).await;
        assert_eq!((status, &refused["code"]), (400, &json!(code)));
    }
    service.stop();
}

/// A view that is kept as it stood answers everything as it was answered then.
#[tokio::test]
async fn a_replayed_view_stands_where_it_was_told_to_and_counts_as_it_counted_then() {
    let (live, replayed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (town, [_, back, _]) = a_late_move();
    let until = projections::Options { until: back, ..projections::Options::in_directory(replayed.path()) };
    let source = || std::sync::Arc::new(town.scribe.log.source());
    let (views, service) = projections::Views::start(until, LOG, source()).unwrap();
    views.wait_for(LOG, back, crate::common::serving::LONG).await.unwrap();
    let api = Api::of(&views);
    let flows = "/v1/units/00004/flows?from=2021-07&to=2021-10";
    let (_, then) = api.get(&format!("{flows}&known_at={back}")).await;
    let (status, unit) = api.get(&format!("/v1/units/00004/population?known_at={back}")).await;
    assert_eq!((status, &unit["lsn"]), (200, &json!(back.0)));
    assert!(views.progress().entries_behind > 0, "it does not claim to be up to date");
    let again = tokio::task::spawn_blocking({
        let views = views.clone();
        move || views.rebuild(false).unwrap()
    });
    let report = again.await.unwrap();
    assert!(report.difference.is_none() && report.switched && report.rebuilt.lsn == back);
    service.stop();
    let (views, service) = start(live.path(), &town);
    caught_up(&views, &town).await;
    let (_, now) = Api::of(&views).get(flows).await;
    let moved_in = |answer: &Value| -> u64 {
        answer["months"].as_array().unwrap().iter().map(|month| month["moved_in"].as_u64().unwrap()).sum()
    };
    assert_eq!((moved_in(&then), moved_in(&now)), (0, 1), "{then} {now}");
    service.stop();
}

#[tokio::test]
async fn a_chronicle_tells_what_was_believed_before_and_what_counts_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (mut town, [_, back, late]) = a_late_move();
    let mut corrections = Corrections::default();
    // The late move was somebody else's.
    corrections.annul(&mut town, event_schemas::ids::EventAddress { lsn: late, index: 0 });
    let corrected = town.scribe.log.last_lsn();
    let renamed =
        NameChanged { person: PersonId(1), names: names("<b>Bình"), reason: "x & y".parse().unwrap() };
    town.record(vec![EventBody::NameChanged(renamed)]);
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let told = api.answer::<ChronicleAnswer>("/v1/persons/P1/chronicle").await.body.chronicle;
    let lsns: Vec<Lsn> = told.records.iter().map(|record| record.lsn).collect();
    assert!(lsns.is_sorted() && lsns.len() == 5, "oldest first: {lsns:?}");
    let record = |lsn| told.records.iter().find(|record| record.lsn == lsn).unwrap();
    assert_eq!(record(late).events[0].taken_back_by, Some(corrected));
    assert_eq!(record(back).events[0].taken_back_by, None);
    let restated = &record(late).restated[0];
    let days = |timeline: &[projections::chronicle::Believed]| -> Vec<(String, bool)> {
        timeline.iter().map(|event| (event.effective_on.to_string(), event.only_here)).collect()
    };
    let told_of = |day: &str, only_here| (day.to_owned(), only_here);
    assert_eq!(days(&restated.before), [told_of("2021-07-01", false), told_of("2021-09-01", false)]);
    assert_eq!(
        days(&restated.after),
        [told_of("2021-07-01", false), told_of("2021-08-01", true), told_of("2021-09-01", false)]
    );
    assert_eq!(days(&record(corrected).restated[0].before)[1], told_of("2021-08-01", true));
    // As it was known before the correction, nothing had been taken back.
    let path = format!("/v1/persons/P1/chronicle?known_at={late}");
    let then = api.answer::<ChronicleAnswer>(&path).await.body.chronicle;
    assert!(then.records.iter().flat_map(|record| &record.events).all(|event| event.taken_back_by.is_none()));

    let path = "/v1/persons/P1/explanation?valid_on=2021-08-15";
    let why = api.answer::<ExplanationAnswer>(path).await.body.explanation;
    let residence = why.aspects.iter().find(|aspect| aspect.label.en == "Permanent residence").unwrap();
    assert_eq!(residence.says["permanent"]["since"], json!("2021-07-01"));
    assert_eq!(
        residence.made_by.iter().map(|event| event.event.effective_on.to_string()).collect::<Vec<_>>(),
        ["2021-07-01"]
    );
    let because: Vec<Because> = residence.not_counted.iter().map(|event| event.because).collect();
    assert_eq!(because, [Because::HoldsLater, Because::TakenBackBy(corrected)]);

    let request = Request::get("/v1/persons/P1/chronicle")
        .header("authorization", "Bearer persons:read")
        .header("x-purpose", "toa an")
        .header("accept", "text/html,application/xhtml+xml");
    let response = api.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let bytes = axum::body::to_bytes(response.into_body(), 8 << 20).await.unwrap();
    let page = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(page.contains("Đăng ký thường trú") && page.contains("Permanent residence registered"), "{page}");
    assert!(page.contains("Nguyễn &lt;b&gt;Bình (P1") && page.contains("x &amp; y") && !page.contains("<b>"));
    assert!(!page.contains("http") && !page.contains("<script"), "a page needs nothing else");
    let reads = api.reads.0.lock().unwrap();
    assert!(
        reads.last().unwrap().shown.contains(&RowRef::Person(PersonId(1))),
        "a printed page is a read too"
    );
    drop(reads);
    service.stop();
}

#[tokio::test]
async fn the_present_asked_for_as_the_past_is_the_present() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = Town::new();
    for (what, which) in (0..60_u32).map(|which| ((which * 7 % 20) as u8, which * 13)) {
        town.live(what, which);
    }
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let now = format!("valid_on={}&known_at={}", town.today, town.scribe.log.last_lsn());
    for id in town.people.keys() {
        let live = api.answer::<PersonAnswer>(&format!("/v1/persons/{id}")).await;
        let past =
            api.answer::<PersonAnswer>(&format!("/v1/persons/{id}?{now}&at_least=1&log_id={LOG}")).await;
        assert_eq!((live.lsn, live.body), (past.lsn, past.body));
    }
    for unit in ["00001", "00004"] {
        for kind in ["permanent", "temporary"] {
            let (_, live) = api.get(&format!("/v1/units/{unit}/members?kind={kind}")).await;
            let (status, past) = api.get(&format!("/v1/units/{unit}/members?kind={kind}&{now}")).await;
            assert_eq!((status, &past["members"], &past["lsn"]), (200, &live["members"], &live["lsn"]));
        }
    }
    for id in 1..=5 {
        for rows in ["households/H", "cards/C", "dossiers/D"] {
            let (status, live) = api.get(&format!("/v1/{rows}{id}")).await;
            let (_, past) = api.get(&format!("/v1/{rows}{id}?{now}")).await;
            assert!(status == 404 || rows.ends_with('D') || live["lsn"] == past["lsn"]);
            for thing in ["household", "card", "dossier"] {
                assert_eq!(live[thing], past[thing], "{rows}{id}");
            }
        }
    }
    service.stop();
}
