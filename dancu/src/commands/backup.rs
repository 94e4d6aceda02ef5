//! `dancu backup`

use crate::archive::Archive;
use crate::home::{DEFAULT_DIR, Home};
use crate::log::follow;
use anyhow::Result;
use clap::Args;
use event_log::{Copied, Copying};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Copy a registry's log into an archive; what is there already is not copied again.
///
/// The log alone is enough to restore everything that was answered: `dancu restore`. Keys of tokens and the secret of PINs are not in
/// the archive; keep copies of them apart. `dancu serve --archive DIR` does this all the time.
#[derive(Debug, Args)]
pub struct Backup {
    /// Directory of the registry.
    #[arg(long, default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// Directory of the archive, on another disk. It is made if it does not exist.
    #[arg(long)]
    to: PathBuf,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

/// Longest wait for entries of a log on other machines.
const WAIT: Duration = Duration::from_secs(1);

/// What a copy holds.
#[derive(Serialize)]
pub struct Outcome {
    /// Lsn of its last entry.
    pub lsn: u64,
    pub recorded_at: String,
    /// Entries that were not there before.
    pub copied: u64,
}

impl Backup {
    pub fn run(self) -> Result<ExitCode> {
        let home = Home::open(&self.dir)?;
        let archive = Archive::of(&home, &self.to)?;
        let log = follow(&home)?;
        let outcome = copy(archive.take_from(&*log.source)?)?;
        tell(&outcome, self.json, &self.to)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Copies to the end, and lets go of the copy.
pub fn copy(mut copying: Copying) -> Result<Outcome> {
    let outcome = advance(&mut copying)?;
    copying.close()?;
    Ok(outcome)
}

/// Copies to the end.
pub fn advance(copying: &mut Copying) -> Result<Outcome> {
    let progress = ProgressBar::new_spinner();
    progress.set_style(ProgressStyle::with_template("{spinner} lsn {pos} {per_sec} {elapsed_precise}")?);
    let begin = copying.copied().lsn;
    loop {
        let Copied { lsn, recorded_at, is_whole } = copying.step(WAIT)?;
        progress.set_position(lsn.0);
        if is_whole {
            progress.finish_and_clear();
            let copied = lsn.0 - begin.0;
            return Ok(Outcome { lsn: lsn.0, recorded_at: recorded_at.to_string(), copied });
        }
    }
}

fn tell(outcome: &Outcome, json: bool, to: &Path) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(outcome)?);
    } else {
        let Outcome { lsn, recorded_at, copied } = outcome;
        println!(
            "{} holds everything up to lsn {lsn}, recorded {recorded_at}; {copied} entries are new",
            to.display()
        );
    }
    Ok(())
}
