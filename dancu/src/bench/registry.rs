//! A registry of many persons: how fast it is enrolled, what it takes in memory and on the disk, how fast it is read, how soon it
//! is back after an end in order.

use super::http::{settings, token_of};
use super::measured::{ANSWERED, IN_MEMORY, Measured, median, quantile};
use super::past;
use super::wire::{self, RequestBytes, closed_loop, paced};
use super::workload::{HOUSEHOLD_PERSONS, OFFICE, Workload, household_parts, prepare, submit_parts};
use super::{READY_WAIT, Setup, disk_bytes, expect_accepted};
use crate::home::{Home, wall_clock};
use crate::service::Running;
use anyhow::{Context, Result, ensure};
use command_service::service::Handle;
use command_service::{CommandGateway, Stats};
use event_log::{EmbeddedHandle, LogSource};
use event_schemas::CommandEnvelope;
use event_schemas::ids::{PersonId, Position};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// The limits that were set: a person with all that belongs to one, and a restart of ten million.
const MAX_BYTES_A_PERSON: f64 = 128.0;
const MAX_RESTART_S_OF_10M: f64 = 10.0;
/// Times the encoded bytes.
const MAX_LOG_SHARE: f64 = 1.5;
const MAX_VIEW_SHARE: f64 = 3.0;
const MAX_READ_P99_MS: f64 = 2.0;
/// Statistics count memory once a second.
const STATS_AGE: Duration = Duration::from_millis(1_500);
const CATCH_UP_WAIT: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(10);
/// Reads of one round in process, and over HTTP.
const READS: u32 = 100_000;
const HTTP_READS: usize = 20_000;
const CONNECTIONS: usize = 64;
/// Reads at a steady rate, while commands come at another.
const PACED_READS: usize = 2_500;
pub const PACED_READS_PER_S: u32 = 500;
const COMMANDS_PER_S: u32 = 5_000;
const TICKS_PER_S: u32 = 100;

pub async fn measure(setup: &Setup) -> Result<Vec<Measured>> {
    let home = setup.new_home("registry")?;
    let running = start(&home).await?;
    prepare(&running.gateway).await?;
    setup.progress("registry: enrolling");
    let households = setup.persons_households();
    let mut workload = Workload::new(wall_clock()().vietnam_date())?;
    let begin = Instant::now();
    let parts: Vec<u32> = household_parts(households).collect();
    submit_parts(&running.gateway, parts.into_iter().map(|size| workload.households(size))).await?;
    let enrolled_s = begin.elapsed().as_secs_f64();
    tokio::time::sleep(STATS_AGE).await;
    let stats = running.gateway.stats();
    catch_up(&running).await?;
    let sizes = (households, enrolled_s);
    let mut figures = of_memory(sizes, &stats);
    setup.progress("registry: reading");
    figures.extend(reads(setup, &home, &running, &mut workload).await?);
    catch_up(&running).await?;
    setup.progress("registry: reading the past");
    let (views, rounds) = (running.views.clone(), setup.rounds);
    let names = ["as_of_person_p99", "as_of_household_p99", "as_of_time_p99"];
    let read = move || past::measure(&views, names, (households * HOUSEHOLD_PERSONS, households), rounds);
    figures.extend(tokio::task::spawn_blocking(read).await??);
    running.stop().await?;
    figures.extend(on_disk(&home)?);
    setup.progress("registry: starting again");
    let begin = Instant::now();
    let running = start(&home).await?;
    let restart_s = begin.elapsed().as_secs_f64();
    running.stop().await?;
    let persons = f64::from(households * HOUSEHOLD_PERSONS);
    let restart = Measured::new("restart", restart_s, "s", "after an end in order", form(households));
    figures.push(restart.beside("10 s for ten million, by share", MAX_RESTART_S_OF_10M * persons / 10e6));
    Ok(figures)
}

pub async fn start(home: &Home) -> Result<Running> {
    let running = Running::start(home, settings()).await?;
    running.wait_until_leading(READY_WAIT).await?;
    Ok(running)
}

