//! A registry of many persons: how fast they are enrolled, what they take in memory, how soon it is back after an end in order.

use super::workload::{HOUSEHOLD_PERSONS, Households, OFFICE, prepare};
use super::{Measured, PART_COMMANDS, PARTS_IN_FLIGHT, READY_WAIT, expect_accepted};
use crate::home::{Home, NewHome};
use crate::service::{Running, Settings};
use anyhow::Result;
use command_service::{CommandGateway, Stats};
use futures_util::stream::{self, StreamExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// The limits that were set: a person with all that belongs to one, and a restart of ten million.
const MAX_BYTES_A_PERSON: f64 = 128.0;
const MAX_RESTART_S_OF_10M: f64 = 10.0;
/// Statistics count memory once a second.
const STATS_AGE: Duration = Duration::from_millis(1_500);

/// Enrols `persons`, then stops and starts again.
pub async fn measure(dir: &Path, persons: u32) -> Result<Vec<Measured>> {
    let home = Home::create(dir, NewHome::default())?;
    let running = start(&home).await?;
    prepare(&running.gateway).await?;
    let households = persons.div_ceil(HOUSEHOLD_PERSONS);
    let enrolled_s = enrol(&running, households).await?;
    tokio::time::sleep(STATS_AGE).await;
    let stats = running.gateway.stats();
    running.stop().await?;
    let begin = Instant::now();
    let running = start(&home).await?;
    let restart_s = begin.elapsed().as_secs_f64();
    running.stop().await?;
    Ok(figures(households, enrolled_s, restart_s, &stats))
}

async fn start(home: &Home) -> Result<Running> {
    let running = Running::start(home, Settings::on_any_port()).await?;
    running.wait_until_leading(READY_WAIT).await?;
    Ok(running)
}

async fn enrol(running: &Running, households: u32) -> Result<f64> {
    let mut commands = Households::default();
    let part = PART_COMMANDS as u32 / HOUSEHOLD_PERSONS;
    let sizes = (0..households.div_ceil(part)).map(|number| part.min(households - number * part));
    let begin = Instant::now();
    let mut answers = stream::iter(sizes)
        .map(|size| running.gateway.submit_many(OFFICE, commands.take(size)))
        .buffered(PARTS_IN_FLIGHT);
    while let Some(answers) = answers.next().await {
        answers.into_iter().try_for_each(expect_accepted)?;
    }
    Ok(begin.elapsed().as_secs_f64())
}

fn figures(households: u32, enrolled_s: f64, restart_s: f64, stats: &Stats) -> Vec<Measured> {
    let persons = f64::from(households * HOUSEHOLD_PERSONS);
    let form = format!("{persons} persons in {households} households, without cards");
    let memory = &stats.memory;
    let rows = (memory.persons + memory.households + memory.cards) as f64;
    let measured = |name, value: f64, unit, durability, method| Measured {
        name,
        value,
        unit,
        beside: None,
        durability,
        method,
    };
    vec![
        measured(
            "persons_enrolled",
            persons / enrolled_s,
            "1/s",
            "answered after fdatasync and read-back",
            format!("{form}; a household in one command, projector on, commands made meanwhile"),
        ),
        measured("registry_rows", rows / persons, "bytes a person", "in memory", form.clone())
            .beside("the limit", MAX_BYTES_A_PERSON),
        measured(
            "registry_lookups",
            (memory.lookups + memory.due) as f64 / persons,
            "bytes a person",
            "in memory",
            format!("{form}; without numbers and papers, which take a lookup each"),
        ),
        measured("restart", restart_s, "s", "after an end in order", format!("{form}; until it leads"))
            .beside("10 s for ten million, by share", MAX_RESTART_S_OF_10M * persons / 10e6),
    ]
}
