//! Black box: a server on port 0, a client, bad input of every kind.

use crate::gateway::CommandGateway;
use crate::http::fake::FakeGateway;
use crate::http::{
    CommandApi, Forwarder, Limits, Operations, Stop, clock, command_routes, leader, operations, pages, serve,
};
use crate::{ScriptedClock, clock::Clock};
use access::http::{Authenticate, Guard, OpenApi, route};
use access::{Caller, Scope, TokenError};
use event_schemas::CommandEnvelope;
use event_schemas::examples::example;
use event_schemas::ids::{CommandId, OfficeId, OfficerId};
use event_schemas::outcome::Outcome;
use event_schemas::time::Timestamp;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use telling::Reads;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod bounds;
mod formats;
mod forward;
mod telling;

/// The token's text is the office's number; it has every scope, but `weak` has none.
struct OfficeInToken;

impl Authenticate for OfficeInToken {
    fn authenticate(&self, bearer: &str) -> Result<Caller, TokenError> {
        let (office, scopes) = match bearer {
            "weak" => (1, Vec::new()),
            "old" => return Err(TokenError::Expired),
            "unsigned" => return Err(TokenError::BadSignature),
            office => (office.parse().map_err(|_| TokenError::Malformed)?, Scope::ALL.to_vec()),
        };
        Ok(Caller { office: OfficeId(office), officer: OfficerId(9), scopes: scopes.into_iter().collect() })
    }
}

struct Server {
    gateway: Arc<FakeGateway>,
    clock: ScriptedClock,
    reads: Arc<Reads>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start(gateway: FakeGateway, limits: Limits) -> Self {
        let gateway = Arc::new(gateway);
        let (teller, stop) = Stop::new();
        let clock = ScriptedClock::new(Timestamp(1_000_000));
        let reads = Arc::new(Reads::default());
        let guard = Guard { authenticate: Arc::new(OfficeInToken), audit: reads.clone() };
        let mut description = OpenApi::new("t", "1", "d");
        command_routes().describe(&mut description);
        operations::operation_routes().describe(&mut description);
        pages::page_routes().describe(&mut description);
        leader::leader_routes().describe(&mut description);
        crate::http::format::format_routes().describe(&mut description);
        clock::clock_routes().describe(&mut description);
        let follows = gateway.leader.lock().unwrap().is_some();
        let forwarder = follows.then(|| Forwarder::new().unwrap());
        let api = CommandApi {
            gateway: gateway.clone(),
            audit: reads.clone(),
            limits,
            forwarder,
            stop: stop.clone(),
        };
        let leadership: Arc<dyn CommandGateway> = gateway.clone();
        let operations = Operations {
            gateway: Some(gateway.clone()),
            checks: Arc::default(),
            render: Arc::new(|| "more 1\n".into()),
        };
        let router = command_routes()
            .into_router(&guard, api.clone())
            .merge(crate::http::format::format_routes().into_router(&guard, api))
            .merge(operations::operation_routes().into_router(&guard, operations))
            .merge(leader::leader_routes().into_router(&guard, leadership))
            .merge(clock::clock_routes().into_router(&guard, clock.clone()))
            .merge(pages::page_routes().into_router(&guard, pages::Document::new(description)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, route::fallbacks(router), limits, stop));
        Self { gateway, clock, reads, address, stop: teller, serving }
    }

