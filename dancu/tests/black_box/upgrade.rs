//! An upgrade while the registry serves: nodes of two formats side by side, and what is true before and after the later format is in
//! force. The program under test is the later one, built to really know one version more of an event; `DANCU_EARLIER` names the
//! ordinary one. `make upgrade` builds both.

use crate::failover::brokers::Brokers;
use crate::failover::nodes::{Kind, Node};
use crate::program::good;
use event_schemas::ids::{Lsn, OfficeId};
use event_schemas::time::Date;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Changes of name before the one that is looked at later.
const RENAMED_BEFORE: usize = 3;

/// What a program says of a log and of saved state whose format it does not know.
const UNKNOWN_FORMAT: &str = "it is of format 1, and this program knows formats up to 0";
const SAVED_BY_LATER: &str = "the store's files are of format 1; this program knows formats up to 0";

fn later_program() -> PathBuf {
    env!("CARGO_BIN_EXE_dancu").into()
}

fn earlier_program() -> PathBuf {
    let program = std::env::var_os("DANCU_EARLIER").map(PathBuf::from);
    let program =
        program.expect("DANCU_EARLIER names a program built without `next-format`; run `make upgrade`");
    assert!(program.is_file(), "there is no {}; run `make upgrade`", program.display());
    program
}

fn renamed_on(nth: usize) -> String {
    format!("2021-05-{nth:02}")
}

fn day() -> Date {
    "2021-06-01".parse().unwrap()
}

/// Three nodes that may lead and one that answers queries.
struct Nodes {
    dir: PathBuf,
    a: Node,
    b: Node,
    c: Node,
    queries: Node,
    /// Commands so far: each has a file and an id of its own.
    commands: usize,
    renamed: usize,
}

impl Nodes {
    fn start(dir: &Path, bootstrap: &str) -> Self {
        let node = |name, kind| Node::new(dir, name, kind, bootstrap);
        let mut nodes = Self {
            dir: dir.to_owned(),
            a: node("a", Kind::Registry),
            b: node("b", Kind::Registry),
            c: node("c", Kind::Registry),
            queries: node("q", Kind::Query),
            commands: 0,
            renamed: 0,
        };
        // The first that starts makes the registry.
        for earlier in [&mut nodes.a, &mut nodes.c, &mut nodes.queries] {
            earlier.program = earlier_program();
            earlier.start(day());
        }
        nodes.b.start(day());
        nodes
    }

    /// The example of this kind of command, with an id of its own and as `change` makes it, submitted at a node.
    fn submit(&mut self, node: fn(&Self) -> &Node, kind: &str, change: impl FnOnce(&mut Value)) -> Output {
        let mut command: Value = serde_json::from_str(&good(&["example", kind])).unwrap();
        self.commands += 1;
        command["command_id"] = json!(format!("00000000-0000-4000-8000-{:012}", self.commands));
        change(&mut command["command"][kind]);
        let path = self.dir.join(format!("{}.json", self.commands));
        std::fs::write(&path, command.to_string()).unwrap();
        self.ask(
            node,
            if kind.starts_with("register_office") { 0 } else { 2 },
            &["submit", path.to_str().unwrap()],
        )
    }

    fn ask(&self, node: fn(&Self) -> &Node, office: u32, arguments: &[&str]) -> Output {
        let node = node(self);
        let (url, token) = (node.url(""), node.token(OfficeId(office)));
        let mut command = Command::new(later_program());
        command.args(arguments).args(["--json", "--url", &url, "--token", &token]);
        command.env("DANCU_PURPOSE", "thử nghiệm").output().unwrap()
    }

    /// Somebody has another name from the next day on, registered at a node; where that stands.
    fn rename(&mut self, node: fn(&Self) -> &Node) -> Lsn {
        self.renamed += 1;
        let on = renamed_on(self.renamed);
        lsn_of(&self.submit(node, "change_name", |body| body["effective_on"] = json!(on)))
    }

    /// Units, an office and a household.
    fn live(&mut self) {
        let units = self.dir.join("units.ndjson");
        std::fs::write(&units, good(&["units"])).unwrap();
        assert!(self.ask(|n| &n.a, 0, &["submit", units.to_str().unwrap()]).status.success());
        for kind in ["register_office", "enrol_household"] {
            lsn_of(&self.submit(|n| &n.a, kind, |_| {}));
        }
    }

    fn lead(&self, node: fn(&Self) -> &Node) {
        let told: Value = serde_json::from_str(&node(self).leader_command(&["--takeover"])).unwrap();
        assert_eq!(told["this_node"]["role"], "leading", "{told}");
    }

