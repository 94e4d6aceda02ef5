//! The main job as a newcomer sees it: a synthetic province lives against a running service, which is killed in the middle;
//! afterwards every person, household and card of the views is what the simulator's own ledger says.
//!
//! `DANCU_DEMO_PERSONS` sets the number of persons.

use crate::program::{folded, good, refused};
use domain::registry::rows::{ABROAD, PersonRow};
use event_schemas::time::{Date, Timestamp};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The smallest population in which everything happens.
const PERSONS: &str = "2000";

#[test]
fn a_province_lives_and_the_views_agree_with_its_ledger_everywhere() {
    let persons = std::env::var("DANCU_DEMO_PERSONS").unwrap_or_else(|_| PERSONS.to_owned());
    let dir = live(&["--persons", &persons, "--years", "1"]);
    other_rules_change_what_they_speak_of(dir.path().join("demo").to_str().unwrap());
    every_change_of_a_total_is_explained(&dir.path().join("demo"));
}

/// Long enough for cards to reach their last day, which ends them by itself, and for the law of cards to change.
#[test]
fn a_province_lives_through_the_last_days_of_cards_and_the_change_of_their_law() {
    drop(live(&["--persons", PERSONS, "--start", "2021-07-01", "--years", "4", "--seed", "2"]));
}

fn live(args: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dancu"))
        .args(["demo", "--compare-all"])
        .args(args)
        .arg("--dir")
        .arg(dir.path().join("demo"))
        .output()
        .unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{errors}");
    assert!(told.contains(": 0 differences"), "{told}");
    let proof: Vec<&str> = told.lines().skip_while(|line| !line.starts_with("Nothing was lost")).collect();
    println!("{}", proof.join("\n"));
    dir
}

/// Every decision is proven again by its own rules (W4), and with another time for registering births exactly those births are told
/// that were registered in time, and later than that.
fn other_rules_change_what_they_speak_of(home: &str) {
    const DAYS: i32 = 10;
    let in_between = |entry: &Value| {
        let birth = &entry["body"]["record"]["command"]["command"]["birth"]["child"]["birth"];
        let Ok(born) = birth.as_str().unwrap_or_default().parse::<Date>() else { return false };
        let recorded: Timestamp = entry["recorded_at"].as_str().unwrap().parse().unwrap();
        (DAYS + 1..=60).contains(&(recorded.vietnam_date().0 - born.0))
    };
    let log = good(&["inspect", "--dir", home, "--from", "1"]);
    let entries: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let decisions = entries.iter().filter(|entry| !entry["body"]["record"].is_null()).count();
    let births: Vec<&Value> = entries.iter().filter(|entry| in_between(entry)).collect();
    assert!(!births.is_empty());

    let set = format!("birth_registration_days={DAYS}");
    let asked = ["reconsider", "--dir", home, "--json", "--limit", "100000", "--set", &set];
    let found: Value = serde_json::from_str(&good(&asked)).unwrap();
    assert_eq!(found["proven"], json!({ "1": decisions }));
    assert_eq!((&found["changed"], &found["refused"]), (&json!({ "birth": births.len() }), &json!({})));
    let listed = found["listed"].as_array().unwrap();
    assert!(listed.iter().map(|it| &it["lsn"]).eq(births.iter().map(|entry| &entry["lsn"])));

    // Whoever would be refused is told with the reason, as an office is.
    let younger = ["reconsider", "--dir", home, "--set", "marriage_age_woman_years=25", "--limit", "1"];
    let table = good(&younger);
    assert!(table.contains("register_marriage refused with too_young_to_marry"), "{table}");
    assert!(table.contains("1 are listed"), "{table}");
}

/// Records that changed a total add up to it, from the beginning and from the middle on; and it is what the registry's fold says.
fn every_change_of_a_total_is_explained(home: &Path) {
    let dir = home.to_str().unwrap();
    let explain = |more: &[&str]| -> Value {
        let all = ["explain", "total", "VN", "--dir", dir, "--json", "--limit", "1000000"];
        serde_json::from_str(&good(&[&all[..], more].concat())).unwrap()
    };
    let number = |value: &Value| value.as_i64().unwrap();
    let causes = |told: &Value| told["causes"].as_array().unwrap().clone();

    let whole = explain(&["--definition", "permanent"]);
    let is_home = |row: &PersonRow| row.died == 0 && row.unit != 0 && row.unit != ABROAD;
    let living = folded(home).persons().filter(|(_, row)| is_home(row)).count();
    assert_eq!((number(&whole["before"]), number(&whole["after"])), (0, living as i64));
    let sum: i64 = causes(&whole).iter().map(|cause| number(&cause["change"])).sum();
    assert_eq!(sum, living as i64);

    let middle = number(&whole["to"]) / 2;
    let rest = explain(&["--definition", "permanent", "--from", &middle.to_string()]);
    let (earlier, later): (Vec<Value>, Vec<Value>) =
        causes(&whole).into_iter().partition(|cause| number(&cause["lsn"]) < middle);
    assert_eq!(number(&rest["before"]), number(&earlier.last().unwrap()["total"]));
    assert_eq!(causes(&rest), later);
    // What would be passed over in silence is refused.
    for more in [["--month", "2021-03"], ["--by", "registration"], ["--vital", "move"], ["--known-at", "5"]] {
        let said = refused(&[&["explain", "total", "VN", "--dir", dir][..], &more].concat());
        assert!(said.contains("--"), "{said}");
    }
    assert!(later.iter().any(|cause| cause["command"] == "death"));
}
