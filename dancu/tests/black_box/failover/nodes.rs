//! Nodes as processes, started as an operator would.

use access::{Caller, Issuer, Scope, SecretKey};
use event_schemas::ids::{Lsn, OfficeId, OfficerId};
use event_schemas::time::{Date, Timestamp};
use serde_json::Value;
use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Requests about the node's standing, and sums of its views.
const ASK_WITHIN: Duration = Duration::from_secs(30);
/// Short, so that many takeovers fit into a minute.
const SESSION_TIMEOUT: &str = "2s";
/// Short, so that kills meet savings.
const SAVE_EVERY: &str = "500ms";

#[derive(Clone, Copy)]
pub enum Signal {
    Stop,
    Continue,
    Terminate,
}

/// What a node is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// May lead.
    Registry,
    /// Answers queries alone.
    Query,
}

pub struct Node {
    pub name: &'static str,
    kind: Kind,
    /// What it runs: the program under test, unless another is put here.
    pub program: PathBuf,
    pub home: PathBuf,
    pub address: SocketAddr,
    first_home: PathBuf,
    bootstrap: String,
    out: PathBuf,
    child: Option<Child>,
    client: reqwest::blocking::Client,
}

impl Node {
    pub fn new(dir: &Path, name: &'static str, kind: Kind, bootstrap: &str) -> Self {
        Self {
            name,
            kind,
            program: env!("CARGO_BIN_EXE_dancu").into(),
            home: dir.join(name),
            address: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap(),
            first_home: dir.join("a"),
            bootstrap: bootstrap.to_owned(),
            out: dir.join(format!("{name}.log")),
            child: None,
            client: reqwest::blocking::Client::builder().timeout(ASK_WITHIN).no_proxy().build().unwrap(),
        }
    }

    /// Starts it and waits until it is ready: it leads, follows a leader, or has read the log.
    pub fn start(&mut self, date: Date) {
        self.spawn(date);
        let begin = Instant::now();
        while !self.is_ready() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "node {} ended at its start:\n{}", self.name, self.said());
            assert!(begin.elapsed() < READY_WITHIN, "node {} is not ready:\n{}", self.name, self.said());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Starts it, and waits until it has ended by itself with a failure; the last of what it said.
    #[cfg(feature = "next-format")]
    pub fn fails_to_start(&mut self, date: Date) -> String {
        self.spawn(date);
        let begin = Instant::now();
        let ended = loop {
            if let Some(ended) = self.child.as_mut().unwrap().try_wait().unwrap() {
                break ended;
            }
            assert!(begin.elapsed() < READY_WITHIN, "node {} goes on:\n{}", self.name, self.said());
            std::thread::sleep(LOOK_EVERY);
        };
        self.child = None;
        assert!(!ended.success(), "node {} ended in order:\n{}", self.name, self.said());
        self.said()
    }

    fn spawn(&mut self, date: Date) {
        let out = OpenOptions::new().create(true).append(true).open(&self.out).unwrap();
        let mut command = Command::new(&self.program);
        command.args(["--log-format", "json"]);
        match self.kind {
            Kind::Query => command.args(["query-node", "--bootstrap", &self.bootstrap]),
            Kind::Registry => command
                .args(["serve", "--log", "kafka", "--bootstrap", &self.bootstrap, "--node", self.name])
                .args(["--session-timeout", SESSION_TIMEOUT, "--save-every", SAVE_EVERY])
                .args(["--clock", "scripted", "--begins-at", &morning(date).to_string()]),
        };
        command.args(["--requests-per-second", "1000000", "--listen", &self.address.to_string(), "--dir"]);
        command.arg(&self.home);
        if self.home != self.first_home {
            command.arg("--from").arg(&self.first_home);
        }
        self.child = Some(command.stdout(Stdio::null()).stderr(out).spawn().unwrap());
    }

    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; it must end in order.
    pub fn end(&mut self) {
        self.signal(Signal::Terminate);
        let ended = self.child.take().unwrap().wait().unwrap();
        assert!(ended.success(), "node {} does not end in order:\n{}", self.name, self.said());
    }

    /// To a child of ours that is not waited for yet: its number cannot be another's.
    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Stop => "-STOP",
            Signal::Continue => "-CONT",
            Signal::Terminate => "-TERM",
        };
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    pub fn is_ready(&self) -> bool {
        self.client.get(self.url("/readyz")).send().is_ok_and(|answer| answer.status().is_success())
    }

    pub fn leads(&self) -> bool {
        self.commands()["role"] == "leading"
    }

    pub fn term(&self) -> u64 {
        self.commands()["term"].as_u64().unwrap_or(0)
    }

    pub fn last_step_down(&self) -> Option<String> {
        self.commands()["last_step_down"].as_str().map(str::to_owned)
    }

    /// The registry's lsn and digest.
    pub fn digest(&self) -> (Lsn, String) {
        let answer: Value = serde_json::from_str(&self.leader_command(&[])).unwrap();
        let node = &answer["this_node"];
        (Lsn(node["lsn"].as_u64().unwrap()), node["digest"].as_str().unwrap().to_owned())
    }

    /// The views' lsn and sums; the token is of any node's registry.
    pub fn views(&self, token: &str) -> (Lsn, String) {
        let request = self.client.get(self.url("/v1/views/checksum")).bearer_auth(token);
        let sums: Value = request.send().unwrap().json().unwrap();
        (Lsn(sums["lsn"].as_u64().unwrap()), sums["tables"].to_string())
    }

    /// `dancu leader --json` at this node.
    pub fn leader_command(&self, arguments: &[&str]) -> String {
        let token = self.token(OfficeId(0));
        run(&[&["leader", "--json", "--url", &self.url(""), "--token", &token][..], arguments].concat())
    }

    pub fn token(&self, office: OfficeId) -> String {
        let config = std::fs::read_to_string(self.home.join("dancu.json")).unwrap();
        let config: Value = serde_json::from_str(&config).unwrap();
        let key = SecretKey::read(&self.home.join("keys"), None).unwrap();
        let issuer = Issuer { key, audience: config["service"].as_str().unwrap().to_owned() };
        let caller = Caller { office, officer: OfficerId(1), scopes: Scope::ALL.iter().copied().collect() };
        issuer.issue(&caller, now(), 86_400).unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The last of what it logged.
    pub fn said(&self) -> String {
        let said = std::fs::read_to_string(&self.out).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn commands(&self) -> Value {
        let answer = self.client.get(self.url("/readyz")).send().and_then(|answer| answer.json::<Value>());
        answer.map_or(Value::Null, |answer| answer["parts"]["commands"].clone())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs the program, which must succeed; what it prints.
pub fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_dancu")).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}\n{told}\n{}", String::from_utf8_lossy(&output.stderr));
    told
}

fn morning(date: Date) -> Timestamp {
    Timestamp(Timestamp::at_vietnam_midnight(date).0 + 8 * 3_600_000_000)
}

#[allow(clippy::disallowed_methods, reason = "nodes check tokens against the real time")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(since.as_micros() as i64)
}
