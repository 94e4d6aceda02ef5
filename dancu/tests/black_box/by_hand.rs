//! The binary as a person uses it: make a registry, serve it, submit, ask, stop, check, go on.

mod corrections;

use crate::program::Process;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

struct Service {
    child: Process,
    url: String,
}

impl Service {
    /// Serves on a port of its own choice and says which.
    fn start(dir: &Path) -> Self {
        Self::begin(dancu().args(["serve", "--listen", "127.0.0.1:0", "--dir"]).arg(dir))
    }

    /// Whatever serves, and prints where.
    fn begin(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("http://127.0.0.1:")).expect("it says where it serves");
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        Self { child: Process(child), url: url.trim_end_matches('/').to_owned() }
    }

    /// SIGTERM; it must end in order.
    fn stop(mut self) {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
        assert!(self.child.wait().unwrap().success(), "it ends in order");
    }
}

fn dancu() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dancu"));
    command.env_remove("DANCU_TOKEN").env_remove("DANCU_URL").env_remove("DANCU_PURPOSE");
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = dancu().args(arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn good(arguments: &[&str]) -> String {
    let (code, out, err) = run(arguments);
    assert_eq!(code, 0, "{arguments:?}\n{out}\n{err}");
    out
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&good(arguments)).unwrap()
}

/// What a subcommand prints that is given this on standard input.
fn piped(input: &[u8], arguments: &[&str]) -> String {
    let mut command = dancu();
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    })
}

