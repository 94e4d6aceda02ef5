//! A stream of commands, one a line; an answer for each line, in order.
//!
//! Lines are cut, read and handed over in parts while earlier parts wait for their answers; what waits is bounded, and a
//! full writer makes the sender wait (backpressure), not fail. A bad line gets a problem with its number, and the rest is
//! still answered. If the body breaks off, what came is answered. Who does not read the answers is cut off: the response
//! then breaks off too, so that it cannot be taken for a whole one.

use crate::gateway::{MAX_BATCH_COMMANDS, SubmitError, Submitter, Told};
use crate::http::body::expect_content_type;
use crate::http::commands::{problem_of, submitter};
use crate::http::input::{InputFault, parse_command};
use crate::http::limits::LinePace;
use crate::http::lines::{Line, LineContent, LineCutter};
use crate::http::problems::{self, ExtendedProblem};
use crate::http::telling::{Asked, Telling};
use crate::http::{CommandApi, NDJSON, forward};
use access::Caller;
use access::http::{Problem, ProblemBody, ProblemKind};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use event_schemas::CommandEnvelope;
use event_schemas::outcome::Outcome;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use std::collections::VecDeque;
use std::future::{poll_fn, ready};
use std::io::Write;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;

/// The answer to one line.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "describes what is written; lines are written without building it")]
pub enum LineAnswer {
    /// `outcome` is `accepted` or `refused`.
    Decided {
        /// 1-based line of the batch.
        line: u64,
        #[serde(flatten)]
        outcome: Outcome,
    },
    /// `outcome` is `problem`: the line was not decided.
    Problem {
        line: u64,
        #[serde(flatten)]
        problem: ProblemBody,
    },
}

/// Media types of a stream of JSON lines.
const TAKEN: &[&str] = &[NDJSON, "application/ndjson", "application/jsonl"];

/// Lines of one part: handed over together.
const MAX_PART_LINES: usize = 512;
const _: () = assert!(MAX_PART_LINES <= MAX_BATCH_COMMANDS);

/// Parts of answers that wait for a slow reader.
const ANSWERS_WAITING: usize = 4;

/// Between two attempts to hand a part to a full writer.
const OVERLOAD_PAUSE: Duration = Duration::from_millis(5);

/// `POST /v1/commands/batch`
pub async fn submit(
    State(api): State<CommandApi>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Err(problem) = expect_content_type(&headers, TAKEN) {
        return problem.into_response();
    }
    if let Some(elsewhere) = forward::route(&api, &headers) {
        let body = reqwest::Body::wrap_stream(body.into_data_stream());
        return elsewhere.pass_on(Method::POST, &uri, &headers, body).await;
    }
    let (answers, answer_receiver) = mpsc::channel(ANSWERS_WAITING);
    let (concluded, conclusion) = oneshot::channel();
    let batch = Batch {
        submitter: submitter(&caller),
        telling: Arc::new(Telling::of(&api, &caller, &headers, &uri, "POST /v1/commands/batch")),
        pace: LinePace::new(api.limits.batch_lines_per_second),
        api,
        waiting: VecDeque::new(),
        in_flight: FuturesOrdered::new(),
        in_flight_lines: 0,
        answers,
        counts: Counts::default(),
    };
    tokio::spawn(batch.run(body, concluded));
    let end = conclusion.map(|concluded| concluded.err().map(|_| Err(BrokenOff)));
    let stream = ReceiverStream::new(answer_receiver).map(Ok).chain(end.into_stream().filter_map(ready));
    let mut response = Body::from_stream(stream).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    response
}

/// A part whose commands were handed over: what each line is to be answered with.
struct Part {
    lines: Vec<LineState>,
    /// Of each command in turn.
    asked: Vec<Asked>,
}

/// A line that is to be answered.
enum LineState {
    /// The next outcome of the part's commands is its.
    Submitted(u64),
    Bad(u64, InputFault),
    TooLong(u64),
}

#[derive(Default)]
struct Counts {
    lines: u64,
    accepted: u64,
    refused: u64,
    problems: u64,
}

/// Whoever sent the batch no longer reads the answers.
struct ReaderGone;

/// The answers end before the batch does.
#[derive(Debug, thiserror::Error)]
#[error("the answers of the batch break off")]
struct BrokenOff;

struct Batch {
    api: CommandApi,
    submitter: Submitter,
    telling: Arc<Telling>,
    pace: LinePace,
    /// Lines that were cut and not handed over yet; at most those of one chunk of the body.
    waiting: VecDeque<Line>,
    in_flight: FuturesOrdered<BoxFuture<'static, (Part, Vec<LineOutcome>)>>,
    in_flight_lines: usize,
    answers: mpsc::Sender<Bytes>,
    counts: Counts,
}

/// What a command of a line is answered.
type LineOutcome = Result<Outcome, Problem>;

