//! `dancu verify` and the audit log of reads.

use access::FileAudit;
use access::audit::AuditOptions;
use access::http::{AuditLog, PersonalRead};
use event_schemas::ids::{Lsn, OfficeId, OfficerId, PersonId};
use event_schemas::row::RowRef;
use event_schemas::time::Timestamp;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

fn dancu(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dancu")).args(args).output().unwrap()
}

fn verify(home: &Path, more: &[&str]) -> Output {
    dancu(&[&["verify", "--dir", home.to_str().unwrap()], more].concat())
}

async fn record_reads(audit_dir: &Path, count: u32) {
    let now = Arc::new(|| Timestamp(1_700_000_000_000_000));
    let audit = FileAudit::open(audit_dir, AuditOptions::default(), now).unwrap();
    for person in 1..=count {
        let read = PersonalRead {
            office: OfficeId(12),
            officer: OfficerId(3),
            purpose: "xác minh".parse().unwrap(),
            route: "GET /v1/persons/{id}".into(),
            target: format!("/v1/persons/P{person}"),
            shown: vec![RowRef::Person(PersonId(person))],
            lsn: Some(Lsn(1)),
            status: 200,
        };
        audit.record(read).await.unwrap();
    }
}

#[tokio::test]
async fn the_audit_log_of_reads_is_checked_too_and_a_changed_line_is_named() {
    // Given a sound log and three recorded reads,
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("registry");
    assert!(dancu(&["init", "--dir", home.to_str().unwrap()]).status.success());
    let before: Value = serde_json::from_slice(&verify(&home, &["--json"]).stdout).unwrap();
    assert_eq!(before["audit"]["reads"], 0, "before the first read");
    record_reads(&home.join("audit"), 3).await;
    let report: Value = serde_json::from_slice(&verify(&home, &["--json"]).stdout).unwrap();
    assert_eq!((&report["sound"], &report["audit"]["reads"]), (&true.into(), &3.into()));
    let table = String::from_utf8(verify(&home, &[]).stdout).unwrap();
    assert!(table.contains("audit log: reads"), "{table}");
    assert!(table.contains(report["audit"]["chain"].as_str().unwrap()), "{table}");
    // when somebody changes whom one read showed,
    let file = home.join("audit/reads-000001.ndjson");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("/v1/persons/P2", "/v1/persons/P9", 1)).unwrap();
    // then the file and line are named, and nothing is called sound.
    let output = verify(&home, &["--json"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(
        error.contains("audit log") && error.contains("reads-000001.ndjson") && error.contains("line 3"),
        "{error}"
    );
}