/// Waits until the views show everything.
pub async fn catch_up(running: &Running) -> Result<()> {
    let begin = Instant::now();
    while running.views.progress().entries_behind > 0 {
        ensure!(begin.elapsed() < CATCH_UP_WAIT, "the views do not catch up");
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

fn form(households: u32) -> String {
    format!("{} persons in {households} households, without cards", households * HOUSEHOLD_PERSONS)
}

fn of_memory((households, enrolled_s): (u32, f64), stats: &Stats) -> Vec<Measured> {
    let persons = f64::from(households * HOUSEHOLD_PERSONS);
    let form = form(households);
    let memory = &stats.memory;
    let rows = (memory.persons + memory.households + memory.cards) as f64;
    let lookups = (memory.lookups + memory.due) as f64;
    vec![
        Measured::new(
            "persons_enrolled",
            persons / enrolled_s,
            "persons/s",
            ANSWERED,
            format!("{form}; a household in one command, projector on, commands made meanwhile"),
        ),
        Measured::new("registry_rows", rows / persons, "bytes a person", IN_MEMORY, form.clone())
            .beside("the limit", MAX_BYTES_A_PERSON),
        Measured::new(
            "registry_lookups",
            lookups / persons,
            "bytes a person",
            IN_MEMORY,
            format!(
                "{form}; without numbers and papers, which take a lookup each; timelines take nothing: they are read in the log"
            ),
        ),
    ]
}

fn on_disk(home: &Home) -> Result<Vec<Measured>> {
    let log = EmbeddedHandle::open_read_only(home.log_dir())?;
    let mut reader = log.open_reader(Position(0))?;
    let mut encoded = 0_u64;
    loop {
        let batch = reader.read(4_096, 8 << 20, Duration::ZERO)?;
        if batch.entries.is_empty() {
            break;
        }
        encoded += batch.entries.iter().map(|entry| entry.bytes.len() as u64).sum::<u64>();
    }
    let share = |bytes: u64| bytes as f64 / encoded as f64;
    let method = format!("{} MB of encoded entries", encoded / 1_000_000);
    let views = disk_bytes(&home.views_dir())?;
    Ok(vec![
        Measured::new("log_disk", share(log.stored_bytes()), "of encoded bytes", "synced", &method)
            .beside("the limit", MAX_LOG_SHARE),
        Measured::new("view_disk", share(views), "of encoded bytes", "synced", method)
            .beside("the limit", MAX_VIEW_SHARE),
    ])
}

/// Persons in an order without pattern.
pub fn person(number: u32, persons: u32) -> PersonId {
    PersonId((u64::from(number) * 2_654_435_761 % u64::from(persons)) as u32 + 1)
}

async fn reads(
    setup: &Setup,
    home: &Home,
    running: &Running,
    workload: &mut Workload,
) -> Result<Vec<Measured>> {
    let persons = setup.persons_households() * HOUSEHOLD_PERSONS;
    let token = token_of(home)?;
    let (mut in_process, mut saturated, mut p99_ms) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..setup.rounds {
        let views = running.views.clone();
        let rate = tokio::task::spawn_blocking(move || read_in_process(&views, round * READS, persons));
        in_process.push(rate.await??);
        let asked: Vec<RequestBytes> =
            (0..HTTP_READS as u32).map(|number| read_request(&token, person(number, persons))).collect();
        let shared = asked.chunks(HTTP_READS.div_ceil(CONNECTIONS)).map(<[_]>::to_vec).collect();
        saturated.push(closed_loop(running.address, shared).await?.rate);
        let load = workload.mixed(COMMANDS_PER_S * PACED_READS as u32 / PACED_READS_PER_S);
        let asked = Arc::new(asked[..PACED_READS].to_vec());
        let (latencies, submitted) = tokio::join!(
            paced(running.address, asked, PACED_READS_PER_S),
            submit_paced(&running.gateway, load)
        );
        submitted?;
        p99_ms.push(quantile(&mut latencies?, 0.99));
    }
    let form = format!("median of {} rounds, a person of {persons} by id, at random", setup.rounds);
    let http = "after the record of who read is synced";
    Ok(vec![
        Measured::new("view_reads", median(&in_process), "reads/s", IN_MEMORY, format!("{form}; one core, in process")),
        Measured::new("view_reads_http", median(&saturated), "reads/s", http, format!("{form}; {CONNECTIONS} connections, client on the same cores")),
        Measured::new(
            "view_reads_http_p99",
            median(&p99_ms),
            "ms",
            http,
            format!("{form}; {PACED_READS_PER_S} reads/s while {COMMANDS_PER_S} commands/s are recorded and projected"),
        )
        .beside("the limit", MAX_READ_P99_MS),
    ])
}

fn read_in_process(views: &projections::Views, from: u32, persons: u32) -> Result<f64> {
    let view = views.current();
    let begin = Instant::now();
    for number in from..from + READS {
        let id = person(number, persons);
        view.read().person(id)?.with_context(|| format!("{id} is not in the view"))?;
    }
    Ok(f64::from(READS) / begin.elapsed().as_secs_f64())
}

pub fn read_request(token: &str, id: PersonId) -> RequestBytes {
    let bearer = format!("Bearer {token}");
    let fields = [("authorization", bearer.as_str()), ("x-purpose", "bench")];
    wire::request("GET", &format!("/v1/persons/{id}"), &fields, &[])
}

/// Submits at a steady rate.
async fn submit_paced(gateway: &Handle, commands: Vec<CommandEnvelope>) -> Result<()> {
    let mut ticks = interval(Duration::from_secs(1) / TICKS_PER_S);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for part in commands.chunks((COMMANDS_PER_S / TICKS_PER_S) as usize) {
        ticks.tick().await;
        gateway.submit_many(OFFICE, part.to_vec()).await.into_iter().try_for_each(expect_accepted)?;
    }
    Ok(())
}
