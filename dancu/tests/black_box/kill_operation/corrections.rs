//! An import has given everybody the wrong ward: docs/two-kinds-of-time.md.
//!
//! `DANCU_BULK_PEOPLE` sets how many they are.

use super::published::published;
use super::{COMMITTED, DONE_WITHIN, PAUSE, Registry, enrolments, until_shown};
use crate::program::Process;
use event_schemas::ids::Lsn;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const PEOPLE: u32 = 240;
const ROUNDS: u32 = 6;
/// Wards of the enrolments, and of the truth.
const WRONG: &str = "00001";
const RIGHT: &str = "00004";
const GROUND: [&str; 4] = ["--decision", "12/QĐ", "--reason", "mã phường sai khi nhập dữ liệu"];

/// Everybody in the wrong ward, and the file that puts them right.
struct Imported {
    registry: Registry,
    everybody: u64,
    file: PathBuf,
}

fn imported(people: u32) -> (Imported, Process) {
    let registry = Registry::new();
    let child = registry.start();
    registry.submit(&registry.first, &registry.run(&["units"]).stdout);
    registry.submit(&registry.first, &registry.run(&["example", "register_office"]).stdout);
    registry.submit(&registry.token("2", "3"), &enrolments(people / 4));
    let home = registry.home();
    let deadline = Instant::now() + DONE_WITHIN;
    while registry.counted(WRONG) != Some(u64::from(people / 4 * 4)) {
        assert!(Instant::now() < deadline, "the views do not show everybody");
        std::thread::sleep(PAUSE);
    }
    let unit = |code: &str| registry.json(&["query", "unit", code])["unit"]["id"].as_u64().unwrap();
    let (wrong, right) =
        (format!("place.domestic.unit={}", unit(WRONG)), format!("place.domestic.unit={}", unit(RIGHT)));
    let select = ["correct", "bulk", "select", "--dir", home.to_str().unwrap(), "--office", "2"];
    let which = ["--event", "permanent_residence_registered", "--event", "household_formed"];
    let what = ["--where", &wrong, "--set", &right];
    let selected = registry.run(&[&select[..], &which, &what].concat());
    assert!(selected.status.success(), "{}", String::from_utf8_lossy(&selected.stderr));
    assert_eq!(String::from_utf8_lossy(&selected.stdout).lines().count() as u32, people / 4);
    let file = registry.dir.path().join("edits.ndjson");
    std::fs::write(&file, &selected.stdout).unwrap();
    (Imported { registry, everybody: u64::from(people / 4 * 4), file }, child)
}

impl Registry {
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.ask(&self.first, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// How many the views count in the right ward; none while the service is dead.
    fn put_right(&self) -> Option<u64> {
        self.counted(RIGHT)
    }

    fn counted(&self, ward: &str) -> Option<u64> {
        let output = self.ask(&self.first, &["query", "structure", ward]);
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        answer["all"]["all"].as_u64()
    }

    /// The operation of this place as the views show it, null before it is opened; none while the service is dead.
    fn operation_at(&self, place: usize) -> Option<Value> {
        Some(self.operations()?.get(place).cloned().unwrap_or_default())
    }

    /// What people are told, versions and lsns aside.
    fn told(&self) -> Vec<Value> {
        let questions: [&[&str]; 4] = [
            &["query", "structure", "01"],
            &["query", "flows", "01"],
            &["query", "household-sizes", "01"],
            &["query", "members", WRONG, "--purpose", "kiểm tra"],
        ];
        let mut told: Vec<Value> = questions.iter().map(|question| self.json(question)).collect();
        told.iter_mut().for_each(forget_lsns);
        told
    }
}

fn forget_lsns(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_lsns),
        Value::Object(members) => {
            for name in ["lsn", "as_of", "version", "by", "known_at", "recorded_at", "asked_at", "log_id"] {
                members.remove(name);
            }
            members.values_mut().for_each(forget_lsns);
        }
        _ => {}
    }
}

impl Imported {
    /// From the opening to the commit of the operation at `place`, whatever is killed meanwhile.
    fn drive(&self, place: usize, open: &[&str], resume: &[&str]) {
        let digest = self.stage(place, open, resume);
        self.commit(place, &digest);
    }

