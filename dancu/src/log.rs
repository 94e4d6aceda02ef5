//! Which engine keeps a registry's log, and opening it.

use crate::home::Home;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use event_log::embedded::Options as EmbeddedOptions;
use event_log::kafka::{Connection, IndexFile, Options as KafkaOptions};
use event_log::{
    AdmissionState, EmbeddedHandle, EmbeddedLog, EventLog, KafkaHandle, KafkaLog, LeaderHint, LogError,
    LogSource,
};
use event_schemas::ids::InstanceId;
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Topic of the log unless said otherwise.
pub const DEFAULT_TOPIC: &str = "dancu-log";

/// Where the log is; part of what never changes about a registry.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogPlace {
    /// In the registry's own directory.
    #[default]
    Embedded,
    Kafka(KafkaPlace),
}

impl LogPlace {
    /// Whether both name a topic of one name, by whatever addresses. That it is the same one is known by its mark.
    pub fn is_same_topic(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Kafka(one), Self::Kafka(other)) if one.topic == other.topic)
    }

    /// As people name it; [`KafkaPlace::from_url`] reads it back.
    pub fn url(&self, home: &Home) -> String {
        match self {
            Self::Embedded => home.dir.display().to_string(),
            Self::Kafka(place) => place.url(),
        }
    }
}

/// A topic.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaPlace {
    pub bootstrap: String,
    pub topic: String,
    /// File with further settings of the client, one `name=value` a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<PathBuf>,
}

/// Which engine keeps the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogEngine {
    /// Files in the registry's directory, for one process.
    Embedded,
    /// A topic of Apache Kafka.
    Kafka,
}

/// Choice of the log when a registry is made; later it must be the same.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// Which engine keeps the log; chosen once, when the registry is made.
    #[arg(long, value_enum)]
    log: Option<LogEngine>,
    #[command(flatten)]
    kafka: KafkaArgs,
}

/// A topic and how to reach it.
#[derive(Clone, Debug, Args)]
pub struct KafkaArgs {
    /// Kafka brokers, host:port, several with commas between.
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Option<String>,
    /// Kafka topic of the log; `dancu topic create` makes one.
    #[arg(long, default_value = DEFAULT_TOPIC)]
    topic: String,
    /// File with further settings of the Kafka client, such as those of TLS and SASL: one name=value a line, mode 0600.
    #[arg(long, value_name = "FILE")]
    kafka_settings: Option<PathBuf>,
}

impl KafkaArgs {
    /// The topic that is named.
    pub fn place(&self) -> Result<KafkaPlace> {
        let bootstrap = self.bootstrap.clone().context("name the brokers with --bootstrap HOST:PORT")?;
        Ok(KafkaPlace { bootstrap, topic: self.topic.clone(), settings: self.kafka_settings.clone() })
    }
}

impl LogArgs {
    /// The same choice as arguments of this program.
    pub fn arguments(&self) -> Result<Vec<String>> {
        let Some(LogPlace::Kafka(place)) = self.place()? else { return Ok(Vec::new()) };
        let mut arguments = ["--log", "kafka", "--bootstrap", &place.bootstrap, "--topic", &place.topic]
            .map(str::to_owned)
            .to_vec();
        if let Some(settings) = place.settings {
            arguments.extend(["--kafka-settings".to_owned(), settings.display().to_string()]);
        }
        Ok(arguments)
    }

    /// Which log in Kafka is to be followed, by its brokers alone; `None` if none is named.
    pub fn followed(&self) -> Result<Option<LogPlace>> {
        match self.log {
            Some(LogEngine::Embedded) => bail!("only a log in Kafka can be followed by other nodes"),
            _ if self.kafka.bootstrap.is_some() => Ok(Some(LogPlace::Kafka(self.kafka.place()?))),
            _ => Ok(None),
        }
    }

    /// What is asked for; `None` if nothing is.
    pub fn place(&self) -> Result<Option<LogPlace>> {
        match self.log {
            Some(LogEngine::Kafka) => Ok(Some(LogPlace::Kafka(self.kafka.place()?))),
            other => {
                let KafkaArgs { bootstrap, kafka_settings, .. } = &self.kafka;
                ensure!(
                    bootstrap.is_none() && kafka_settings.is_none(),
                    "--bootstrap and --kafka-settings need --log kafka"
                );
                Ok(other.map(|_| LogPlace::Embedded))
            }
        }
    }
}

