//! The program as operators and offices use it.

use domain::Registry;
use event_log::{EmbeddedHandle, LogSource};
use event_schemas::ids::Lsn;
use event_schemas::record::AdmittedEntry;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A process that does not outlive whoever holds it.
pub struct Process(pub Child);

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = self.wait();
    }
}

/// `dancu serve`, as an operator starts it.
pub struct Service {
    pub child: Process,
    pub url: String,
}

impl Service {
    pub fn start(home: &str, more: &[&str]) -> Self {
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
        Self { child: Process(child), url: url.trim_end_matches('/').to_owned() }
    }

    pub fn stop(mut self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "it ends in order");
    }

    /// A subcommand that asks it; what it prints.
    pub fn ask(&self, token: &str, arguments: &[&str]) -> String {
        good(&[arguments, &["--json", "--url", &self.url, "--token", token]].concat())
    }

    pub fn submit_example(&self, dir: &Path, token: &str, kind: &str) -> Value {
        let path = dir.join(kind);
        if !path.exists() {
            std::fs::write(&path, good(&["example", kind])).unwrap();
        }
        serde_json::from_str(&self.ask(token, &["submit", path.to_str().unwrap()])).unwrap()
    }
}

pub fn dancu() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dancu"));
    command.env_remove("DANCU_TOKEN").env_remove("DANCU_URL").env("DANCU_PURPOSE", "thử nghiệm");
    command
}

pub fn run(arguments: &[&str]) -> Output {
    dancu().args(arguments).output().unwrap()
}

pub fn good(arguments: &[&str]) -> String {
    let output = run(arguments);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}\n{err}");
    String::from_utf8(output.stdout).unwrap()
}

/// What is said against it.
pub fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

pub fn token(home: &str, office: &str) -> String {
    let arguments = ["token", "--dir", home, "--office", office, "--officer", "3", "--scopes", "all"];
    good(&arguments).trim().to_owned()
}

/// Establishes units and an office, and enrols a household; the lsn of the enrolment.
pub fn live(service: &Service, dir: &Path, home: &str) -> u64 {
    let (operator, office) = (token(home, "0"), token(home, "2"));
    let units = dir.join("units.ndjson");
    std::fs::write(&units, good(&["units"])).unwrap();
    service.ask(&operator, &["submit", units.to_str().unwrap()]);
    service.submit_example(dir, &operator, "register_office");
    service.submit_example(dir, &office, "enrol_household")["lsn"].as_u64().unwrap()
}

/// The registry that the log folds to.
pub fn folded(home: &Path) -> Registry {
    let log = EmbeddedHandle::open_read_only(home.join("log")).unwrap();
    let mut state = Registry::new();
    for lsn in (1..=log.admission().last_lsn.0).map(Lsn) {
        let bytes = log.fetch(lsn).unwrap().unwrap();
        state.apply_entry(&AdmittedEntry::decode(lsn, &bytes).unwrap());
        state.take_lookup_changes();
    }
    state
}
