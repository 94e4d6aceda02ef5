//! The service in one process: log, writer, projector, audit log, both APIs.

use crate::foresight::{self, Foresight};
use crate::home::{Home, wall_clock};
use crate::log::OpenLog;
use access::audit::AuditOptions;
use access::http::{Guard, OpenApi, route};
use access::{FileAudit, Verifier};
use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use command_service::clock::Clock;
use command_service::gateway::{CommandGateway, Role};
use command_service::http::operations::{CheckFn, RenderFn, operation_routes};
use command_service::http::pages::{Document, page_routes};
use command_service::http::{
    Check, CommandApi, Forwarder, Limits, Operations, Stop, clock::clock_routes, command_routes,
    format::format_routes, leader::leader_routes, serve,
};
use command_service::service::{CommandService, Handle, Options, Parts};
use command_service::writer::{NewLog, NodeName, WriterOptions};
use command_service::{ScriptedClock, WallClock};
use event_log::LogSource;
use event_log::kafka::DEFAULT_SESSION_TIMEOUT;
use event_schemas::ids::Lsn;
use event_schemas::record::{ClockKind, Genesis};
use event_schemas::text::Text;
use event_schemas::time::{Date, Timestamp};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use projections::disclosure::DEFAULT_THRESHOLD;
use projections::http::QueryState;
use projections::{Options as ViewOptions, ViewService, Views};
use state_store::store::Store;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long the first entry of a log may take to be written.
const GENESIS_WAIT: Duration = Duration::from_secs(30);
/// Longer than statistics may lag behind a consent.
const CONSENT_WAIT: Duration = Duration::from_secs(3);
/// A leader is silent for so long before the chosen node claims though the group knows it: two of its heartbeats and a half.
const LEADER_SILENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);
/// Between two rounds of housekeeping of metrics.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// What can be chosen about a service.
#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub node: NodeSettings,
    pub limits: Limits,
    /// Longest time between two savings of changed state.
    pub save_every: Duration,
    /// Counts from one up to below this are hidden from whoever may see totals and no persons.
    pub hide_below: u64,
}

/// A node among those that may lead the same log.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    pub name: String,
    /// Where the others reach it; the address that it listens on unless stated.
    pub advertise: Option<String>,
    /// After so long without a sign of life another is chosen to lead.
    pub session_timeout: Duration,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self { name: "node".to_owned(), advertise: None, session_timeout: DEFAULT_SESSION_TIMEOUT }
    }
}

impl NodeSettings {
    /// What the node's claims say of it, once it is known where it listens.
    fn named(&self, address: SocketAddr) -> Result<NodeName> {
        let listening = format!("http://{address}");
        let url = match &self.advertise {
            Some(url) => Some(url.as_str()),
            None if address.ip().is_unspecified() => None,
            None => Some(listening.as_str()),
        };
        NodeName::new(&self.name, url).context("naming this node with --node and --advertise")
    }
}

impl Settings {
    /// On a port of the machine's choice, everything else as usual.
    pub fn on_any_port() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let save_every = WriterOptions::default().checkpoint_every;
        let (limits, node) = (Limits::default(), NodeSettings::default());
        Self { listen, node, limits, save_every, hide_below: DEFAULT_THRESHOLD }
    }
}