    async fn usual() -> Self {
        Self::start(FakeGateway::default(), Limits::default()).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn post(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = reqwest::Client::new().post(self.url(path)).bearer_auth("12").body(body);
        let response = request.header("content-type", content_type).send().await.unwrap();
        read(response).await
    }

    async fn submit(&self, envelope: &CommandEnvelope) -> (u16, Value) {
        self.post("/v1/commands", "application/json", serde_json::to_vec(envelope).unwrap()).await
    }

    async fn get(&self, path: &str, token: &str) -> (u16, Value) {
        read(reqwest::Client::new().get(self.url(path)).bearer_auth(token).send().await.unwrap()).await
    }

    async fn batch(&self, body: impl Into<reqwest::Body>) -> Vec<Value> {
        let request =
            reqwest::Client::new().post(self.url("/v1/commands/batch")).bearer_auth("12").body(body);
        let response = request.header("content-type", "application/x-ndjson").send().await.unwrap();
        assert_eq!(response.status(), 200);
        lines_of(&response.text().await.unwrap())
    }
}

async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let problem = response.headers()["content-type"] == "application/problem+json";
    let text = response.text().await.unwrap();
    let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    assert_eq!(problem, body.get("code").is_some(), "{body}");
    if problem {
        assert_eq!(body["status"], status);
        assert!(body["vi"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        assert_eq!(body["type"], format!("urn:dancu:problem:{}", body["code"].as_str().unwrap()));
    }
    (status, body)
}

fn lines_of(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn command(number: u128) -> CommandEnvelope {
    CommandEnvelope { command_id: CommandId(number), ..example("birth").unwrap() }
}

fn death(number: u128) -> CommandEnvelope {
    CommandEnvelope { command_id: CommandId(number), ..example("death").unwrap() }
}

fn ndjson(commands: impl IntoIterator<Item = CommandEnvelope>) -> String {
    commands.into_iter().map(|command| serde_json::to_string(&command).unwrap() + "\n").collect()
}

#[tokio::test]
async fn a_command_is_accepted_once_and_found_by_its_own_office_only() {
    let server = Server::usual().await;
    let (status, first) = server.submit(&command(5)).await;
    assert_eq!((status, &first["outcome"], &first["lsn"]), (200, &json!("accepted"), &json!(1)));
    let (status, again) = server.submit(&command(5)).await;
    assert_eq!((status, &again["repeated"], &again["lsn"]), (200, &json!(true), &json!(1)));
    let submitter = server.gateway.records()[0].0;
    assert_eq!(
        (submitter.office, submitter.officer),
        (OfficeId(12), OfficerId(9)),
        "both come from the token"
    );

    let path = format!("/v1/commands/{}", CommandId(5));
    assert_eq!(server.get(&path, "12").await.0, 200);
    let (status, other) = server.get(&path, "13").await;
    assert_eq!((status, &other["code"]), (404, &json!("no_such_command")));
    let (status, bad) = server.get("/v1/commands/seven", "12").await;
    assert_eq!((status, &bad["code"]), (400, &json!("bad_command_id")));
}

#[tokio::test]
async fn a_refusal_is_a_problem_with_all_faults_that_reads_as_an_outcome() {
    let server = Server::usual().await;
    let (status, body) = server.submit(&death(6)).await;
    assert_eq!((status, &body["code"]), (422, &json!("command_refused")));
    assert_eq!(body["faults"].as_array().unwrap().len(), 2);
    let outcome: Outcome = serde_json::from_value(body).unwrap();
    assert!(matches!(outcome, Outcome::Refused(refusal) if refusal.command_id == CommandId(6)));

    server.submit(&command(7)).await;
    let reused = CommandEnvelope { command_id: CommandId(7), ..example("change_name").unwrap() };
    let (status, body) = server.submit(&reused).await;
    assert_eq!((status, &body["code"]), (409, &json!("command_id_reused")));
}

#[tokio::test]
async fn a_dry_run_by_query_leaves_nothing() {
    let server = Server::usual().await;
    let body = serde_json::to_vec(&command(5)).unwrap();
    let (status, answer) = server.post("/v1/commands?dry_run=true", "application/json", body.clone()).await;
    assert_eq!((status, &answer["dry_run"]), (200, &json!(true)));
    assert!(server.gateway.records().is_empty());
    let (status, answer) = server.post("/v1/commands?dryrun=true", "application/json", body).await;
    assert_eq!((status, &answer["code"]), (400, &json!("bad_query")));
}

#[tokio::test]
async fn bad_bodies_are_answered_with_code_field_line_and_column() {
    let server = Server::usual().await;
    let with = |pointer: &str, value: Value| {
        let mut json = serde_json::to_value(command(1)).unwrap();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        json.pointer_mut(parent).unwrap()[field] = value;
        serde_json::to_string_pretty(&json).unwrap()
    };
    let given = "/command/birth/child/names/given";
    let cases = [
        ("{\"command_id\": 5,,}".to_owned(), "invalid_value", Some("command_id")),
        ("{,}".to_owned(), "malformed_json", None),
        (String::new(), "malformed_json", None),
        (with("/shoe_size", json!(41)), "unknown_field", Some("shoe_size")),
        (with("/office", json!(99)), "unknown_field", Some("office")),
        (
            with("/command/birth/child/birth", json!("2021-02-30")),
            "invalid_value",
            Some("command.birth.child.birth"),
        ),
        (with(given, json!("x".repeat(2_000))), "invalid_value", Some("command.birth.child.names.given")),
        (with(given, json!("a\u{0}b")), "invalid_value", Some("command.birth.child.names.given")),
        (with("/command/birth", json!({})), "missing_field", Some("command.birth")),
    ];
    for (body, code, field) in cases {
        let shown: String = body.chars().take(60).collect();
        let (status, problem) = server.post("/v1/commands", "application/json", body).await;
        assert_eq!((status, problem["code"].as_str()), (400, Some(code)), "{shown}");
        assert_eq!(problem["faults"][0]["field"].as_str(), field, "{shown}");
        assert!(problem["line"].as_u64().is_some() && problem["column"].as_u64().is_some(), "{problem}");
        assert!(problem.to_string().len() < 8_000, "input is not repeated");
    }
    assert!(server.gateway.records().is_empty());
}

#[tokio::test]
async fn bodies_of_the_wrong_type_or_size_are_turned_away() {
    let server = Server::usual().await;
    let good = serde_json::to_vec(&command(1)).unwrap();
    let (status, problem) =
        server.post("/v1/commands", "application/x-www-form-urlencoded", good.clone()).await;
    assert_eq!((status, &problem["code"]), (415, &json!("wrong_content_type")));
    let (status, problem) = server.post("/v1/commands/batch", "application/json", good.clone()).await;
    assert_eq!((status, &problem["code"]), (415, &json!("wrong_content_type")));
    let (status, problem) = server.post("/v1/commands", "application/json", vec![b' '; (1 << 20) + 1]).await;
    assert_eq!((status, &problem["code"]), (413, &json!("body_too_large")));
    let parts = futures_util::stream::iter((0..2).map(|_| Ok::<_, std::io::Error>(vec![b' '; 700_000])));
    let body = reqwest::Body::wrap_stream(parts);
    let (status, problem) = server.post("/v1/commands", "application/json", body).await;
    assert_eq!((status, &problem["code"]), (413, &json!("body_too_large")), "also when no length is stated");
    assert!(server.gateway.records().is_empty());
}

#[tokio::test]
async fn tokens_are_asked_for_before_bodies_are_read() {
    let server = Server::usual().await;
    for (token, status, code) in [
        ("old", 401, "token_expired"),
        ("unsigned", 401, "token_signature"),
        ("x", 401, "token_malformed"),
        ("weak", 403, "scope_missing"),
    ] {
        let request =
            reqwest::Client::new().post(server.url("/v1/commands")).bearer_auth(token).body("rubbish");
        let (got, problem) = read(request.send().await.unwrap()).await;
        assert_eq!((got, &problem["code"]), (status, &json!(code)));
    }
    let (status, problem) =
        read(reqwest::Client::new().post(server.url("/v1/commands")).send().await.unwrap()).await;
    assert_eq!((status, &problem["code"]), (401, &json!("token_missing")));
    let (status, problem) = read(reqwest::get(server.url("/metrics")).await.unwrap()).await;
    assert_eq!((status, &problem["code"]), (401, &json!("token_missing")));
}

#[tokio::test]
async fn each_line_of_a_batch_is_answered_in_order_whatever_the_others_are() {
    let server = Server::usual().await;
    let good = |number| serde_json::to_string(&command(number)).unwrap();
    let bad_field = good(3).replacen('{', "{\"urgent\":1,", 1);
    let refused = serde_json::to_string(&death(4)).unwrap();
    let long = "y".repeat((1 << 20) + 1);
    let body = format!("{}\nnot json\n\n{bad_field}\r\n{refused}\n{long}\n{}\n{}", good(1), good(1), good(2));
    let answers = server.batch(body).await;
    let shown: Vec<(u64, &str, &str)> = answers
        .iter()
        .map(|answer| {
            let code = answer["code"].as_str().unwrap_or_default();
            (answer["line"].as_u64().unwrap(), answer["outcome"].as_str().unwrap(), code)
        })
        .collect();
    let expected = [
        (1, "accepted", ""),
        (2, "problem", "malformed_json"),
        (4, "problem", "unknown_field"),
        (5, "refused", ""),
        (6, "problem", "line_too_long"),
        (7, "accepted", ""),
        (8, "accepted", ""),
    ];
    assert_eq!(shown, expected);
    assert_eq!(answers[5]["repeated"], true);
    assert_eq!(answers[2]["faults"][0]["field"], "urgent");
    assert_eq!(answers[3]["faults"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_long_batch_keeps_order_and_bounds_what_waits() {
    let limits = Limits { batch_lines_in_flight: 1_024, ..Limits::default() };
    let gateway = FakeGateway::slow(Duration::from_millis(2));
    gateway.overloads.store(5, Ordering::SeqCst);
    let server = Server::start(gateway, limits).await;
    let count: u128 = 20_000;
    let answers = server.batch(ndjson((1..=count).map(command))).await;
    assert_eq!(answers.len() as u128, count, "a full writer makes the sender wait; nothing is lost");
    for (at, answer) in answers.iter().enumerate() {
        assert_eq!(
            (answer["line"].as_u64(), answer["lsn"].as_u64()),
            (Some(at as u64 + 1), Some(at as u64 + 1))
        );
    }
    let most = server.gateway.most_in_flight.load(Ordering::SeqCst);
    assert!(most <= 1_024, "{most} waited");
}

#[tokio::test]
async fn a_batch_that_breaks_off_is_answered_as_far_as_it_came_and_can_be_repeated() {
    let server = Server::usual().await;
    let lines = ndjson((1..=10).map(command));
    let broken = &lines[..lines.len() - 40];
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /v1/commands/batch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer 12\r\n\
         content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        lines.len()
    );
    stream.write_all((head + broken).as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert_eq!(answer.matches("\"accepted\"").count(), 9, "what came is answered: {answer}");
    assert_eq!(server.gateway.records().len(), 9, "the tenth did not come whole");
    let answers = server.batch(lines).await;
    let repeated: Vec<bool> = answers.iter().map(|answer| answer["repeated"].as_bool().unwrap()).collect();
    assert_eq!(repeated, [vec![true; 9], vec![false]].concat());
}

#[tokio::test]
async fn a_half_closed_batch_still_gets_its_answers() {
    let server = Server::usual().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let line = ndjson([command(1)]);
    let head = "POST /v1/commands/batch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer 12\r\ncontent-type: application/x-ndjson\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n{line}\r\n9\r\n{{\"command\r\n", line.len());
    stream.write_all((head.to_owned() + &chunk).as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&seen).contains("accepted") {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..count]);
    }
    drop(stream);
    assert_eq!(server.gateway.records().len(), 1);
}

#[tokio::test]
async fn a_silent_batch_is_ended_and_says_where() {
    let limits = Limits { batch_idle: Duration::from_millis(80), ..Limits::default() };
    let server = Server::start(FakeGateway::default(), limits).await;
    let first = futures_util::stream::iter([Ok::<_, std::io::Error>(ndjson([command(1)]))]);
    let endless = futures_util::StreamExt::chain(first, futures_util::stream::pending());
    let answers = server.batch(reqwest::Body::wrap_stream(endless)).await;
    assert_eq!(answers[0]["outcome"], "accepted");
    assert_eq!((&answers[1]["code"], &answers[1]["line"]), (&json!("too_slow"), &json!(2)));
}

#[tokio::test]
async fn when_the_node_does_not_lead_it_says_so_and_when_to_come_again() {
    let server = Server::usual().await;
    server.gateway.leads_not.store(true, Ordering::SeqCst);
    let request = reqwest::Client::new().post(server.url("/v1/commands")).bearer_auth("12");
    let request =
        request.header("content-type", "application/json").body(serde_json::to_vec(&command(1)).unwrap());
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "2");
    let (status, problem) = read(response).await;
    assert_eq!((status, &problem["code"]), (503, &json!("not_leading")));
    let (status, readiness) = server.get("/readyz", "12").await;
    assert_eq!((status, &readiness["ready"]), (503, &json!(false)));
    let answers = server.batch(ndjson([command(1)])).await;
    assert_eq!((&answers[0]["code"], &answers[0]["line"]), (&json!("not_leading"), &json!(1)));
    assert_eq!(server.get("/livez", "12").await, (200, json!("alive\n")));
}

#[tokio::test]
async fn a_full_queue_is_503_for_a_single_command() {
    let server = Server::usual().await;
    server.gateway.overloads.store(1, Ordering::SeqCst);
    let (status, problem) = server.submit(&command(1)).await;
    assert_eq!((status, &problem["code"], &problem["retry_after_s"]), (503, &json!("overloaded"), &json!(1)));
    assert_eq!(server.submit(&command(1)).await.0, 200);
}

#[tokio::test]
async fn stopping_answers_what_was_taken_and_says_where_a_batch_ended() {
    let gateway = FakeGateway::slow(Duration::from_millis(150));
    let server = Server::start(gateway, Limits::default()).await;
    let first = futures_util::stream::iter([Ok::<_, std::io::Error>(ndjson([command(1), command(2)]))]);
    let endless = futures_util::StreamExt::chain(first, futures_util::stream::pending());
    let single_command = command(3);
    let (answers, single, ()) = tokio::join!(
        server.batch(reqwest::Body::wrap_stream(endless)),
        server.submit(&single_command),
        async {
            tokio::time::sleep(Duration::from_millis(70)).await;
            server.stop.send(true).unwrap();
        },
    );
    assert_eq!(single.0, 200);
    let shown: Vec<_> = answers.iter().map(|answer| answer["outcome"].as_str().unwrap()).collect();
    assert_eq!(shown, ["accepted", "accepted", "problem"]);
    assert_eq!((&answers[2]["code"], &answers[2]["line"]), (&json!("stopping"), &json!(3)));
    let Server { serving, address, .. } = server;
    serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn metrics_show_the_gateway_and_the_rest() {
    let server = Server::usual().await;
    server.submit(&command(1)).await;
    let (status, page) = server.get("/metrics", "12").await;
    let page = page.as_str().unwrap().to_owned();
    assert_eq!(status, 200);
    for line in [
        "dancu_lsn 1",
        "dancu_role{role=\"leading\"} 1",
        "dancu_refusals_total{code=\"person_dead\"} 2",
        "dancu_dropped_entries_total{reason=\"lsn_taken\"} 4",
        "dancu_group_entries_bucket{le=\"3\"} 1",
        "dancu_group_entries_count 1",
        "more 1",
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line} is missing in\n{page}");
    }
}

#[tokio::test]
async fn the_description_names_every_route_and_the_page_needs_nothing_else() {
    let server = Server::usual().await;
    let (_, document) = server.get("/openapi.json", "12").await;
    assert_eq!(document["openapi"], "3.1.0");
    let routes: Vec<_> = command_routes().list().map(|(_, path, _)| path).collect();
    for path in routes.into_iter().chain(["/livez", "/readyz", "/metrics", "/", "/openapi.json", "/v1/clock"])
    {
        assert!(document["paths"].get(path).is_some(), "{path} is missing");
    }
    let post = &document["paths"]["/v1/commands"]["post"];
    assert!(
        post["requestBody"]["content"]["application/json"]["examples"]["birth"]["value"]["command"]["birth"]
            .is_object()
    );
    let (_, page) = server.get("/", "12").await;
    let page = page.as_str().unwrap();
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing is loaded from elsewhere");
}

#[tokio::test]
async fn the_clock_of_a_scripted_log_goes_forward_only() {
    let server = Server::usual().await;
    let set = async |now: &str| {
        server.post("/v1/clock", "application/json", json!({ "now": now }).to_string()).await
    };
    let (status, reading) = set("2021-03-15T01:00:00Z").await;
    assert_eq!((status, &reading["now"]), (200, &json!("2021-03-15T01:00:00Z")));
    assert_eq!(server.clock.now(), "2021-03-15T01:00:00Z".parse().unwrap());
    let (status, problem) = set("2021-03-14T01:00:00Z").await;
    assert_eq!((status, &problem["code"]), (409, &json!("clock_goes_back")));
    let (status, problem) = set("tomorrow").await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalid_value")));
}
