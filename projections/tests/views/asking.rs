//! Questions over HTTP.

use crate::common::serving::{Api, caught_up, start};
use crate::common::town::{Town, WARDS, names};
use crate::common::{LOG, date, event};
use access::http::OpenApi;
use axum::body::Body;
use axum::http::Request;
use event_schemas::basis::{RegisterEntry, RegisterKind};
use event_schemas::event::{EventBody, MarriageEnded, MarriageRegistered};
use event_schemas::ids::{LogId, OfficeId, PersonId};
use event_schemas::kin::{DescribedPerson, KinRef, MarriageEndReason};
use event_schemas::row::RowRef;
use projections::answers::{HistoryAnswer, MembersAnswer, PersonAnswer, PopulationAnswer, Reflecting};
use projections::http::routes;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;

#[tokio::test]
async fn persons_are_found_by_id_pin_and_cmnd_and_every_read_is_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = Town::new();
    town.enrol(3, WARDS[0]);
    town.live(10, 0);
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let lsn = town.scribe.log.last_lsn();
    let token = format!("at_least={lsn}&log_id={LOG}&wait_ms=1000");
    let by_id: Reflecting<PersonAnswer> = api.answer(&format!("/v1/persons/P1?{token}")).await;
    assert_eq!((by_id.lsn, by_id.log_id), (lsn, LOG));
    assert_eq!(
        by_id.body.person.permanent.as_ref().unwrap().text,
        "Số 5 phố Tân Ấp, Phường Phúc Xá, Quận Ba Đình, Thành phố Hà Nội"
    );
    let pins = &town.people[&PersonId(1)].pins;
    let (status, old) = api.get(&format!("/v1/persons/by-pin/{}", pins[0])).await;
    assert_eq!((status, &old["found_by"]["pin"]["cancelled"]), (200, &json!(true)));
    assert_eq!(old["found_by"]["pin"]["current"], json!(pins[1].to_string()));
    let (_, new) = api.get(&format!("/v1/persons/by-pin/{}", pins[1])).await;
    assert_eq!((&new["found_by"]["pin"]["cancelled"], &new["person"]), (&json!(false), &old["person"]));
    let (_, cmnd) = api.get("/v1/persons/by-cmnd/000000001").await;
    assert_eq!(cmnd["person"], old["person"]);
    let (_, household) = api.get("/v1/households/H1").await;
    assert_eq!(household["household"]["members"].as_array().unwrap().len(), 3);
    let (_, residence) = api.get("/v1/persons/1/residence").await;
    assert_eq!(residence["household"]["household"], json!(1));
    let reads = api.reads.0.lock().unwrap();
    assert_eq!(reads.len(), 6);
    assert_eq!(reads[0].shown, [RowRef::Person(PersonId(1))]);
    assert_eq!(reads[4].shown.len(), 4, "a household shows its members");
    assert!(reads.iter().all(|read| read.lsn == Some(lsn)));
    service.stop();
}