/// What begins the name of a topic that keeps a log.
const KAFKA_SCHEME: &str = "kafka://";

impl KafkaPlace {
    /// `kafka://HOST:PORT[,HOST:PORT]/TOPIC`; `None` if the text names something else.
    ///
    /// # Errors
    /// If it begins so and does not go on so.
    pub fn from_url(text: &str) -> Result<Option<Self>> {
        let Some(rest) = text.strip_prefix(KAFKA_SCHEME) else { return Ok(None) };
        let named =
            rest.split_once('/').filter(|(bootstrap, topic)| !bootstrap.is_empty() && !topic.is_empty());
        let (bootstrap, topic) =
            named.with_context(|| format!("{text} is not {KAFKA_SCHEME}HOST:PORT[,HOST:PORT]/TOPIC"))?;
        Ok(Some(Self { bootstrap: bootstrap.to_owned(), topic: topic.to_owned(), settings: None }))
    }

    /// As [`Self::from_url`] reads it.
    pub fn url(&self) -> String {
        format!("{KAFKA_SCHEME}{}/{}", self.bootstrap, self.topic)
    }

    /// How clients reach it.
    ///
    /// # Errors
    /// If the file of settings cannot be read, or others may read it.
    pub fn connection(&self) -> Result<Connection> {
        let settings = self.settings.as_deref().map_or(Ok(Vec::new()), read_settings)?;
        Ok(Connection { bootstrap: self.bootstrap.clone(), topic: self.topic.clone(), settings })
    }
}

/// One `name=value` a line; empty lines and those that begin with `#` are passed over.
fn read_settings(path: &Path) -> Result<Vec<(String, String)>> {
    let shown = path.display();
    let mode = fs::metadata(path).with_context(|| format!("reading {shown}"))?.permissions().mode();
    ensure!(
        mode & 0o077 == 0,
        "{shown} may hold passwords and can be read by others; run `chmod 600 {shown}`"
    );
    let text = fs::read_to_string(path).with_context(|| format!("reading {shown}"))?;
    let mut settings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line itself is never shown: it may hold a password.
        let Some((name, value)) = line.split_once('=') else {
            bail!("{shown}: line {} is not name=value", number + 1);
        };
        settings.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(settings)
}

/// A log open for writing.
pub struct OpenLog {
    pub log: Box<dyn EventLog>,
    pub source: Arc<dyn LogSource>,
    /// Admission's state after the last entry.
    pub admission: AdmissionState,
    /// The group of nodes that may lead it; none if no other process can write it meanwhile.
    pub hint: Option<Box<dyn LeaderHint>>,
}

/// Opens the registry's log for writing: the one that it had before, if it had one. The node called `node` that is silent for `session_timeout`
/// is not the one that shall lead.
pub fn open(home: &Home, node: &str, session_timeout: Duration) -> Result<OpenLog> {
    match &home.config.log {
        LogPlace::Embedded => open_embedded(home),
        LogPlace::Kafka(place) => {
            let (expected_instance, new_instance) = (home.log_instance()?, InstanceId::from(Uuid::new_v4()));
            let index_file = Some(IndexFile { path: home.log_index_file(), is_kept: true });
            let options = KafkaOptions {
                expected_instance,
                index_file,
                ..KafkaOptions::new(place.connection()?, new_instance)
            };
            let log = KafkaLog::open(options).context("opening the log")?;
            let handle = log.handle();
            let admission = handle.admission()?;
            let hint = log.stand(node, session_timeout).context("standing for leader")?;
            let hint: Option<Box<dyn LeaderHint>> = Some(Box::new(hint));
            Ok(OpenLog { log: Box::new(log), source: Arc::new(handle), admission, hint })
        }
    }
}

