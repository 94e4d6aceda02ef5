//! HTTP, its client on the same cores: batches with and without the projector, single commands over many connections.

use super::measured::{ANSWERED, IN_MEMORY, Measured, median, quantile};
use super::wire::{self, RequestBytes, closed_loop};
use super::workload::{OFFICE, Workload, household_parts, prepare, submit_parts};
use super::writer::Alone;
use super::{READY_WAIT, Setup};
use crate::client::{Api, Target};
use crate::home::{Home, wall_clock};
use crate::service::{Running, Settings, guard};
use access::{Caller, Issuer, Scope, SecretKey};
use anyhow::{Result, ensure};
use axum::Router;
use axum::routing::post;
use command_service::http::{CommandApi, Limits, Stop, command_routes, serve};
use event_schemas::CommandEnvelope;
use futures_util::stream;
use reqwest::{Body, Method};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;

const CHUNK_BYTES: usize = 64 << 10;
const TOKEN_TTL_S: i64 = 86_400;
/// Connections that submit single commands.
const CONNECTIONS: usize = 64;
/// Views may show an answered batch so much later.
const MAX_LAG_S: f64 = 1.0;
const MAX_P50_MS: f64 = 3.0;
const MAX_P99_MS: f64 = 10.0;
const LAG_WAIT: Duration = Duration::from_secs(120);
const LAG_POLL: Duration = Duration::from_millis(2);

pub async fn measure(setup: &Setup) -> Result<Vec<Measured>> {
    let ground = Ground::start(setup).await?;
    let mut workload = Workload::new(wall_clock()().vietnam_date())?;
    setup.progress("http: enrolling");
    for size in household_parts(setup.persons_households()) {
        let part = workload.households(size);
        submit_parts(&ground.alone.writing.gateway, [part.clone()]).await?;
        submit_parts(&ground.running.gateway, [part]).await?;
    }
    ground.caught_up().await?;
    let mut rounds = Rounds::default();
    for round in 0..setup.rounds {
        setup.progress(&format!("http, round {} of {}", round + 1, setup.rounds));
        rounds.run(setup, &ground, &mut workload).await?;
    }
    ground.stop().await?;
    Ok(rounds.figures(setup))
}

/// Rates are no part of what is measured.
pub fn settings() -> Settings {
    let limits =
        Limits { requests_per_second: u32::MAX, batch_lines_per_second: u32::MAX, ..Limits::default() };
    Settings { limits, ..Settings::on_any_port() }
}

/// A token of the office that submits, with every scope.
pub fn token_of(home: &Home) -> Result<String> {
    let caller = Caller {
        office: OFFICE.office,
        officer: OFFICE.officer,
        scopes: Scope::ALL.iter().copied().collect(),
    };
    let issuer = Issuer { key: SecretKey::read(&home.keys_dir(), None)?, audience: home.audience() };
    Ok(issuer.issue(&caller, wall_clock()(), TOKEN_TTL_S)?)
}

/// The whole service, one of commands alone, and axum answering a constant.
struct Ground {
    home: Home,
    running: Running,
    alone: Alone,
    alone_address: SocketAddr,
    constant_address: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Ground {
    async fn start(setup: &Setup) -> Result<Self> {
        let home = setup.new_home("http")?;
        let running = Running::start(&home, settings()).await?;
        running.wait_until_leading(READY_WAIT).await?;
        prepare(&running.gateway).await?;
        let alone = Alone::start(setup, "http-alone").await?;
        let (stop, stopped) = Stop::new();
        let guard = guard(&alone.home)?;
        let limits = settings().limits;
        let api = CommandApi {
            gateway: Arc::new(alone.writing.gateway.clone()),
            audit: Arc::clone(&guard.audit),
            limits,
            forwarder: None,
            stop: stopped.clone(),
        };
        let alone_address =
            listen(command_routes().into_router(&guard, api), limits, stopped.clone()).await?;
        // As long as an acceptance.
        let answer = "x".repeat(400);
        let constant = Router::new().route("/v1/commands", post(move || async move { answer }));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let constant_address = listener.local_addr()?;
        tokio::spawn(axum::serve(listener, constant).into_future());
        Ok(Self { home, running, alone, alone_address, constant_address, stop })
    }

    async fn stop(self) -> Result<()> {
        self.stop.send_replace(true);
        self.running.stop().await?;
        self.alone.stop().await
    }

    /// Seconds until the views show everything that was answered.
    async fn caught_up(&self) -> Result<f64> {
        let begin = Instant::now();
        while self.running.views.progress().entries_behind > 0 {
            ensure!(begin.elapsed() < LAG_WAIT, "the views do not catch up");
            tokio::time::sleep(LAG_POLL).await;
        }
        Ok(begin.elapsed().as_secs_f64())
    }
}

async fn listen(router: Router, limits: Limits, stopped: Stop) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, router, limits, stopped));
    Ok(address)
}

