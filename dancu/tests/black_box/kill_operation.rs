//! The service is killed without warning, again and again, while an operation gives everybody a PIN: at whatever step that is, all
//! have their numbers or nobody has (W9), nobody has two, and what is interrupted goes on (O2). In [`corrections`] the same while an
//! operation puts everybody into another ward, and another one takes that back.
//!
//! `DANCU_KILL_ROUNDS` sets the number of kills of the whole, half as many as there are rounds of the other kill test.

mod corrections;
mod published;

use crate::program::{Process, folded};
use event_schemas::CommandEnvelope;
use event_schemas::command::Command as Order;
use event_schemas::examples::example;
use event_schemas::ids::CommandId;
use event_schemas::pin::Pin;
use event_schemas::text::Text;
use published::published;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: u32 = 16;
const HOUSEHOLDS: u32 = 120;
/// Rows of one part: so few that staging meets many kills.
const PART_ROWS: &str = "5";
/// Short, so that kills meet savings.
const SAVE_EVERY: &str = "30ms";
const READY_WITHIN: Duration = Duration::from_secs(60);
const DONE_WITHIN: Duration = Duration::from_secs(240);
const PAUSE: Duration = Duration::from_millis(5);
/// Spread of how long the service lives.
const LONGEST_LIFE: Duration = Duration::from_millis(400);
const COMMITTED: &str = "committed";

/// A registry, its service on one port for good, and officers.
struct Registry {
    dir: tempfile::TempDir,
    address: SocketAddr,
    first: String,
    second: String,
}

impl Registry {
    fn new() -> Self {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut registry = Self { dir, address, first: String::new(), second: String::new() };
        assert!(registry.run(&["init", "--dir", registry.home().to_str().unwrap()]).status.success());
        registry.first = registry.token("0", "3");
        registry.second = registry.token("0", "4");
        registry
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("registry")
    }

    fn token(&self, office: &str, officer: &str) -> String {
        let home = self.home();
        let made = self.run(
            &[
                &["token", "--dir", home.to_str().unwrap()][..],
                &["--office", office, "--officer", officer, "--scopes", "all"],
            ]
            .concat(),
        );
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    }

