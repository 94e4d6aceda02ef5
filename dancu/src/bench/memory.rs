//! What a node's memory grows by while commands come about the same rows: they are moved again and again, so rows and lookups stay as they
//! are, and what grows is the index of command ids, or something that must not.

use super::Setup;
use super::ids::resident_bytes;
use super::measured::{IN_MEMORY, Measured};
use super::workload::{HOUSEHOLD_PERSONS, PART_COMMANDS, Workload, submit, submit_parts};
use super::writer::Alone;
use crate::home::wall_clock;
use anyhow::{Result, ensure};
use command_service::CommandGateway;
use command_service::service::Handle;
use std::time::Duration;

/// Readings of the process's memory, at even distances.
const READINGS: u32 = 20;
/// Of these the first show what a process needs once: buffers, caches, the first checkpoint.
const WARM_READINGS: usize = 5;
/// Statistics count memory once a second.
const STATS_AGE: Duration = Duration::from_millis(1_500);

/// What was found after some commands.
#[derive(Clone, Copy)]
struct Reading {
    commands: u64,
    rows: u64,
    ids: u64,
    resident: u64,
}

pub async fn measure(setup: &Setup) -> Result<Vec<Measured>> {
    let alone = Alone::start(setup, "memory").await?;
    let gateway = &alone.writing.gateway;
    let mut workload = Workload::new(wall_clock()().vietnam_date())?;
    submit(gateway, workload.households(setup.households())).await?;
    // What the first moves change once is no growth.
    submit(gateway, workload.moves(setup.households())).await?;
    let mut readings = vec![read(gateway, 0).await?];
    for part in 1..=READINGS {
        setup.progress(&format!("memory: {part} of {READINGS} parts of {} commands", setup.commands));
        let share = |part: u32| (u64::from(setup.commands) * u64::from(part) / u64::from(READINGS)) as u32;
        let (from, until) = (share(part - 1), share(part));
        let sizes = (from..until).step_by(PART_COMMANDS).map(|at| (until - at).min(PART_COMMANDS as u32));
        submit_parts(gateway, sizes.map(|size| workload.moves(size))).await?;
        readings.push(read(gateway, u64::from(until)).await?);
    }
    alone.stop().await?;
    figures(setup, &readings)
}

async fn read(gateway: &Handle, commands: u64) -> Result<Reading> {
    tokio::time::sleep(STATS_AGE).await;
    let stats = gateway.stats();
    let memory = &stats.memory;
    let rows =
        memory.persons + memory.households + memory.cards + memory.lookups + memory.due + memory.staged;
    Ok(Reading { commands, rows: rows as u64, ids: stats.command_ids_bytes, resident: resident_bytes()? })
}

fn figures(setup: &Setup, readings: &[Reading]) -> Result<Vec<Measured>> {
    let (first, warm, last) = (readings[0], readings[WARM_READINGS], readings[readings.len() - 1]);
    ensure!(last.commands > warm.commands, "--commands must be at least {READINGS}");
    let grown = |of: fn(&Reading) -> u64, from: &Reading| {
        (of(&last) as f64 - of(from) as f64) / (last.commands - from.commands) as f64
    };
    let persons = setup.households() * HOUSEHOLD_PERSONS;
    let ids = grown(|it| it.ids, &warm);
    let resident = readings.iter().map(|it| format!("{}", it.resident >> 20)).collect::<Vec<_>>().join(" ");
    let form = format!("{} moves of households among {persons} persons; in process", last.commands);
    Ok(vec![
        Measured::new(
            "memory_rows",
            grown(|it| it.rows, &first),
            "bytes a command",
            IN_MEMORY,
            format!("{form}; rows and lookups, {} MiB at the end", last.rows >> 20),
        ),
        Measured::new(
            "memory_ids",
            grown(|it| it.ids, &first),
            "bytes a command",
            IN_MEMORY,
            format!("{form}; index of command ids, {} KiB at the end", last.ids >> 10),
        ),
        Measured::new(
            "memory_resident",
            grown(|it| it.resident, &warm),
            "bytes a command",
            IN_MEMORY,
            format!("{form}; the process, from a quarter of the way on; MiB along the way: {resident}"),
        )
        .beside("the index of command ids, on the same way", ids),
    ])
}