#[derive(Default)]
struct Rounds {
    alone: Vec<f64>,
    batch_alone: Vec<f64>,
    batch: Vec<f64>,
    lag_s: Vec<f64>,
    single: Vec<f64>,
    constant: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
}

impl Rounds {
    async fn run(&mut self, setup: &Setup, ground: &Ground, workload: &mut Workload) -> Result<()> {
        let count = setup.commands;
        let begin = Instant::now();
        super::workload::submit(&ground.alone.writing.gateway, workload.mixed(count)).await?;
        self.alone.push(f64::from(count) / begin.elapsed().as_secs_f64());
        self.batch_alone.push(batch(&ground.alone.home, ground.alone_address, workload.mixed(count)).await?);
        self.batch.push(batch(&ground.home, ground.running.address, workload.mixed(count)).await?);
        self.lag_s.push(ground.caught_up().await?);
        let token = token_of(&ground.home)?;
        let singles = singles(&token, workload.mixed(count))?;
        self.constant.push(closed_loop(ground.constant_address, singles.clone()).await?.rate);
        let mut asked = closed_loop(ground.running.address, singles).await?;
        self.single.push(asked.rate);
        self.p50_ms.push(quantile(&mut asked.latencies_ms, 0.5));
        self.p99_ms.push(quantile(&mut asked.latencies_ms, 0.99));
        ground.caught_up().await?;
        Ok(())
    }

    fn figures(&self, setup: &Setup) -> Vec<Measured> {
        let form = format!(
            "median of {} rounds of {} mixed commands, {} persons, client on the same cores",
            setup.rounds, setup.commands, setup.persons
        );
        let batch = format!("{form}; NDJSON, one connection");
        let single =
            format!("{form}; {CONNECTIONS} connections, one command after the other on each, projector on");
        let unit = "commands/s";
        let of = |name: &str, values: &[f64], unit, method: &str| {
            Measured::new(name, median(values), unit, ANSWERED, method)
        };
        vec![
            of("http_batch", &self.batch_alone, unit, &format!("{batch}, no projector"))
                .beside("the writer alone, in process", median(&self.alone)),
            of("http_batch_projected", &self.batch, unit, &format!("{batch}, projector on"))
                .beside("the writer alone, in process", median(&self.alone)),
            Measured::new(
                "http_batch_lag",
                median(&self.lag_s),
                "s",
                IN_MEMORY,
                format!("{batch}; from the last answer until the views show everything"),
            )
            .beside("the limit", MAX_LAG_S),
            of("http_single", &self.single, unit, &single)
                .beside("axum answering a constant", median(&self.constant)),
            of("http_single_p50", &self.p50_ms, "ms", &single).beside("the limit", MAX_P50_MS),
            of("http_single_p99", &self.p99_ms, "ms", &single).beside("the limit", MAX_P99_MS),
        ]
    }
}

/// Requests of one command each, spread over the connections.
fn singles(token: &str, commands: Vec<CommandEnvelope>) -> Result<Vec<Vec<RequestBytes>>> {
    let bearer = format!("Bearer {token}");
    let fields = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let mut requests = vec![Vec::new(); CONNECTIONS];
    for (number, command) in commands.iter().enumerate() {
        let body = serde_json::to_vec(command)?;
        requests[number % CONNECTIONS].push(wire::request("POST", "/v1/commands", &fields, &body));
    }
    Ok(requests)
}

/// Commands a second as one batch over HTTP.
async fn batch(home: &Home, address: SocketAddr, commands: Vec<CommandEnvelope>) -> Result<f64> {
    let api = Api::new(&Target { url: format!("http://{address}"), token: Some(token_of(home)?) })?;
    let mut text = Vec::new();
    for command in &commands {
        serde_json::to_writer(&mut text, command)?;
        text.push(b'\n');
    }
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> =
        text.chunks(CHUNK_BYTES).map(|chunk| Ok(chunk.to_vec())).collect();
    let request = api
        .request(Method::POST, "/v1/commands/batch")
        .header("content-type", "application/x-ndjson")
        .body(Body::wrap_stream(stream::iter(chunks)));
    let begin = Instant::now();
    let mut response = api.send(request).await?;
    let mut answers = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        answers.extend_from_slice(&chunk);
    }
    let elapsed_s = begin.elapsed().as_secs_f64();
    let mut accepted = 0;
    for line in answers.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let answer: serde_json::Value = serde_json::from_slice(line)?;
        ensure!(answer["outcome"] == "accepted", "a line was not accepted: {answer}");
        accepted += 1;
    }
    ensure!(accepted == commands.len(), "{accepted} of {} lines were answered", commands.len());
    Ok(commands.len() as f64 / elapsed_s)
}
