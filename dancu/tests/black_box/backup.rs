//! A registry is lost with its disk and comes back from its archive, as it was or as it was before.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const ARCHIVED_WITHIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

struct Service {
    child: Child,
    url: String,
}

impl Service {
    fn start(home: &str, more: &[&str]) -> Self {
        let mut child = dancu()
            .args(["serve", "--listen", "127.0.0.1:0", "--dir", home])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().expect("it says where it serves").unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        Self { child, url: url.trim_end_matches('/').to_owned() }
    }

    fn stop(mut self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "it ends in order");
    }

    /// A subcommand that asks it; what it prints.
    fn ask(&self, token: &str, arguments: &[&str]) -> String {
        good(&[arguments, &["--json", "--url", &self.url, "--token", token]].concat())
    }

    fn submit_example(&self, dir: &Path, token: &str, kind: &str) -> Value {
        let path = dir.join(kind);
        if !path.exists() {
            std::fs::write(&path, good(&["example", kind])).unwrap();
        }
        serde_json::from_str(&self.ask(token, &["submit", path.to_str().unwrap()])).unwrap()
    }

    fn wait_until_archived(&self, token: &str, lsn: u64) {
        let client = reqwest::blocking::Client::new();
        let deadline = Instant::now() + ARCHIVED_WITHIN;
        loop {
            let asked = client.get(format!("{}/metrics", self.url)).bearer_auth(token).send();
            let page = asked.unwrap().text().unwrap();
            let told = page.lines().find_map(|line| line.strip_prefix("dancu_archive_lsn "));
            if told.is_some_and(|told| told.parse::<f64>().unwrap() >= lsn as f64) {
                return;
            }
            assert!(Instant::now() < deadline, "lsn {lsn} is not archived: {told:?}");
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dancu() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dancu"));
    command.env_remove("DANCU_TOKEN").env_remove("DANCU_URL").env("DANCU_PURPOSE", "thử nghiệm");
    command
}

fn run(arguments: &[&str]) -> Output {
    dancu().args(arguments).output().unwrap()
}

fn good(arguments: &[&str]) -> String {
    let output = run(arguments);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}\n{err}");
    String::from_utf8(output.stdout).unwrap()
}

/// What is said against it.
fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn token(home: &str, office: &str) -> String {
    let arguments = ["token", "--dir", home, "--office", office, "--officer", "3", "--scopes", "all"];
    good(&arguments).trim().to_owned()
}

/// Establishes units and an office, and enrols a household; the lsn of the enrolment.
fn live(service: &Service, dir: &Path, home: &str) -> u64 {
    let (operator, office) = (token(home, "0"), token(home, "2"));
    let units = dir.join("units.ndjson");
    std::fs::write(&units, good(&["units"])).unwrap();
    service.ask(&operator, &["submit", units.to_str().unwrap()]);
    service.submit_example(dir, &operator, "register_office");
    service.submit_example(dir, &office, "enrol_household")["lsn"].as_u64().unwrap()
}

#[test]
fn a_registry_that_is_lost_with_its_disk_comes_back_from_its_archive() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (home, archive, again) = (path("registry"), path("archive"), path("again"));
    let mut service = Service::start(&home, &["--archive", &archive]);
    let enrolled = live(&service, dir.path(), &home);
    let told = refused(&["backup", "--dir", &home, "--to", &path("elsewhere")]);
    assert!(told.contains("--archive"), "{told}");
    service.wait_until_archived(&token(&home, "0"), enrolled);
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
    service.wait_until_archived(&token(&again, "0"), restored["lsn"].as_u64().unwrap() + 1);
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
