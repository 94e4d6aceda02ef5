//! `dancu log`

use super::backup::advance;
use crate::home::{DEFAULT_DIR, Home};
use crate::log::{
    KafkaPlace, LogPlace, follow_embedded, open_embedded, open_read_only, read_embedded, read_topic,
};
use crate::tables::table;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use command_service::clock::Clock;
use command_service::history::read_genesis;
use event_log::embedded::Options as EmbeddedOptions;
use event_log::kafka::Options as KafkaOptions;
use event_log::{
    AdmissionState, Copying, EmbeddedLog, EventLog, KafkaLog, LogSource, Seal, Sealing, Standing,
};
use event_schemas::ids::{ClaimId, InstanceId, Lsn};
use event_schemas::record::{AdmittedEntry, EntryBody};
use event_schemas::text::Text;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Move a registry's log to another place or engine, where it goes on.
///
/// A place is a registry's directory, or kafka://HOST:PORT[,HOST:PORT]/TOPIC.
#[derive(Debug, Args)]
pub struct Log {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Copy a log, byte for byte, to where it shall go on; what is there already is not copied again.
    ///
    /// Nobody can lead the copy before it is finished with --seal. A log in a directory is sealed while its service is stopped;
    /// whatever else is done at any time.
    Copy(CopyLog),
    /// Let a registry's directory use the log that was moved.
    Use(UseLog),
    /// Say how far a log is, and whether it may be led.
    Status(Status),
}

