//! Where a node's index of command ids lies: real files, the one thing of a node that is not simulated.

use super::random::Random;
use command_service::invariants::Violation;
use event_schemas::ids::Lsn;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// One world in so many has indexes with files; in the others ids are saved beside the registry's pages.
const ONE_WORLD_IN: u64 = 4;
/// Files that need no disk, where the machine offers them: the disk's faults are not what is simulated here.
const MEMORY_DIR: &str = "/dev/shm";

/// A directory of one node, or none.
pub struct IdsHome(Option<TempDir>);

impl IdsHome {
    /// The node's directory, if this is a world with indexes.
    pub fn of_world(seed: u64) -> Self {
        let make = || tempfile::tempdir_in(MEMORY_DIR).or_else(|_| tempfile::tempdir());
        Self(seed.is_multiple_of(ONE_WORLD_IN).then(|| make().expect("the machine has room for small files")))
    }

    pub fn path(&self) -> Option<PathBuf> {
        self.0.as_ref().map(|dir| dir.path().to_owned())
    }

    /// Leaves what a process leaves that ended while it wrote: part of a run that no manifest names, part of a manifest that
    /// was not put in its place. Returns whether there was anything to leave.
    pub fn crash(&self, random: &mut Random) -> Result<bool, Violation> {
        let Some(dir) = &self.0 else { return Ok(false) };
        let unfinished = leave_unfinished(dir.path(), random);
        unfinished.map_err(|error| Violation::new("S3", Lsn::ZERO, format!("the index's files: {error}")))
    }
}

fn leave_unfinished(dir: &Path, random: &mut Random) -> io::Result<bool> {
    let mut names = Vec::new();
    for found in fs::read_dir(dir)? {
        names.push(found?.file_name().into_string().unwrap_or_default());
    }
    names.sort_unstable();
    let Some(newest) = names.iter().rfind(|name| name.ends_with(".run")) else { return Ok(false) };
    let number = u64::from_str_radix(newest.trim_end_matches(".run"), 16).unwrap_or_default();
    let width = newest.len() - ".run".len();
    let part = |name: &str, random: &mut Random| {
        let mut bytes = fs::read(dir.join(name))?;
        bytes.truncate(random.below(bytes.len() as u64) as usize);
        io::Result::Ok(bytes)
    };
    if random.chance(500) {
        fs::write(dir.join(format!("{:0width$x}.run", number + 1)), part(newest, random)?)?;
    }
    if random.chance(500) && dir.join("manifest").exists() {
        fs::write(dir.join("manifest.new"), part("manifest", random)?)?;
    }
    Ok(true)
}
