//! A registry moves: from its directory into a topic, and from there, while it is led, into another directory.

use crate::failover::brokers::Brokers;
use crate::feed;
use crate::program::{Service, good, live, refused, token};
use reqwest::blocking::{Client, Response};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&good(&[arguments, &["--json"]].concat())).unwrap()
}

/// Sums of all views as they stood after an entry, folded from the log.
fn sums(home: &str, lsn: u64, into: &Path) -> Value {
    let into = into.join(format!("replay-{}", into.read_dir().unwrap().count()));
    let replayed =
        json(&["replay", "--dir", home, "--to-lsn", &lsn.to_string(), "--into", into.to_str().unwrap()]);
    assert!(replayed["checksum"]["tables"].as_array().is_some_and(|tables| !tables.is_empty()), "{replayed}");
    replayed["checksum"]["tables"].clone()
}

/// Why nobody can lead the log that the service has.
fn barred(service: &Service) -> Value {
    let ready: Value = ready(service).json().unwrap();
    ready["parts"]["commands"]["barred"].clone()
}

fn ready(service: &Service) -> Response {
    Client::new().get(format!("{}/readyz", service.url)).send().unwrap()
}

/// The problem with which a command is turned away.
fn turned_away(service: &Service, command: &str, token: &str) -> Value {
    let request = Client::new().post(format!("{}/v1/commands", service.url)).bearer_auth(token);
    let answer = request.header("content-type", "application/json").body(command.to_owned()).send().unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    answer.json::<Value>().unwrap()["code"].clone()
}

/// A directory of the same registry whose log is said to be in the topic.
fn home_on_topic(home: &str, dir: &Path, topic: (&str, &str)) -> String {
    let half = dir.join("half");
    std::fs::create_dir_all(half.join("keys")).unwrap();
    for entry in Path::new(home).join("keys").read_dir().unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), half.join("keys").join(entry.file_name())).unwrap();
    }
    std::fs::copy(Path::new(home).join("pin.key"), half.join("pin.key")).unwrap();
    let config = std::fs::read_to_string(Path::new(home).join("dancu.json")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["log"] = serde_json::json!({ "kafka": { "bootstrap": topic.0, "topic": topic.1 } });
    std::fs::write(half.join("dancu.json"), config.to_string()).unwrap();
    half.to_str().unwrap().to_owned()
}