/// Writes what a subcommand prints into a file.
fn keep(dir: &TempDir, name: &str, arguments: &[&str]) -> String {
    let path = dir.path().join(name);
    std::fs::write(&path, good(arguments)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_registry_is_made_served_asked_stopped_checked_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("registry");
    let home_text = home.to_str().unwrap();
    good(&["init", "--dir", home_text]);
    let (code, _, err) = run(&["init", "--dir", home_text]);
    assert!(code != 0 && err.contains("holds a registry already"), "{err}");

    let service = Service::start(&home);
    let token = |office: &str, scopes: &str| {
        let arguments =
            ["token", "--dir", home_text, "--office", office, "--officer", "3", "--scopes", scopes];
        good(&arguments).trim().to_owned()
    };
    let (operator, office) = (token("0", "all"), token("2", "all"));
    let as_operator = ["--url", &service.url, "--token", &operator];
    let as_office = ["--url", &service.url, "--token", &office, "--purpose", "thử nghiệm"];

    let units = keep(&dir, "units.ndjson", &["units"]);
    good(&[&["submit", &units][..], &as_operator].concat());
    let repeated = good(&[&["submit", "--json", &units][..], &as_operator].concat());
    assert!(
        repeated.lines().all(|line| line.contains("\"repeated\":true")),
        "the same commands again change nothing"
    );
    let piped =
        piped(&std::fs::read(&units).unwrap(), &[&["submit", "--json", "-"][..], &as_operator].concat());
    assert_eq!(piped, repeated, "one command a line is a batch without a word");
    let register = keep(&dir, "office.json", &["example", "register_office"]);
    good(&[&["submit", &register][..], &as_operator].concat());

    let household = keep(&dir, "household.json", &["example", "enrol_household"]);
    let accepted = json(&[&["submit", "--json", &household][..], &as_office[..4]].concat());
    let (lsn, log_id) = (accepted["lsn"].to_string(), accepted["log_id"].as_str().unwrap().to_owned());
    let own_write = ["--json", "--at-least", &lsn, "--log-id", &log_id];
    let person = json(&[&["query", "person", "P1"][..], &as_office, &own_write].concat());
    assert_eq!(person["person"]["name"], "Nguyễn Văn An");
    let by_pin = json(&[&["query", "person", "001085000123"][..], &as_office, &own_write].concat());
    assert_eq!(by_pin["person"]["id"], 1);
    let found = good(&[&["query", "search", "van nguyen", "--unit", "01"][..], &as_office].concat());
    assert!(found.contains("Nguyễn Văn An"), "{found}");
    let due = good(&[&["query", "cards-due", "00001"][..], &as_office].concat());
    assert!(due.contains("first card") || due.contains("first_card"), "{due}");
    let csv =
        good(&[&["query", "structure", "01", "--bands", "0,15,60", "--csv"][..], &as_office[..4]].concat());
    assert!(csv.starts_with("from,to,all,male,female") && csv.lines().count() == 4, "{csv}");
    let sizes = good(&[&["query", "household-sizes", "01", "--csv"][..], &as_office[..4]].concat());
    let members =
        sizes.strip_prefix("kind,members,households\nfamily,").and_then(|rest| rest.strip_suffix(",1\n"));
    let members = members.expect(&sizes);
    let flows =
        good(&[&["query", "flows", "VN", "--by", "registration", "--csv"][..], &as_office[..4]].concat());
    let month = format!(",0,0,{members},0,0,0,0,0,{members}\n");
    assert!(flows.starts_with("month,opening,born,enrolled") && flows.contains(&month), "{flows}");
    let (code, _, err) = run(&[&["query", "search", "%"][..], &as_office].concat());
    assert!(code == 1 && err.contains("search_empty"), "{err}");
    let table = good(&[&["query", "household", "H1"][..], &as_office].concat());
    assert!(table.contains("Trần Thị Hoa") && table.contains("spouse"), "{table}");
    let history = good(&[&["query", "history", "P1"][..], &as_office].concat());
    assert!(history.contains("person_registered") && history.contains("enrol_household"), "{history}");

    ask_of_the_past(&dir, &service.url, home_text, &office, &lsn);
    operate(&dir, &service.url, home_text, &office);
    corrections::correct(&service.url, &office);
    corrections::approve(&service.url, home_text, &office);

    let watched = good(&[&["watch", "--after", "0", "--count", "3", "--json"][..], &as_operator].concat());
    assert!(watched.lines().count() == 3 && watched.contains("\"genesis\""), "{watched}");
    let (code, out, _) = run(&[&["submit", &register][..], &as_office[..4]].concat());
    assert!(code == 2 && out.contains("command_id_reused"), "{out}");
    let (code, _, err) = run(&[&["query", "person", "P1"][..], &as_office[..4]].concat());
    assert!(code == 1 && err.contains("purpose_missing") && err.contains("--purpose"), "{err}");
    let weak = token("2", "units:read");
    let (code, _, err) =
        run(&["query", "person", "P1", "--purpose", "xem", "--url", &service.url, "--token", &weak]);
    assert!(code == 1 && err.contains("scope_missing"), "{err}");

    service.stop();
    let sound = json(&["verify", "--dir", home_text, "--json"]);
    assert_eq!((&sound["sound"], &sound["dropped"]), (&true.into(), &serde_json::json!({})));
    let record = json(&["inspect", "--dir", home_text, "--lsn", &lsn]);
    assert_eq!(record["body"]["record"]["office"], 2);
    let report = json(&["rebuild", "--dir", home_text, "--json"]);
    assert_eq!((&report["difference"], &report["switched"]), (&Value::Null, &true.into()));

    let service = Service::start(&home);
    let as_office = ["--url", &service.url, "--token", &office];
    let again = json(&[&["submit", "--json", &household][..], &as_office].concat());
    assert_eq!((again["repeated"].as_bool(), again["lsn"].to_string()), (Some(true), lsn));
    service.stop();
}

/// A child is renamed; an earlier change of name comes to light afterwards: docs/two-kinds-of-time.md.
fn ask_of_the_past(dir: &TempDir, url: &str, home: &str, office: &str, enrolled: &str) {
    let as_office = ["--url", url, "--token", office, "--purpose", "tòa án yêu cầu"];
    let renamed = |file: &str, given: &str, on: &str, id: &str| {
        let mut command: Value = serde_json::from_str(&good(&["example", "change_name"])).unwrap();
        command["command_id"] = id.into();
        command["command"]["change_name"]["names"]["given"] = given.into();
        command["command"]["change_name"]["effective_on"] = on.into();
        let path = dir.path().join(file);
        std::fs::write(&path, command.to_string()).unwrap();
        let submitted = json(&[&["submit", "--json", path.to_str().unwrap()][..], &as_office[..4]].concat());
        (submitted["lsn"].to_string(), submitted["log_id"].as_str().unwrap().to_owned())
    };
    let (first, _) = renamed("khoi.json", "Khôi", "2021-03-15", "8765c420-b37b-4811-8283-41013df13207");
    let (late, log_id) = renamed("khai.json", "Khải", "2021-03-12", "8765c420-b37b-4811-8283-41013df13208");
    let own_write = ["--at-least", &late, "--log-id", &log_id];
    let name = |valid_on: &str, known_at: &str| {
        let times = ["--valid-on", valid_on, "--known-at", known_at, "--json"];
        let question = ["query", "person", "001210000789"];
        let answer = json(&[&question[..], &times, &as_office, &own_write].concat());
        assert_eq!(answer["as_of"]["valid_on"], valid_on);
        answer["person"]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(name("2021-03-13", enrolled), "Nguyễn Minh Khang");
    assert_eq!(name("2021-03-13", &first), "Nguyễn Minh Khang", "nobody had said so yet");
    assert_eq!(name("2021-03-13", &late), "Nguyễn Minh Khải");
    assert_eq!(name("2021-03-16", &first), "Nguyễn Minh Khôi");
    assert_eq!(
        name("2021-03-16", &late),
        "Nguyễn Minh Khôi",
        "the later day rules, whenever it was recorded"
    );

    let history = good(&[&["query", "history", "001210000789", "--whole"][..], &as_office].concat());
    assert!(history.contains("believed before") && history.contains("Name changed"), "{history}");
    let page = dir.path().join("history.html");
    let html = ["query", "history", "001210000789", "--html", page.to_str().unwrap()];
    good(&[&html[..], &as_office].concat());
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("Trước đó được hiểu là"), "{page}");
    let why = good(&[&["explain", "person", "001210000789", "--known-at", &first][..], &as_office].concat());
    assert!(why.contains("Permanent residence") && why.contains(&format!("known at lsn {first}")), "{why}");
    let pairs = [format!("2021-03-13@{first}"), format!("2021-03-13@{late}")];
    let diff = ["diff", "--unit", "00001", "--from", &pairs[0], "--to", &pairs[1]];
    let changed = good(&[&diff[..], &as_office].concat());
    assert!(changed.contains("Nguyễn Minh Khải") && changed.contains(&format!("{late}.0")), "{changed}");
    assert!(!changed.contains("Trần Thị Hoa"), "{changed}");
    let (code, _, err) = run(&[&["query", "person", "P1", "--known-at", "0"][..], &as_office].concat());
    assert!(code == 1 && err.contains("known_at_before_genesis"), "{err}");

    // The same question to the views as they stood, built elsewhere while the service runs.
    let into = dir.path().join("as-it-stood");
    let replay = ["replay", "--dir", home, "--to-lsn", &first, "--into", into.to_str().unwrap(), "--json"];
    let report = json(&replay);
    assert_eq!(report["lsn"].to_string(), first);
    assert_eq!(json(&replay)["checksum"], report["checksum"], "it is built once");
    let other = ["replay", "--dir", home, "--to-lsn", &late, "--into", into.to_str().unwrap()];
    let (code, _, err) = run(&other);
    assert!(code == 1 && err.contains("another directory"), "{err}");
    let replayed = Service::begin(dancu().args(&replay[..7]).args(["--serve", "127.0.0.1:0"]));
    let as_then = [&["--url", &replayed.url][..], &as_office[2..]].concat();
    let then = json(&[&["query", "person", "001210000789", "--json"][..], &as_then].concat());
    assert_eq!((then["person"]["name"].as_str(), then["lsn"].to_string()), (Some("Nguyễn Minh Khôi"), first));
    assert_eq!(then["person"]["former_names"].as_array().unwrap().len(), 1, "the other came later");
    replayed.stop();
}

/// A PIN for everybody in the ward: opened, staged, approved by a second officer, committed.
fn operate(dir: &TempDir, url: &str, home: &str, office: &str) {
    let second = good(&["token", "--dir", home, "--office", "2", "--officer", "4", "--scopes", "all"])
        .trim()
        .to_owned();
    let as_first = ["--url", url, "--token", office];
    let as_second = ["--url", url, "--token", &second];
    let person = keep(dir, "person.json", &["example", "enrol_person"]);
    good(&[&["submit", &person][..], &as_first].concat());
    let issue = [
        "operation",
        "issue-pins",
        "--unit",
        "00001",
        "--decision",
        "215/QĐ",
        "--purpose",
        "cấp số",
        "--json",
    ];
    let staged = json(&[&issue[..], &as_first].concat());
    assert_eq!(
        (&staged["operation"]["status"], &staged["operation"]["counts"]["staged"]),
        (&"staged".into(), &1.into())
    );
    let digest = staged["operation"]["digest"].as_str().unwrap();
    let approve = ["operation", "approve", "B1", "--digest", digest, "--json"];
    let (code, _, err) = run(&[&approve[..], &as_first].concat());
    assert!(code == 2 && err.contains("approved_by_opener"), "{err}");
    good(&[&approve[..], &as_second].concat());
    let resumed = json(&[&["operation", "resume", "B1", "--json"][..], &as_first].concat());
    assert_eq!(resumed["operation"]["status"], "approved", "nothing has moved");
    let commit = ["operation", "commit", "B1", "--digest", digest, "--json"];
    let committed = json(&[&commit[..], &as_first].concat());
    assert_eq!(committed["operation"]["counts"]["changed"], 1);
    let (code, _, err) = run(&[&commit[..], &as_first].concat());
    assert!(code == 2 && err.contains("operation_closed"), "{err}");
    let reading = ["--purpose", "giao thông báo"];
    let notices = good(&[&["query", "pin-notices", "001", "--json"][..], &as_first, &reading].concat());
    assert!(notices.contains("Lê Thị Xuân"), "{notices}");
    let cells = json(&[&["query", "pin-capacity", "--place", "001", "--json"][..], &as_first].concat());
    assert!(cells["cells"].as_array().unwrap().iter().any(|cell| cell["free"] == 999_999), "{cells}");
    let left_out = json(&[&["query", "left-out", "B1", "--json"][..], &as_first, &reading].concat());
    assert_eq!(left_out["left_out"], serde_json::json!([]));
    let listed = json(&[&["query", "operations", "--json"][..], &as_first].concat());
    assert_eq!(listed["operations"][0]["status"], "committed");
}

#[test]
fn it_serves_on_when_nobody_reads_what_it_prints() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("registry");
    good(&["init", "--dir", home.to_str().unwrap()]);
    let mut child = dancu()
        .args(["--log-format", "json", "serve", "--listen", "127.0.0.1:0", "--dir"])
        .arg(&home)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let log = BufReader::new(child.stderr.take().unwrap()).lines();
    let serving = log.map(|line| line.unwrap()).find(|line| line.contains("\"serving\"")).unwrap();
    let serving: Value = serde_json::from_str(&serving).unwrap();
    let url =
        format!("http://{}", serving["address"].as_str().or(serving["fields"]["address"].as_str()).unwrap());
    let service = Service { child: Process(child), url };
    // Longer than it needs to print the lines that follow its log line.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let (_, _, err) = run(&["query", "person", "P1", "--url", &service.url, "--token", "none"]);
    assert!(!err.contains("no service answers"), "{err}");
    service.stop();
}

