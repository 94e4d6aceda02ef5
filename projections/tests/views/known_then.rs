//! Totals and flows by what was known at an earlier record are those that a view shows which goes no further.
use crate::as_of::{live_on, lived};
use crate::common::serving::{Api, LONG, caught_up, start};
use crate::common::{LOG, cases};
use event_schemas::ids::Lsn;
use event_schemas::record::EntryBody;
use projections::{Options, Views};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::Arc;

const AREAS: [&str; 5] = ["VN", "01", "001", "00001", "00004"];

fn questions() -> Vec<String> {
    let whole = "from=2020-01&to=2022-12";
    let mut asked = Vec::new();
    for area in AREAS {
        asked.push(format!("{area}/structure?"));
        for definition in ["permanent", "temporary", "present", "usual"] {
            asked.push(format!("{area}/structure?apart=category,marital&bands=1&definition={definition}"));
            asked.push(format!("{area}/flows?{whole}&by=registration&definition={definition}"));
            asked.push(format!("{area}/moves?{whole}&definition={definition}"));
        }
        asked.extend(["flows", "vital-events", "delays"].map(|what| format!("{area}/{what}?{whole}")));
        asked.push(format!("{area}/household-sizes?"));
    }
    asked.extend(AREAS[1..].iter().map(|area| format!("{area}/population?")));
    asked
}

/// What an answer says, but for how it says which pair of times it is about.
async fn said(api: &Api, question: &str, known_at: Option<Lsn>) -> Value {
    let known_at = known_at.map_or_else(String::new, |lsn| format!("&known_at={lsn}"));
    let path = format!("/v1/units/{question}{known_at}").replace("?&", "?");
    let (status, mut answer) = api.get(&path).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer.as_object_mut().unwrap().remove("as_of");
    answer
}

async fn compare(life: &[(u8, u32)], later: &[(u8, u32)], shares: &[f64]) {
    let (mut town, mut corrections) = lived(life);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (views, service) = start(dirs[0].path(), &town);
    caught_up(&views, &town).await;
    let now = Api::of(&views);
    // Everything that is asked for is there once the units are.
    let (first, last) = (3, town.scribe.log.last_lsn().0);
    for share in shares {
        let known_at = Lsn(first + ((last - first) as f64 * share) as u64);
        let options =
            Options { until: known_at, ..Options::in_directory(dirs[1].path().join(known_at.to_string())) };
        let (then, of_then) = Views::start(options, LOG, Arc::new(town.scribe.log.source())).unwrap();
        then.wait_for(LOG, known_at, LONG).await.unwrap();
        let replayed = Api::of(&then);
        for question in questions() {
            let told = said(&now, &question, Some(known_at)).await;
            assert_eq!(
                told,
                said(&replayed, &question, None).await,
                "{question} at lsn {known_at} of {last}"
            );
        }
        // What is recorded meanwhile changes nothing of it.
        live_on(&mut town, &mut corrections, later);
        caught_up(&views, &town).await;
        for question in questions() {
            let told = said(&now, &question, Some(known_at)).await;
            let last = town.scribe.log.last_lsn();
            assert_eq!(
                told,
                said(&replayed, &question, None).await,
                "{question} at {known_at} later, of {last}"
            );
        }
        of_then.stop();
    }
    service.stop();
}

/// Each asks some hundred questions of views that were replayed for it.
const MOST_CASES: u32 = 400;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(24).min(MOST_CASES)))]

    #[test]
    fn totals_known_then_are_those_of_a_replay(
        life in prop::collection::vec((any::<u8>(), 0..1_000_u32), 1..60),
        later in prop::collection::vec((any::<u8>(), 0..1_000_u32), 1..10),
        shares in prop::collection::vec(0.0..1.0_f64, 2),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(compare(&life, &later, &shares));
    }
}

#[tokio::test]
async fn of_what_lies_too_far_back_the_replay_is_named() {
    let (town, _) = lived(&[(0, 3), (3, 1)]);
    let known = town.scribe.log.last_lsn();
    let far = projections::MAX_RECORDS_TAKEN_BACK;
    for _ in 0..far {
        town.scribe.log.append(&EntryBody::Tick);
    }
    let dir = tempfile::tempdir().unwrap();
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let (status, answer) = api.get(&format!("/v1/units/VN/structure?known_at={known}")).await;
    assert_eq!((status, &answer["code"].as_str()), (200, &None), "{answer}");
    let (status, answer) = api.get(&format!("/v1/units/VN/structure?known_at={}", known.0 - 1)).await;
    assert_eq!((status, &answer["code"]), (400, &"known_at_needs_replay".into()), "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains(&format!("--to-lsn {}", known.0 - 1)), "{answer}");
    service.stop();
}
