//! Formats as operators see and change them.

use super::*;
use crate::gateway::Leader;
use event_log::Member;
use event_schemas::format::NEWEST;
use event_schemas::ids::{Lsn, Term};

async fn with_members(members: &[(&str, u16)]) -> Server {
    let gateway = FakeGateway::default();
    *gateway.members.lock().unwrap() =
        members.iter().map(|(name, format)| Member { name: (*name).to_owned(), format: *format }).collect();
    Server::start(gateway, Limits::default()).await
}

async fn activate(server: &Server, body: Value) -> (u16, Value) {
    server.post("/v1/format", "application/json", body.to_string()).await
}

#[tokio::test]
async fn formats_of_log_and_nodes_are_told_to_operators() {
    let server = with_members(&[("a", NEWEST), ("b", NEWEST + 1)]).await;
    let (status, answer) = server.get("/v1/format", "12").await;
    assert_eq!(status, 200);
    assert_eq!((&answer["active"], &answer["known_by_all"]), (&json!(0), &json!(NEWEST)));
    assert_eq!(answer["nodes"][1], json!({ "node": "b", "knows": NEWEST + 1 }));
    assert_eq!(server.get("/v1/format", "weak").await.0, 403);
}

#[tokio::test]
async fn a_format_that_is_unknown_or_behind_is_not_activated_and_the_one_in_force_is_as_it_was() {
    let server = with_members(&[("a", NEWEST)]).await;
    let (status, problem) = activate(&server, json!({ "format": NEWEST + 1, "even_if_unknown": true })).await;
    assert_eq!((status, &problem["code"]), (422, &json!("format_unknown")));
    let (status, problem) = activate(&server, json!({ "format": "x" })).await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_value")));
    assert_eq!(activate(&server, json!({ "format": 0 })).await.0, 200, "it is in force already");
    server.gateway.format.store(7, Ordering::SeqCst);
    let (status, problem) = activate(&server, json!({ "format": 0 })).await;
    assert_eq!((status, &problem["code"]), (409, &json!("format_goes_back")));
    assert_eq!(server.gateway.format.load(Ordering::SeqCst), 7);
}

#[tokio::test]
async fn a_node_that_follows_asks_the_leader() {
    let leading = with_members(&[("leader", NEWEST)]).await;
    let leader = Leader {
        node: "leader".into(),
        url: Some(leading.url("")),
        term: Term(1),
        lsn: Lsn(1),
        claimed_at: Timestamp(1),
        is_this_node: false,
    };
    let gateway = FakeGateway::default();
    gateway.leads_not.store(true, Ordering::SeqCst);
    *gateway.leader.lock().unwrap() = Some(leader);
    let follower = Server::start(gateway, Limits::default()).await;
    let (status, answer) = follower.get("/v1/format", "12").await;
    assert_eq!((status, &answer["nodes"][0]["node"]), (200, &json!("leader")));
    let (status, problem) = activate(&follower, json!({ "format": NEWEST + 1 })).await;
    assert_eq!((status, &problem["code"]), (422, &json!("format_unknown")));
}
