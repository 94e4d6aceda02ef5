//! All views from the log, a restart, and questions to what came back.

use super::report::{RestartFigures, ViewFigures, bytes_on_disk, peak_bytes};
use crate::home::Home;
use crate::service::{Writing, WritingOptions, wait_until_leading};
use anyhow::{Context, Result, bail, ensure};
use event_log::{Admission, AdmissionState, EmbeddedHandle, LogSource, Verdict};
use event_schemas::ids::{Lsn, PersonId, UnitId};
use event_schemas::record::AdmittedEntry;
use indicatif::ProgressBar;
use projections::{Options, View, Views};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const READY_WITHIN: Duration = Duration::from_secs(3_600);
const POLL: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(200);
/// Persons that are asked for, one after the other: each so many times, but not more in all.
const QUESTIONS_A_PERSON: u32 = 5;
const MAX_QUESTIONS: u32 = 200_000;
const READ_ENTRIES: usize = 4_096;
const READ_BYTES: usize = 8 << 20;

/// Folds all views from the log; beside it, what decoding the log takes alone.
pub fn fold(dir: &Path) -> Result<ViewFigures> {
    let home = Home::open(dir)?;
    let log = EmbeddedHandle::open_read_only(home.log_dir()).context("the log cannot be opened")?;
    let begin = Instant::now();
    let Decoded { records, events, entry_bytes, last } = decode(&log)?;
    let decode_seconds = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    let (views, service) = Views::start(options(&home), home.config.log_id, Arc::new(log))?;
    let spinner = ProgressBar::new_spinner().with_message("folding all views from the log");
    spinner.enable_steady_tick(TICK);
    wait_for(&views, last)?;
    let seconds = begin.elapsed().as_secs_f64();
    service.stop();
    spinner.finish_and_clear();
    drop(views);
    Ok(ViewFigures {
        seconds,
        decode_seconds,
        records,
        events,
        entry_bytes,
        peak_bytes: peak_bytes()?,
        view_bytes: bytes_on_disk(&home.views_dir())?,
    })
}

fn options(home: &Home) -> Options {
    Options { engine: home.config.engine.into(), at_once_from: 0, ..Options::in_directory(home.views_dir()) }
}

fn wait_for(views: &Views, last: Lsn) -> Result<()> {
    loop {
        let progress = views.progress();
        if let Some(why) = progress.stopped {
            bail!("the views stopped at lsn {}: {why}", progress.lsn);
        }
        if progress.lsn >= last {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
}

/// What is in a log.
struct Decoded {
    records: u64,
    events: u64,
    entry_bytes: u64,
    last: Lsn,
}

fn decode(log: &EmbeddedHandle) -> Result<Decoded> {
    let state = AdmissionState::default();
    let mut reader = log.open_reader(state.next)?;
    let mut admission = Admission::resume(state);
    let mut decoded = Decoded { records: 0, events: 0, entry_bytes: 0, last: Lsn::ZERO };
    loop {
        let batch = reader.read(READ_ENTRIES, READ_BYTES, Duration::ZERO)?;
        for entry in &batch.entries {
            decoded.entry_bytes += entry.bytes.len() as u64;
            let Verdict::Admitted { lsn, .. } = admission.admit(entry.position, &entry.bytes) else {
                continue;
            };
            decoded.last = lsn;
            if let Some(changes) = AdmittedEntry::decode(lsn, &entry.bytes)?.changes() {
                decoded.records += 1;
                decoded.events += changes.events.len() as u64;
            }
        }
        if batch.at_end {
            return Ok(decoded);
        }
    }
}

/// Opens the writer and the views anew, and asks.
pub async fn restart(dir: &Path) -> Result<RestartFigures> {
    let home = Home::open(dir)?;
    let begin = Instant::now();
    let opened = home.clone();
    let writing =
        tokio::task::spawn_blocking(move || Writing::open(&opened, &WritingOptions::default())).await??;
    wait_until_leading(&writing.gateway, READY_WITHIN).await?;
    let writer_seconds = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    let (views, service) = Views::start(options(&home), home.config.log_id, writing.source())?;
    let views_seconds = begin.elapsed().as_secs_f64();
    let view = views.current();
    let living = living(&view)?;
    let persons = highest_person(&view)?;
    let point_reads = point_reads(&view, persons)?;
    drop(view);
    service.stop();
    tokio::task::spawn_blocking(move || writing.commands.stop()).await?.context("stopping the writer")?;
    Ok(RestartFigures { writer_seconds, views_seconds, living, point_reads, peak_bytes: peak_bytes()? })
}

/// Everybody who is counted, in whatever unit, or in none.
fn living(view: &View) -> Result<u64> {
    let reading = view.read();
    let mut living = reading.counts(UnitId::NONE)?.permanent.all();
    for province in reading.units_below(None)? {
        living += reading.counts_below(province)?.permanent.all();
    }
    Ok(living)
}

/// Ids are given out without gaps.
fn highest_person(view: &View) -> Result<u32> {
    let reading = view.read();
    let (mut known, mut beyond) = (0, 1);
    while reading.person(PersonId(beyond))?.is_some() {
        (known, beyond) = (beyond, beyond * 2);
    }
    while beyond - known > 1 {
        let middle = known + (beyond - known) / 2;
        match reading.person(PersonId(middle))? {
            Some(_) => known = middle,
            None => beyond = middle,
        }
    }
    ensure!(known > 0, "the views know nobody");
    Ok(known)
}

/// Persons a second: found by their number, read whole, in no order.
fn point_reads(view: &View, persons: u32) -> Result<f64> {
    let questions = MAX_QUESTIONS.min(persons.saturating_mul(QUESTIONS_A_PERSON));
    let begin = Instant::now();
    for question in 0..questions {
        let id = PersonId(question.wrapping_mul(2_654_435_761) % persons + 1);
        let reading = view.read();
        let row = reading.person(id)?.with_context(|| format!("person {id} is not there"))?;
        ensure!(row.registration.is_some(), "person {id} was never registered");
    }
    Ok(f64::from(questions) / begin.elapsed().as_secs_f64())
}