    /// Opens and stages; the digest of what is staged.
    fn stage(&self, place: usize, open: &[&str], resume: &[&str]) -> String {
        let registry = &self.registry;
        let shown = |registry: &Registry| registry.operation_at(place);
        let staged = until_shown(shown, registry, &["staged", "approved", COMMITTED], |found| {
            let step = if found.is_some_and(Value::is_null) { open } else { resume };
            registry.ask(&registry.first, &[&["correct", "bulk"][..], step, &GROUND].concat());
        });
        staged["digest"].as_str().unwrap().to_owned()
    }

    fn commit(&self, place: usize, digest: &str) {
        let registry = &self.registry;
        let name = format!("B{}", place + 1);
        let shown = |registry: &Registry| registry.operation_at(place);
        until_shown(shown, registry, &["approved", COMMITTED], |_| {
            registry.ask(&registry.second, &["operation", "approve", &name, "--digest", digest]);
        });
        until_shown(shown, registry, &[COMMITTED], |_| {
            registry.ask(&registry.first, &["operation", "commit", &name, "--digest", digest]);
        });
    }

    /// Before the commit it is told what comes of it: everybody leaves the one ward for the other.
    fn check_what_is_foreseen(&self) {
        let sums = self.registry.json(&["correct", "bulk", "effect", "B1"]);
        let households = self.everybody / 4;
        assert_eq!((&sums["items"], &sums["moved"]), (&households.into(), &0.into()), "{sums}");
        assert_eq!(sums["rows"]["persons"], self.everybody);
        assert_eq!(sums["rows"]["households"], households);
        let counted = |ward: &str, when: &str| {
            let totals = sums["totals"].as_array().unwrap().iter();
            let of_ward = totals.filter(|it| it["counted"] == "permanent" && it["unit"]["code"] == ward);
            of_ward.map(|total| total[when].as_u64().unwrap()).sum::<u64>()
        };
        let foreseen = [WRONG, RIGHT].map(|ward| (counted(ward, "before"), counted(ward, "after")));
        assert_eq!(foreseen, [(self.everybody, 0), (0, self.everybody)]);
        let page = ["correct", "bulk", "effect", "B1", "--rows", "--purpose", "kiểm tra", "--limit", "40"];
        let first = self.registry.json(&page);
        let (all, after) = (first["items"].as_array().unwrap(), first["next"].as_str().unwrap());
        assert_eq!(all.len(), 40);
        let text = |when: &str| all[0]["effect"]["rows"][0][when]["person"]["permanent"]["text"].to_string();
        assert!(text("before").contains("Phúc Xá") && text("after").contains("Trúc Bạch"), "{}", all[0]);
        let rest = self.registry.json(&[&page[..], &["--after", after]].concat());
        let count = rest["items"].as_array().unwrap().len() as u64;
        assert_eq!((count, rest["next"].is_null()), ((households - 40).min(40), households <= 80));
    }

    /// Every fact of both commits reaches whoever gets the feed, under the commit's lsn.
    fn check_what_is_published(&self, operations: &[Value]) {
        let all = ["*"];
        let events = serde_json::json!({
            "permanent_residence_registered": all, "event_amended": all, "event_annulled": all,
            "operation_committed": ["operation"],
        });
        let told = published(&self.registry.home(), events);
        let commits: Vec<Lsn> = told
            .iter()
            .filter(|(_, (name, _))| name == "operation_committed")
            .map(|(at, _)| at.lsn)
            .collect();
        let committed = operations.iter().filter(|operation| operation["status"] == COMMITTED).count();
        assert_eq!(commits.len(), committed);
        let of = |lsn: Lsn, wanted: &str| -> Vec<&Value> {
            let of_record = told.iter().filter(|(at, (name, _))| at.lsn == lsn && name == wanted);
            of_record.map(|(_, (_, data))| data).collect()
        };
        let residences = of(commits[0], "permanent_residence_registered");
        let persons: BTreeSet<u64> = residences.iter().map(|it| it["person"].as_u64().unwrap()).collect();
        let wards: BTreeSet<String> =
            residences.iter().map(|it| it["place"]["domestic"]["unit"].to_string()).collect();
        assert_eq!((residences.len(), persons.len() as u64), (persons.len(), self.everybody));
        assert_eq!(wards.len(), 1, "all are said to be in the right ward");
        let (amended, annulled) = (of(commits[0], "event_amended"), of(commits[1], "event_annulled"));
        assert!(amended.len() >= persons.len() && amended.len() == annulled.len());
    }

