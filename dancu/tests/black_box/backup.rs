//! A registry is lost with its disk and comes back from its archive, as it was or as it was before.

use crate::program::{Service, good, live, refused, token};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const ARCHIVED_WITHIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

fn wait_until_archived(service: &Service, token: &str, lsn: u64) {
    let client = reqwest::blocking::Client::new();
    let deadline = Instant::now() + ARCHIVED_WITHIN;
    loop {
        let asked = client.get(format!("{}/metrics", service.url)).bearer_auth(token).send();
        let page = asked.unwrap().text().unwrap();
        let told = page.lines().find_map(|line| line.strip_prefix("dancu_archive_lsn "));
        if told.is_some_and(|told| told.parse::<f64>().unwrap() >= lsn as f64) {
            return;
        }
        assert!(Instant::now() < deadline, "lsn {lsn} is not archived: {told:?}");
        std::thread::sleep(PAUSE);
    }
}

#[test]
fn a_registry_that_is_lost_with_its_disk_comes_back_from_its_archive() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (home, archive, again) = (path("registry"), path("archive"), path("again"));
    let mut service = Service::start(&home, &["--archive", &archive]);
    let enrolled = live(&service, dir.path(), &home);
    let copied = good(&["backup", "--dir", &home, "--to", &path("elsewhere"), "--json"]);
    let copied: Value = serde_json::from_str(&copied).unwrap();
    assert!(copied["lsn"].as_u64().unwrap() >= enrolled, "it is read beside its service: {copied}");
    wait_until_archived(&service, &token(&home, "0"), enrolled);
    service.child.kill().unwrap();
    service.child.wait().unwrap();
    let secret = std::fs::read(Path::new(&home).join("pin.key")).unwrap();
    std::fs::remove_dir_all(&home).unwrap();

    let restored: Value =
        serde_json::from_str(&good(&["restore", "--from", &archive, "--dir", &again, "--json"])).unwrap();
    assert!(restored["lsn"].as_u64().unwrap() >= enrolled, "{restored}");
    let told = refused(&["serve", "--dir", &again, "--listen", "127.0.0.1:0"]);
    assert!(told.contains("secret of PINs"), "{told}");
    let place = Path::new(&again).join("pin.key");
    std::fs::write(&place, secret).unwrap();
    assert!(Command::new("chmod").arg("600").arg(&place).status().unwrap().success());
    good(&["verify", "--dir", &again]);

    let service = Service::start(&again, &["--archive", &archive]);
    let office = token(&again, "2");
    let repeated = service.submit_example(dir.path(), &office, "enrol_household");
    assert_eq!((&repeated["repeated"], &repeated["lsn"]), (&true.into(), &enrolled.into()));
    let asked = ["query", "person", "P1", "--at-least", &enrolled.to_string()];
    let log_id = repeated["log_id"].as_str().unwrap();
    let person = service.ask(&office, &[&asked[..], &["--log-id", log_id]].concat());
    assert!(person.contains("Nguyễn Văn An"), "{person}");
    wait_until_archived(&service, &token(&again, "0"), restored["lsn"].as_u64().unwrap() + 1);
    service.stop();
    let told = good(&["backup", "--dir", &again, "--to", &archive]);
    assert!(told.contains("; 0 entries are new"), "the service archived its last entry: {told}");
}

#[test]
fn a_registry_is_restored_as_it_was_before_and_an_archive_takes_only_its_own_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (home, archive, before) = (path("registry"), path("archive"), path("before"));
    let service = Service::start(&home, &[]);
    let enrolled = live(&service, dir.path(), &home);
    service.stop();
    good(&["backup", "--dir", &home, "--to", &archive]);

    // Interrupted before anything but a part of the log was there, it goes on.
    let until = (enrolled - 1).to_string();
    good(&["restore", "--from", &archive, "--dir", &before, "--to-lsn", "5"]);
    for made in ["dancu.json", "log.instance"] {
        std::fs::remove_file(Path::new(&before).join(made)).unwrap();
    }
    let told = refused(&["serve", "--dir", &before, "--listen", "127.0.0.1:0"]);
    assert!(told.contains("holds a log already"), "{told}");
    good(&["restore", "--from", &archive, "--dir", &before, "--to-lsn", &until]);
    good(&["verify", "--dir", &before]);
    good(&["keys", "new-pin", "--dir", &before, "--key-version", "9"]);
    let service = Service::start(&before, &[]);
    let enrolment = service.submit_example(dir.path(), &token(&before, "2"), "enrol_household");
    assert_eq!(enrolment["repeated"], false, "nobody had been enrolled by then");
    service.stop();

    // It has another past now: the archive stays as it is.
    let told = refused(&["backup", "--dir", &before, "--to", &archive]);
    assert!(told.contains("different entries") || told.contains("the log does not"), "{told}");
    let told = refused(&["restore", "--from", &archive, "--dir", &before]);
    assert!(told.contains("holds a registry already"), "{told}");
    let told = refused(&["restore", "--from", &archive, "--dir", &path("x"), "--to-lsn", "99999"]);
    assert!(told.contains("the archive ends at lsn"), "{told}");
    let other = path("other");
    good(&["init", "--dir", &other]);
    let told = refused(&["backup", "--dir", &other, "--to", &archive]);
    assert!(told.contains("is an archive of log"), "{told}");
    let told = refused(&["restore", "--from", &other, "--dir", &path("y")]);
    assert!(told.contains("is no archive"), "{told}");
}

/// After a power cut the mark of what is durable may be older than the log.
#[test]
fn a_backup_finds_what_is_behind_an_older_mark_once_nobody_writes_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (home, archive) = (path("registry"), path("archive"));
    let mark = Path::new(&home).join("log").join("log.mark");
    let service = Service::start(&home, &[]);
    let older = std::fs::read(&mark).unwrap();
    let enrolled = live(&service, dir.path(), &home);
    service.stop();
    assert_ne!(std::fs::read(&mark).unwrap(), older);
    std::fs::write(&mark, older).unwrap();
    let copied: Value =
        serde_json::from_str(&good(&["backup", "--dir", &home, "--to", &archive, "--json"])).unwrap();
    assert!(copied["lsn"].as_u64().unwrap() >= enrolled, "{copied}");
    let restored = good(&["restore", "--from", &archive, "--dir", &path("again"), "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&restored).unwrap()["lsn"], copied["lsn"]);
}