    /// Any subcommand.
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_dancu")).args(arguments).output().unwrap()
    }

    /// A subcommand that asks the service.
    fn ask(&self, token: &str, arguments: &[&str]) -> Output {
        let url = format!("http://{}", self.address);
        self.run(&[arguments, &["--json", "--url", &url, "--token", token]].concat())
    }

    fn submit(&self, token: &str, commands: &[u8]) {
        let url = format!("http://{}", self.address);
        let mut child = Command::new(env!("CARGO_BIN_EXE_dancu"))
            .args(["submit", "--json", "--url", &url, "--token", token, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(commands).unwrap();
        assert!(child.wait().unwrap().success(), "every command is accepted");
    }

    fn start(&self) -> Process {
        let child = Command::new(env!("CARGO_BIN_EXE_dancu"))
            .args(["serve", "--requests-per-second", "1000000", "--save-every", SAVE_EVERY])
            .args(["--listen", &self.address.to_string(), "--dir"])
            .arg(self.home())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut child = Process(child);
        let client = reqwest::blocking::Client::new();
        let deadline = Instant::now() + READY_WITHIN;
        let url = format!("http://{}/readyz", self.address);
        while !client.get(&url).send().is_ok_and(|answer| answer.status().is_success()) {
            assert!(child.try_wait().unwrap().is_none(), "the service ended at its start");
            assert!(Instant::now() < deadline, "the service is not ready");
            std::thread::sleep(PAUSE);
        }
        child
    }

    /// How many numbers the views show as given; none while the service is dead.
    fn given(&self) -> Option<u64> {
        let output = self.ask(&self.first, &["query", "pin-capacity"]);
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(answer["cells"].as_array()?.iter().map(|cell| cell["given"].as_u64().unwrap()).sum())
    }

    /// The first operation as the views show it, null before it is opened; none while the service is dead.
    fn operation(&self) -> Option<Value> {
        Some(self.operations()?.first().cloned().unwrap_or_default())
    }

    fn operations(&self) -> Option<Vec<Value>> {
        let output = self.ask(&self.first, &["query", "operations"]);
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        answer["operations"].as_array().cloned()
    }

    /// Kills and starts, until it was done `rounds` times or nothing is left to interrupt; the service lives at the end. What the
    /// views show after each start.
    fn keep_killing(
        &self,
        rounds: u32,
        mut child: Process,
        is_over: &AtomicBool,
        shown: impl Fn(&Self) -> Option<u64>,
    ) -> (Process, Vec<u64>) {
        let mut seen = Vec::new();
        for round in 0..rounds {
            let spread = u64::from(round.wrapping_mul(2_654_435_761)) % LONGEST_LIFE.as_micros() as u64;
            std::thread::sleep(Duration::from_micros(spread));
            if is_over.load(Ordering::Acquire) {
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            child = self.start();
            seen.extend(shown(self));
        }
        (child, seen)
    }
}

/// Households of four, without numbers or papers.
fn enrolments(households: u32) -> Vec<u8> {
    let mut commands = Vec::new();
    let template: CommandEnvelope = example("enrol_household").unwrap();
    for household in 1..=households {
        let mut envelope = template.clone();
        envelope.command_id = CommandId(u128::from(household));
        let Order::EnrolHousehold(order) = &mut envelope.command else { unreachable!() };
        order.file_number = None;
        let youngest = order.members.last().cloned();
        order.members.extend(youngest);
        for member in &mut order.members {
            member.person.pin = None;
            member.person.data.documents.clear();
            member.person.identity.names.given = Text::new(&format!("Số {household}")).unwrap();
        }
        serde_json::to_writer(&mut commands, &envelope).unwrap();
        commands.push(b'\n');
    }
    commands
}

/// Tries until the operation is in one of these states.
fn until(registry: &Registry, states: &[&str], again: impl FnMut(Option<&Value>)) -> Value {
    until_shown(Registry::operation, registry, states, again)
}

fn until_shown(
    shown: impl Fn(&Registry) -> Option<Value>,
    registry: &Registry,
    states: &[&str],
    mut again: impl FnMut(Option<&Value>),
) -> Value {
    let deadline = Instant::now() + DONE_WITHIN;
    loop {
        let found = shown(registry);
        if let Some(found) = found.as_ref().filter(|it| states.iter().any(|state| it["status"] == *state)) {
            return found.clone();
        }
        assert!(Instant::now() < deadline, "the operation does not come to {states:?}: {found:?}");
        again(found.as_ref());
    }
}

fn drive(registry: &Registry) {
    let rows = ["--rows", PART_ROWS];
    let open = ["operation", "issue-pins", "--nation", "--purpose", "numbers for all", "--decision", "1/QĐ"];
    let staged = until(registry, &["staged", "approved", COMMITTED], |found| {
        let resume = ["operation", "resume", "B1"];
        let step = if found.is_some_and(Value::is_null) { &open[..] } else { &resume[..] };
        registry.ask(&registry.first, &[step, &rows].concat());
    });
    let digest = staged["digest"].as_str().unwrap().to_owned();
    until(registry, &["approved", COMMITTED], |_| {
        registry.ask(&registry.second, &["operation", "approve", "B1", "--digest", &digest]);
    });
    until(registry, &[COMMITTED], |_| {
        registry.ask(&registry.first, &["operation", "commit", "B1", "--digest", &digest]);
    });
}

#[test]
fn whatever_is_killed_all_have_their_numbers_or_nobody_has() {
    let rounds = std::env::var("DANCU_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse::<u32>().ok());
    let rounds = rounds.map_or(ROUNDS, |rounds| (rounds / 2).max(1));
    let registry = Registry::new();
    let child = registry.start();
    registry.submit(&registry.first, &registry.run(&["units"]).stdout);
    registry.submit(&registry.first, &registry.run(&["example", "register_office"]).stdout);
    registry.submit(&registry.token("2", "3"), &enrolments(HOUSEHOLDS));
    let everybody = u64::from(HOUSEHOLDS) * 4;

    let is_over = AtomicBool::new(false);
    let (mut child, seen) = std::thread::scope(|scope| {
        let killing = scope.spawn(|| registry.keep_killing(rounds, child, &is_over, Registry::given));
        drive(&registry);
        is_over.store(true, Ordering::Release);
        killing.join().unwrap()
    });
    let seen: BTreeSet<u64> = seen.into_iter().collect();
    assert!(seen.iter().all(|given| [0, everybody].contains(given)), "some had numbers already: {seen:?}");

    let done = registry.operation().unwrap();
    assert_eq!((&done["status"], &done["counts"]["changed"]), (&COMMITTED.into(), &everybody.into()));
    assert_eq!(registry.given(), Some(everybody));
    let listed = registry.ask(&registry.first, &["query", "operations"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let abandoned = listed["operations"].as_array().unwrap().iter().skip(1);
    assert!(abandoned.clone().all(|it| it["counts"]["changed"] == 0), "nobody is numbered twice: {listed}");
    child.kill().unwrap();
    child.wait().unwrap();
    let home = registry.home();
    let verified = registry.run(&["verify", "--dir", home.to_str().unwrap()]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));

    // Whoever gets the feed knows everybody's number, as if each had been issued alone.
    let told = published(&home, serde_json::json!({ "pin_issued": ["person", "pin"] }));
    let numbers: BTreeMap<u64, String> = told
        .values()
        .map(|(_, issued)| (issued["person"].as_u64().unwrap(), issued["pin"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!((told.len(), numbers.len() as u64), (numbers.len(), everybody));
    for (person, row) in folded(&home).persons() {
        assert_eq!(Pin::from_number(row.pin.get()).unwrap().to_string(), numbers[&u64::from(person.0)]);
    }
}
