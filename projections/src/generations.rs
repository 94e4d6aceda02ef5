//! Views on disk: each fold in a directory of its own, and a file that names the one in use.
//!
//! | file | holds |
//! |---|---|
//! | `CURRENT` | the name of the directory in use; replaced by renaming, so that it always names a whole view |
//! | `view-000001` … | one view |
//! | `scratch-000002` … | what a fold of the whole log needs while it goes on |

use crate::projector::ProjectorError;
use crate::view::View;
use event_schemas::ids::{InstanceId, LogId};
use state_store::engine::EngineKind;
use state_store::home::{DiskHome, EngineOptions, engine_of};
use state_store::store::{DiscardReason, StoreError};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const CURRENT: &str = "CURRENT";
const CURRENT_NEW: &str = "CURRENT.new";
const PREFIX: &str = "view-";
/// What a fold of the whole log writes and reads again while it goes on.
const SCRATCH_PREFIX: &str = "scratch-";

/// The directory of all generations.
pub(crate) struct Generations {
    dir: PathBuf,
    engine: EngineOptions,
    log_id: LogId,
    instance: InstanceId,
    /// Number of the youngest generation.
    youngest: u32,
}

impl Generations {
    /// Opens the view in use, a first one if there is none, and removes what an interrupted rebuild has left.
    pub fn open(
        dir: &Path,
        engine: EngineOptions,
        log_id: LogId,
        instance: InstanceId,
    ) -> Result<(Self, View, Option<DiscardReason>), ProjectorError> {
        fs::create_dir_all(dir).map_err(StoreError::Io)?;
        let mut generations = Self { dir: dir.to_path_buf(), engine, log_id, instance, youngest: 0 };
        let named = current(dir).map_err(StoreError::Io)?;
        generations.youngest = named.unwrap_or(1);
        if named.is_none() {
            generations.switch(1).map_err(StoreError::Io)?;
        }
        generations.remove_others(generations.youngest).map_err(StoreError::Io)?;
        let (view, discarded) = generations.open_view(generations.youngest)?;
        Ok((generations, view, discarded))
    }

    /// The engine of the view that was opened or begun last.
    pub fn engine(&self) -> EngineKind {
        self.engine.kind
    }

    /// An empty view beside the one in use, kept by `kind`, and its number. Later views are kept by it too.
    pub fn begin(&mut self, kind: EngineKind) -> Result<(u32, View), ProjectorError> {
        self.engine.kind = kind;
        self.youngest += 1;
        let path = self.path(self.youngest);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(StoreError::Io)?;
        }
        let (view, _) = self.open_view(self.youngest)?;
        Ok((self.youngest, view))
    }

    /// An empty directory for the fold of one generation.
    pub fn scratch(&self, number: u32) -> io::Result<Scratch> {
        let path = self.dir.join(format!("{SCRATCH_PREFIX}{number:06}"));
        fs::create_dir(&path)?;
        Ok(Scratch(path))
    }

    /// From now on this is the view that is opened. Atomic: a crash leaves the one or the other.
    pub fn switch(&self, number: u32) -> io::Result<()> {
        let new = self.dir.join(CURRENT_NEW);
        let mut file = File::create(&new)?;
        file.write_all(name(number).as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, self.dir.join(CURRENT))?;
        File::open(&self.dir)?.sync_all()
    }

    fn open_view(&self, number: u32) -> Result<(View, Option<DiscardReason>), ProjectorError> {
        let path = self.path(number);
        let home = DiskHome::lock(&path, self.engine).map_err(StoreError::from)?;
        let (view, discarded) = View::open(Box::new(home), self.log_id, self.instance)?;
        Ok((view.in_directory(path), discarded))
    }

    fn remove_others(&self, keep: u32) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let is_scratch = name.starts_with(SCRATCH_PREFIX);
            if is_scratch || number(name).is_some_and(|found| found != keep) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, number: u32) -> PathBuf {
        self.dir.join(name(number))
    }
}

/// A directory that goes with this value.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "the scratch files of a fold are left behind");
        }
    }
}

/// The engine that wrote the views in `dir`; none if there are none.
pub fn engine_in_use(dir: &Path) -> io::Result<Option<EngineKind>> {
    match current(dir)? {
        Some(number) => engine_of(&dir.join(name(number))),
        None => Ok(None),
    }
}

fn current(dir: &Path) -> io::Result<Option<u32>> {
    match fs::read_to_string(dir.join(CURRENT)) {
        Ok(text) => Ok(number(text.trim())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn name(number: u32) -> String {
    format!("{PREFIX}{number:06}")
}

fn number(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.parse().ok()
}
