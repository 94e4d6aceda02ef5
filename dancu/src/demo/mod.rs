//! The demo: a synthetic province lives for some years, submitted by its offices over HTTP to a service of its own.
//!
//! Layout: [`service`] the service as a child process, to be killed without warning; [`offices`] tokens and requests;
//! [`drive`] the simulation's commands; [`compare`] what the views say beside the simulation's own ledger; [`show`] tables.
//!
//! Nobody in it is real.

mod compare;
mod drive;
mod offices;
mod service;
mod show;

use crate::log::{LogArgs, LogPlace};
use anyhow::{Context, bail};
use clap::Args;
use drive::Driver;
use event_log::kafka::{create_topic, is_good_topic};
use event_schemas::time::Date;
use offices::Offices;
use service::Service;
use simulator::{Options, World};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Watch a synthetic province live for some years: offices submit over HTTP, the log keeps, views answer; killed without
/// warning in between, and nothing is lost.
#[derive(Args, Debug)]
pub struct Demo {
    /// Persons enrolled at the start.
    #[arg(long, default_value_t = 200_000)]
    persons: u32,
    /// Two-digit code of a province; its real wards are populated.
    #[arg(long, default_value_t = 35)]
    province: u8,
    /// Years of life after the enrolment.
    #[arg(long, default_value_t = 2)]
    years: u16,
    /// Day of the enrolment, such as 2023-10-01 to see the law of cards change on 2024-07-01.
    #[arg(long, default_value_t = Options::default().start_date)]
    start: Date,
    /// The same seed gives the same people.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the registry is kept; must not exist or be empty. A temporary folder if it is left out.
    #[arg(long)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
    /// Compare every person, household and card with the ledger, not only a sample.
    #[arg(long)]
    compare_all: bool,
}

/// Persons, households and cards compared in detail unless all are.
const SAMPLE: usize = 1_500;

impl Demo {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let options = Options {
            seed: self.seed,
            province: self.province,
            persons: self.persons,
            years: self.years,
            start_date: self.start,
            ..Options::default()
        };
        let mut world = World::new(options).context("the simulation cannot be")?;
        let dir = self.dir.clone().unwrap_or_else(default_dir);
        if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("{} is not empty; name another folder with --dir, or remove it", dir.display());
        }
        show::introduction(&self, &world, &dir);
        let begin = Instant::now();
        self.make_topic()?;
        let mut service = Service::start(&dir, world.current_date(), self.log.arguments()?).await?;
        let offices = Offices::of(&dir, service.url());
        let mut driver = Driver::new(offices, world.total_expected());
        driver.run_until_half(&mut world).await?;
        let killed = driver.run_and_kill(&mut world, &mut service).await?;
        driver.run_to_end(&mut world).await?;
        let elapsed = begin.elapsed();
        driver.finish();
        show::what_happened(&world, elapsed, &killed);
        let lsn = driver.wait_for_views(&world).await?;
        let compared =
            compare::compare(&world, driver.offices(), if self.compare_all { usize::MAX } else { SAMPLE });
        let compared = compared.await?;
        show::views(&world, driver.offices()).await?;
        show::refusal(&driver);
        show::proof(&killed, &compared, lsn);
        service.stop(Duration::from_secs(20)).await?;
        show::next_steps(&dir);
        if let Some(first) = compared.differences.first() {
            bail!(
                "the views differ from the ledger in {} places; the first: {first}",
                compared.differences.len()
            );
        }
        if world.tally().surprises > 0 {
            let first = &world.tally().first_surprises[0];
            bail!("{} answers were not as expected; the first: {first:?}", world.tally().surprises);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Demo {
    /// A demo's topic is made if it is not there.
    fn make_topic(&self) -> anyhow::Result<()> {
        let Some(LogPlace::Kafka(place)) = self.log.place()? else { return Ok(()) };
        let connection = place.connection()?;
        if !is_good_topic(&connection)? {
            create_topic(&connection, None)?;
        }
        Ok(())
    }
}

fn default_dir() -> PathBuf {
    std::env::temp_dir().join(format!("dancu-demo-{}", std::process::id()))
}
