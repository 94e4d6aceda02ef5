//! `dancu feed`

mod publishing;
mod standing;

use crate::home::{DEFAULT_DIR, Home};
use crate::log::KafkaPlace;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use event_schemas::ids::Lsn;
use feed::{Changed, Fed, Receiver};
use publishing::Publishing;
use serde_json::{Value, json};
use standing::{Answering, Standing};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// Publish events for a receiver: one message an event, in a topic of many partitions, with the fields that the receiver may see.
///
/// Messages are CloudEvents 1.0. Those of one person, household or card come in their order. Ended or killed, it goes on where the
/// topic ends. It reads the log beside the service, whether that runs or not. Brokers that do not answer are waited for once it has begun.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Feed {
    #[command(subcommand)]
    action: Option<Action>,
    /// Directory of the registry, of which names and the place of its log are read.
    #[arg(long, default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// Brokers of the target topic, host:port, several with commas between.
    #[arg(long, value_name = "HOST:PORT", required = true)]
    bootstrap: Option<String>,
    /// The target topic, of this receiver and this log alone.
    #[arg(long, required = true)]
    topic: Option<String>,
    /// File with further settings of the Kafka client, such as those of TLS and SASL: one name=value a line, mode 0600.
    #[arg(long, value_name = "FILE")]
    kafka_settings: Option<PathBuf>,
    /// File that says which events and fields the receiver sees.
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    /// Make the topic with so many partitions, if it is not there.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    partitions: Option<u16>,
    /// The file lets other events or fields through than the messages that are in the topic: let it hold from here on. What was passed
    /// over before is not sent later.
    #[arg(long)]
    accept_changed_definition: bool,
    /// Address at which to tell how the feed does: /livez, /readyz, /metrics. Port 0 chooses one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// End at the log's end.
    #[arg(long)]
    once: bool,
    /// Tell progress and outcome as JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the JSON Schema of what a receiver gets, by event.
    Schema {
        /// File that says which events and fields the receiver sees.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// One event alone, such as person_registered.
        event: Option<String>,
    },
}

/// Between two lines of progress, if anything was read.
const TELL_EVERY: Duration = Duration::from_secs(10);

impl Feed {
    pub async fn run(self) -> Result<ExitCode> {
        if let Some(Action::Schema { config, event }) = &self.action {
            println!("{}", serde_json::to_string_pretty(&schema(config, event.as_deref())?)?);
            return Ok(ExitCode::SUCCESS);
        }
        let receiver = receiver(self.config.as_deref().context("--config is required")?)?;
        let home = Home::open(&self.dir)?;
        let standing = Standing::of(&receiver.name);
        let answering = match self.listen {
            Some(listen) => Some(Answering::start(&home, listen, standing.clone()).await?),
            None => None,
        };
        if let Some(Answering { address, .. }) = &answering {
            tracing::info!(%address, "telling how the feed does");
        }
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let mut publishing =
            tokio::task::spawn_blocking(move || self.publish(&home, receiver, &standing, &stopping));
        let outcome = tokio::select! {
            outcome = &mut publishing => outcome?,
            _ = terminate.recv() => ended(&stop, publishing).await?,
            _ = interrupt.recv() => ended(&stop, publishing).await?,
        };
        if let Some(answering) = answering {
            answering.stop().await?;
        }
        outcome.map(|()| ExitCode::SUCCESS)
    }

    fn publish(&self, home: &Home, receiver: Receiver, standing: &Standing, stop: &AtomicBool) -> Result<()> {
        let bootstrap = self.bootstrap.clone().context("--bootstrap is required")?;
        let topic = self.topic.clone().context("--topic is required")?;
        let place = KafkaPlace { bootstrap, topic, settings: self.kafka_settings.clone() };
        let (partitions, once) = (self.partitions, self.once);
        let changed = if self.accept_changed_definition { Changed::Accept } else { Changed::Refuse };
        let publishing = Publishing { home, place: &place, partitions, receiver, changed, once, standing };
        let (mut told_at, mut told) = (Instant::now(), Lsn::ZERO);
        let ended = publishing.run(stop, |fed| {
            if fed.lsn != told && (told == Lsn::ZERO || told_at.elapsed() >= TELL_EVERY) {
                (told_at, told) = (Instant::now(), fed.lsn);
                self.tell("published", fed);
            }
        })?;
        self.tell("ended", &ended);
        Ok(())
    }

    fn tell(&self, what: &str, fed: &Fed) {
        let Fed { lsn, sent, passed_over, .. } = fed;
        let told = match self.json {
            true => json!({ "feed": what, "lsn": lsn, "sent": sent, "passed_over": passed_over }).to_string(),
            false => format!(
                "{what}: up to lsn {lsn}, {sent} messages sent, {passed_over} events were there already"
            ),
        };
        // Whoever started it may have closed the pipe; that is no reason to stop.
        let _ = writeln!(std::io::stdout(), "{told}");
    }
}

async fn ended(stop: &AtomicBool, publishing: tokio::task::JoinHandle<Result<()>>) -> Result<Result<()>> {
    stop.store(true, Ordering::Release);
    Ok(publishing.await?)
}

fn receiver(path: &Path) -> Result<Receiver> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {shown}"))?;
    Receiver::read(&text).with_context(|| shown.to_string())
}

fn schema(config: &Path, event: Option<&str>) -> Result<Value> {
    let receiver = receiver(config)?;
    match event {
        None => Ok(Value::Object(receiver.schemas())),
        Some(event) => {
            receiver.schema(event).with_context(|| format!("{} does not get {event}", receiver.name))
        }
    }
}
