//! Views on disk: each fold in a directory of its own, and a file that names the one in use.
//!
//! | file | holds |
//! |---|---|
//! | `CURRENT` | the name of the directory in use; replaced by renaming, so that it always names a whole view |
//! | `view-000001` … | one view |
//! | `scratch-000002` … | what a fold of the whole log into the view of that number needs while it goes on |
//!
//! A fold that a crash interrupted, and that has come so far that something of it is of use, is kept: the next one goes on with it.

use crate::fresh::{Left, left_in};
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
    /// Opens the view in use, a first one if there is none, and removes what is of no use any more.
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
        let current = generations.youngest;
        let interrupted = generations.interrupted(current).map_err(StoreError::Io)?;
        generations.remove_others(current, interrupted).map_err(StoreError::Io)?;
        if let Some(number) = interrupted {
            tracing::info!(generation = number, "a rebuild was interrupted; the next one goes on with it");
            generations.youngest = number - 1;
        }
        let (view, discarded) = generations.open_view(current)?;
        Ok((generations, view, discarded))
    }

    /// The engine of the view that was opened or begun last.
    pub fn engine(&self) -> EngineKind {
        self.engine.kind
    }

    /// A view beside the one in use, kept by `kind`, its number, and what its fold has for itself. Both are empty unless a fold was
    /// interrupted. Later views are kept by that engine too.
    pub fn begin(&mut self, kind: EngineKind) -> Result<(u32, View, Scratch), ProjectorError> {
        self.engine.kind = kind;
        self.youngest += 1;
        let (path, scratch) = (self.path(self.youngest), self.scratch(self.youngest));
        let is_filled = left_in(&scratch).map_err(StoreError::Io)? == Some(Left::Everything)
            && engine_of(&path).map_err(StoreError::Io)? == Some(kind);
        if !is_filled && path.exists() {
            fs::remove_dir_all(&path).map_err(StoreError::Io)?;
        }
        fs::create_dir_all(&scratch).map_err(StoreError::Io)?;
        let (view, _) = self.open_view(self.youngest)?;
        Ok((self.youngest, view, Scratch(scratch)))
    }

    /// A fold that failed leaves nothing.
    pub fn remove(&self, number: u32) {
        remove(&self.path(number));
        remove(&self.scratch(number));
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

    /// The youngest fold that was interrupted and left something of use.
    fn interrupted(&self, current: u32) -> io::Result<Option<u32>> {
        let mut found = None;
        for (number, is_scratch, path) in self.numbered()? {
            if is_scratch && number > current && left_in(&path)?.is_some() {
                found = found.max(Some(number));
            }
        }
        Ok(found)
    }

    fn remove_others(&self, current: u32, interrupted: Option<u32>) -> io::Result<()> {
        for (number, is_scratch, path) in self.numbered()? {
            let is_current = number == current && !is_scratch;
            if !is_current && Some(number) != interrupted {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(())
    }

    /// Views and scratch directories with their numbers.
    fn numbered(&self) -> io::Result<Vec<(u32, bool, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let scratch = name.strip_prefix(SCRATCH_PREFIX).and_then(|number| number.parse().ok());
            let view = number(name).map(|number| (number, false));
            if let Some((number, is_scratch)) = view.or_else(|| Some((scratch?, true))) {
                found.push((number, is_scratch, entry.path()));
            }
        }
        Ok(found)
    }

    fn scratch(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{SCRATCH_PREFIX}{number:06}"))
    }

    fn path(&self, number: u32) -> PathBuf {
        self.dir.join(name(number))
    }
}

/// What a fold has for itself. It stays until it is removed: the next fold goes on with it if this one is interrupted.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Nothing of it is needed any more.
    pub fn remove(self) {
        remove(&self.0);
    }
}

fn remove(dir: &Path) {
    if let Err(error) = fs::remove_dir_all(dir) {
        tracing::warn!(%error, ?dir, "a directory of a fold is left behind");
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
