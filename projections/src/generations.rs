//! Views on disk: each fold in a directory of its own, and a file that names the one in use.
//!
//! | file | holds |
//! |---|---|
//! | `CURRENT` | the name of the directory in use; replaced by renaming, so that it always names a whole view |
//! | `view-000001` … | one view |

use crate::projector::ProjectorError;
use crate::view::View;
use event_schemas::ids::{InstanceId, LogId};
use state_store::home::DiskHome;
use state_store::store::{DiscardReason, StoreError};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const CURRENT: &str = "CURRENT";
const CURRENT_NEW: &str = "CURRENT.new";
const PREFIX: &str = "view-";

/// The directory of all generations.
pub(crate) struct Generations {
    dir: PathBuf,
    cache_bytes: u64,
    log_id: LogId,
    instance: InstanceId,
    /// Number of the youngest generation.
    youngest: u32,
}

impl Generations {
    /// Opens the view in use, a first one if there is none, and removes what an interrupted rebuild has left.
    pub fn open(
        dir: &Path,
        cache_bytes: u64,
        log_id: LogId,
        instance: InstanceId,
    ) -> Result<(Self, View, Option<DiscardReason>), ProjectorError> {
        fs::create_dir_all(dir).map_err(StoreError::Io)?;
        let mut generations = Self { dir: dir.to_path_buf(), cache_bytes, log_id, instance, youngest: 0 };
        let named = generations.current().map_err(StoreError::Io)?;
        generations.youngest = named.unwrap_or(1);
        if named.is_none() {
            generations.switch(1).map_err(StoreError::Io)?;
        }
        generations.remove_others(generations.youngest).map_err(StoreError::Io)?;
        let (view, discarded) = generations.open_view(generations.youngest)?;
        Ok((generations, view, discarded))
    }

    /// An empty view beside the one in use, and its number.
    pub fn begin(&mut self) -> Result<(u32, View), ProjectorError> {
        self.youngest += 1;
        let path = self.path(self.youngest);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(StoreError::Io)?;
        }
        let (view, _) = self.open_view(self.youngest)?;
        Ok((self.youngest, view))
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
        let home = DiskHome::lock(&path, self.cache_bytes).map_err(|error| match error {
            state_store::engine::EngineError::InUse => StoreError::InUse,
            state_store::engine::EngineError::Io(error) => StoreError::Io(error),
            state_store::engine::EngineError::Damaged(reason) => StoreError::Damaged(reason),
        })?;
        let (view, discarded) = View::open(Box::new(home), self.log_id, self.instance)?;
        Ok((view.in_directory(path), discarded))
    }

    fn current(&self) -> io::Result<Option<u32>> {
        match fs::read_to_string(self.dir.join(CURRENT)) {
            Ok(text) => Ok(number(text.trim())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn remove_others(&self, keep: u32) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let found = entry.file_name().to_str().and_then(number);
            if found.is_some_and(|found| found != keep) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, number: u32) -> PathBuf {
        self.dir.join(name(number))
    }
}

fn name(number: u32) -> String {
    format!("{PREFIX}{number:06}")
}

fn number(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.parse().ok()
}
