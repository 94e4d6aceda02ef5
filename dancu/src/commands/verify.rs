//! `dancu verify`

use crate::home::{DEFAULT_DIR, Home};
use crate::reading::each_entry;
use crate::tables::table;
use access::audit::verify::{AuditSummary, verify};
use anyhow::{Context, Result, bail};
use clap::Args;
use command_service::invariants::Auditor;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Check a log: entries, chain, terms, versions, every decision, digests; and the audit log of reads. Names the first bad place.
///
/// Every admitted entry is judged against the fold of those before it, and every command is decided again. The chain over all
/// recorded reads is computed anew. It takes no lock, so it may run beside the service, and changes nothing.
#[derive(Debug, Args)]
pub struct Verify {
    /// Directory of the registry.
    #[arg(long, default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub fn run(self) -> Result<ExitCode> {
        let home = Home::open(&self.dir)?;
        let (log, _) = crate::log::open_read_only(&home)?;
        let progress = progress_bar(log.end().0);
        let begin = Instant::now();
        let mut auditor = Auditor::of_log(log.clone());
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        let mut entries = 0_u64;
        each_entry(&*log, |raw| {
            entries += 1;
            let admitted = auditor
                .take(raw.position, &raw.bytes)
                .with_context(|| format!("the first bad place is at position {}", raw.position.0))?;
            if let Some(entry) = admitted {
                *kinds.entry(format!("{:?}", entry.header.kind)).or_default() += 1;
            }
            progress.inc(1);
            Ok(ControlFlow::Continue(()))
        })?;
        progress.finish_and_clear();
        if let Some(violation) = domain::invariants::violations(auditor.registry()).first() {
            bail!("the registry that the log folds to is not sound: {}: {}", violation.row, violation.what);
        }
        let reads = verify_reads(&home.audit_dir())?;
        self.report(&auditor, entries, &kinds, &reads, begin.elapsed());
        Ok(ExitCode::SUCCESS)
    }

    fn report(
        &self,
        auditor: &Auditor,
        entries: u64,
        kinds: &BTreeMap<String, u64>,
        reads: &AuditSummary,
        elapsed: Duration,
    ) {
        let state = auditor.admission().state();
        let digest = format!("{:032x}", auditor.registry().head().digest);
        let drops: BTreeMap<&str, u64> = auditor
            .admission()
            .drops()
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.name(), count))
            .collect();
        if self.json {
            let report = serde_json::json!({
                "sound": true, "entries": entries, "last_lsn": state.last_lsn, "head": state.head.to_string(),
                "digest": digest, "term": state.term, "admitted": kinds, "dropped": drops,
                "audit": {
                    "files": reads.files, "lines": reads.lines, "reads": reads.reads, "torn": reads.torn,
                    "chain": reads.chain.to_string(),
                },
                "seconds": elapsed.as_secs_f64(),
            });
            println!("{report}");
            return;
        }
        let sound = match reads.files {
            0 => "the log is sound; there is no audit log",
            _ => "the log and the audit log are sound",
        };
        let mut rows = table([sound, ""]);
        rows.add_row(["entries read".to_owned(), entries.to_string()]);
        rows.add_row(["last lsn".to_owned(), state.last_lsn.to_string()]);
        rows.add_row(["term".to_owned(), state.term.0.to_string()]);
        rows.add_row(["chain head".to_owned(), state.head.to_string()]);
        rows.add_row(["digest of the registry".to_owned(), digest]);
        for (kind, count) in kinds {
            rows.add_row([format!("admitted: {kind}"), count.to_string()]);
        }
        for (reason, count) in drops {
            rows.add_row([format!("dropped: {reason}"), count.to_string()]);
        }
        rows.add_row(["audit log: files".to_owned(), reads.files.to_string()]);
        rows.add_row(["audit log: reads".to_owned(), reads.reads.to_string()]);
        rows.add_row(["audit log: ends cut by a crash".to_owned(), reads.torn.to_string()]);
        rows.add_row(["audit log: chain head".to_owned(), reads.chain.to_string()]);
        rows.add_row(["seconds".to_owned(), format!("{:.2}", elapsed.as_secs_f64())]);
        println!("{rows}");
    }
}

/// Checks the audit log of reads; there is none before the service has run.
fn verify_reads(directory: &Path) -> Result<AuditSummary> {
    if !directory.try_exists()? {
        return Ok(AuditSummary::default());
    }
    verify(directory).context("the log is sound, but the audit log of reads is not")
}

fn progress_bar(entries: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} entries, {per_sec}, {eta} left");
    ProgressBar::new(entries).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
