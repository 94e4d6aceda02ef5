//! Bounds: slow, greedy and silent clients (O1).

use super::*;
use tokio::time::timeout;

#[tokio::test]
async fn a_slow_answer_and_a_slow_body_are_ended() {
    let limits = Limits { request: Duration::from_millis(100), ..Limits::default() };
    let gateway = FakeGateway::slow(Duration::from_secs(20));
    let server = Server::start(gateway, limits).await;
    let (status, problem) = server.submit(&command(1)).await;
    assert_eq!((status, &problem["code"]), (408, &json!("too_slow")));
    let never =
        reqwest::Body::wrap_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let (status, problem) = server.post("/v1/commands", "application/json", never).await;
    assert_eq!((status, &problem["code"]), (408, &json!("too_slow")));
}

#[tokio::test]
async fn who_asks_too_often_is_told_to_wait() {
    let limits = Limits { requests_per_second: 5, ..Limits::default() };
    let server = Server::start(FakeGateway::default(), limits).await;
    let mut statuses = Vec::new();
    for number in 0..12 {
        statuses.push(server.submit(&command(number)).await.0);
    }
    assert_eq!(statuses[..5], [200; 5]);
    assert!(statuses[5..].contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn made_up_tokens_share_the_rate_of_their_address_and_verified_ones_keep_theirs() {
    // Given an officer whose token was verified,
    let limits = Limits { requests_per_second: 5, ..Limits::default() };
    let server = Server::start(FakeGateway::default(), limits).await;
    let path = format!("/v1/commands/{}", CommandId(1));
    assert_eq!(server.get(&path, "12").await.0, 404);
    // when somebody at the same address asks with ever new tokens,
    let mut statuses = Vec::new();
    for number in 0..12 {
        statuses.push(server.get(&path, &format!("made-up-{number}")).await.0);
    }
    // then those are told to wait after a few, and the officer is still answered.
    assert_eq!(statuses[..4], [401; 4]);
    assert!(statuses[4..].contains(&429), "{statuses:?}");
    assert_eq!(server.get(&path, "12").await.0, 404);
}

#[tokio::test]
async fn requests_without_a_good_token_lock_out_neither_an_officer_with_a_fresh_one_nor_a_probe() {
    // Given an address that has used up what it may ask without a good token,
    let limits = Limits { anonymous_requests_per_second: 2, ..Limits::default() };
    let server = Server::start(FakeGateway::default(), limits).await;
    let path = format!("/v1/commands/{}", CommandId(1));
    for number in 0..12 {
        assert_eq!(server.get(&path, &format!("made-up-{number}")).await.0, 401);
    }
    // On a busy machine some of it has come back meanwhile.
    let mut refused = false;
    for _ in 0..100 {
        refused |= reqwest::get(server.url(&path)).await.unwrap().status() == 429;
    }
    assert!(refused);
    // when an officer comes with a token that was never seen, and a probe, then both are answered.
    assert_eq!(server.get(&path, "12").await.0, 404);
    for probe in ["/livez", "/readyz"] {
        assert_eq!(reqwest::get(server.url(probe)).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn heads_and_connections_are_bounded() {
    let limits = Limits { head: Duration::from_millis(150), connections: 1, ..Limits::default() };
    let server = Server::start(FakeGateway::default(), limits).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    // The one connection is taken; the next waits until the slow one is thrown out.
    assert_eq!(server.get("/livez", "12").await.0, 200);
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest).await;
    let mut large = TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "y".repeat(100_000));
    let _ = large.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = large.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200"));
}

/// Lines of a batch whose answers are more than any buffer holds.
const UNREAD_LINES: usize = 60_000;

/// A connection that has sent a batch of [`UNREAD_LINES`] bad lines and has read none of the answers, which are long.
async fn silent_reader(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let body = "x\n".repeat(UNREAD_LINES);
    let head = format!(
        "POST /v1/commands/batch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer 12\r\n\
         content-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_connection_that_takes_no_bytes_is_closed_and_its_place_is_free_again() {
    // Given the one connection there is, whose other end never reads,
    let limits = Limits { connections: 1, write_progress: Duration::from_millis(200), ..Limits::default() };
    let server = Server::start(FakeGateway::default(), limits).await;
    let _silent = silent_reader(&server).await;
    // when another client asks, then it is answered.
    let asked = timeout(Duration::from_secs(10), server.get("/livez", "12")).await;
    assert_eq!(asked.expect("the place becomes free").0, 200);
}

/// Returns when what waits to be read has not grown for much longer than the sender waits for its reader.
async fn wait_until_no_more_comes(stream: &TcpStream) {
    let (mut seen, mut waiting) = (0, vec![0; 16 << 20]);
    loop {
        let came = stream.peek(&mut waiting).await.unwrap();
        if came == seen {
            return;
        }
        seen = came;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_batch_whose_answers_are_not_read_ends_and_its_response_breaks_off() {
    // Given a batch whose sender reads no answers for long,
    let limits = Limits { batch_reader_wait: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(FakeGateway::default(), limits).await;
    let mut silent = silent_reader(&server).await;
    wait_until_no_more_comes(&silent).await;
    // when it reads at last,
    let mut answers = Vec::new();
    let read = timeout(Duration::from_secs(20), silent.read_to_end(&mut answers)).await;
    // then there are answers to some lines, and the chunked response has no end.
    let _in_order_or_reset = read.expect("the connection ends");
    assert!(answers.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answers));
    assert!(!answers.ends_with(b"0\r\n\r\n"));
    let lines = answers.iter().filter(|byte| **byte == b'}').count();
    assert!(lines < UNREAD_LINES, "{lines}");
}
