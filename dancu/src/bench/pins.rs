//! PINs for everybody: one operation from its opening to its commit.

use super::driving::{Committed, Driving};
use super::measured::{ANSWERED, Measured};
use super::registry::catch_up;
use super::workload::{HOUSEHOLD_PERSONS, Workload, household_parts, prepare, submit_parts};
use super::{READY_WAIT, Setup};
use crate::home::wall_clock;
use crate::service::{Running, Settings};
use anyhow::{Result, ensure};
use event_schemas::operation::{IssuePins, MAX_PART_ROWS, OperationKind};
use std::time::Instant;

/// The limit that was set.
const MIN_PERSONS_PER_S: f64 = 100_000.0;
/// Most persons of one operation.
const MAX_PERSONS: u32 = 1_000_000;
const STAGED: &str = "each step answered after fdatasync and read-back";

pub async fn measure(setup: &Setup) -> Result<Vec<Measured>> {
    let home = setup.new_home("pins")?;
    let running = Running::start(&home, Settings::on_any_port()).await?;
    running.wait_until_leading(READY_WAIT).await?;
    prepare(&running.gateway).await?;
    setup.progress("pins: enrolling");
    let households = MAX_PERSONS.min(setup.persons).div_ceil(HOUSEHOLD_PERSONS);
    let mut workload = Workload::new(wall_clock()().vietnam_date())?;
    let parts: Vec<u32> = household_parts(households).collect();
    submit_parts(&running.gateway, parts.into_iter().map(|size| workload.households(size))).await?;
    catch_up(&running).await?;
    let figures = issue(setup, &running, households * HOUSEHOLD_PERSONS).await?;
    running.stop().await?;
    Ok(figures)
}

async fn issue(setup: &Setup, running: &Running, persons: u32) -> Result<Vec<Measured>> {
    setup.progress("pins: staging");
    let driving = Driving::by_operator(running);
    let begin = Instant::now();
    let operation = driving.open(OperationKind::IssuePins(IssuePins { unit: None })).await?;
    let staged = driving.stage(operation).await?;
    let (count, digest) = driving.shown(operation, staged).await?;
    ensure!(count == persons, "{count} of {persons} persons were staged");
    driving.approve(operation, digest).await?;
    setup.progress("pins: committing");
    let before_s = begin.elapsed().as_secs_f64();
    let Committed { answered_s, shown_s } = driving.commit(operation, digest).await?;
    let form = format!(
        "one operation for {persons} persons: opened, staged in parts of {MAX_PART_ROWS} one after the other, approved, committed; projector on"
    );
    let rate = |seconds: f64| f64::from(persons) / seconds;
    let unit = "persons/s";
    let commit_form = format!("{form}; the commit alone");
    let shown_form = format!("{form}; until the views show every number");
    Ok(vec![
        Measured::new("pin_bulk", rate(before_s + answered_s), unit, STAGED, &form)
            .beside("the limit", MIN_PERSONS_PER_S),
        Measured::new("pin_bulk_commit", answered_s, "s", ANSWERED, commit_form),
        Measured::new("pin_bulk_shown", rate(before_s + shown_s), unit, STAGED, shown_form)
            .beside("the limit", MIN_PERSONS_PER_S),
    ])
}
