//! Outcomes that tell of rows without standing in the log are recorded before they are answered.

use super::*;
use crate::http::fake::TOLD;
use access::http::{AuditFailure, AuditLog, PersonalRead};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

/// Each element came in one call; fails while `is_full`.
#[derive(Default)]
pub struct Reads {
    kept: Mutex<Vec<Vec<PersonalRead>>>,
    is_full: AtomicBool,
}

impl Reads {
    fn calls(&self) -> Vec<Vec<PersonalRead>> {
        self.kept.lock().unwrap().clone()
    }

    fn all(&self) -> Vec<PersonalRead> {
        self.calls().concat()
    }
}

#[async_trait::async_trait]
impl AuditLog for Reads {
    async fn record(&self, _: PersonalRead) -> Result<(), AuditFailure> {
        panic!("no route here reads one by one")
    }

    async fn record_all(&self, reads: Vec<PersonalRead>) -> Result<(), AuditFailure> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(AuditFailure("the disk is full".into()));
        }
        self.kept.lock().unwrap().push(reads);
        Ok(())
    }
}

async fn telling() -> Server {
    let server = Server::usual().await;
    server.gateway.tells.store(true, Ordering::SeqCst);
    server
}

fn tried(number: u128) -> CommandEnvelope {
    CommandEnvelope { dry_run: true, ..command(number) }
}

#[tokio::test]
async fn a_dry_run_and_a_refusal_are_recorded_with_who_whom_and_why() {
    let server = telling().await;
    assert_eq!(server.submit(&tried(1)).await.0, 200);
    assert_eq!(server.submit(&death(2)).await.0, 422);
    let body = serde_json::to_vec(&tried(3)).unwrap();
    let request = reqwest::Client::new().post(server.url("/v1/commands?dry_run=true")).bearer_auth("12");
    let request = request.header("content-type", "application/json").header("x-purpose", "xác minh");
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    let shown: Vec<_> = server
        .reads
        .all()
        .into_iter()
        .map(|read| {
            assert_eq!((read.office, read.officer, read.shown), (OfficeId(12), OfficerId(9), vec![TOLD]));
            assert_eq!((read.route.as_str(), read.lsn.map(|lsn| lsn.0)), ("POST /v1/commands", Some(0)));
            (read.purpose.as_str().to_owned(), read.target, read.status)
        })
        .collect();
    let expected = [
        ("dry run of birth", "/v1/commands", 200),
        ("command death", "/v1/commands", 422),
        ("xác minh", "/v1/commands?dry_run=true", 200),
    ];
    assert_eq!(shown, expected.map(|(purpose, target, status)| (purpose.into(), target.into(), status)));
}

#[tokio::test]
async fn what_stands_in_the_log_or_tells_of_nobody_needs_no_record_elsewhere() {
    let server = Server::usual().await;
    assert_eq!(server.submit(&tried(1)).await.0, 200);
    assert_eq!(server.submit(&death(2)).await.0, 422);
    server.gateway.tells.store(true, Ordering::SeqCst);
    assert_eq!(server.submit(&command(3)).await.0, 200);
    assert_eq!(server.batch(ndjson([command(3), command(4)])).await.len(), 2);
    assert_eq!(server.reads.all(), []);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_told() {
    let server = telling().await;
    server.reads.is_full.store(true, Ordering::SeqCst);
    for unrecorded in [tried(1), death(2)] {
        let (status, problem) = server.submit(&unrecorded).await;
        assert_eq!((status, &problem["code"]), (503, &json!("audit_unavailable")));
        assert!(problem.get("rows").is_none() && problem.get("faults").is_none(), "{problem}");
    }
    let answers = server.batch(ndjson([command(3), tried(4), death(5), command(6)])).await;
    let shown: Vec<_> = answers.iter().map(|answer| answer["outcome"].as_str().unwrap()).collect();
    assert_eq!(shown, ["accepted", "problem", "problem", "accepted"]);
    assert_eq!((&answers[1]["code"], &answers[1]["line"]), (&json!("audit_unavailable"), &json!(2)));
}

#[tokio::test]
async fn lines_of_a_batch_are_recorded_together_and_each_names_its_line() {
    let server = telling().await;
    let count: u128 = 1_000;
    let lines = ndjson([command(1)]) + &ndjson((2..=count).map(tried));
    assert_eq!(server.batch(lines).await.len() as u128, count);
    let calls = server.reads.calls();
    assert!(calls.len() < 100, "{} writes for {count} lines", calls.len());
    let reads = calls.concat();
    let targets: BTreeSet<String> = reads.iter().map(|read| read.target.clone()).collect();
    let expected = (2..=count).map(|line| format!("/v1/commands/batch line {line}")).collect();
    assert_eq!((reads.len() as u128, targets), (count - 1, expected));
}