/// Why a batch takes no more lines.
enum End {
    /// The body came to its end.
    Complete,
    Early {
        kind: &'static ProblemKind,
        line: u64,
    },
}

impl Batch {
    /// Tells `concluded` once every line has its answer.
    async fn run(mut self, body: Body, concluded: oneshot::Sender<()>) {
        let begin = Instant::now();
        let end = self.take_lines(body).await;
        if let Ok(end) = end
            && self.conclude(end).await.is_ok()
        {
            // Whoever would hear it may have gone meanwhile.
            let _ = concluded.send(());
        }
        let Counts { lines, accepted, refused, problems } = self.counts;
        let (office, elapsed_ms) = (self.submitter.office, begin.elapsed().as_millis() as u64);
        tracing::info!(%office, lines, accepted, refused, problems, elapsed_ms, "batch answered");
    }

    /// Reads the body to its end, or to what ends it, answering meanwhile.
    async fn take_lines(&mut self, body: Body) -> Result<End, ReaderGone> {
        let limits = self.api.limits;
        let mut stop = self.api.stop.clone();
        let mut stream = body.into_data_stream();
        let mut cutter = LineCutter::new(limits.body_bytes);
        let mut cut = Vec::new();
        loop {
            self.hand_over().await?;
            if self.counts.lines >= limits.batch_lines {
                return Ok(early(&problems::BATCH_TOO_LONG, &cutter));
            }
            let chunk = tokio::select! {
                biased;
                Some((part, outcomes)) = self.in_flight.next(), if !self.in_flight.is_empty() => {
                    self.write(part, outcomes).await?;
                    continue;
                }
                () = stop.told() => return Ok(early(&problems::STOPPING, &cutter)),
                chunk = timeout(limits.batch_idle, stream.next()) => chunk,
            };
            match chunk {
                Ok(Some(Ok(bytes))) => cutter.push(bytes, &mut cut),
                Ok(Some(Err(_))) => return Ok(early(&problems::BODY_INCOMPLETE, &cutter)),
                Err(_) => return Ok(early(&problems::TOO_SLOW, &cutter)),
                Ok(None) => {
                    cutter.finish(&mut cut);
                    self.waiting.extend(cut.drain(..));
                    self.hand_over().await?;
                    return Ok(End::Complete);
                }
            }
            self.waiting.extend(cut.drain(..));
        }
    }

    /// Answers what is in flight, and says how the batch ended if it ended early.
    async fn conclude(&mut self, end: End) -> Result<(), ReaderGone> {
        while let Some((part, outcomes)) = self.in_flight.next().await {
            self.write(part, outcomes).await?;
        }
        if let End::Early { kind, line } = end {
            self.counts.problems += 1;
            let problem = line_problem(Problem::of(kind), line);
            let mut out = Vec::new();
            write_line(&mut out, &problem);
            self.send(out).await?;
        }
        Ok(())
    }

    /// Hands over every line that waits, in parts; answers earlier parts when too much is in flight.
    async fn hand_over(&mut self) -> Result<(), ReaderGone> {
        while !self.waiting.is_empty() {
            let lines: Vec<Line> = self.waiting.drain(..self.waiting.len().min(MAX_PART_LINES)).collect();
            while self.in_flight_lines + lines.len() > self.api.limits.batch_lines_in_flight {
                let Some((part, outcomes)) = self.in_flight.next().await else {
                    break;
                };
                self.write(part, outcomes).await?;
            }
            self.pace.wait_for(lines.len()).await;
            self.counts.lines += lines.len() as u64;
            self.in_flight_lines += lines.len();
            self.submit_part(&lines).await;
        }
        Ok(())
    }

    /// Hands over one part. Parts are decided in the order in which they are handed over: each is handed over by the
    /// first poll of its future, before the next is begun.
    async fn submit_part(&mut self, lines: &[Line]) {
        let give_up_at = Instant::now() + self.api.limits.batch_overload_wait;
        loop {
            let (part, commands) = read_part(lines);
            if commands.is_empty() {
                self.in_flight.push_back(ready((part, Vec::new())).boxed());
                return;
            }
            let gateway = self.api.gateway.clone();
            let submitter = self.submitter;
            let mut deciding = async move { gateway.submit_telling(submitter, commands).await }.boxed();
            let first_poll = poll_fn(|context| Poll::Ready(deciding.as_mut().poll(context)));
            match first_poll.await {
                Poll::Pending => return self.await_part(part, deciding),
                Poll::Ready(told) => {
                    let wholly_overloaded =
                        told.iter().all(|told| matches!(told.answer, Err(SubmitError::Overloaded { .. })));
                    if !wholly_overloaded || Instant::now() >= give_up_at || self.api.stop.is_told() {
                        return self.await_part(part, ready(told).boxed());
                    }
                    tokio::time::sleep(OVERLOAD_PAUSE).await;
                }
            }
        }
    }

