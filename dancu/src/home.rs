//! The directory that a registry lives in.
//!
//! | in it | holds |
//! |---|---|
//! | `dancu.json` | names of service and log and the kind of clock, which never change; the engine of saved state |
//! | `keys/` | keys that sign tokens |
//! | `pin.key` | the secret by which PINs are drawn, mode 0600; without it the same numbers are never drawn again |
//! | `log/` | the log: the only thing that cannot be made again |
//! | `log.instance` | which log that is, once it has begun: another one, or none, is not taken for it |
//! | `registry/`, `command-ids/`, `views/` | saved state and views; made from the log whenever they are missing |
//! | `audit/` | who read whom, and why |

use crate::log::LogPlace;
use access::{KeyRing, SecretKey, WallClock};
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::ValueEnum;
use command_service::clock::Clock;
use domain::permutation::KeyedPins;
use event_schemas::ids::{InstanceId, LogId};
use event_schemas::record::ClockKind;
use event_schemas::time::Timestamp;
use projections::engine_in_use;
use serde::{Deserialize, Serialize};
use state_store::engine::EngineKind;
use state_store::home::{EngineOptions, engine_of};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// Where a registry lives unless said otherwise.
pub const DEFAULT_DIR: &str = "dancu-data";

const CONFIG_FILE: &str = "dancu.json";
const LOG_DIR: &str = "log";
const INSTANCE_FILE: &str = "log.instance";
const PIN_FILE: &str = "pin.key";
const PUBLIC_KEY_SUFFIX: &str = ".pub.pem";
const OWNER_ONLY: u32 = 0o600;

/// How recorded time comes about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockChoice {
    /// The machine's clock.
    Wall,
    /// Stands still until it is moved by `POST /v1/clock`; such a log says so for ever.
    Scripted,
}

/// What is known of a registry before its log is read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Tokens are made for this service and no other.
    pub service: Uuid,
    pub log_id: LogId,
    pub clock: ClockChoice,
    /// When a scripted clock begins.
    pub begins_at: Timestamp,
    #[serde(default)]
    pub log: LogPlace,
    /// Which engine keeps saved state and views.
    #[serde(default)]
    pub engine: EngineChoice,
}

/// Which engine keeps saved state and views.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineChoice {
    #[default]
    Sled,
    Fjall,
}

impl From<EngineChoice> for EngineKind {
    fn from(choice: EngineChoice) -> Self {
        match choice {
            EngineChoice::Sled => Self::Sled,
            EngineChoice::Fjall => Self::Fjall,
        }
    }
}

impl From<EngineChoice> for EngineOptions {
    fn from(choice: EngineChoice) -> Self {
        EngineKind::from(choice).into()
    }
}

/// The secret of PINs, as kept in its file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinSecret {
    version: u16,
    key: Uuid,
}

/// An opened home.
#[derive(Clone, Debug)]
pub struct Home {
    pub dir: PathBuf,
    pub config: Config,
}

/// A home that is to be made.
#[derive(Clone, Default, Debug)]
pub struct NewHome {
    /// The machine's unless stated.
    pub clock: Option<ClockChoice>,
    /// When a scripted clock begins; the present if not stated.
    pub begins_at: Option<Timestamp>,
    /// In the home itself if not stated.
    pub log: Option<LogPlace>,
    /// Which engine keeps saved state and views; sled if not stated.
    pub engine: Option<EngineChoice>,
    /// Another home of the same registry: what it names and knows is copied.
    pub from: Option<PathBuf>,
}

