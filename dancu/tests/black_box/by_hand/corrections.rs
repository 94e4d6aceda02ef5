//! Corrections by hand: by one officer, and by two.

use super::{good, json, run};

/// A name is found misspelt: shown, corrected as shown, and the correction taken back.
pub fn correct(url: &str, office: &str) {
    let as_office = ["--url", url, "--token", office, "--purpose", "đính chính"];
    let name_of = |at_least: &str, log_id: &str| {
        let own_write = ["--json", "--at-least", at_least, "--log-id", log_id];
        json(&[&["query", "person", "P1"][..], &as_office, &own_write].concat())["person"]["name"].clone()
    };
    let address = address_of("person_registered", "P1", &as_office);
    let amend = ["correct", "amend", &address, "--of", "P1", "--set", "identity.names.given=Ân"];
    let ground = ["--decision", "12/QĐ", "--reason", "viết sai tên"];
    let (code, _, err) = run(&[&amend[..], &ground[2..], &as_office].concat());
    assert!(code == 2 && err.contains("correction_basis_missing"), "{err}");
    let shown = good(&[&amend[..], &ground, &["--dry-run"], &as_office].concat());
    assert!(shown.contains("Nothing was written") && shown.contains("person registered"), "{shown}");
    let tried = json(&[&amend[..], &ground, &["--dry-run", "--json"], &as_office].concat());
    let digest = tried["correction"]["digest"].as_str().unwrap();
    let foreseen = &tried["effect"]["rows"][0];
    let name = |row: &serde_json::Value| row["person"]["name"].clone();
    assert_eq!(name(&foreseen["before"]), "Nguyễn Văn An");
    assert!(shown.contains("Nguyễn Văn An") && shown.contains("Nguyễn Văn Ân"), "{shown}");
    assert!(shown.contains(digest), "{shown}");
    let stale = "0123456789abcdef0123456789abcdef";
    let (code, _, err) = run(&[&amend[..], &ground, &["--digest", stale], &as_office].concat());
    assert!(code == 2 && err.contains("stale_digest"), "{err}");
    let done = json(&[&amend[..], &ground, &["--digest", digest, "--json"], &as_office].concat());
    let (lsn, log_id) = (done["lsn"].to_string(), done["log_id"].as_str().unwrap());
    assert_eq!(name_of(&lsn, log_id), "Nguyễn Văn Ân");
    assert_eq!(name(&foreseen["after"]), "Nguyễn Văn Ân", "what was shown is what was made");
    let correction = format!("{lsn}.1");
    let annul = ["correct", "annul", &correction, "--json"];
    let undone = json(&[&annul[..], &ground, &as_office].concat());
    assert_eq!(name_of(&undone["lsn"].to_string(), log_id), "Nguyễn Văn An");
    let (code, _, err) = run(&[&annul[..], &ground, &as_office].concat());
    assert!(code == 2 && err.contains("event_annulled_already"), "{err}");
}

/// A year of birth is found wrong: one officer proposes it, another one looks at it and approves it.
pub fn approve(url: &str, home: &str, office: &str) {
    let second = good(&["token", "--dir", home, "--office", "2", "--officer", "4", "--scopes", "all"]);
    let as_first = ["--url", url, "--token", office, "--purpose", "đính chính"];
    let as_second = ["--url", url, "--token", second.trim()];
    let address = address_of("person_registered", "P2", &as_first);
    let amend = ["correct", "amend", &address, "--of", "P2", "--set", "identity.birth=1988-11-20"];
    let ground = ["--decision", "13/QĐ", "--reason", "giấy khai sinh ghi 1988"];
    let (code, _, err) = run(&[&amend[..], &ground, &as_first].concat());
    assert!(code == 2 && err.contains("approval_required") && err.contains("birth_year"), "{err}");
    let shown = good(&[&amend[..], &ground, &["--propose", "--dry-run"], &as_first].concat());
    assert!(shown.contains("Nothing was written") && shown.contains("pin issued"), "{shown}");
    let proposed = json(&[&amend[..], &ground, &["--propose", "--json"], &as_first].concat());
    let proposal = &format!("B{}", proposed["created"]["operations"][0]);
    let seen = ["--at-least", &proposed["lsn"].to_string(), "--log-id", proposed["log_id"].as_str().unwrap()];
    let waiting = json(&[&["query", "operations", "--json"][..], &as_second, &seen].concat());
    assert_eq!(waiting["operations"][1]["kind"], "correction", "{waiting}");
    let approve = ["correct", "approve", proposal, "--decision", "13/QĐ"];
    let (code, _, err) = run(&[&approve[..], &as_first[..4]].concat());
    assert!(code == 2 && err.contains("approved_by_opener"), "{err}");
    let shown = good(&[&approve[..], &as_second].concat());
    assert!(shown.contains("Nothing was written") && shown.contains("pin cancelled"), "{shown}");
    assert!(shown.contains("persons by PIN") && shown.contains("totals ("), "{shown}");
    let digest = shown.trim().rsplit(' ').next().unwrap();
    let done = json(&[&approve[..], &["--digest", digest, "--json"], &as_second].concat());
    let seen = ["--at-least", &done["lsn"].to_string(), "--log-id", done["log_id"].as_str().unwrap()];
    let answer = json(&[&["query", "person", "P2", "--json"][..], &as_first, &seen].concat());
    assert_eq!(answer["person"]["birth"], "1988-11-20");
    let listed = json(&[&["operation", "show", proposal, "--json"][..], &as_second].concat());
    assert_eq!(
        (&listed["operation"]["kind"], &listed["operation"]["status"]),
        (&"correction".into(), &"committed".into())
    );
}

/// Where the first event of a kind stands in the history of a row.
fn address_of(kind: &str, row: &str, as_office: &[&str]) -> String {
    let history = json(&[&["query", "history", row, "--json"][..], as_office].concat());
    let records = history["records"].as_array().unwrap();
    let mut events = records.iter().flat_map(|record| {
        record["events"].as_array().unwrap().iter().map(move |event| (&record["lsn"], event))
    });
    let (lsn, event) = events.find(|(_, event)| event["event"] == kind).unwrap();
    format!("{lsn}.{}", event["index"])
}
