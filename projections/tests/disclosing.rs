//! What is told to whoever may see totals and no persons.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::serving::{Api, caught_up, start};
use common::town::{Town, WARDS};
use serde_json::Value;

const TOTALS_ONLY: &str = "totals:read,records:watch";
/// The threshold unless configured otherwise.
const FEW: u64 = 10;

/// Two wards: one with many households, one with a few.
fn town() -> Town {
    let mut town = Town::new();
    for _ in 0..30 {
        town.enrol(4, WARDS[0]);
    }
    for _ in 0..6 {
        town.enrol(3, WARDS[1]);
    }
    town
}

async fn told(api: &Api, path: &str) -> Value {
    let (status, body) = api.get_as(TOTALS_ONLY, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// Every count of a structure in the order of bands, none where it is hidden.
async fn cells(api: &Api, unit: &str) -> Vec<Option<u64>> {
    let answer = told(api, &format!("/v1/totals/{unit}/structure")).await;
    let bands = answer["bands"].as_array().unwrap().iter();
    let cells: Vec<Option<u64>> =
        bands.flat_map(|band| ["male", "female", "unknown"].map(|sex| band[sex].as_u64())).collect();
    assert_eq!(answer["shown"].as_u64().unwrap(), cells.iter().flatten().sum::<u64>());
    let hidden = cells.iter().filter(|cell| cell.is_none()).count() as u64;
    assert_eq!(answer["hidden"]["counts"].as_u64().unwrap(), hidden);
    cells
}

#[tokio::test]
async fn a_small_ward_does_not_come_back_as_what_the_district_has_beside_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let town = town();
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    let (district, large, small) =
        (cells(&api, "001").await, cells(&api, "00001").await, cells(&api, "00004").await);
    assert_eq!(cells(&api, "VN").await, cells(&api, "01").await);
    assert_eq!(district.iter().flatten().sum::<u64>(), 138, "so many are told of in all");
    let mut hidden = 0;
    for ((whole, one), other) in district.iter().zip(&large).zip(&small) {
        for cell in [whole, one, other].into_iter().flatten() {
            assert!(*cell == 0 || *cell >= FEW);
        }
        assert!(whole.is_none() || one.is_none() == other.is_none(), "what is left over would be the other");
        hidden += usize::from(one.is_none());
    }
    assert!(hidden > 0, "the small ward has six women of one age, and the large one is hidden with it");
    let sizes = told(&api, "/v1/totals/00004/household-sizes").await;
    assert_eq!(sizes["sizes"][0]["households"], Value::Null, "{sizes}");
    service.stop();
}

#[tokio::test]
async fn a_token_for_totals_alone_opens_nothing_else_and_has_no_choices() {
    let dir = tempfile::tempdir().unwrap();
    let town = town();
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    for path in [
        "/v1/persons/P1",
        "/v1/units/001/structure",
        "/v1/units/001/flows",
        "/v1/units/001/population",
        "/v1/units/00001/members",
        "/v1/households/H1",
    ] {
        assert_eq!(api.get_as(TOTALS_ONLY, path).await.0, 403, "{path}");
    }
    for (path, code) in [
        ("/v1/totals/U3/structure", "not_a_choice_here"),
        ("/v1/totals/001/structure?on=2021-01-02", "bad_query"),
        ("/v1/totals/001/structure?bands=1", "bad_query"),
        ("/v1/totals/001/structure?definition=permanent", "bad_query"),
        ("/v1/totals/001/household-sizes?boundaries_on=2020-01-01", "bad_query"),
    ] {
        let (status, body) = api.get_as(TOTALS_ONLY, path).await;
        assert_eq!((status, body["code"].as_str().unwrap()), (400, code), "{path}");
    }
    service.stop();
}
