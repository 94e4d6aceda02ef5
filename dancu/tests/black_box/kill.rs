//! The service is killed without warning, again and again, while offices submit: every acceptance that was answered is given
//! again at the same lsn (W1, W2), what was not answered is in the log once or not at all (W8), and the log's full fold is
//! what it says it is (W4, W6).
//!
//! `DANCU_KILL_ROUNDS` sets the number of rounds.

use access::{Caller, Issuer, Scope, SecretKey};
use event_schemas::CommandEnvelope;
use event_schemas::ids::{CommandId, Lsn, OfficeId, OfficerId};
use event_schemas::outcome::Outcome;
use event_schemas::time::{Date, Timestamp};
use serde_json::Value;
use simulator::{Options, World};
use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: u32 = 50;
/// Commands of one request.
const BATCH: usize = 60;
/// Short, so that kills meet savings, and restarts what was saved.
const SAVE_EVERY: &str = "30ms";
const SHORTEST_DELAYS: Duration = Duration::from_millis(60);
const LONGEST_DELAYS: Duration = Duration::from_secs(4);
/// So many persons for each round that none finds nothing left to do.
const PERSONS_A_ROUND: u32 = 80;
const READY_WITHIN: Duration = Duration::from_secs(60);

struct Registry {
    dir: tempfile::TempDir,
    address: SocketAddr,
    child: Option<Child>,
    client: reqwest::blocking::Client,
    tokens: BTreeMap<OfficeId, String>,
}