/// A running service.
pub struct Running {
    pub address: SocketAddr,
    pub gateway: Handle,
    pub views: Views,
    source: Arc<dyn LogSource>,
    commands: CommandService,
    view_service: ViewService,
    stop: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Opens everything in the home and begins to serve. It may not lead yet; see [`Self::wait_until_leading`].
    pub async fn start(home: &Home, settings: Settings) -> Result<Self> {
        let render = metrics_page()?;
        let listener = TcpListener::bind(settings.listen).await.with_context(|| {
            format!("listening on {}; choose another address with --listen", settings.listen)
        })?;
        let address = listener.local_addr()?;
        let opened = {
            let (home, node) = (home.clone(), settings.node.clone());
            let name = node.named(address)?;
            let options = WritingOptions {
                name,
                session_timeout: node.session_timeout,
                save_every: settings.save_every,
            };
            tokio::task::spawn_blocking(move || Opened::open(&home, &options)).await??
        };
        let Opened { gateway, commands, views, view_service, source, clock } = opened;
        let (stop, stopped) = Stop::new();
        let guard = guard(home)?;
        let api = CommandApi {
            gateway: Arc::new(gateway.clone()),
            audit: Arc::clone(&guard.audit),
            limits: settings.limits,
            forwarder: home.has_other_nodes().then(Forwarder::new).transpose()?,
            stop: stopped.clone(),
        };
        let queries = QueryState::new(views.clone(), stop.subscribe()).hiding_below(settings.hide_below);
        let router = router(&guard, api, (views.clone(), queries), clock, render);
        let serving = tokio::spawn(serve(listener, router, settings.limits, stopped));
        Ok(Self { address, gateway, views, source, commands, view_service, stop, serving })
    }

    /// Returns once commands are decided here.
    pub async fn wait_until_leading(&self, longest: Duration) -> Result<()> {
        wait_until_leading(&self.gateway, longest).await
    }