#[test]
fn a_registry_moves_from_its_directory_to_kafka_and_back_and_its_feed_goes_on() {
    let held = tempfile::tempdir().unwrap();
    let dir = held.path();
    let brokers = Brokers::start(&dir.join("kafka"), 1);
    let bootstrap = &brokers.bootstrap;
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let (home, again, replays) = (path("registry"), path("again"), dir.join("replays"));
    std::fs::create_dir(&replays).unwrap();
    let topic = format!("kafka://{bootstrap}/dancu-log");
    let service = Service::start(&home, &[]);
    let enrolled = live(&service, dir, &home);
    let (operator, office) = (token(&home, "0"), token(&home, "2"));
    let example = std::fs::read_to_string(dir.join("enrol_household")).unwrap();
    let told = refused(&["log", "copy", "--from", &home, "--to", &topic, "--seal"]);
    assert!(told.contains("stop its service"), "{told}");
    let told = refused(&["log", "copy", "--from", &home, "--to", &topic]);
    assert!(told.contains("is missing"), "a topic is made with the settings that a log needs: {told}");
    good(&["topic", "create", "--bootstrap", bootstrap]);

    // A part of it is there, copied beside its service: nobody leads it, and nobody uses it.
    let copied = json(&["log", "copy", "--from", &home, "--to", &topic]);
    assert_eq!(copied["standing"], "unfinished_copy", "{copied}");
    let told = refused(&["log", "use", "--dir", &home, "--log", &topic]);
    assert!(told.contains("not to its end"), "{told}");
    let half =
        Service::start(&home_on_topic(&home, dir, (bootstrap, "dancu-log")), &["--session-timeout", "2s"]);
    assert_eq!(barred(&half)["reason"], "copy_unfinished");
    assert_eq!(turned_away(&half, &example, &office), "copy_unfinished");

    // The registry lives on where it is, and the copy goes on with what is new, up to the seal.
    let before = service.submit_example(dir, &office, "birth")["lsn"].as_u64().unwrap();
    feed::reads_beside_a_service_and_refuses_a_changed_definition(dir, &home, bootstrap, before);
    service.stop();
    let expected = sums(&home, before, &replays);
    let copied = json(&["log", "copy", "--from", &home, "--to", &topic, "--seal"]);
    assert_eq!(
        (&copied["standing"], copied["copied"].as_u64() > Some(0)),
        (&"goes_on_here".into(), true),
        "{copied}"
    );
    let (from, to) = (json(&["log", "status", &home]), json(&["log", "status", &topic]));
    for same in ["lsn", "chain_head", "term", "recorded_at"] {
        assert_eq!(from[same], to[same]);
    }
    assert_eq!((&from["standing"], &from["moved_to_place"]), (&"moved".into(), &topic.as_str().into()));
    assert_eq!(
        json(&["log", "copy", "--from", &home, "--to", &topic, "--seal"])["copied"],
        0,
        "once is enough"
    );
    let told = refused(&["log", "copy", "--from", &home, "--to", &path("elsewhere")]);
    assert!(told.contains(&topic), "it went elsewhere: {told}");

    // Queries go on where it was; commands do not.
    let service = Service::start(&home, &[]);
    assert_eq!(barred(&service)["reason"], "log_sealed");
    assert_eq!(
        (ready(&service).status().as_u16(), turned_away(&service, &example, &office)),
        (503, "log_sealed".into())
    );
    assert!(service.ask(&office, &["query", "person", "P1"]).contains("Nguyễn Văn An"));
    service.stop();
    half.stop();

    good(&["log", "use", "--dir", &home, "--log", &topic]);
    let service = Service::start(&home, &["--session-timeout", "2s"]);
    let repeated = service.submit_example(dir, &office, "enrol_household");
    assert_eq!((&repeated["repeated"], &repeated["lsn"]), (&true.into(), &enrolled.into()));
    let death = feed::goes_on_whatever_is_killed(dir, &home, bootstrap, &service);
    let after = feed::take_back(&service, &home, &format!("{death}.0"));

    // It leads while its log is sealed: it steps down, and answers queries.
    let copied = json(&["log", "copy", "--from", &topic, "--to", &again, "--seal"]);
    assert_eq!(copied["standing"], "goes_on_here", "{copied}");
    let begin = Instant::now();
    while barred(&service)["reason"] != "log_sealed" {
        assert!(begin.elapsed() < WITHIN, "{:?}", ready(&service).text());
        std::thread::sleep(LOOK_EVERY);
    }
    let stood = json(&["leader", "--url", &service.url, "--token", &operator]);
    assert_eq!(stood["this_node"]["last_step_down"]["reason"], "superseded", "{stood}");
    assert!(service.ask(&office, &["query", "person", "P1"]).contains("Nguyễn Văn An"));
    service.stop();

    good(&["log", "use", "--dir", &again, "--from", &home]);
    let residents = feed::goes_on_from_the_moved_log(&again, bootstrap, after);
    feed::refuses_the_topic_of_another_log(dir, bootstrap);
    let service = Service::start(&again, &[]);
    let office = token(&again, "2");
    let repeated = service.submit_example(dir, &office, "death");
    assert_eq!((&repeated["repeated"], &repeated["lsn"]), (&true.into(), &death.into()));
    let log_id = repeated["log_id"].as_str().unwrap();
    assert_eq!(residents, feed::members(&service, &office, (after, log_id)));
    assert_eq!(service.submit_example(dir, &office, "change_name")["repeated"], false);
    service.stop();
    assert_eq!(
        sums(&again, before, &replays),
        expected,
        "the views are those of the log that was copied (R2)"
    );
    good(&["verify", "--dir", &again]);
}
