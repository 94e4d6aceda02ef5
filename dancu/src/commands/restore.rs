//! `dancu restore`

use super::backup::copy;
use crate::archive::{Archive, copy_into};
use crate::home::Home;
use crate::reading::each_admitted;
use anyhow::{Context, Result, ensure};
use clap::Args;
use event_log::embedded::DEFAULT_SEGMENT_BYTES;
use event_log::{EmbeddedHandle, LogSource, Until};
use event_schemas::event::EventBody;
use event_schemas::ids::Lsn;
use event_schemas::operation::PartContent;
use event_schemas::time::Timestamp;
use serde_json::json;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

/// Make a registry again from an archive, as it is there or as it was before.
///
/// It gets keys of its own for tokens. The secret of PINs is not in an archive: copy it back, or make a new one as this command says.
/// What was recorded after the last archived entry is not in it: make sure that the lost registry never writes again.
#[derive(Debug, Args)]
pub struct Restore {
    /// Directory of the archive.
    #[arg(long)]
    from: PathBuf,
    /// Directory of the new registry. An interrupted restore goes on if it is begun again.
    #[arg(long)]
    dir: PathBuf,
    /// The last entry to restore.
    #[arg(long)]
    to_lsn: Option<Lsn>,
    /// Restore nothing that was recorded later, such as 2026-03-01T12:00:00Z.
    #[arg(long)]
    to_time: Option<Timestamp>,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub fn run(self) -> Result<ExitCode> {
        let archive = Archive::open(&self.from)?;
        Home::check_free(&self.dir)?;
        let source = archive.source()?;
        if let Some(lsn) = self.to_lsn {
            let last = source.admission().last_lsn;
            ensure!(lsn <= last, "the archive ends at lsn {last}, before {lsn}");
        }
        let until = Until { lsn: self.to_lsn, recorded_at: self.to_time };
        let log_dir = Home::log_dir_in(&self.dir);
        let outcome = copy(copy_into(&log_dir, DEFAULT_SEGMENT_BYTES, &source, until)?)?;
        ensure!(outcome.lsn > 0, "nothing in the archive was recorded by then");
        let log = EmbeddedHandle::open_read_only(&log_dir).context("the restored log cannot be opened")?;
        let key_version = highest_key_version(&log)?;
        let home = Home::restore(&self.dir, archive.config, log.instance())?;
        if self.json {
            let (lsn, recorded_at) = (outcome.lsn, outcome.recorded_at);
            println!("{}", json!({ "lsn": lsn, "recorded_at": recorded_at, "pin_key_version": key_version }));
            return Ok(ExitCode::SUCCESS);
        }
        let dir = home.dir.display();
        println!("{dir} holds the registry up to lsn {}, recorded {}", outcome.lsn, outcome.recorded_at);
        println!(
            "before it is served: copy the secret of PINs back to {}, or, if it is lost:",
            home.pin_file().display()
        );
        println!("  dancu keys new-pin --dir {dir} --key-version {}", key_version + 1);
        println!("then: dancu verify --dir {dir}; dancu serve --dir {dir}");
        Ok(ExitCode::SUCCESS)
    }
}

/// The newest secret that drew a recorded number; zero if none did.
fn highest_key_version(log: &EmbeddedHandle) -> Result<u16> {
    let mut highest = 0;
    each_admitted(log, |entry| {
        for event in entry.changes().map_or(&[][..], |changes| &changes.events) {
            highest = highest.max(match &event.body {
                EventBody::PinIssued(issued) => issued.key_version,
                EventBody::OperationPart(part) => {
                    let PartContent::Pins(staged) = &part.content else { continue };
                    staged.key_version
                }
                _ => 0,
            });
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(highest)
}
