//! The main job as a newcomer sees it: a synthetic province lives against a running service, which is killed in the middle;
//! afterwards every person, household and card of the views is what the simulator's own ledger says.
//!
//! `DANCU_DEMO_PERSONS` sets the number of persons.

use std::process::Command;

/// The smallest population in which everything happens.
const PERSONS: &str = "2000";

#[test]
fn a_province_lives_and_the_views_agree_with_its_ledger_everywhere() {
    let persons = std::env::var("DANCU_DEMO_PERSONS").unwrap_or_else(|_| PERSONS.to_owned());
    live(&["--persons", &persons, "--years", "1"]);
}

/// Long enough for cards to reach their last day, which ends them by itself, and for the law of cards to change.
#[test]
fn a_province_lives_through_the_last_days_of_cards_and_the_change_of_their_law() {
    live(&["--persons", PERSONS, "--start", "2021-07-01", "--years", "4", "--seed", "2"]);
}

fn live(args: &[&str]) {
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
}