#[test]
fn a_batch_is_not_taken_for_a_trial() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("registry");
    let home_text = home.to_str().unwrap();
    good(&["init", "--dir", home_text]);
    let service = Service::start(&home);
    let token = good(&["token", "--dir", home_text, "--office", "0", "--officer", "3", "--scopes", "all"]);
    let as_operator = ["--url", &service.url, "--token", token.trim()];
    let units = keep(&dir, "units.ndjson", &["units"]);
    let (code, _, err) = run(&[&["submit", "--dry-run", &units][..], &as_operator].concat());
    assert!(code == 1 && err.contains("nothing was submitted"), "{err}");
    service.stop();
    let entries = good(&["inspect", "--dir", home_text, "--from", "1"]);
    assert!(!entries.contains("unit_established"), "{entries}");
}

#[test]
fn a_registry_whose_log_is_gone_begins_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("registry");
    let home_text = home.to_str().unwrap();
    good(&["init", "--dir", home_text]);
    std::fs::rename(home.join("log"), home.join("elsewhere")).unwrap();
    let (code, _, err) = run(&["serve", "--dir", home_text, "--listen", "127.0.0.1:0"]);
    assert!(code == 1 && err.contains("log.meta is missing") && err.contains("Restore"), "{err}");
    let _ = std::fs::remove_dir_all(home.join("log"));
    std::fs::rename(home.join("elsewhere"), home.join("log")).unwrap();
    Service::start(&home).stop();
}