#[tokio::test]
async fn a_person_is_shown_with_the_spouse_and_since_when_and_the_history_tells_how_it_came() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = Town::new();
    town.enrol(3, WARDS[0]);
    let partners = |other| [KinRef::Registered(PersonId(1)), other];
    let entry =
        |number| RegisterEntry { office: OfficeId(2), register: RegisterKind::Marriage, year: 2015, number };
    let married = |other, number| {
        let registered = MarriageRegistered { partners: partners(other), entry: entry(number), legacy: None };
        EventBody::MarriageRegistered(registered)
    };
    let divorced =
        MarriageEnded { person: PersonId(2), spouse: Some(PersonId(1)), reason: MarriageEndReason::Divorce };
    let marie = DescribedPerson { names: names("Marie"), birth: None, nationality: None, document: None };
    let first = married(KinRef::Registered(PersonId(2)), 7);
    town.scribe.record(vec![event(date("2015-05-01"), first)]);
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let (_, person) = api.get("/v1/persons/P1").await;
    let marital = &person["person"]["marital"];
    assert_eq!((&marital["status"], &marital["since"]), (&json!("married"), &json!("2015-05-01")));
    assert_eq!(marital["spouse"]["id"], json!(2));
    let (_, other) = api.get("/v1/persons/P2").await;
    assert_eq!(other["person"]["marital"]["spouse"]["id"], json!(1));
    assert!(
        api.reads.0.lock().unwrap()[0].shown.contains(&RowRef::Person(PersonId(2))),
        "a spouse is shown too"
    );
    town.scribe.record(vec![event(date("2020-02-01"), EventBody::MarriageEnded(divorced))]);
    town.scribe.record(vec![event(date("2021-03-01"), married(KinRef::Described(Box::new(marie)), 8))]);
    caught_up(&views, &town).await;
    let (_, person) = api.get("/v1/persons/P1").await;
    let (marital, marriages) = (&person["person"]["marital"], &person["person"]["marriages"]);
    assert_eq!((&marital["since"], &marital["spouse"]), (&json!("2021-03-01"), &json!(null)));
    assert_eq!(marital["described"]["names"]["given"], json!("Marie"));
    assert_eq!(
        (&marriages[0]["entry"]["number"], &marriages[0]["end"]["reason"]),
        (&json!(7), &json!("divorce"))
    );
    let (_, other) = api.get("/v1/persons/P2").await;
    assert_eq!(other["person"]["marital"]["status"], json!("divorced"));
    let (_, history) = api.get("/v1/persons/P2/history").await;
    let events: Vec<_> =
        history["records"].as_array().unwrap().iter().map(|r| &r["events"][0]["event"]).collect();
    assert_eq!(events[..2], [&json!("marriage_ended"), &json!("marriage_registered")]);
    service.stop();
}

#[tokio::test]
async fn what_is_recorded_is_told_once_from_wherever_a_client_left_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = Town::new();
    town.enrol(3, WARDS[0]);
    town.live(10, 0);
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let last = town.scribe.log.last_lsn();
    // Everything is read, then the service ends, and with it the stream.
    let told = |path: String, last_event_id: Option<String>| {
        let request = Request::get(path).header("authorization", "Bearer records:watch,units:read");
        let request = match last_event_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let (router, stop) = (api.router.clone(), &api.stop);
        async move {
            let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            tokio::spawn({
                let stop = stop.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    stop.send_replace(true);
                }
            });
            let bytes = axum::body::to_bytes(response.into_body(), 8 << 20).await.unwrap();
            stop.send_replace(false);
            String::from_utf8(bytes.to_vec()).unwrap()
        }
    };
    let messages = |text: &str| -> Vec<Value> {
        text.lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    };
    let all = told("/v1/events?after=0".to_owned(), None).await;
    assert!(all.starts_with("id: ") && all.contains("event: begin\n"), "{all}");
    assert!(all.trim_end().ends_with("data: {\"reason\":\"service_stops\"}"), "{all}");
    let recorded = |text: &str| -> Vec<Value> {
        messages(text).into_iter().filter(|message| message.get("entry").is_some()).collect()
    };
    let summaries = recorded(&all);
    assert_eq!(summaries[0]["entry"], "administration");
    let registered = |summary: &&Value| summary["events"]["person_registered"] == 3;
    assert_eq!(summaries.iter().find(registered).unwrap()["entry"], "record");
    let lsns: Vec<u64> = summaries.iter().map(|summary| summary["lsn"].as_u64().unwrap()).collect();
    assert!(lsns.is_sorted_by(|a, b| a < b), "each once, in order");
    assert!(!all.contains("Nguyễn") && !all.contains("001190"), "nobody is named");
    let half = lsns[lsns.len() / 2];
    // The header goes first: it is what a client sends that lost its connection.
    let rest = recorded(&told("/v1/events?after=0".to_owned(), Some(format!("{LOG}:{half}"))).await);
    let rest: Vec<u64> = rest.iter().map(|summary| summary["lsn"].as_u64().unwrap()).collect();
    assert_eq!(rest, lsns[lsns.len() / 2 + 1..]);
    let (status, body) = api.get_with("/v1/events", &[("last-event-id", &format!("{}:1", LogId(5)))]).await;
    assert_eq!((status, &body["code"]), (409, &json!("read_token_of_other_log")));
    let (status, body) = api.get_with("/v1/events", &[("last-event-id", "17")]).await;
    assert_eq!((status, &body["code"]), (400, &json!("bad_event_id")));
    for path in [
        format!("/v1/events?after={}", last.next()),
        "/v1/events?log_id=00000000-0000-0000-0000-000000000005".to_owned(),
    ] {
        let (status, body) = api.get(&path).await;
        assert!(status == 400 || status == 409, "{body}");
    }
    service.stop();
}

