//! A rehearsal of a few thousand persons: every step of the large one.

use serde_json::Value;
use std::process::Command;

fn rehearse(engine: &str, persons: &str, beside: &str) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dancu"))
        .args(["scale", "--years", "1", "--json", "--engine", engine])
        .args(["--persons", persons, "--beside", beside, "--dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    let (told, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{errors}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
    told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_nation_is_rehearsed_and_the_views_count_whom_the_simulation_counts() {
    let runs = rehearse("fjall", "2000", "2000");
    let persons: Vec<_> = runs.iter().map(|run| run["persons"].as_u64().unwrap()).collect();
    assert_eq!(persons, [2_000], "one run stands beside itself");
    for run in &runs {
        assert!(run["life"]["living"].as_u64().unwrap() > 1_000);
        assert_eq!(run["life"]["living"], run["restart"]["living"]);
        assert!(run["views"]["events"].as_u64() > run["views"]["records"].as_u64());
    }
}
