//! A node that does not lead passes commands on, once, with the token, and says so when it cannot.

use super::*;
use crate::gateway::Leader;
use crate::http::forward::PASSED_ON_BY;
use event_schemas::ids::{Lsn, Term};

/// A node that follows a leader at this address.
async fn follower_of(url: &str) -> Server {
    let gateway = FakeGateway::default();
    gateway.leads_not.store(true, Ordering::SeqCst);
    let leader = Leader {
        node: "leader".into(),
        url: Some(url.into()),
        term: Term(1),
        lsn: Lsn(2),
        claimed_at: Timestamp(1),
        is_this_node: false,
    };
    *gateway.leader.lock().unwrap() = Some(leader);
    Server::start(gateway, Limits::default()).await
}

#[tokio::test]
async fn a_follower_passes_commands_questions_and_batches_on_and_gives_the_leaders_answers() {
    let leader = Server::usual().await;
    let follower = follower_of(&leader.url("")).await;
    let (status, answer) = follower.submit(&command(1)).await;
    assert_eq!((status, &answer["outcome"]), (200, &json!("accepted")));
    let (status, problem) = follower.submit(&death(2)).await;
    assert_eq!((status, &problem["code"]), (422, &json!("command_refused")));
    let (status, found) = follower.get(&format!("/v1/commands/{}", CommandId(1)), "12").await;
    assert_eq!((status, &found["repeated"]), (200, &json!(true)));
    let answers = follower.batch(ndjson((3..=2_000).map(command))).await;
    assert_eq!((answers.len(), &answers[1_997]["line"]), (1_998, &json!(1_998)));
    assert_eq!(leader.gateway.records().len(), 1_999);
    assert!(leader.gateway.records().iter().all(|(submitter, _)| submitter.office == OfficeId(12)));
    assert!(follower.gateway.records().is_empty());
}

#[tokio::test]
async fn a_follower_is_ready_while_it_hears_a_leader_that_it_can_reach() {
    let follower = follower_of("http://127.0.0.1:9").await;
    let (status, readiness) = follower.get("/readyz", "12").await;
    assert_eq!((status, &readiness["parts"]["commands"]["leader"]), (200, &json!("leader")));
}

#[tokio::test]
async fn who_has_no_token_is_turned_away_before_anything_is_passed_on() {
    let follower = follower_of("http://127.0.0.1:9").await;
    let request = reqwest::Client::new().get(follower.url(&format!("/v1/commands/{}", CommandId(1))));
    assert_eq!(read(request.send().await.unwrap()).await.0, 401);
}

#[tokio::test]
async fn a_request_is_passed_on_once() {
    // Given two followers that each take the other for the leader,
    let one = follower_of("http://127.0.0.1:9").await;
    let other = follower_of(&one.url("")).await;
    one.gateway.leader.lock().unwrap().as_mut().unwrap().url = Some(other.url(""));
    // then a command makes one hop and comes back.
    let (status, problem) = one.submit(&command(1)).await;
    assert_eq!((status, &problem["code"]), (503, &json!("not_leading")));
    let request = reqwest::Client::new().get(one.url(&format!("/v1/commands/{}", CommandId(1))));
    let request = request.bearer_auth("12").header(PASSED_ON_BY, "somebody");
    assert_eq!(read(request.send().await.unwrap()).await.1["code"], "not_leading");
}

#[tokio::test]
async fn a_leader_that_cannot_be_reached_got_nothing_and_one_that_breaks_off_perhaps() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let follower = follower_of(&format!("http://{address}")).await;
    let breaking = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 64];
        stream.read_exact(&mut buffer).await.unwrap();
    });
    let (status, problem) = follower.submit(&command(1)).await;
    assert_eq!((status, &problem["code"]), (503, &json!("outcome_unknown")));
    breaking.await.unwrap();
    let (status, problem) = follower.submit(&command(1)).await;
    assert_eq!((status, &problem["code"]), (503, &json!("not_leading")));
}

#[tokio::test]
async fn a_leader_that_was_replaced_is_not_waited_for() {
    // Given a leader that takes requests and never answers,
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let follower = follower_of(&format!("http://{}", listener.local_addr().unwrap())).await;
    // when another term begins,
    follower.gateway.term.store(2, Ordering::SeqCst);
    // then whoever waits is told that nobody knows.
    let (status, problem) = follower.submit(&command(1)).await;
    assert_eq!((status, &problem["code"]), (503, &json!("outcome_unknown")));
}

#[tokio::test]
async fn who_leads_is_told_to_operators_and_a_node_takes_over_when_told_to() {
    let follower = follower_of("http://127.0.0.1:9").await;
    let (status, answer) = follower.get("/v1/leader", "12").await;
    assert_eq!((status, &answer["leader"]["node"]), (200, &json!("leader")));
    assert_eq!(answer["this_node"]["role"], "following");
    assert_eq!(follower.get("/v1/leader", "weak").await.0, 403);
    let (status, answer) = follower.post("/v1/leader/takeover", "application/json", "").await;
    assert_eq!((status, &answer["this_node"]["role"]), (200, &json!("leading")));
}