#[tokio::test]
async fn persons_are_found_by_what_is_known_of_them_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = Town::new();
    town.enrol(3, WARDS[0]);
    town.enrol(2, WARDS[1]);
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let (_, first) = api.get("/v1/persons?name=an+NGUYEN&birth=1990&unit=001&limit=3").await;
    assert_eq!((&first["found"], first["persons"].as_array().unwrap().len()), (&json!(5), 3), "{first}");
    let next = first["next"].as_str().unwrap();
    let (_, rest) = api.get(&format!("/v1/persons?name=an+NGUYEN&birth=1990&unit=001&after={next}")).await;
    assert_eq!((rest["persons"][1]["id"].clone(), &rest["next"]), (json!(5), &Value::Null), "{rest}");
    let (status, other) = api.get(&format!("/v1/persons?name=an&after={next}")).await;
    assert_eq!((status, &other["code"]), (400, &json!("cursor_of_other_listing")));
    let (_, ward) = api.get("/v1/persons?unit=00004").await;
    assert_eq!(ward["found"], 2);
    let reads = api.reads.0.lock().unwrap();
    assert_eq!(reads[0].shown.len(), 3, "whom a page shows is recorded");
    drop(reads);
    service.stop();
}

#[tokio::test]
async fn an_office_sees_who_needs_a_card_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = Town::new();
    // People born on 1 May 1990; cards that are made end on 1 May 2031.
    town.enrol(8, WARDS[0]);
    for which in [1, 2, 3, 4, 5, 6, 7] {
        town.live(8, which);
    }
    for (what, which) in [(9, 2), (10, 3), (15, 5), (6, 6), (12, 7)] {
        town.live(what, which);
    }
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let due = async |question: &str| -> Vec<(u64, String)> {
        let (status, answer) = api.get(&format!("/v1/units/00001/cards-due{question}")).await;
        assert_eq!(status, 200, "{answer}");
        let one =
            |due: &Value| (due["person"]["id"].as_u64().unwrap(), due["reason"].as_str().unwrap().to_owned());
        answer["due"].as_array().unwrap().iter().map(one).collect()
    };
    let told = |reasons: &[(u64, &str)]| -> Vec<(u64, String)> {
        reasons.iter().map(|(id, reason)| (*id, (*reason).to_owned())).collect()
    };
    let now = told(&[
        (1, "first_card"),
        (3, "lost"),
        (4, "pin_changed"),
        (5, "first_card"),
        (6, "damaged"),
        (7, "information_changed"),
    ]);
    assert_eq!(due("").await, now);
    assert_eq!(due("?by=2031-05-01").await, now, "the last day is one of validity");
    let later = told(&[
        (1, "first_card"),
        (2, "expires"),
        (3, "expires"),
        (4, "pin_changed"),
        (5, "first_card"),
        (6, "expires"),
        (7, "expires"),
    ]);
    assert_eq!(due("?by=2031-05-02").await, later);
    let (_, card) = api.get("/v1/cards/C5").await;
    assert_eq!(
        (&card["card"]["due"], &card["card"]["acceptance"]["reason"]),
        (&json!("information_changed"), &json!("valid")),
        "{card}"
    );
    let (_, card) = api.get("/v1/cards/C3").await;
    assert_eq!(
        (&card["card"]["due"], &card["card"]["acceptance"]["accepted"]),
        (&json!("pin_changed"), &json!(false)),
        "{card}"
    );
    let (_, card) = api.get("/v1/cards/C6").await;
    assert_eq!(
        (&card["card"]["due"], &card["card"]["held_for"]),
        (&Value::Null, &json!("detention")),
        "{card}"
    );
    assert_eq!(due("?by=2004-04-30").await, [], "the day before they are fourteen");
    assert_eq!(due("?by=2004-05-01").await.len(), 6);
    let (_, page) = api.get("/v1/units/00001/cards-due?limit=2").await;
    let next = page["next"].as_str().unwrap();
    assert_eq!(due(&format!("?after={next}")).await, now[2..]);
    service.stop();
}