    /// What is done while the service is killed again and again, until the operation at `place` is committed. All are in the right ward
    /// meanwhile, or nobody is.
    fn killed_while(&self, rounds: u32, child: Process, place: usize, work: impl FnOnce()) -> Process {
        let is_over = AtomicBool::new(false);
        let (child, seen) = std::thread::scope(|scope| {
            let killing =
                scope.spawn(|| self.registry.keep_killing(rounds, child, &is_over, Registry::put_right));
            work();
            is_over.store(true, Ordering::Release);
            killing.join().unwrap()
        });
        let seen: BTreeSet<u64> = seen.into_iter().collect();
        assert!(
            seen.iter().all(|right| [0, self.everybody].contains(right)),
            "some were put right: {seen:?}"
        );
        // Views that were just started again may still be behind.
        until_shown(|registry| registry.operation_at(place), &self.registry, &[COMMITTED], |_| {});
        child
    }

    /// Whoever is asked for later gets another name while everything is staged; what is told since.
    fn rename_somebody(&self) -> Vec<Value> {
        let registry = &self.registry;
        let mut command: Value =
            serde_json::from_slice(&registry.run(&["example", "change_name"]).stdout).unwrap();
        command["command"]["change_name"]["person"] = serde_json::json!({ "person_id": 1 });
        registry.submit(&registry.first, format!("{command}\n").as_bytes());
        let person = ["query", "person", "P1", "--purpose", "kiểm tra"];
        let deadline = Instant::now() + DONE_WITHIN;
        while !registry.json(&person).to_string().contains("Khôi") {
            assert!(Instant::now() < deadline, "the views do not show the name");
            std::thread::sleep(PAUSE);
        }
        registry.told()
    }

    fn correct(&self) {
        let file = self.file.to_str().unwrap();
        let open = ["open", file, "--nation", "--edits", "40"];
        self.drive(0, &open, &["resume", "B1", file, "--edits", "40"]);
    }
}

/// Of the time before the commit, everybody it moved is still named and counted.
fn check_what_is_told_of_then(registry: &Registry, since: &str, everybody: u64) {
    let asked = ["--purpose", "kiểm tra", "--limit", "50"];
    let then = [&["query", "members", WRONG, "--known-at", since][..], &asked].concat();
    assert_eq!(registry.json(&then)["members"].as_array().unwrap().len(), 50);
    let from = format!("2026-01-01@{since}");
    let changes = registry
        .json(&[&["diff", "--unit", WRONG, "--from", &from, "--to", "2026-01-01"][..], &asked].concat());
    let gone = changes["changes"].as_array().unwrap().iter().filter(|change| change["outcome"] == "gone");
    assert_eq!(gone.count(), 50, "{changes}");
    let counted = |ward: &str| {
        let told = registry.json(&["query", "structure", ward, "--known-at", since]);
        assert_eq!(told["as_of"]["known_at"].to_string(), since);
        told["all"]["all"].as_u64().unwrap()
    };
    assert_eq!((counted(WRONG), counted(RIGHT)), (everybody, 0));
}