/// The log in the registry's own directory, for this process alone.
pub fn open_embedded(home: &Home) -> Result<OpenLog> {
    let (expected_instance, new_instance) = (home.log_instance()?, InstanceId::from(Uuid::new_v4()));
    let options =
        EmbeddedOptions { expected_instance, ..EmbeddedOptions::in_directory(home.log_dir(), new_instance)? };
    let log = EmbeddedLog::open(options).context("opening the log")?;
    let handle = log.handle();
    let admission = handle.admission();
    Ok(OpenLog { log: Box::new(log), source: Arc::new(handle), admission, hint: None })
}

/// The registry's log for tools that only read, and admission's state at its end.
pub fn open_read_only(home: &Home) -> Result<(Arc<dyn LogSource>, AdmissionState)> {
    open_indexed(home, false)
}

/// The same for a node that only reads, whose directory this is.
pub fn open_followed(home: &Home) -> Result<(Arc<dyn LogSource>, AdmissionState)> {
    open_indexed(home, true)
}

fn open_indexed(home: &Home, is_kept: bool) -> Result<(Arc<dyn LogSource>, AdmissionState)> {
    match &home.config.log {
        LogPlace::Embedded => read_embedded(&home.log_dir()),
        LogPlace::Kafka(place) => {
            let index_file = Some(IndexFile { path: home.log_index_file(), is_kept });
            let (connection, expected) = (place.connection()?, home.log_instance()?);
            let log = KafkaHandle::open_with_index(connection, expected, index_file).context(OPENING)?;
            let admission = log.admission()?;
            Ok((Arc::new(log), admission))
        }
    }
}

/// A log that is read while others may write it.
pub struct ReadLog {
    pub source: Arc<dyn LogSource>,
    /// Admission's state at its end, when it was opened.
    pub admission: AdmissionState,
}

/// The registry's log, to be read on as it grows, beside whoever writes it.
pub fn follow(home: &Home) -> Result<ReadLog> {
    let (source, admission) = match home.config.log {
        LogPlace::Embedded => follow_embedded(home)?,
        LogPlace::Kafka(_) => open_read_only(home)?,
    };
    Ok(ReadLog { source, admission })
}

/// The log in the registry's own directory, as it grows. If nobody writes it, it is brought in order first, as its service would: after a
/// power cut more is durable than the mark says.
pub fn follow_embedded(home: &Home) -> Result<(Arc<dyn LogSource>, AdmissionState)> {
    bring_in_order(home)?;
    let log = EmbeddedHandle::follow(home.log_dir()).context(OPENING)?;
    let (found, place) = (log.instance(), home.log_dir().display().to_string());
    if let Some(expected) = home.log_instance()?.filter(|expected| *expected != found) {
        return Err(LogError::WrongInstance { place, expected, found }.into());
    }
    let admission = log.admission();
    Ok((Arc::new(log), admission))
}

fn bring_in_order(home: &Home) -> Result<()> {
    let Some(expected) = home.log_instance()? else { return Ok(()) };
    let options = EmbeddedOptions::in_directory(home.log_dir(), expected)?;
    match EmbeddedLog::open(EmbeddedOptions { expected_instance: Some(expected), ..options }) {
        Ok(log) => Ok(Box::new(log).close()?),
        Err(LogError::Locked { .. }) => Ok(()),
        Err(LogError::Io { action, cause }) => {
            tracing::warn!(
                action,
                cause,
                "the log cannot be written here: it is read as far as it is said to be durable"
            );
            Ok(())
        }
        Err(error) => Err(error).context(OPENING),
    }
}

const OPENING: &str = "the log cannot be opened";

/// The log in a directory, to be read alone.
pub fn read_embedded(log_dir: &Path) -> Result<(Arc<dyn LogSource>, AdmissionState)> {
    let log = EmbeddedHandle::open_read_only(log_dir).context(OPENING)?;
    let admission = log.admission();
    Ok((Arc::new(log), admission))
}

/// The log in a topic, to be read alone.
pub fn read_topic(
    place: &KafkaPlace,
    expected: Option<InstanceId>,
) -> Result<(Arc<dyn LogSource>, AdmissionState)> {
    let log = KafkaHandle::open_read_only(place.connection()?, expected).context(OPENING)?;
    let admission = log.admission()?;
    Ok((Arc::new(log), admission))
}