#[tokio::test]
async fn what_is_not_there_or_not_well_asked_is_said_clearly() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = Town::new();
    town.enrol(3, WARDS[0]);
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let page: Reflecting<MembersAnswer> = api.answer("/v1/units/00001/members?limit=1").await;
    let cursor = page.body.next.unwrap();
    let forged = format!("{}{}", if cursor.starts_with('0') { '1' } else { '0' }, &cursor[1..]);
    let after_all = town.scribe.log.last_lsn().next();
    let cases = [
        ("/v1/persons".to_owned(), 400, "search_empty"),
        ("/v1/persons?name=%25".to_owned(), 400, "search_empty"),
        ("/v1/persons?name=".to_owned(), 400, "search_empty"),
        (format!("/v1/persons?name={}", "a".repeat(300)), 400, "search_too_long"),
        (format!("/v1/persons?name={}", "a+".repeat(30)), 400, "search_too_long"),
        ("/v1/persons?name=an&birth=1985-13".to_owned(), 400, "bad_date"),
        ("/v1/persons?name=an&sex=x".to_owned(), 400, "bad_query"),
        ("/v1/persons?unit=00009".to_owned(), 404, "unit_not_found"),
        (format!("/v1/persons?name=an&after={cursor}"), 400, "cursor_of_other_listing"),
        ("/v1/units/001/structure?bands=-5".to_owned(), 400, "bad_bands"),
        ("/v1/units/001/structure?definition=all".to_owned(), 400, "bad_query"),
        ("/v1/units/001/structure?bands=0,5,5".to_owned(), 400, "bad_bands"),
        ("/v1/units/001/structure?on=2021-02-30".to_owned(), 400, "bad_query"),
        ("/v1/units/001/structure?apart=sex".to_owned(), 400, "bad_apart"),
        ("/v1/units/vn/structure".to_owned(), 400, "bad_id"),
        ("/v1/units/001/flows?from=2024".to_owned(), 400, "bad_month"),
        ("/v1/units/001/flows?from=2024-13".to_owned(), 400, "bad_month"),
        ("/v1/units/001/flows?from=2024-03&to=2024-02".to_owned(), 400, "bad_period"),
        ("/v1/units/VN/flows?from=1800-01&to=2399-12".to_owned(), 400, "bad_period"),
        ("/v1/units/001/flows?place=event".to_owned(), 400, "not_a_choice_here"),
        ("/v1/units/001/moves?sex=male".to_owned(), 400, "not_a_choice_here"),
        ("/v1/units/001/delays?by=event".to_owned(), 400, "not_a_choice_here"),
        ("/v1/units/001/vital-events?definition=usual".to_owned(), 400, "not_a_choice_here"),
        ("/v1/units/U99/household-sizes".to_owned(), 404, "unit_not_found"),
        ("/v1/units/009/structure".to_owned(), 404, "unit_not_found"),
        ("/v1/persons/P999".to_owned(), 404, "person_not_found"),
        ("/v1/persons/P0".to_owned(), 404, "person_not_found"),
        ("/v1/persons/abc".to_owned(), 400, "bad_id"),
        ("/v1/persons/H1".to_owned(), 400, "bad_id"),
        ("/v1/persons/99999999999".to_owned(), 400, "bad_id"),
        ("/v1/persons/by-pin/123".to_owned(), 400, "bad_id"),
        ("/v1/persons/by-pin/001190999999".to_owned(), 404, "person_not_found"),
        ("/v1/persons/by-cmnd/999999999".to_owned(), 404, "person_not_found"),
        ("/v1/persons/P999/history".to_owned(), 404, "person_not_found"),
        ("/v1/households/H9".to_owned(), 404, "household_not_found"),
        ("/v1/cards/C9".to_owned(), 404, "card_not_found"),
        ("/v1/dossiers/D9".to_owned(), 404, "dossier_not_found"),
        ("/v1/units/00009".to_owned(), 404, "unit_not_found"),
        ("/v1/units/1234".to_owned(), 400, "bad_id"),
        ("/v1/units/U99".to_owned(), 404, "unit_not_found"),
        ("/v1/units/00001/members?limit=0".to_owned(), 400, "bad_limit"),
        ("/v1/units/00001/members?limit=1001".to_owned(), 400, "bad_limit"),
        ("/v1/units/00001/members?after=00ff".to_owned(), 400, "cursor_forged"),
        (format!("/v1/units/00001/members?after={forged}"), 400, "cursor_forged"),
        (format!("/v1/units/00004/members?after={cursor}"), 400, "cursor_of_other_listing"),
        (format!("/v1/units/00001/members?kind=temporary&after={cursor}"), 400, "cursor_of_other_listing"),
        (format!("/v1/persons/P1/history?after={cursor}"), 400, "cursor_of_other_listing"),
        ("/v1/persons/P1?at_least=3".to_owned(), 400, "read_token_incomplete"),
        ("/v1/persons/P1?atleast=3".to_owned(), 400, "bad_query"),
        (format!("/v1/persons/P1?at_least=3&log_id={}", LogId(5)), 409, "read_token_of_other_log"),
        (format!("/v1/persons/P1?at_least={after_all}&log_id={LOG}&wait_ms=30"), 503, "not_yet_visible"),
    ];
    for (path, status, code) in cases {
        let (got, body) = api.get(&path).await;
        assert_eq!((got, &body["code"]), (status, &json!(code)), "{path}: {body}");
        assert_ne!(body["vi"], body["detail"]);
    }
    let (_, near) = api.get("/v1/units/00009").await;
    assert!(near["detail"].as_str().unwrap().contains("00001 Phường Phúc Xá"), "{near}");
    service.stop();
}