#[derive(Debug, Args)]
struct CopyLog {
    /// The log: the directory of its registry, or its topic.
    #[arg(long, value_name = "PLACE")]
    from: String,
    /// Where it shall go on: a directory, whose log/ is made, or an empty topic (`dancu topic create`).
    #[arg(long, value_name = "PLACE")]
    to: String,
    /// End the log for this copy, once that has caught up: whoever leads it steps down, and it takes nothing more, for ever.
    #[arg(long)]
    seal: bool,
    /// File with settings of the Kafka client for --from.
    #[arg(long, value_name = "FILE")]
    from_settings: Option<PathBuf>,
    /// File with settings of the Kafka client for --to.
    #[arg(long, value_name = "FILE")]
    to_settings: Option<PathBuf>,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct UseLog {
    /// Directory of the registry.
    #[arg(long, default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// Topic of the log, kafka://…; without it the log in the directory itself.
    #[arg(long, value_name = "PLACE")]
    log: Option<String>,
    /// File with settings of the Kafka client.
    #[arg(long, value_name = "FILE")]
    kafka_settings: Option<PathBuf>,
    /// Directory of the same registry, whose names, keys and secret of PINs are copied if --dir holds none yet.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Status {
    /// The log: the directory of its registry, or its topic.
    #[arg(default_value = DEFAULT_DIR)]
    place: String,
    /// File with settings of the Kafka client.
    #[arg(long, value_name = "FILE")]
    kafka_settings: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Longest wait for what other machines answer.
const WAIT: Duration = Duration::from_millis(200);
/// Most readings for a seal that is in the log (O1).
const MAX_READS_TO_SEAL: u32 = 60;
/// What the claim that seals says of who claims.
const CLAIMER: &str = "dancu log copy";

impl Log {
    pub fn run(self) -> Result<ExitCode> {
        match self.action {
            Action::Copy(copy) => copy.run(),
            Action::Use(used) => used.run(),
            Action::Status(status) => status.run(),
        }
    }
}

/// Where a log is, as named on the command line.
enum Place {
    Dir(PathBuf),
    Topic(KafkaPlace),
}

impl Place {
    fn named(text: &str, settings: Option<PathBuf>) -> Result<Self> {
        match KafkaPlace::from_url(text)? {
            Some(place) => Ok(Self::Topic(KafkaPlace { settings, ..place })),
            None => Ok(Self::Dir(PathBuf::from(text))),
        }
    }

    /// For people who read the seal, on whatever machine.
    fn shown(&self) -> Result<String> {
        Ok(match self {
            Self::Topic(place) => place.url(),
            Self::Dir(dir) => {
                dir.canonicalize().with_context(|| dir.display().to_string())?.display().to_string()
            }
        })
    }

    fn read(&self) -> Result<(Arc<dyn LogSource>, AdmissionState)> {
        match self {
            Self::Topic(place) => read_topic(place, None),
            Self::Dir(dir) => read_embedded(&Home::log_dir_in(dir)),
        }
    }
}

/// A log that is copied: what reads it, and what may seal it.
struct Origin {
    source: Arc<dyn LogSource>,
    /// Nobody else writes one in a directory that is to be sealed.
    held: Option<Box<dyn EventLog>>,
    topic: Option<KafkaPlace>,
}

impl Origin {
    fn open(place: Place, shall_seal: bool) -> Result<Self> {
        let (topic, expected) = match place {
            Place::Topic(topic) => (topic, None),
            Place::Dir(dir) => {
                let home = Home::open(&dir)?;
                match &home.config.log {
                    LogPlace::Kafka(topic) => (topic.clone(), home.log_instance()?),
                    LogPlace::Embedded if !shall_seal => {
                        let (source, _) = follow_embedded(&home)?;
                        return Ok(Self { source, held: None, topic: None });
                    }
                    LogPlace::Embedded => {
                        let log = open_embedded(&home).context("stop its service first")?;
                        return Ok(Self { source: log.source, held: Some(log.log), topic: None });
                    }
                }
            }
        };
        let (source, _) = read_topic(&topic, expected)?;
        Ok(Self { source, held: None, topic: Some(topic) })
    }

    /// The log, open to be written.
    fn open_to_seal(&mut self) -> Result<Box<dyn EventLog>> {
        if let Some(log) = self.held.take() {
            return Ok(log);
        }
        let topic = self.topic.as_ref().context("a log that is not held is in a topic")?;
        let instance = self.source.instance();
        let expected_instance = Some(instance);
        let options = KafkaOptions { expected_instance, ..KafkaOptions::new(topic.connection()?, instance) };
        Ok(Box::new(KafkaLog::open(options)?))
    }
}

impl CopyLog {
    fn run(self) -> Result<ExitCode> {
        ensure!(self.from != self.to, "--from and --to name the same place");
        let to = Place::named(&self.to, self.to_settings.clone())?;
        let mut origin = Origin::open(Place::named(&self.from, self.from_settings.clone())?, self.seal)?;
        let copied = match open_copy(&to, &*origin.source)? {
            None => 0,
            Some(copying) => self.copy(&mut origin, &to, copying)?,
        };
        // Read anew: what counts is what is there.
        let (source, state) = to.read()?;
        let is_moved = state.sealed_for == Some(source.instance());
        ensure!(
            is_moved || !self.seal,
            "the copy is not whole yet: begin it again, it goes on where it ended"
        );
        self.tell(&to, (&*source, &state), copied)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Brings the copy up to the log's end, and further up to the seal if that is wanted. Gives the number of entries that are new.
    fn copy(&self, origin: &mut Origin, to: &Place, mut copying: Copying) -> Result<u64> {
        let (target, mut copied) = (copying.instance(), advance(&mut copying)?.copied);
        if self.seal && !copying.state().sealed {
            seal(origin.open_to_seal()?, *copying.state(), target, &to.shown()?)?;
            for _ in 0..MAX_READS_TO_SEAL {
                copied += advance(&mut copying)?.copied;
                if copying.state().sealed {
                    break;
                }
            }
        }
        let state = *copying.state();
        copying.close()?;
        match state.sealed_for {
            Some(other) if state.sealed && other != target => {
                let place = sealed_place(&*origin.source, state.last_lsn)?.unwrap_or_default();
                bail!(
                    "the log was sealed and goes on in {other} ({place}), not in this copy: it will never be led"
                )
            }
            _ => Ok(copied),
        }
    }

    fn tell(
        &self,
        to: &Place,
        (source, state): (&dyn LogSource, &AdmissionState),
        copied: u64,
    ) -> Result<()> {
        if self.json {
            let mut told = description(source, state)?;
            told["copied"] = copied.into();
            println!("{told}");
            return Ok(());
        }
        let place = to.shown()?;
        println!("{place} holds everything up to lsn {}; {copied} entries are new", state.last_lsn);
        if state.sealed_for != Some(source.instance()) {
            println!(
                "nobody can lead it yet; the same command with --seal ends the log and lets it go on here"
            );
            return Ok(());
        }
        println!("the log goes on here. Next, for each node:");
        match to {
            Place::Topic(_) => println!("  dancu log use --dir DIR --log {place}; dancu serve --dir DIR"),
            Place::Dir(_) => println!("  dancu log use --dir {place} --from DIR; dancu serve --dir {place}"),
        }
        Ok(())
    }
}

/// Goes on with the copy, or begins it; `None` if the log goes on there already.
fn open_copy(to: &Place, source: &dyn LogSource) -> Result<Option<Copying>> {
    let (new_instance, new_copy_of) = (InstanceId::from(Uuid::new_v4()), Some(source.instance()));
    let moving = match to {
        Place::Topic(topic) => {
            let options = KafkaOptions::new(topic.connection()?, new_instance);
            let copy = KafkaLog::open(KafkaOptions { new_copy_of, ..options }).context("opening the copy")?;
            let (held, at) = (copy.handle(), copy.handle().admission()?);
            Copying::resume_move(source, (Box::new(copy), &held, at))
        }
        Place::Dir(dir) => {
            let options = EmbeddedOptions::in_directory(Home::log_dir_in(dir), new_instance)?;
            let copy =
                EmbeddedLog::open(EmbeddedOptions { new_copy_of, ..options }).context("opening the copy")?;
            let (held, at) = (copy.handle(), copy.handle().admission());
            Copying::resume_move(source, (Box::new(copy), &held, at))
        }
    };
    moving.with_context(|| format!("{} cannot take the log", to.shown().unwrap_or_default()))
}

/// Ends the log: nothing is admitted behind this.
fn seal(log: Box<dyn EventLog>, read: AdmissionState, target: InstanceId, shown: &str) -> Result<()> {
    let place = Text::new(shown).context("the place of the copy has too long a name")?;
    let claimer = Text::new(CLAIMER).context("a short text")?;
    let seal = Seal {
        target,
        claim_body: EntryBody::Claim { node: claimer }.encode()?,
        seal_body: EntryBody::Sealed { target, place }.encode()?,
    };
    let mut sealing = Sealing::begin(log, read, seal)?;
    let sealed = loop {
        let now = command_service::WallClock.now();
        if let Some(lsn) = sealing.step(ClaimId(Uuid::new_v4().as_u128()), now, WAIT)? {
            break lsn;
        }
    };
    tracing::info!(lsn = sealed.0, %target, "the log is sealed");
    Ok(sealing.close()?)
}

/// Where the log goes on that was sealed by the entry `lsn`, in the words of that entry; `None` if it is no seal.
pub fn sealed_place(source: &dyn LogSource, lsn: Lsn) -> Result<Option<String>> {
    let Some(entry) = source.fetch(lsn)? else { return Ok(None) };
    Ok(match AdmittedEntry::decode(lsn, &entry)?.body {
        EntryBody::Sealed { place, .. } => Some(place.to_string()),
        _ => None,
    })
}

impl UseLog {
    fn run(self) -> Result<ExitCode> {
        let place = match &self.log {
            None => Place::Dir(self.dir.clone()),
            Some(text) => Place::named(text, self.kafka_settings.clone())?,
        };
        let log = match &place {
            Place::Topic(topic) => LogPlace::Kafka(topic.clone()),
            Place::Dir(dir) => {
                ensure!(
                    *dir == self.dir,
                    "a log in a directory belongs to the registry there; leave --log out"
                );
                LogPlace::Embedded
            }
        };
        let (source, state) = place.read()?;
        let instance = source.instance();
        ensure!(
            state.sealed_for == Some(instance),
            "no log was moved to {}, or not to its end: `dancu log copy --seal` does that",
            place.shown()?
        );
        let home = match (Home::open(&self.dir), &self.from) {
            (Ok(home), _) => {
                self.check_registry(&home, &*source)?;
                home.move_to(log, instance)?
            }
            (Err(_), Some(from)) => {
                self.check_registry(&Home::open(from)?, &*source)?;
                Home::create_moved(&self.dir, from, log, instance)?
            }
            (Err(error), None) => {
                return Err(error.context("name a directory of the same registry with --from"));
            }
        };
        println!("{} uses the log in {}", home.dir.display(), home.config.log.url(&home));
        Ok(ExitCode::SUCCESS)
    }

    fn check_registry(&self, home: &Home, source: &dyn LogSource) -> Result<()> {
        let found = read_genesis(source)?.context("the log is empty")?.log_id;
        let own = home.config.log_id;
        ensure!(found == own, "the log is {found}, that of {} is {own}", home.dir.display());
        Ok(())
    }
}

impl Status {
    fn run(self) -> Result<ExitCode> {
        let place = Place::named(&self.place, self.kafka_settings)?;
        let (source, state) = match &place {
            Place::Dir(dir) if Home::open(dir).is_ok() => open_read_only(&Home::open(dir)?)?,
            place => place.read()?,
        };
        let told = description(&*source, &state)?;
        if self.json {
            println!("{told}");
            return Ok(ExitCode::SUCCESS);
        }
        let mut rows = table(["log", ""]);
        for (name, value) in told.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            rows.add_row([name.clone(), value]);
        }
        println!("{rows}");
        Ok(ExitCode::SUCCESS)
    }
}

fn description(source: &dyn LogSource, state: &AdmissionState) -> Result<Value> {
    let (instance, copy_of) = (source.instance(), source.copy_of());
    let standing = match state.standing(instance, copy_of) {
        Standing::Open => "may_be_led",
        Standing::GoesOnHere => "goes_on_here",
        Standing::Moved { .. } => "moved",
        Standing::Unfinished { .. } => "unfinished_copy",
    };
    let moved_to = state.sealed_for.filter(|to| state.sealed && *to != instance);
    let place = if moved_to.is_some() { sealed_place(source, state.last_lsn)? } else { None };
    Ok(json!({
        "instance": instance,
        "standing": standing,
        "lsn": state.last_lsn,
        "chain_head": state.head.to_string(),
        "term": state.term,
        "recorded_at": state.recorded_at,
        "copy_of": copy_of,
        "moved_to": moved_to,
        "moved_to_place": place,
    }))
}
