//! A feed for others: published while the registry lives, killed, published on; read by an example that is none of this program. It is
//! tested on the registry that moves ([`crate::moving`]), because brokers are dear.

use crate::program::{Process, Service, dancu, good, refused, token};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const RECEIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/feed/residents.json");
const PARTITIONS: &str = "4";
/// Between what is recorded and the kill: sometimes it was published, sometimes not.
const BEFORE_KILL: Duration = Duration::from_millis(30);

fn arguments<'a>(home: &'a str, bootstrap: &'a str) -> Vec<&'a str> {
    let target = ["--bootstrap", bootstrap, "--topic", "residents", "--partitions", PARTITIONS];
    [&["feed", "--dir", home, "--config", RECEIVER, "--json"][..], &target].concat()
}

/// A feed that has read what there was when it began.
fn begun(home: &str, bootstrap: &str) -> Process {
    let mut child = Process(dancu().args(arguments(home, bootstrap)).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("published"), "{line}");
    child
}

/// What the example says once everything up to this record came.
fn example(bootstrap: &str, lsn: u64) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let libs =
        std::env::var("DANCU_KAFKA_LIBS").map_or_else(|_| root.join("target/kafka/libs"), PathBuf::from);
    let output = Command::new("java")
        .args(["-XX:TieredStopAtLevel=1", "-cp", &format!("{}/*", libs.display())])
        .arg(root.join("examples/feed/Residents.java"))
        .args([bootstrap, "residents", &lsn.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

pub fn members(service: &Service, token: &str, at_least: (u64, &str)) -> BTreeSet<u64> {
    let lsn = at_least.0.to_string();
    let asked = ["query", "members", "00001", "--at-least", &lsn, "--log-id", at_least.1];
    let told: Value = serde_json::from_str(&service.ask(token, &asked)).unwrap();
    told["members"].as_array().unwrap().iter().map(|member| member["id"].as_u64().unwrap()).collect()
}

fn residents(told: &Value) -> BTreeSet<u64> {
    told["residents"]["00001"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect()
}

/// What the example makes of everything up to this record, which is published first, though a broker that is named is away.
fn published(home: &str, bootstrap: &str, lsn: u64) -> Value {
    let and_one_away = format!("127.0.0.1:1,{bootstrap}");
    let once = good(&[&arguments(home, &and_one_away)[..], &["--once"]].concat());
    let told: Value = serde_json::from_str(once.lines().last().unwrap()).unwrap();
    assert!(told["lsn"].as_u64() >= Some(lsn), "{told}");
    example(bootstrap, lsn)
}

/// One officer proposes that a fact never was, another approves it; the lsn at which it is taken back.
pub fn take_back(service: &Service, home: &str, event: &str) -> u64 {
    let tokens = ["3", "4"].map(|officer| {
        good(&["token", "--dir", home, "--office", "2", "--officer", officer, "--scopes", "all"])
            .trim()
            .to_owned()
    });
    let ground = ["--decision", "12/QĐ", "--reason", "ghi nhầm"];
    let propose = [&["correct", "annul", event, "--cover", "--propose"], &ground[..]].concat();
    let shown: Value = serde_json::from_str(&service.ask(&tokens[0], &propose)).unwrap();
    let digest = ["--digest", shown["correction"]["digest"].as_str().unwrap()];
    service.ask(&tokens[0], &[&propose[..], &digest].concat());
    let approve = [&["correct", "approve", "B1"], &ground[..], &digest].concat();
    let approved: Value = serde_json::from_str(&service.ask(&tokens[1], &approve)).unwrap();
    approved["lsn"].as_u64().unwrap()
}

/// A feed of the registry, whose service leads a log in Kafka, is killed and ended while somebody dies; what the example makes of it is
/// what the registry says. The lsn of the death.
pub fn goes_on_whatever_is_killed(dir: &Path, home: &str, bootstrap: &str, service: &Service) -> u64 {
    let office = token(home, "2");
    let without_partitions = &arguments(home, bootstrap)[..arguments(home, bootstrap).len() - 2];
    assert!(refused(without_partitions).contains("there is no topic"));
    let mut feed = begun(home, bootstrap);
    let recorded = service.submit_example(dir, &office, "death");
    std::thread::sleep(BEFORE_KILL);
    feed.kill().unwrap();
    feed.wait().unwrap();
    let mut feed = begun(home, bootstrap);
    assert!(Command::new("kill").arg(feed.id().to_string()).status().unwrap().success());
    assert!(feed.wait().unwrap().success(), "it ends in order");

    let (lsn, log_id) = (recorded["lsn"].as_u64().unwrap(), recorded["log_id"].as_str().unwrap());
    let told = published(home, bootstrap, lsn);
    assert_eq!(residents(&told), BTreeSet::from([2, 3, 4]), "one was born, one has died");
    assert_eq!(residents(&told), members(service, &office, (lsn, log_id)));

    let config = dir.join("wrong.json");
    std::fs::write(&config, r#"{"receiver": "x", "events": {"death_registered": ["person", "causes"]}}"#)
        .unwrap();
    let said = refused(&["feed", "schema", "--config", config.to_str().unwrap()]);
    assert!(said.contains("no field \"causes\"") && said.contains("cause, declared"), "{said}");
    let schema = good(&["feed", "schema", "--config", RECEIVER, "permanent_residence_registered"]);
    assert!(schema.contains("\"unit\"") && !schema.contains("\"address\""), "{schema}");
    lsn
}

/// A log in a directory is published beside its service, up to `lsn`. The topic says by which definition.
pub fn reads_beside_a_service_and_refuses_a_changed_definition(
    dir: &Path,
    home: &str,
    bootstrap: &str,
    lsn: u64,
) {
    let feed = |fields: &str, more: &[&str]| -> Vec<String> {
        let config = dir.join("changing.json");
        let text = format!(r#"{{"receiver": "x", "events": {{"person_registered": {fields}}}}}"#);
        std::fs::write(&config, text).unwrap();
        let target =
            ["--bootstrap", bootstrap, "--topic", "changing", "--partitions", "2", "--once", "--json"];
        let config = ["feed", "--dir", home, "--config", config.to_str().unwrap()];
        [&config[..], &target, more].concat().into_iter().map(str::to_owned).collect()
    };
    let fed = |fields: &str, more: &[&str]| -> Value {
        let arguments = feed(fields, more);
        let told = good(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        serde_json::from_str(told.lines().last().unwrap()).unwrap()
    };
    let is_refused = |fields: &str| {
        let arguments = feed(fields, &[]);
        let told = refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(told.contains("--accept-changed-definition"), "{told}");
    };
    let first = fed(r#"["person", "identity.birth"]"#, &[]);
    assert!(first["lsn"].as_u64() >= Some(lsn) && first["sent"].as_u64() > Some(0), "{first}");
    assert_eq!(fed(r#"["identity.birth", "person"]"#, &[])["sent"], 0, "the same in another order");
    is_refused(r#"["person"]"#);
    assert_eq!(fed(r#"["person"]"#, &["--accept-changed-definition"])["sent"], 2, "each partition is told");
    assert_eq!(fed(r#"["person"]"#, &[])["sent"], 0);
    is_refused(r#"["person", "identity.birth"]"#);
}

/// The same feed goes on from the log that was moved, in which it turned out that nobody had died.
pub fn goes_on_from_the_moved_log(home: &str, bootstrap: &str, lsn: u64) -> BTreeSet<u64> {
    let told = published(home, bootstrap, lsn);
    assert_eq!(residents(&told), BTreeSet::from([1, 2, 3, 4]));
    assert_eq!(told["repeated"], 0, "the feed passes over what is there: {told}");
    residents(&told)
}

pub fn refuses_the_topic_of_another_log(dir: &Path, bootstrap: &str) {
    let other = dir.join("other").to_str().unwrap().to_owned();
    good(&["init", "--dir", &other]);
    assert!(refused(&arguments(&other, bootstrap)).contains("each log needs a topic of its own"));
}
