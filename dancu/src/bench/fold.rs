//! The registry folded from its log, as a start without saved state does it.

use super::Setup;
use super::measured::{IN_MEMORY, Measured, median};
use super::workload::{Workload, household_parts, submit, submit_parts};
use super::writer::Alone;
use crate::home::{Home, wall_clock};
use anyhow::Result;
use command_service::follower::{Follower, decode};
use event_log::{Admission, LogSource, RawEntry, Verdict};
use event_schemas::ids::Position;
use std::time::{Duration, Instant};

const READ_ENTRIES: usize = 4_096;
const READ_BYTES: usize = 8 << 20;
const READ_WAIT: Duration = Duration::from_secs(1);

pub async fn measure(setup: &Setup) -> Result<Vec<Measured>> {
    setup.progress("fold: writing the log");
    let alone = Alone::start(setup, "fold").await?;
    let mut workload = Workload::new(wall_clock()().vietnam_date())?;
    for size in household_parts(setup.households()) {
        submit_parts(&alone.writing.gateway, [workload.households(size)]).await?;
    }
    for _ in 0..setup.rounds {
        submit(&alone.writing.gateway, workload.mixed(setup.commands)).await?;
    }
    let home = alone.home.clone();
    alone.stop().await?;
    let setup = setup.clone();
    tokio::task::spawn_blocking(move || folded(&setup, &home)).await?
}

fn folded(setup: &Setup, home: &Home) -> Result<Vec<Measured>> {
    let (log, _) = crate::log::open_read_only(home)?;
    let log = &*log;
    let (mut decoding, mut folding) = (Vec::new(), Vec::new());
    let (mut events, mut entries) = (0, 0);
    for round in 0..setup.rounds {
        setup.progress(&format!("fold, round {} of {}", round + 1, setup.rounds));
        let begin = Instant::now();
        (entries, events) = decode_all(log)?;
        decoding.push(begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        fold_all(log)?;
        folding.push(begin.elapsed().as_secs_f64());
    }
    let rate = |seconds: &[f64]| events as f64 / median(seconds);
    let method = format!(
        "median of {} rounds over {entries} entries with {events} events; read, admitted, decoded, checked, folded on one core",
        setup.rounds
    );
    let figure = Measured::new("registry_fold", rate(&folding), "events/s", IN_MEMORY, method);
    Ok(vec![figure.beside("read, admitted and decoded only", rate(&decoding))])
}

/// Entries and events of the log.
pub fn decode_all(log: &dyn LogSource) -> Result<(usize, usize)> {
    let mut admission = Admission::new();
    let (mut entries, mut events) = (0, 0);
    each_batch(log, |batch| {
        for raw in &batch {
            let Verdict::Admitted { header, lsn } = admission.admit(raw.position, &raw.bytes) else {
                continue;
            };
            let entry = decode(lsn, header, &raw.bytes)?;
            entries += 1;
            events += entry.changes().map_or(0, |changes| changes.events.len());
        }
        Ok(())
    })?;
    Ok((entries, events))
}

fn fold_all(log: &dyn LogSource) -> Result<()> {
    let mut follower = Follower::new();
    each_batch(log, |batch| {
        for raw in &batch {
            if let Verdict::Admitted { header, lsn } = follower.admit(raw) {
                follower.take(lsn, header, &raw.bytes)?;
            }
        }
        // Nothing is saved: what would be must not pile up.
        follower.registry.take_lookup_changes();
        follower.ids.take_unsaved();
        Ok(())
    })
}

/// Every batch of the log, in order.
pub fn each_batch(log: &dyn LogSource, mut take: impl FnMut(Vec<RawEntry>) -> Result<()>) -> Result<()> {
    let end = log.end();
    let mut reader = log.open_reader(Position(0))?;
    while reader.position() < end {
        take(reader.read(READ_ENTRIES, READ_BYTES, READ_WAIT)?.entries)?;
    }
    Ok(())
}
