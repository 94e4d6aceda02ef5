//! What is told to whoever may see totals and no persons.
use crate::common::serving::{Api, caught_up, start};
use crate::common::town::{Town, WARDS};
use serde_json::Value;

const TOTALS_ONLY: &str = "totals:read,records:watch";
/// The threshold unless configured otherwise.
const FEW: u64 = 10;
/// Steps of the town's life.
const DEATH: u8 = 2;
const DAYS: u8 = 11;

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

/// Deaths of men and of women in the year before, none where the count is hidden.
async fn deaths(api: &Api, unit: &str) -> [Option<u64>; 2] {
    let answer = told(api, &format!("/v1/totals/{unit}/vital-events")).await;
    let rows = answer["events"].as_array().unwrap();
    let counts = |row: &Value| ["male", "female", "unknown"].map(|sex| row[sex].as_u64());
    let shown: u64 = rows.iter().flat_map(counts).flatten().sum();
    assert_eq!(answer["shown"].as_u64().unwrap(), shown);
    let row = rows.iter().find(|row| row["event"] == "death").unwrap();
    ["male", "female"].map(|sex| row[sex].as_u64())
}

#[tokio::test]
async fn deaths_of_a_year_that_is_over_are_told_where_they_are_many() {
    let dir = tempfile::tempdir().unwrap();
    let mut town = town();
    let living = town.people.len() as u32;
    (0..30).for_each(|_| town.live(DEATH, 0));
    (0..6).for_each(|died| town.live(DEATH, living - 31 - died));
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    assert_eq!(deaths(&api, "001").await, [Some(0), Some(0)], "this year is not over");
    service.stop();

    while town.today.year() == 2021 {
        town.live(DAYS, 30);
    }
    let dir = tempfile::tempdir().unwrap();
    let (views, service) = start(dir.path(), &town);
    caught_up(&views, &town).await;
    let api = Api::of(&views);
    assert_eq!(deaths(&api, "VN").await, [Some(19), Some(17)]);
    assert_eq!(deaths(&api, "001").await, [Some(19), Some(17)]);
    assert_eq!(deaths(&api, "00004").await, [None, None], "four men and two women");
    assert_eq!(deaths(&api, "00001").await, [None, None], "what is left over would be the other ward");
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
        ("/v1/totals/001/vital-events?from=2020-01", "bad_query"),
    ] {
        let (status, body) = api.get_as(TOTALS_ONLY, path).await;
        assert_eq!((status, body["code"].as_str().unwrap()), (400, code), "{path}");
    }
    service.stop();
}