impl Home {
    /// Opens a home that was made before.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(CONFIG_FILE);
        let text = fs::read_to_string(&path).with_context(|| {
            let dir = dir.display();
            format!(
                "{dir} holds no registry; make one with `dancu init --dir {dir}`, or name another with --dir"
            )
        })?;
        let config = serde_json::from_str(&text)
            .with_context(|| format!("{} cannot be read; restore it from a copy", path.display()))?;
        Ok(Self { dir: dir.to_owned(), config })
    }

    /// Makes a home: names, a key for tokens, the secret of PINs.
    pub fn create(dir: &Path, new: NewHome) -> Result<Self> {
        let path = dir.join(CONFIG_FILE);
        Self::check_free(dir)?;
        fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        for begun in [INSTANCE_FILE, LOG_DIR] {
            ensure!(
                !dir.join(begun).exists(),
                "{} holds a log already, but no {CONFIG_FILE}: restore it from a copy; nothing was changed",
                dir.display()
            );
        }
        let home = Self {
            dir: dir.to_owned(),
            config: Config {
                service: Uuid::new_v4(),
                log_id: LogId::from(Uuid::new_v4()),
                clock: new.clock.unwrap_or(ClockChoice::Wall),
                log: new.log.unwrap_or_default(),
                begins_at: new.begins_at.unwrap_or_else(|| command_service::WallClock.now()),
                engine: new.engine.unwrap_or_default(),
            },
        };
        // A start that was interrupted may have left these; nothing was made with them before the last file stands.
        if KeyRing::read(&home.keys_dir()).map_or(true, |ring| ring.kids().next().is_none()) {
            SecretKey::create(&home.keys_dir()).context("making a key for tokens")?;
        }
        if !dir.join(PIN_FILE).exists() {
            home.write_pin_secret(1)?;
        }
        // Last: a home is one only when it is whole.
        replace(&path, &serde_json::to_vec_pretty(&home.config)?, 0o644)?;
        Ok(home)
    }

    /// Makes a home for another node of a registry whose log nodes can share. It may reach the same topic by other addresses.
    fn create_from(dir: &Path, from: &Path, log: Option<&LogPlace>) -> Result<Self> {
        let mut origin = Self::open(from)?;
        if let Some(place) = log.filter(|place| place.is_same_topic(&origin.config.log)) {
            origin.config.log = place.clone();
        }
        origin.copy_keys(dir, |_| true)?;
        copy(&from.join(PIN_FILE), &dir.join(PIN_FILE))?;
        origin.name(dir)
    }

    /// Opens a home for a node that only answers queries, or makes it from another: it gets no secrets.
    pub fn open_or_create_replica(dir: &Path, from: Option<&Path>, log: Option<LogPlace>) -> Result<Self> {
        if dir.join(CONFIG_FILE).exists() {
            return Self::open(dir);
        }
        let from = from.with_context(|| {
            let dir = dir.display();
            format!("{dir} holds no registry; name a directory that does with --from, its names and public keys are copied")
        })?;
        let mut origin = Self::open(from)?;
        origin.config.log = log.unwrap_or(origin.config.log);
        origin.copy_keys(dir, |name| name.ends_with(PUBLIC_KEY_SUFFIX))?;
        origin.name(dir)
    }

    fn copy_keys(&self, dir: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<()> {
        ensure!(
            self.has_other_nodes(),
            "the log of {} is in its own directory, so no other node can have it; a log in Kafka can be shared",
            self.dir.display()
        );
        self.copy_key_files(dir, is_wanted)
    }

    fn copy_key_files(&self, dir: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<()> {
        fs::create_dir_all(keys_in(dir)).with_context(|| format!("making {}", dir.display()))?;
        for entry in fs::read_dir(self.keys_dir())? {
            let name = entry?.file_name();
            if name.to_str().is_some_and(&is_wanted) {
                copy(&self.keys_dir().join(&name), &keys_in(dir).join(&name))?;
            }
        }
        Ok(())
    }

    /// Gives another home the same names. Last: a home is one only when it is whole.
    fn name(&self, dir: &Path) -> Result<Self> {
        if self.dir.join(INSTANCE_FILE).exists() {
            copy(&self.dir.join(INSTANCE_FILE), &dir.join(INSTANCE_FILE))?;
        }
        replace(&dir.join(CONFIG_FILE), &serde_json::to_vec_pretty(&self.config)?, 0o644)?;
        Self::open(dir)
    }

    /// Refuses a directory that holds a registry.
    pub fn check_free(dir: &Path) -> Result<()> {
        ensure!(
            !dir.join(CONFIG_FILE).exists(),
            "{} holds a registry already; nothing was changed",
            dir.display()
        );
        Ok(())
    }

    /// Makes a home around a log that was restored into it: a name and a key for tokens of its own, no secret of PINs.
    pub fn restore(dir: &Path, archived: Config, instance: InstanceId) -> Result<Self> {
        Self::check_free(dir)?;
        let config = Config { service: Uuid::new_v4(), log: LogPlace::Embedded, ..archived };
        let home = Self { dir: dir.to_owned(), config };
        SecretKey::create(&home.keys_dir()).context("making a key for tokens")?;
        home.remember_log(instance)?;
        // Last: a home is one only when it is whole.
        replace(&dir.join(CONFIG_FILE), &serde_json::to_vec_pretty(&home.config)?, 0o644)?;
        Ok(home)
    }

    /// From now on the registry's log is this one, to which it was moved. What was saved is of the other copy, and made anew.
    pub fn move_to(mut self, log: LogPlace, instance: InstanceId) -> Result<Self> {
        // First: were only this done, the log at the former place would be refused.
        self.remember_log(instance)?;
        self.config.log = log;
        replace(&self.dir.join(CONFIG_FILE), &serde_json::to_vec_pretty(&self.config)?, 0o644)?;
        Ok(self)
    }

    /// Makes a home of the same registry whose log is another copy, the one to which it was moved.
    pub fn create_moved(dir: &Path, from: &Path, log: LogPlace, instance: InstanceId) -> Result<Self> {
        Self::check_free(dir)?;
        let mut origin = Self::open(from)?;
        origin.copy_key_files(dir, |_| true)?;
        copy(&from.join(PIN_FILE), &dir.join(PIN_FILE))?;
        origin.config.log = log;
        let home = Self { dir: dir.to_owned(), config: origin.config };
        home.remember_log(instance)?;
        // Last: a home is one only when it is whole.
        replace(&dir.join(CONFIG_FILE), &serde_json::to_vec_pretty(&home.config)?, 0o644)?;
        Ok(home)
    }

    /// Opens the home, or makes it if there is none. What is asked for must be what is there.
    pub fn open_or_create(dir: &Path, new: NewHome) -> Result<Self> {
        let home = match &new.from {
            _ if dir.join(CONFIG_FILE).exists() => Self::open(dir)?,
            Some(from) => Self::create_from(dir, from, new.log.as_ref())?,
            None => return Self::create(dir, new),
        };
        let NewHome { clock, log, engine, .. } = new;
        if log.is_some_and(|log| log != home.config.log) {
            let path = dir.join(CONFIG_FILE);
            bail!("{} names another log; leave --log out, or use another --dir", path.display());
        }
        if clock.is_some_and(|clock| clock != home.config.clock) {
            let kind = home.config.clock;
            bail!(
                "the log in {} has a {kind:?} clock for ever; leave --clock out, or use another --dir",
                dir.display()
            );
        }
        if let Some(asked) = engine.filter(|engine| *engine != home.config.engine) {
            return Err(home.other_engine(home.config.engine.into(), asked.into()));
        }
        Ok(home)
    }

    /// Whether other nodes may have the same log.
    pub fn has_other_nodes(&self) -> bool {
        matches!(self.config.log, LogPlace::Kafka(_))
    }

    /// From now on `engine` keeps saved state and views. Nothing that another one wrote may be left.
    pub fn kept_by(mut self, engine: EngineChoice) -> Result<Self> {
        if self.config.engine != engine {
            self.config.engine = engine;
            replace(&self.dir.join(CONFIG_FILE), &serde_json::to_vec_pretty(&self.config)?, 0o644)?;
        }
        Ok(self)
    }

    /// Whether saved state and views were written by the engine that is to keep them.
    pub fn check_engine(&self) -> Result<()> {
        let asked = EngineKind::from(self.config.engine);
        let written = [engine_of(&self.registry_dir())?, engine_in_use(&self.views_dir())?];
        match written.into_iter().flatten().find(|found| *found != asked) {
            Some(found) => Err(self.other_engine(found, asked)),
            None => Ok(()),
        }
    }

    fn other_engine(&self, found: EngineKind, asked: EngineKind) -> anyhow::Error {
        let dir = self.dir.display();
        anyhow!(
            "what is saved in {dir} was written by the engine {found}, not {asked}; to switch, stop the service and run \
             `dancu rebuild --dir {dir} --engine {asked}`; to stay, leave --engine out or run it with --engine {found}"
        )
    }

    pub fn keys_dir(&self) -> PathBuf {
        keys_in(&self.dir)
    }

    pub fn log_dir(&self) -> PathBuf {
        Self::log_dir_in(&self.dir)
    }

    /// Where the embedded log of a home in this directory is.
    pub fn log_dir_in(dir: &Path) -> PathBuf {
        dir.join(LOG_DIR)
    }

    /// The secret of PINs.
    pub fn pin_file(&self) -> PathBuf {
        self.dir.join(PIN_FILE)
    }

    /// Which log is in [`Self::log_dir`]; none before it has begun.
    pub fn log_instance(&self) -> Result<Option<InstanceId>> {
        let path = self.dir.join(INSTANCE_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let instance = text.trim().parse();
                instance.map(Some).with_context(|| format!("{} names no log", path.display()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// The log has begun: from now on this one is expected.
    pub fn remember_log(&self, instance: InstanceId) -> Result<()> {
        replace(&self.dir.join(INSTANCE_FILE), format!("{instance}\n").as_bytes(), 0o644)
    }

    pub fn registry_dir(&self) -> PathBuf {
        self.dir.join("registry")
    }

    pub fn command_ids_dir(&self) -> PathBuf {
        self.dir.join("command-ids")
    }

    /// Where the index of a log in Kafka is kept.
    pub fn log_index_file(&self) -> PathBuf {
        self.dir.join("log.index")
    }

    pub fn views_dir(&self) -> PathBuf {
        self.dir.join("views")
    }

    pub fn audit_dir(&self) -> PathBuf {
        self.dir.join("audit")
    }

    /// For whom tokens are made.
    pub fn audience(&self) -> String {
        self.config.service.to_string()
    }

    /// Public keys of tokens.
    pub fn key_ring(&self) -> Result<KeyRing> {
        let ring = KeyRing::read(&self.keys_dir()).context("reading the keys of tokens")?;
        ensure!(ring.kids().next().is_some(), "there is no key in use; make one with `dancu keys new`");
        Ok(ring)
    }

    /// Draws PINs.
    pub fn pins(&self) -> Result<KeyedPins> {
        let secret = self.pin_secret()?;
        Ok(KeyedPins::new(secret.version, secret.key.into_bytes()))
    }

    fn pin_secret(&self) -> Result<PinSecret> {
        let path = self.dir.join(PIN_FILE);
        let shown = path.display();
        let data = fs::metadata(&path).with_context(|| {
            format!("{shown}: the secret of PINs is missing; restore it from a copy, or see `dancu keys new-pin --help`")
        })?;
        let mode = data.permissions().mode();
        ensure!(mode & 0o077 == 0, "{shown} can be read by others; run `chmod 600 {shown}`");
        let secret = serde_json::from_slice(&fs::read(&path)?);
        secret.with_context(|| format!("{shown} cannot be read; restore it from a copy"))
    }

    /// Makes a new secret of PINs in the place of one that is lost or known to others. Numbers in use are passed over
    /// whatever the secret; `version` is recorded with every number, so it must be a new one.
    pub fn renew_pins(&self, version: u16) -> Result<()> {
        if self.dir.join(PIN_FILE).exists() {
            let before = self.pin_secret()?.version;
            ensure!(
                version > before,
                "numbers are drawn by version {before}; a new secret needs a higher one"
            );
        }
        self.write_pin_secret(version)
    }

    fn write_pin_secret(&self, version: u16) -> Result<()> {
        let secret = PinSecret { version, key: Uuid::new_v4() };
        replace(&self.dir.join(PIN_FILE), &serde_json::to_vec_pretty(&secret)?, OWNER_ONLY)
    }

    /// The kind that the log's first entry states.
    pub fn clock_kind(&self) -> ClockKind {
        match self.config.clock {
            ClockChoice::Wall => ClockKind::Wall,
            ClockChoice::Scripted => ClockKind::Scripted,
        }
    }
}

/// The machine's clock, for tokens and for the audit log.
pub fn wall_clock() -> WallClock {
    Arc::new(|| command_service::WallClock.now())
}

fn keys_in(dir: &Path) -> PathBuf {
    dir.join("keys")
}

/// Copies a file with its mode, whole or not at all.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    let mode = fs::metadata(from)?.permissions().mode() & 0o777;
    replace(to, &content, mode)
}

/// Writes a file whole or not at all.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&unfinished);
    let mut file = opened.with_context(|| format!("making {}", unfinished.display()))?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, path).with_context(|| format!("making {}", path.display()))?;
    let dir = path.parent().context("a file of a registry lies in its directory")?;
    fs::File::open(dir)?.sync_all()?;
    Ok(())
}