    /// All nodes have the same registry.
    fn agree(&self) {
        let begin = Instant::now();
        loop {
            let digests = [&self.a, &self.b, &self.c].map(Node::digest);
            if digests.iter().all(|digest| *digest == digests[0]) {
                return;
            }
            assert!(begin.elapsed() < WITHIN, "{digests:?}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn activate(&self, more: &[&str]) -> Output {
        self.ask(|n| &n.b, 0, &[&["format", "--activate", "1"], more].concat())
    }
}

fn lsn_of(output: &Output) -> Lsn {
    assert!(output.status.success(), "{}", said(output));
    Lsn(serde_json::from_slice::<Value>(&output.stdout).unwrap()["lsn"].as_u64().unwrap())
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// Waits until a node is ready no more, and gives what it said.
fn stopped(node: &Node, why: &str) {
    let begin = Instant::now();
    while node.is_ready() || !node.said().contains(why) {
        assert!(begin.elapsed() < WITHIN, "{} goes on:\n{}", node.name, node.said());
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The body of an event as the program prints it.
fn event(program: &Path, home: &Path, at: Lsn) -> Value {
    let output = Command::new(program)
        .args(["inspect", "--dir", home.to_str().unwrap(), "--lsn", &at.0.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let entry: Value = serde_json::from_slice(&output.stdout).unwrap();
    let events = entry.pointer("/body/record/changes/events").unwrap_or_else(|| panic!("{entry}"));
    events[0]["body"]["name_changed"].clone()
}

/// Until the later format is in force every node can be either program, and each can lead.
fn goes_to_and_fro(nodes: &mut Nodes) {
    nodes.rename(|n| &n.a);
    nodes.lead(|n| &n.b);
    nodes.rename(|n| &n.c);
    nodes.agree();
    nodes.b.end();
    nodes.b.program = earlier_program();
    nodes.b.start(day());
    nodes.lead(|n| &n.b);
    nodes.rename(|n| &n.a);
    nodes.agree();
    nodes.b.end();
    nodes.b.program = later_program();
    nodes.b.start(day());
    nodes.lead(|n| &n.b);
}

/// What only the later format can hold is refused as long as that is not in force, and accepted afterwards.
fn stating_the_office(nodes: &mut Nodes, at: Lsn) -> Output {
    let (at, on) = (json!({ "lsn": at.0, "index": 0 }), renamed_on(RENAMED_BEFORE + 1));
    nodes.submit(
        |n| &n.b,
        "propose_correction",
        move |body| {
            let names = json!({ "surname": "Nguyễn", "middle": "Minh", "given": "Khang" });
            let changed = json!({ "person": 3, "names": names, "reason": "đổi tên", "registered_at": 2 });
            let to = json!({ "effective_on": on, "body": { "name_changed": changed } });
            body["correction"] =
                json!({ "edits": [{ "amend": { "event": at, "to": to } }], "reason": "nơi đăng ký" });
        },
    )
}

/// Every node that may lead is to know the format, unless the operator says otherwise.
fn activates_once_all_know_it(nodes: &mut Nodes) {
    let behind = |output: &Output, names: &str| {
        let refused = said(output);
        assert!(refused.contains("format_not_known_by_all") && refused.contains(names), "{refused}");
    };
    behind(&nodes.activate(&[]), ": a, c.");
    nodes.a.end();
    nodes.a.program = later_program();
    nodes.a.start(day());
    behind(&nodes.activate(&[]), ": c.");
    let answer = nodes.activate(&["--even-if-unknown"]);
    assert!(answer.status.success(), "{}", said(&answer));
    assert_eq!(serde_json::from_slice::<Value>(&answer.stdout).unwrap()["active"], 1);
}

/// There is no way back, neither for who leads nor for who answers from saved views, and the way ahead is open.
fn goes_ahead_only(nodes: &mut Nodes) {
    nodes.c.kill();
    nodes.queries.kill();
    nodes.queries.program = later_program();
    nodes.queries.start(day());
    nodes.queries.end();
    nodes.b.end();
    for node in [&mut nodes.b, &mut nodes.queries] {
        node.program = earlier_program();
        let said = node.fails_to_start(day());
        assert!(said.contains(SAVED_BY_LATER), "{}: {said}", node.name);
    }
    for node in [&mut nodes.b, &mut nodes.c, &mut nodes.queries] {
        node.program = later_program();
        node.start(day());
    }
    nodes.rename(|n| &n.c);
    nodes.agree();
}

/// What was recorded before the later format says what it said, to either program, and what came after says more.
fn says_what_it_said(home: &Path, before: Lsn, after: &[Lsn]) {
    let of = |at: Lsn| event(&later_program(), home, at);
    assert_eq!(of(before)["registered_at"], Value::Null);
    assert_eq!(event(&earlier_program(), home, before), of(before));
    for at in after {
        assert_eq!(of(*at)["registered_at"], 2);
    }
    let verify = |program: &Path| Command::new(program).args(["verify", "--dir"]).arg(home).output().unwrap();
    let verified = verify(&later_program());
    assert!(verified.status.success(), "{}", said(&verified));
    let verified = verify(&earlier_program());
    assert!(!verified.status.success() && said(&verified).contains(UNKNOWN_FORMAT), "{}", said(&verified));
}

#[test]
fn two_formats_serve_side_by_side_until_the_later_one_is_in_force() {
    let held = tempfile::tempdir().unwrap();
    let brokers = Brokers::start(&held.path().join("kafka"), 1);
    good(&["topic", "create", "--bootstrap", &brokers.bootstrap]);
    let mut nodes = Nodes::start(held.path(), &brokers.bootstrap);
    nodes.live();
    goes_to_and_fro(&mut nodes);
    assert_eq!(nodes.renamed, RENAMED_BEFORE);
    let before = nodes.rename(|n| &n.a);
    let refused = said(&stating_the_office(&mut nodes, before));
    assert!(refused.contains("format_not_active"), "{refused}");
    activates_once_all_know_it(&mut nodes);

    // Whoever does not know it stops, and says why.
    stopped(&nodes.c, UNKNOWN_FORMAT);
    stopped(&nodes.queries, UNKNOWN_FORMAT);
    let after = nodes.rename(|n| &n.a);
    nodes.lead(|n| &n.a);
    let again = nodes.rename(|n| &n.b);
    assert!(stating_the_office(&mut nodes, before).status.success());
    goes_ahead_only(&mut nodes);

    for node in [&mut nodes.a, &mut nodes.b, &mut nodes.c, &mut nodes.queries] {
        node.end();
    }
    says_what_it_said(&nodes.a.home, before, &[after, again]);
}
