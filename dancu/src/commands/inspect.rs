//! `dancu inspect`

use crate::home::{DEFAULT_DIR, Home};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use command_service::follower;
use event_log::LogSource;
use event_schemas::header::EntryHeader;
use event_schemas::ids::Lsn;
use event_schemas::record::AdmittedEntry;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Print records of a log as JSON, one a line; a single one is spread out.
///
/// It shows personal data as it was recorded and takes no token: it reads the files themselves.
#[derive(Debug, Args)]
pub struct Inspect {
    /// Directory of the registry.
    #[arg(long, default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// One entry.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    lsn: Option<Lsn>,
    /// First entry of a range.
    #[arg(long)]
    from: Option<Lsn>,
    /// Last entry of a range; the last of the log unless stated.
    #[arg(long)]
    to: Option<Lsn>,
}

impl Inspect {
    pub fn run(self) -> Result<ExitCode> {
        let home = Home::open(&self.dir)?;
        let (log, admission) = crate::log::open_read_only(&home)?;
        let last = admission.last_lsn;
        let mut out = std::io::stdout().lock();
        if let Some(lsn) = self.lsn {
            let entry = read(&*log, lsn, last)?;
            writeln!(out, "{}", serde_json::to_string_pretty(&entry)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.from.is_none() && self.to.is_none() {
            bail!("name an entry with --lsn, or a range with --from and --to; the last lsn is {last}");
        }
        let (from, to) = (self.from.unwrap_or(Lsn(1)), self.to.unwrap_or(last));
        ensure!(from <= to, "--from {from} lies behind --to {to}");
        for lsn in from.0..=to.0 {
            let entry = read(&*log, Lsn(lsn), last)?;
            if writeln!(out, "{entry}").is_err() {
                // Whoever read this, `head` for instance, has seen enough.
                break;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(log: &dyn LogSource, lsn: Lsn, last: Lsn) -> Result<Value> {
    let bytes = log.fetch(lsn)?.with_context(|| format!("there is no lsn {lsn}; the last is {last}"))?;
    let header = EntryHeader::of_entry(&bytes)?;
    let entry = follower::decode(lsn, header, &bytes)?;
    Ok(shown(&entry, bytes.len()))
}

fn shown(entry: &AdmittedEntry, bytes: usize) -> Value {
    let header = &entry.header;
    json!({
        "lsn": entry.lsn,
        "kind": format!("{:?}", header.kind),
        "recorded_at": header.recorded_at,
        "term": header.term,
        "claim": header.claim_id.to_string(),
        "prev": header.prev.to_string(),
        "bytes": bytes,
        "body": entry.body,
    })
}