#[test]
fn an_interrupted_first_start_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("registry");
    let home_text = home.to_str().unwrap();
    good(&["init", "--dir", home_text]);
    std::fs::remove_file(home.join("dancu.json")).unwrap();
    let (code, _, err) = run(&["serve", "--dir", home_text, "--listen", "127.0.0.1:0"]);
    assert!(code == 1 && err.contains("restore it from a copy"), "{err}");
    assert!(!home.join("dancu.json").exists(), "a log that has begun gets no second name");
    // As if it had ended before its last file, with no log yet.
    std::fs::remove_file(home.join("log.instance")).unwrap();
    std::fs::remove_dir_all(home.join("log")).unwrap();
    let secret = std::fs::read(home.join("pin.key")).unwrap();
    good(&["init", "--dir", home_text]);
    assert_eq!(std::fs::read(home.join("pin.key")).unwrap(), secret);
    assert_eq!(good(&["keys", "list", "--dir", home_text]).lines().count(), 1);
    Service::start(&home).stop();
}

#[test]
fn a_lost_secret_of_pins_is_followed_by_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("registry");
    let home_text = home.to_str().unwrap();
    good(&["init", "--dir", home_text]);
    let (code, _, err) = run(&["keys", "new-pin", "--key-version", "1", "--dir", home_text]);
    assert!(code == 1 && err.contains("higher"), "{err}");
    std::fs::remove_file(home.join("pin.key")).unwrap();
    let (code, _, err) = run(&["serve", "--dir", home_text, "--listen", "127.0.0.1:0"]);
    assert!(code == 1 && err.contains("dancu keys new-pin"), "{err}");
    good(&["keys", "new-pin", "--key-version", "2", "--dir", home_text]);
    Service::start(&home).stop();
}

