//! Reading a whole log from its first entry to the last that is durable, in bounded batches.

use anyhow::{Context, Result, ensure};
use event_log::{Admission, LogSource, RawEntry, Verdict};
use event_schemas::ids::{Lsn, Position};
use event_schemas::record::AdmittedEntry;
use indicatif::{ProgressBar, ProgressStyle};
use std::ops::ControlFlow;
use std::time::Duration;

const READ_ENTRIES: usize = 4_096;
const READ_BYTES: usize = 8 << 20;
/// Entries of a log on other machines may take a moment to come; after so many waits for nothing they will not.
const READ_WAIT: Duration = Duration::from_secs(1);
const MAX_IDLE_READS: u32 = 30;

/// Shows `visit` each entry that was durable at the call, admitted or not, until it has seen enough.
///
/// # Errors
/// If the log cannot be read, or gives less than was durable; and what `visit` answers.
pub fn each_entry(
    log: &dyn LogSource,
    mut visit: impl FnMut(&RawEntry) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let end = log.end();
    let mut reader = log.open_reader(Position(0))?;
    let mut idle_reads = 0;
    while reader.position() < end && idle_reads < MAX_IDLE_READS {
        let at = reader.position().0;
        let batch = reader
            .read(READ_ENTRIES, READ_BYTES, READ_WAIT)
            .with_context(|| format!("from position {at} on the log cannot be read"))?;
        idle_reads = if batch.entries.is_empty() { idle_reads + 1 } else { 0 };
        for raw in &batch.entries {
            if visit(raw)?.is_break() {
                return Ok(());
            }
        }
    }
    let at = reader.position();
    ensure!(at >= end, "the log ends at position {}, but {} entries were durable", at.0, end.0);
    Ok(())
}

/// Shows `visit` each admitted entry, in order of lsn, until it has seen enough.
///
/// # Errors
/// As [`each_entry`], and if an entry cannot be decoded.
pub fn each_admitted(
    log: &dyn LogSource,
    mut visit: impl FnMut(&AdmittedEntry) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let mut admission = Admission::new();
    each_entry(log, |raw| match admission.admit(raw.position, &raw.bytes) {
        Verdict::Admitted { lsn, .. } => visit(&AdmittedEntry::decode(lsn, &raw.bytes)?),
        _ => Ok(ControlFlow::Continue(())),
    })
}

/// Progress through a log up to its entry `last`.
pub fn lsn_bar(last: Lsn) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} lsn {pos}/{len}, {per_sec}, {eta} left");
    ProgressBar::new(last.0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