#[test]
fn a_wrong_import_is_put_right_at_once_and_back_by_one_command() {
    let people = std::env::var("DANCU_BULK_PEOPLE").ok().and_then(|people| people.parse().ok());
    let (all, mut child) = imported(people.unwrap_or(PEOPLE));
    let registry = &all.registry;
    let (before, since) = (registry.told(), registry.json(&["query", "operations"])["lsn"].to_string());
    assert_eq!(registry.put_right(), Some(0));
    let file = all.file.to_str().unwrap();
    let edits = ["--edits", "40"];
    let open = [&["open", file, "--nation"][..], &edits].concat();
    let digest = all.stage(0, &open, &[&["resume", "B1", file][..], &edits].concat());
    all.check_what_is_foreseen();
    assert_eq!(registry.told(), before, "nothing is changed by looking");
    let before = all.rename_somebody();
    all.commit(0, &digest);
    let committed = &registry.operations().unwrap()[0];
    assert_eq!(committed["counts"]["left_out"], 0, "whoever moved is put right all the same: {committed}");
    assert_eq!(registry.put_right(), Some(all.everybody));
    assert_ne!(registry.told(), before);
    let person = ["query", "residence", "P1", "--purpose", "kiểm tra"];
    let ward_of = |answer: &Value| answer.to_string().contains("Trúc Bạch");
    assert!(ward_of(&registry.json(&person)));
    assert!(!ward_of(&registry.json(&[&person[..], &["--known-at", &since]].concat())), "nobody knew then");
    check_what_is_told_of_then(registry, &since, all.everybody);
    let history = registry.json(&["query", "history", "P1", "--whole", "--purpose", "kiểm tra"]);
    assert!(history.to_string().contains("event_amended"), "{history}");

    let reverse = ["reverse", "B1", "--nation"];
    all.drive(1, &reverse, &["resume-reverse", "B2"]);
    assert_eq!(registry.told(), before);
    let done = registry.operations().unwrap();
    assert_eq!(done[1]["counts"]["changed"], done[0]["counts"]["changed"]);

    child.kill().unwrap();
    child.wait().unwrap();
    let home = registry.home();
    let home = home.to_str().unwrap();
    let rebuilt = registry.run(&["rebuild", "--dir", home, "--json"]);
    let report: Value = serde_json::from_slice(&rebuilt.stdout).unwrap();
    assert_eq!(report["difference"], Value::Null, "{report}");
    let verified = registry.run(&["verify", "--dir", home]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));

    all.check_what_is_published(&done);
}

#[test]
fn a_line_that_cannot_be_corrected_is_named_and_nothing_of_its_part_is_staged() {
    let (all, mut child) = imported(12);
    let registry = &all.registry;
    let lines = std::fs::read_to_string(&all.file).unwrap();
    let second = lines.lines().nth(1).unwrap();
    let mut half: Vec<Value> = serde_json::from_str(second).unwrap();
    half.pop();
    std::fs::write(&all.file, lines.replace(second, &serde_json::to_string(&half).unwrap())).unwrap();
    let file = all.file.to_str().unwrap();
    let refused = registry
        .ask(&registry.first, &[&["correct", "bulk", "open", file, "--nation"][..], &GROUND].concat());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(2) && said.contains("edits.ndjson:2: correction_not_covered"),
        "{said}"
    );
    assert_eq!(registry.operation().unwrap()["parts"], 0);
    std::fs::write(&all.file, "{}").unwrap();
    let broken = registry
        .ask(&registry.first, &[&["correct", "bulk", "open", file, "--nation"][..], &GROUND].concat());
    let said = String::from_utf8_lossy(&broken.stderr).into_owned();
    assert!(broken.status.code() == Some(1) && said.contains("edits.ndjson:1"), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn whatever_is_killed_all_are_put_right_or_nobody_is_and_the_same_on_the_way_back() {
    let rounds = std::env::var("DANCU_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse::<u32>().ok());
    let rounds = rounds.map_or(ROUNDS, |rounds| (rounds / 4).max(1));
    let (all, child) = imported(PEOPLE);
    let registry = &all.registry;
    let before = registry.told();
    let child = all.killed_while(rounds, child, 0, || all.correct());
    assert_eq!(registry.put_right(), Some(all.everybody));
    // Whoever opened it may have opened it twice: an answer was lost, and a view that was just started again did not show the first yet.
    let place = registry.operations().unwrap().len();
    let name = format!("B{}", place + 1);
    let reverse = || all.drive(place, &["reverse", "B1", "--nation"], &["resume-reverse", &name]);
    let mut child = all.killed_while((rounds / 2).max(1), child, place, reverse);
    let done = registry.operations().unwrap();
    assert_eq!(registry.put_right(), Some(0), "{done:?}");
    assert_eq!(done[place]["counts"]["changed"], done[0]["counts"]["changed"]);
    assert_eq!(registry.told(), before);
    child.kill().unwrap();
    child.wait().unwrap();
    let home = registry.home();
    let verified = registry.run(&["verify", "--dir", home.to_str().unwrap()]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}
