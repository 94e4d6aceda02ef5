//! The direction of dependencies, and the libraries that only one crate may name.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as loudly as tests")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each crate may use of the others outside its tests.
const MAY_USE: &[(&str, &[&str])] = &[
    ("event-schemas", &[]),
    ("domain", &["event-schemas"]),
    ("event-log", &["event-schemas"]),
    ("feed", &["event-log", "event-schemas"]),
    ("state-store", &["event-schemas"]),
    ("access", &["event-schemas"]),
    ("command-service", &["access", "domain", "event-log", "event-schemas", "state-store"]),
    // Of `domain` only the fold of a timeline.
    ("projections", &["access", "domain", "event-log", "event-schemas", "state-store"]),
    // Never `domain`: a ledger that shared its rules would share its mistakes.
    ("simulator", &["event-schemas"]),
    // Of `tests` only the simulation, which it replays.
    ("dancu", ALL_LIBRARIES),
    ("tests", ALL_LIBRARIES),
];

const ALL_LIBRARIES: &[&str] = &[
    "access",
    "command-service",
    "domain",
    "event-log",
    "event-schemas",
    "feed",
    "projections",
    "simulator",
    "state-store",
    "tests",
];

/// Libraries that stay behind one crate, so that they can be replaced there.
const BEHIND_ONE_CRATE: &[(&str, &str)] =
    &[("bincode", "event-schemas"), ("sled", "state-store"), ("fjall", "state-store"), ("anyhow", "dancu")];

/// Crates that do no I/O, are not async and have no clock or chance, and libraries that would bring these in.
const PURE: &[&str] = &["event-schemas", "domain"];
const IMPURE_LIBRARIES: &[&str] =
    &["tokio", "axum", "reqwest", "rand", "rustix", "sled", "fjall", "tracing", "async-trait"];

#[test]
fn crates_use_only_what_stands_below_them() {
    let workspace = workspace();
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = workspace.keys().map(String::as_str).collect();
    assert_eq!(found, known, "the table of layers and the workspace name different crates");

    for (name, allowed) in MAY_USE {
        for used in workspace[*name].normal.iter().filter(|used| known.contains(used.as_str())) {
            assert!(
                allowed.contains(&used.as_str()),
                "{name} must not use {used}: it may use only {allowed:?}"
            );
        }
    }
}

#[test]
fn tests_of_a_crate_use_neither_the_binary_nor_the_whole_system() {
    for (name, dependencies) in workspace() {
        for used in ["dancu", "tests"] {
            let uses = dependencies.dev.contains(used);
            assert!(!uses || name == "tests", "the tests of {name} must not use {used}");
        }
    }
}

#[test]
fn replaceable_libraries_stay_behind_one_crate() {
    for (name, dependencies) in workspace() {
        for (library, owner) in BEHIND_ONE_CRATE {
            let uses = dependencies.normal.contains(*library) || dependencies.dev.contains(*library);
            assert!(!uses || name == *owner, "{name} must not name {library}: only {owner} may");
        }
    }
}

#[test]
fn pure_crates_bring_in_no_input_output_clock_or_chance() {
    let workspace = workspace();
    for name in PURE {
        for library in IMPURE_LIBRARIES {
            let uses = workspace[*name].normal.contains(*library);
            assert!(!uses, "{name} must not use {library}: it does no I/O and knows no chance");
        }
    }
}

#[test]
fn projections_use_of_the_rules_only_timelines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../projections/src");
    let files = rust_files(&folder);
    assert!(files.len() > 3, "the views moved: look for them elsewhere than in {}", folder.display());
    for file in files {
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let used = line.split("domain::").nth(1).filter(|_| !line.trim_start().starts_with("//"));
            let allowed = used.is_none_or(|used| used.starts_with("timeline"));
            assert!(allowed, "{} must use of domain only timelines: {line}", file.display());
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[derive(Default)]
struct Dependencies {
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
}

/// Direct dependencies of every crate of the workspace, by kind; optional ones count.
fn workspace() -> BTreeMap<String, Dependencies> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs where its tests run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (text(&package["name"]), dependencies_of(package))).collect()
}

fn dependencies_of(package: &Value) -> Dependencies {
    let mut dependencies = Dependencies::default();
    for dependency in package["dependencies"].as_array().unwrap() {
        let name = text(&dependency["name"]);
        match dependency["kind"].as_str() {
            Some("dev") => dependencies.dev.insert(name),
            _ => dependencies.normal.insert(name),
        };
    }
    dependencies
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