    /// Returns once commands are decided here, or passed on, or never will be.
    pub async fn wait_until_serving(&self, longest: Duration) -> Result<()> {
        let begin = Instant::now();
        while !self.gateway.stats().is_ready() && begin.elapsed() < longest {
            if self.gateway.stats().barred.is_some() {
                return Ok(()); // Queries are answered all the same.
            }
            if matches!(self.gateway.stats().role, Role::AwaitingConsent | Role::Failed) {
                return self.wait_until_leading(longest).await;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// The log, for whoever follows it.
    pub fn source(&self) -> Arc<dyn LogSource> {
        Arc::clone(&self.source)
    }

    /// Whether the writer has ended by itself, which only a failure does.
    pub fn has_failed(&self) -> bool {
        self.commands.has_ended()
    }

    /// Takes no more requests, answers everything that was accepted, saves, and lets go of the log.
    pub async fn stop(self) -> Result<()> {
        let Self { commands, view_service, stop, serving, .. } = self;
        stop.send_replace(true);
        serving.await?.context("serving HTTP")?;
        tokio::task::spawn_blocking(move || {
            let stopped = commands.stop();
            view_service.stop();
            stopped
        })
        .await?
        .context("stopping the writer")
    }
}

/// Who asks, and the record of reads.
pub fn guard(home: &Home) -> Result<Guard> {
    guard_with_audit_in(home, &home.audit_dir())
}

/// The same, with the record of reads in this directory.
pub fn guard_with_audit_in(home: &Home, audit_dir: &Path) -> Result<Guard> {
    let audit = FileAudit::open(audit_dir, AuditOptions::default(), wall_clock())
        .context("opening the audit log of reads")?;
    Ok(Guard {
        authenticate: Arc::new(Verifier::new(home.key_ring()?, home.audience(), wall_clock())),
        audit: Arc::new(audit),
    })
}

/// Everything behind the APIs.
struct Opened {
    gateway: Handle,
    commands: CommandService,
    views: Views,
    view_service: ViewService,
    source: Arc<dyn LogSource>,
    clock: Option<ScriptedClock>,
}

impl Opened {
    fn open(home: &Home, options: &WritingOptions) -> Result<Self> {
        let Writing { gateway, commands, source, clock } = Writing::open(home, options)?;
        let options =
            ViewOptions { engine: home.config.engine.into(), ..ViewOptions::in_directory(home.views_dir()) };
        let (views, view_service) =
            Views::start(options, home.config.log_id, Arc::clone(&source)).context("opening the views")?;
        Ok(Self { gateway, commands, views, view_service, source, clock })
    }
}

/// Returns once commands are decided here.
pub async fn wait_until_leading(gateway: &Handle, longest: Duration) -> Result<()> {
    let begin = Instant::now();
    loop {
        let stats = gateway.stats();
        match stats.role {
            Role::Leading => return Ok(()),
            // A consent that was just handed over shows in the statistics a moment later.
            Role::AwaitingConsent if begin.elapsed() < CONSENT_WAIT => {}
            Role::AwaitingConsent => bail!(
                "the machine's clock is {} s ahead of the log's last record; check it, then start with \
                 --consent-to-clock \"reason\"",
                stats.clock_skew_us / 1_000_000
            ),
            _ if stats.barred.is_some() => bail!("{}", stats.barred.context("just seen")?),
            Role::Failed => bail!("{}", stats.failure.as_deref().unwrap_or("the log failed")),
            _ => {}
        }
        ensure!(begin.elapsed() < longest, "after {longest:?} this node is still {:?}", stats.role);
        tokio::time::sleep(POLL).await;
    }
}

/// How the writer takes part among the nodes of its log.
#[derive(Clone, Debug)]
pub struct WritingOptions {
    pub name: NodeName,
    pub session_timeout: Duration,
    pub save_every: Duration,
}

impl Default for WritingOptions {
    fn default() -> Self {
        Self {
            name: NodeName::default(),
            session_timeout: DEFAULT_SESSION_TIMEOUT,
            save_every: WriterOptions::default().checkpoint_every,
        }
    }
}

/// The writer and its log, without anything that follows it.
pub struct Writing {
    pub gateway: Handle,
    pub commands: CommandService,
    source: Arc<dyn LogSource>,
    clock: Option<ScriptedClock>,
}

impl Writing {
    /// The log, for whoever follows it.
    pub fn source(&self) -> Arc<dyn LogSource> {
        Arc::clone(&self.source)
    }

    /// Moves a scripted clock on; any other goes by itself.
    pub fn advance_clock(&self, at: Timestamp) {
        if let Some(clock) = &self.clock {
            clock.advance_to(at);
        }
    }

    /// Opens the log, which has begun when this returns. It may not lead yet.
    pub fn open(home: &Home, options: &WritingOptions) -> Result<Self> {
        home.check_engine()?;
        let OpenLog { log, source, admission, hint } =
            crate::log::open(home, options.name.name(), options.session_timeout)?;
        let instance = log.instance();
        if let (Some(of), Lsn::ZERO) = (log.copy_of(), admission.last_lsn) {
            bail!("the log is an unfinished copy of {of}, and empty yet; `dancu log copy` goes on with it");
        }
        let scripted = match home.clock_kind() {
            ClockKind::Wall => None,
            ClockKind::Scripted => Some(ScriptedClock::new(home.config.begins_at.max(admission.recorded_at))),
        };
        let clock: Arc<dyn Clock> = match &scripted {
            Some(clock) => Arc::new(clock.clone()),
            None => Arc::new(WallClock),
        };
        let (registry_dir, engine) = (home.registry_dir(), home.config.engine.into());
        let writer = writer_options(home, options, hint.is_none());
        let parts = Parts {
            log,
            source: Arc::clone(&source),
            clock,
            pins: Arc::new(home.pins()?),
            store: Some(Box::new(move |identity| Store::open_dir(&registry_dir, engine, identity))),
            hint,
        };
        let options = Options { writer, ..Options::default() };
        let (gateway, commands) = CommandService::open(options, parts).context("opening the registry")?;
        let genesis = wait_for_genesis(&gateway, &*source)?;
        ensure!(
            genesis.log_id == home.config.log_id,
            "the log is {}, but dancu.json names {}: one of them is of another registry",
            genesis.log_id,
            home.config.log_id
        );
        if home.log_instance()?.is_none() {
            home.remember_log(instance)?;
        }
        Ok(Self { gateway, commands, source, clock: scripted })
    }
}

/// When a day of work begins, by which scripted clocks go.
pub fn morning(date: Date) -> Timestamp {
    const EIGHT_HOURS_US: i64 = 8 * 3_600_000_000;
    Timestamp(Timestamp::at_vietnam_midnight(date).0 + EIGHT_HOURS_US)
}

/// How the writer of this home behaves.
pub fn writer_options(home: &Home, options: &WritingOptions, is_log_exclusive: bool) -> WriterOptions {
    let note = Text::new("begun by dancu").expect("a short text");
    WriterOptions {
        node: options.name.clone(),
        takeover_after: LEADER_SILENCE,
        new_log: Some(NewLog { log_id: home.config.log_id, note }),
        is_log_exclusive,
        command_ids_dir: Some(home.command_ids_dir()),
        checkpoint_every: options.save_every,
        ..WriterOptions::default()
    }
}

/// The views follow a log that has begun.
fn wait_for_genesis(gateway: &Handle, source: &dyn LogSource) -> Result<Genesis> {
    let begin = Instant::now();
    loop {
        if let Some(genesis) = command_service::history::read_genesis(source)? {
            return Ok(genesis);
        }
        let stats = gateway.stats();
        ensure!(stats.role != Role::Failed, "{}", stats.failure.as_deref().unwrap_or("the log failed"));
        ensure!(
            begin.elapsed() < GENESIS_WAIT,
            "the log's first entry was not written within {GENESIS_WAIT:?}"
        );
        std::thread::sleep(POLL);
    }
}

fn router(
    guard: &Guard,
    api: CommandApi,
    (views, queries): (Views, QueryState),
    clock: Option<ScriptedClock>,
    render: RenderFn,
) -> Router {
    let mut description = OpenApi::new(
        "Dancu",
        env!("CARGO_PKG_VERSION"),
        "Population registry and identity cards. Offices submit commands and get outcomes; questions are answered from views \
         that follow the log, and every answer names the lsn it reflects.",
    );
    command_routes().describe(&mut description);
    projections::http::routes().describe(&mut description);
    operation_routes().describe(&mut description);
    leader_routes().describe(&mut description);
    format_routes().describe(&mut description);
    page_routes().describe(&mut description);
    foresight::routes().describe(&mut description);
    if clock.is_some() {
        clock_routes().describe(&mut description);
    }
    let operations = Operations {
        gateway: Some(Arc::clone(&api.gateway)),
        checks: Arc::new(vec![("views", check_of(views.clone()))]),
        render,
    };
    let leadership = Arc::clone(&api.gateway);
    let foresight = Foresight { commands: api.clone(), queries: queries.clone() };
    let mut router = command_routes()
        .into_router(guard, api.clone())
        .merge(format_routes().into_router(guard, api))
        .merge(projections::http::routes().into_router(guard, queries))
        .merge(foresight::routes().into_router(guard, foresight))
        .merge(leader_routes().into_router(guard, leadership))
        .merge(operation_routes().into_router(guard, operations))
        .merge(page_routes().into_router(guard, Document::new(description)));
    if let Some(clock) = clock {
        router = router.merge(clock_routes().into_router(guard, clock));
    }
    route::fallbacks(router)
}

/// The views are ready as long as they follow; how far they are behind is told, not judged.
fn check_of(views: Views) -> CheckFn {
    Arc::new(move || {
        let progress = views.progress();
        let ready = progress.stopped.is_none();
        Check { ready, details: serde_json::to_value(progress).unwrap_or_default() }
    })
}

/// Metrics are one for the process, however many services it runs.
pub fn metrics_page() -> Result<RenderFn> {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    if RECORDER.get().is_none() {
        let buckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
        let recorder = PrometheusBuilder::new().set_buckets(&buckets)?.build_recorder();
        let handle = RECORDER.get_or_init(|| recorder.handle()).clone();
        metrics::set_global_recorder(recorder).ok().context("metrics are kept elsewhere already")?;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(METRICS_UPKEEP).await;
                handle.run_upkeep();
            }
        });
    }
    let handle = RECORDER.get().context("metrics were just begun")?.clone();
    Ok(Arc::new(move || handle.render()))
}