#[tokio::test]
async fn listings_page_without_gap_or_repeat_and_histories_walk_back_to_the_first_record() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = Town::new();
    town.enrol(4, WARDS[0]);
    town.enrol(3, WARDS[0]);
    for which in 0..5 {
        town.rename(0, which);
    }
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let mut path = "/v1/units/00001/members?limit=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let page: Reflecting<MembersAnswer> = api.answer(&path).await;
        seen.extend(page.body.members.iter().map(|member| member.id.0));
        // Somebody who comes in between, with a higher id, does not disturb the pages before.
        let Some(next) = page.body.next else { break };
        path = format!("/v1/units/00001/members?limit=2&after={next}");
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);

    let mut path = "/v1/persons/P1/history?limit=2".to_owned();
    let mut versions = Vec::new();
    let mut kinds = Vec::new();
    loop {
        let page: Reflecting<HistoryAnswer> = api.answer(&path).await;
        for record in &page.body.records {
            versions.push(record.version.0);
            kinds.push(record.events[0].event.clone());
            assert_eq!(record.submitted.as_ref().unwrap().command, "change_name");
            assert!(record.events.iter().all(|event| event.basis.is_some() && event.body.is_some()));
        }
        let Some(next) = page.body.next else { break };
        path = format!("/v1/persons/P1/history?limit=2&after={next}");
    }
    assert_eq!(versions, [6, 5, 4, 3, 2, 1]);
    assert_eq!(kinds.last().unwrap(), "person_registered");

    let population: Reflecting<PopulationAnswer> = api.answer("/v1/units/01/population").await;
    assert_eq!((population.body.population.permanent.all, population.body.population.households), (7, 2));
    let district: Reflecting<PopulationAnswer> = api.answer("/v1/units/001/population").await;
    let parts: Vec<_> = district.body.parts.iter().map(|part| part.population.permanent.all).collect();
    assert_eq!(parts, [7, 0]);
    let (_, households) = api.get("/v1/units/00001/households").await;
    assert_eq!(households["households"].as_array().unwrap().len(), 2);
    let (_, unit) = api.get("/v1/units/001").await;
    assert_eq!(unit["unit"]["below"].as_array().unwrap().len(), 2);
    let (_, progress) = api.get("/v1/views/progress").await;
    assert_eq!((&progress["entries_behind"], &progress["stopped"]), (&json!(0), &json!(null)));
    service.stop();
}

#[test]
fn every_route_has_a_scope_and_a_described_answer() {
    let mut document = OpenApi::new("Dancu", "1", "Queries.");
    routes().describe(&mut document);
    let document = document.finish();
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let scoped =
                operation["security"][0]["bearer"].as_array().is_some_and(|scopes| scopes.len() == 1);
            assert!(scoped, "{method} {path}");
            let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            assert!(schema.is_object(), "{method} {path}");
            operations += 1;
        }
    }
    assert_eq!(operations, routes().list().count());
    assert!(document["components"]["schemas"].as_object().unwrap().len() > 40);
}
