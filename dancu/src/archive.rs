//! An archive: a copy of a registry's log in a directory of its own, and what is known of the registry, without any secret.
//!
//! | in it | what |
//! |---|---|
//! | `registry.json` | names of the service and its log, kind of clock |
//! | `log/` | every admitted entry, byte for byte, in segment files |

use crate::home::{Config, Home, replace};
use anyhow::{Context, Result, ensure};
use event_log::embedded::Options;
use event_log::{Copied, Copying, EmbeddedHandle, EmbeddedLog, LogSource, Until};
use event_schemas::ids::InstanceId;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use uuid::Uuid;

const CONFIG_FILE: &str = "registry.json";
/// A file of an archive is whole sooner than one of a registry, to be kept elsewhere.
const SEGMENT_BYTES: u64 = 64 << 20;
const READABLE: u32 = 0o644;

/// An archive's directory.
#[derive(Clone, Debug)]
pub struct Archive {
    dir: PathBuf,
    pub config: Config,
}

impl Archive {
    /// Opens an archive that was made before.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(CONFIG_FILE);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{} is no archive; `dancu backup --to` makes one", dir.display()))?;
        let config =
            serde_json::from_str(&text).with_context(|| format!("{} cannot be read", path.display()))?;
        Ok(Self { dir: dir.to_owned(), config })
    }

    /// Opens the registry's archive, or makes it if the directory holds none.
    pub fn of(home: &Home, dir: &Path) -> Result<Self> {
        if dir.join(CONFIG_FILE).exists() {
            let archive = Self::open(dir)?;
            let (found, own) = (archive.config.log_id, home.config.log_id);
            ensure!(found == own, "{} is an archive of log {found}, not of {own}", dir.display());
            return Ok(archive);
        }
        fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        replace(&dir.join(CONFIG_FILE), &serde_json::to_vec_pretty(&home.config)?, READABLE)?;
        Ok(Self { dir: dir.to_owned(), config: home.config.clone() })
    }

    /// The archived log.
    pub fn source(&self) -> Result<EmbeddedHandle> {
        EmbeddedHandle::open_read_only(self.log_dir()).context("the archive cannot be opened")
    }

    /// Goes on copying into it.
    pub fn take_from(&self, source: &dyn LogSource) -> Result<Copying> {
        copy_into(&self.log_dir(), SEGMENT_BYTES, source, Until::default())
    }

    fn log_dir(&self) -> PathBuf {
        self.dir.join("log")
    }
}

/// Goes on copying into the embedded log of a directory, which is made if there is none.
pub fn copy_into(dir: &Path, segment_bytes: u64, source: &dyn LogSource, until: Until) -> Result<Copying> {
    let new_instance = InstanceId::from(Uuid::new_v4());
    let options = Options { segment_bytes, ..Options::in_directory(dir, new_instance)? };
    let copy = EmbeddedLog::open(options).with_context(|| format!("opening {}", dir.display()))?;
    let (held, at) = (copy.handle(), copy.handle().admission());
    Copying::resume(source, (Box::new(copy), &held, at), until)
        .with_context(|| format!("the log cannot be copied to {}", dir.display()))
}

/// Waits for what comes next, and between two attempts after a failure.
const WAIT: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_secs(10);

/// A thread that keeps an archive up to date, whatever fails meanwhile.
pub struct Archiving {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Archiving {
    /// Begins; that the archive is this registry's is known when this returns.
    pub fn start(archive: Archive, source: Arc<dyn LogSource>) -> Result<Self> {
        let first = archive.take_from(&*source)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("archive".into())
            .spawn(move || keep(&archive, &*source, Some(first), &stopping))?;
        Ok(Self { stop, thread })
    }

    /// Takes in what is in the log by now, and ends.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.join().is_err() {
            tracing::error!("the thread that kept the archive panicked");
        }
    }
}

fn keep(archive: &Archive, source: &dyn LogSource, mut copying: Option<Copying>, stop: &AtomicBool) {
    let lsn = metrics::gauge!("dancu_archive_lsn");
    let failing = metrics::gauge!("dancu_archive_failing");
    loop {
        let is_last = stop.load(Ordering::Acquire);
        let step = match &mut copying {
            Some(copying) => copying.step(WAIT).map_err(anyhow::Error::from),
            None => archive.take_from(source).and_then(|mut again| {
                let copied = again.step(WAIT)?;
                copying = Some(again);
                Ok(copied)
            }),
        };
        match step {
            Ok(Copied { lsn: copied, is_whole, .. }) => {
                lsn.set(copied.0 as f64);
                failing.set(0.0);
                if is_last && is_whole {
                    break;
                }
            }
            Err(error) => {
                tracing::error!("the archive falls behind: {error:#}");
                failing.set(1.0);
                copying = None;
                if is_last {
                    return;
                }
                rest(stop);
            }
        }
    }
    if let Some(Err(error)) = copying.map(Copying::close) {
        tracing::error!("the archive cannot be closed: {error}");
    }
}

/// Waits before the next attempt, unless it is to end.
fn rest(stop: &AtomicBool) {
    for _ in 0..PAUSE.as_millis() / WAIT.as_millis() {
        if stop.load(Ordering::Acquire) {
            return;
        }
        std::thread::sleep(WAIT);
    }
}