    /// Once the part is decided, what it tells of rows is recorded, while later parts are decided.
    fn await_part(&mut self, part: Part, deciding: BoxFuture<'static, Vec<Told>>) {
        let telling = Arc::clone(&self.telling);
        let recorded = async move {
            let outcomes = telling.outcomes(&part.asked, deciding.await).await;
            (part, outcomes)
        };
        self.in_flight.push_back(recorded.boxed());
    }

    /// Writes the answers to a part's lines.
    async fn write(&mut self, part: Part, outcomes: Vec<LineOutcome>) -> Result<(), ReaderGone> {
        self.in_flight_lines -= part.lines.len();
        let mut out = Vec::with_capacity(part.lines.len() * 400);
        let mut outcomes = outcomes.into_iter();
        for line in part.lines {
            match line {
                LineState::Submitted(number) => {
                    let outcome =
                        outcomes.next().unwrap_or_else(|| Err(problem_of(&SubmitError::Unresolved)));
                    self.write_outcome(&mut out, number, outcome);
                }
                LineState::Bad(number, fault) => {
                    self.counts.problems += 1;
                    write_line(&mut out, &fault.into_line_problem(number));
                }
                LineState::TooLong(number) => {
                    self.counts.problems += 1;
                    let most = self.api.limits.body_bytes;
                    let problem = Problem::of(&problems::LINE_TOO_LONG).detail(
                        format!("Line {number} is longer than {most} bytes."),
                        format!("Dòng {number} dài hơn {most} byte."),
                    );
                    write_line(&mut out, &line_problem(problem, number));
                }
            }
        }
        self.send(out).await
    }

    fn write_outcome(&mut self, out: &mut Vec<u8>, number: u64, outcome: LineOutcome) {
        match outcome {
            Ok(outcome) => {
                match &outcome {
                    Outcome::Accepted(acceptance) => {
                        self.counts.accepted += 1;
                        tracing::debug!(command_id = %acceptance.command_id, lsn = acceptance.lsn.0, "accepted");
                    }
                    Outcome::Refused(refusal) => {
                        self.counts.refused += 1;
                        let codes: Vec<&str> =
                            refusal.faults.iter().map(|fault| fault.code.as_str()).collect();
                        tracing::debug!(command_id = %refusal.command_id, ?codes, "refused");
                    }
                }
                write_outcome(out, number, &outcome);
            }
            Err(problem) => {
                self.counts.problems += 1;
                write_line(out, &line_problem(problem, number));
            }
        }
    }

    async fn send(&mut self, out: Vec<u8>) -> Result<(), ReaderGone> {
        if out.is_empty() {
            return Ok(());
        }
        match self.answers.send_timeout(out.into(), self.api.limits.batch_reader_wait).await {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Closed(_)) => Err(ReaderGone),
            Err(SendTimeoutError::Timeout(_)) => {
                let office = self.submitter.office;
                tracing::warn!(%office, "a batch is cut off: its answers are not read");
                Err(ReaderGone)
            }
        }
    }
}

fn early(kind: &'static ProblemKind, cutter: &LineCutter) -> End {
    End::Early { kind, line: cutter.next_number() }
}

fn read_part(lines: &[Line]) -> (Part, Vec<CommandEnvelope>) {
    let mut commands = Vec::with_capacity(lines.len());
    let mut asked = Vec::with_capacity(lines.len());
    let mut states = Vec::with_capacity(lines.len());
    for line in lines {
        states.push(match &line.content {
            LineContent::TooLong => LineState::TooLong(line.number),
            LineContent::Text(text) => match parse_command(text) {
                Ok(envelope) => {
                    asked.push(Asked::by(&envelope, Some(line.number)));
                    commands.push(envelope);
                    LineState::Submitted(line.number)
                }
                Err(fault) => LineState::Bad(line.number, fault),
            },
        });
    }
    (Part { lines: states, asked }, commands)
}

fn line_problem(problem: Problem, number: u64) -> ExtendedProblem {
    ExtendedProblem::with(problem, &json!({ "outcome": "problem", "line": number }))
}

fn write_line(out: &mut Vec<u8>, answer: &impl Serialize) {
    serde_json::to_writer(&mut *out, answer).expect("answers are plain data, and memory takes every byte");
    out.push(b'\n');
}

/// `{"line":7,"outcome":…}`: an outcome is a JSON object, whose opening brace the number's replaces.
fn write_outcome(out: &mut Vec<u8>, number: u64, outcome: &Outcome) {
    write!(out, "{{\"line\":{number},").expect("memory takes every byte");
    let brace = out.len();
    write_line(out, outcome);
    debug_assert_eq!(out[brace], b'{');
    out.remove(brace);
}