impl Registry {
    fn new() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let client = reqwest::blocking::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self {
            dir: tempfile::tempdir().unwrap(),
            address: free,
            child: None,
            client,
            tokens: BTreeMap::new(),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn start(&mut self, date: Date) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.path().join("out.log"))
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_dancu"))
            .args([
                "--log-format",
                "json",
                "serve",
                "--clock",
                "scripted",
                "--requests-per-second",
                "1000000",
            ])
            .args(["--save-every", SAVE_EVERY])
            .args(["--begins-at", &morning(date).to_string(), "--listen", &self.address.to_string()])
            .arg("--dir")
            .arg(self.dir.path().join("registry"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let deadline = Instant::now() + READY_WITHIN;
        while !self.client.get(self.url("/readyz")).send().is_ok_and(|answer| answer.status().is_success()) {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            let said = || std::fs::read_to_string(self.dir.path().join("out.log")).unwrap_or_default();
            assert!(ended.is_none(), "the service ended at its start:\n{}", said());
            assert!(Instant::now() < deadline, "the service is not ready:\n{}", said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many starts found state that an earlier run had saved, by what the service logs.
    fn starts_from_saved_state(&self) -> usize {
        let log = std::fs::read_to_string(self.dir.path().join("out.log")).unwrap();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["saved_to"].as_u64() > Some(0)).count()
    }

    /// Saved state and views go over to the other engine: later rounds kill that one.
    fn switch_to_fjall(&self) {
        let dir = self.dir.path().join("registry");
        let mut command = Command::new(env!("CARGO_BIN_EXE_dancu"));
        let output = command.args(["rebuild", "--engine", "fjall", "--dir"]).arg(dir).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn token(&mut self, office: OfficeId) -> String {
        let dir = self.dir.path().join("registry");
        let token = self.tokens.entry(office).or_insert_with(|| {
            let config = std::fs::read_to_string(dir.join("dancu.json")).unwrap();
            let config: Value = serde_json::from_str(&config).unwrap();
            let key = SecretKey::read(&dir.join("keys"), None).unwrap();
            let issuer = Issuer { key, audience: config["service"].as_str().unwrap().to_owned() };
            let caller =
                Caller { office, officer: OfficerId(1), scopes: Scope::ALL.iter().copied().collect() };
            issuer.issue(&caller, now(), 86_400).unwrap()
        });
        token.clone()
    }

    fn set_clock(&mut self, date: Date) {
        let token = self.token(OfficeId(0));
        let body = serde_json::json!({ "now": morning(date) });
        let answer = self.client.post(self.url("/v1/clock")).bearer_auth(token).json(&body).send().unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().unwrap());
    }

    /// Answers to the lines that were answered; fewer if the service died meanwhile.
    fn submit(&mut self, office: OfficeId, commands: &[CommandEnvelope]) -> Vec<(CommandId, Outcome)> {
        let mut body = Vec::new();
        for command in commands {
            serde_json::to_writer(&mut body, command).unwrap();
            body.push(b'\n');
        }
        let token = self.token(office);
        let request = self.client.post(self.url("/v1/commands/batch")).bearer_auth(token);
        let sent = request.header("content-type", "application/x-ndjson").body(body).send();
        let text = sent.and_then(|response| response.text()).unwrap_or_default();
        let mut answers = Vec::new();
        for (command, line) in commands.iter().zip(text.lines()) {
            let Ok(value) = serde_json::from_str::<Value>(line) else { break };
            if value["outcome"] == "problem" {
                break;
            }
            let outcome: Outcome = serde_json::from_value(value).unwrap();
            answers.push((command.command_id, outcome));
        }
        answers
    }

    fn verify(&self) {
        let dir = self.dir.path().join("registry");
        let output =
            Command::new(env!("CARGO_BIN_EXE_dancu")).args(["verify", "--dir"]).arg(dir).output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn morning(date: Date) -> Timestamp {
    Timestamp(Timestamp::at_vietnam_midnight(date).0 + 8 * 3_600_000_000)
}

#[allow(
    clippy::disallowed_methods,
    reason = "tokens are checked against the real time by the service under test"
)]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(since.as_micros() as i64)
}

/// A spread of delays that does not depend on chance: from at once to `longest`.
fn delay(round: u32, longest: Duration) -> Duration {
    Duration::from_micros(u64::from(round.wrapping_mul(2_654_435_761)) % longest.as_micros() as u64)
}

#[test]
fn whatever_is_killed_every_answered_command_stays() {
    let rounds =
        std::env::var("DANCU_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let persons = 2_000.max(PERSONS_A_ROUND * rounds);
    let mut world = World::new(Options { persons, years: 5, ..Options::default() }).unwrap();
    let mut registry = Registry::new();
    let mut waiting: VecDeque<(OfficeId, Vec<CommandEnvelope>)> = VecDeque::new();
    let mut accepted: Vec<(OfficeId, CommandEnvelope, Lsn)> = Vec::new();
    let (mut answered, mut unanswered) = (0usize, 0usize);
    let mut longest_delay = SHORTEST_DELAYS;
    for round in 1..=rounds {
        if round > 1 && round == rounds / 2 + 1 {
            registry.switch_to_fjall();
        }
        registry.start(world.current_date());
        registry.set_clock(world.current_date());
        ask_again(&mut registry, &accepted);
        accepted.clear();
        let (pid, answered_before) = (registry.child.as_ref().unwrap().id(), answered);
        let kill_after = Duration::from_millis(20) + delay(round, longest_delay);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(kill_after);
            // SIGKILL to a child of ours that is not waited for yet: the number cannot be another's.
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        });
        while !killer.is_finished() || waiting.is_empty() {
            if waiting.is_empty() && !pull(&mut world, &mut registry, &mut waiting) {
                break; // The service is dead: what was planned waits for the next round.
            }
            let Some((office, commands)) = waiting.pop_front() else { break };
            let answers = registry.submit(office, &commands);
            answered += answers.len();
            for (command, (id, outcome)) in commands.iter().zip(&answers) {
                world.answer(*id, outcome).unwrap();
                if let Outcome::Accepted(acceptance) = outcome {
                    accepted.push((office, command.clone(), acceptance.lsn));
                }
            }
            if answers.len() < commands.len() {
                unanswered += commands.len() - answers.len();
                waiting.push_front((office, commands[answers.len()..].to_vec()));
                break;
            }
        }
        killer.join().unwrap();
        registry.kill();
        // On a slow machine a round must last longer to get anywhere.
        let got_anywhere = answered > answered_before;
        longest_delay = if got_anywhere { SHORTEST_DELAYS } else { LONGEST_DELAYS.min(longest_delay * 2) };
        registry.verify();
    }
    assert_eq!(world.tally().surprises, 0, "{:?}", world.tally().first_surprises.first());
    assert!(answered > 100, "the rounds did some work: {answered} answers");
    let from_saved_state = registry.starts_from_saved_state();
    assert!(from_saved_state > rounds as usize / 4, "only {from_saved_state} starts found anything saved");
    println!(
        "{rounds} kills, {answered} commands answered, {unanswered} sent again, {from_saved_state} starts from saved state"
    );
}

/// Every acceptance of the round before is given again.
fn ask_again(registry: &mut Registry, accepted: &[(OfficeId, CommandEnvelope, Lsn)]) {
    let mut by_office: BTreeMap<OfficeId, Vec<(CommandEnvelope, Lsn)>> = BTreeMap::new();
    for (office, command, lsn) in accepted {
        by_office.entry(*office).or_default().push((command.clone(), *lsn));
    }
    for (office, remembered) in by_office {
        for part in remembered.chunks(500) {
            let commands: Vec<CommandEnvelope> = part.iter().map(|(command, _)| command.clone()).collect();
            let answers = registry.submit(office, &commands);
            assert_eq!(answers.len(), commands.len());
            for ((command, lsn), (_, outcome)) in part.iter().zip(answers) {
                match outcome {
                    Outcome::Accepted(again) => {
                        assert!(again.repeated, "{} was recorded twice", command.command_id);
                        assert_eq!(again.lsn, *lsn, "{}", command.command_id);
                    }
                    Outcome::Refused(refusal) => {
                        panic!("{} was accepted before: {refusal:?}", command.command_id)
                    }
                }
            }
        }
    }
}

/// Takes the next commands from the simulation. The clock moves only while the service lives; a dead one is met by the next
/// request.
fn pull(
    world: &mut World,
    registry: &mut Registry,
    waiting: &mut VecDeque<(OfficeId, Vec<CommandEnvelope>)>,
) -> bool {
    let before = world.current_date();
    let planned = world.next_batch(2_000);
    assert!(!planned.is_empty(), "the world has come to its end before the last round");
    let mut by_office: BTreeMap<OfficeId, Vec<CommandEnvelope>> = BTreeMap::new();
    for command in planned {
        by_office.entry(command.office).or_default().push(command.envelope);
    }
    for (office, commands) in by_office {
        for part in commands.chunks(BATCH) {
            waiting.push_back((office, part.to_vec()));
        }
    }
    if world.current_date() > before {
        let token = registry.token(OfficeId(0));
        let body = serde_json::json!({ "now": morning(world.current_date()) });
        let moved = registry.client.post(registry.url("/v1/clock")).bearer_auth(token).json(&body).send();
        // The service was killed: the next round moves the clock before anything is submitted.
        return moved.is_ok_and(|answer| answer.status().is_success());
    }
    true
}