#[test]
fn errors_end_with_what_to_do_next() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().to_str().unwrap();
    for (arguments, next) in [
        (vec!["verify", "--dir", empty], "dancu init"),
        (vec!["query", "person", "P1", "--url", "http://127.0.0.1:9"], "dancu serve"),
        (vec!["example", "wedding"], "dancu example"),
        (vec!["query", "person", "../metrics"], "write P17"),
    ] {
        let (code, out, err) = run(&arguments);
        assert!(code == 1 && err.contains(next), "{arguments:?}\n{out}\n{err}");
    }
}

#[test]
fn a_secret_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("registry");
    let home_text = home.to_str().unwrap();
    good(&["init", "--dir", home_text]);
    let secret = home.join("pin.key");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, _, err) = run(&["serve", "--dir", home_text, "--listen", "127.0.0.1:0"]);
    assert!(code == 1 && err.contains("chmod 600"), "{err}");
}

#[test]
fn saved_state_goes_from_one_engine_to_another_by_a_rebuild_alone() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("registry");
    let at = home.to_str().unwrap();
    let engine = || {
        let config: Value = serde_json::from_slice(&std::fs::read(home.join("dancu.json")).unwrap()).unwrap();
        config["engine"].as_str().unwrap().to_owned()
    };
    good(&["init", "--dir", at]);
    assert_eq!(engine(), "sled");
    let (code, _, err) = run(&["serve", "--dir", at, "--listen", "127.0.0.1:0", "--engine", "fjall"]);
    assert_ne!(code, 0);
    assert!(err.contains("written by the engine sled, not fjall"), "{err}");
    assert!(err.contains(&format!("dancu rebuild --dir {at} --engine fjall")), "{err}");

    let report = json(&["rebuild", "--dir", at, "--engine", "fjall", "--json"]);
    assert_eq!((&report["switched"], &report["difference"]), (&Value::Bool(true), &Value::Null));
    assert_eq!(engine(), "fjall");
    for _ in 0..2 {
        Service::start(&home).stop();
    }
    let named = std::fs::read_to_string(home.join("registry/engine.name")).unwrap();
    assert_eq!(named.trim(), "fjall");
    let (code, _, err) = run(&["serve", "--dir", at, "--listen", "127.0.0.1:0", "--engine", "sled"]);
    assert_ne!(code, 0);
    assert!(err.contains("--engine sled"), "{err}");
    good(&["verify", "--dir", at]);
}
