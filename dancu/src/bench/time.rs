//! Two kinds of time: what corrections take, one by one and in bulk; what is asked meanwhile, and about the past; what all of it costs.
//!
//! Layout: [`wrong`] what is corrected; [`bulk`] operations of corrections, and [`rounds`] their figures; [`asking`] questions; [`cost`]
//! bytes of the log.

mod asking;
mod bulk;
mod cost;
mod rounds;
mod wrong;

use super::driving::Driving;
use super::http::token_of;
use super::measured::{Measured, median};
use super::registry::{catch_up, start};
use super::workload::{HOUSEHOLD_PERSONS, OFFICE, Workload, household_parts, prepare, submit, submit_parts};
use super::{Setup, past};
use crate::home::{Home, wall_clock};
use crate::service::Running;
use anyhow::{Result, ensure};
use asking::Asking;
use bulk::Bulk;
use cost::Cost;
use event_log::LogSource;
use event_schemas::place::UnitCode;
use rounds::Rounds;
use std::time::Instant;
use wrong::{EDITS_OF_HOUSEHOLD, Wrong};

/// The limits that were set.
const MAX_DRY_RUN_MS: f64 = 5.0;
const MAX_WARD_MS: f64 = 20.0;
const MAX_PROVINCE_MS: f64 = 200.0;
/// Corrections that are made one by one.
const SINGLES: u32 = 1_000;
/// A fold of the whole log takes long where the registry is large.
const MAX_REBUILDS: u32 = 3;
const READ: &str = "answered over HTTP, its record of who read synced where a person is shown";

pub async fn measure(setup: &Setup) -> Result<Vec<Measured>> {
    let home = setup.new_home("time")?;
    let running = start(&home).await?;
    prepare(&running.gateway).await?;
    setup.progress("time: enrolling");
    let (province, wards) = asking::wards();
    let households = setup.persons_households().max(2);
    let mut workload = Workload::new(wall_clock()().vietnam_date())?.spread_over(wards.clone());
    let parts: Vec<u32> = household_parts(households).collect();
    submit_parts(&running.gateway, parts.into_iter().map(|size| workload.households(size))).await?;
    catch_up(&running).await?;
    submit(&running.gateway, workload.names(setup.commands.min(setup.persons))).await?;
    catch_up(&running).await?;
    let ground = Ground { setup, home: &home, running: &running, households, province, wards };
    let figures = ground.measure().await?;
    running.stop().await?;
    Ok(figures)
}

/// A registry of many persons, and what is asked of it.
struct Ground<'a> {
    setup: &'a Setup,
    home: &'a Home,
    running: &'a Running,
    households: u32,
    province: UnitCode,
    wards: Vec<UnitCode>,
}

impl Ground<'_> {
    async fn measure(&self) -> Result<Vec<Measured>> {
        let source = self.running.source();
        let rebuilt_before = self.rebuild(&*source, "time: folding the log before corrections").await?;
        let wrong = Wrong::of(self.running, &self.wards, self.households)?;
        let singles = SINGLES.min(self.households / 2) as usize;
        let in_bulk = (self.setup.edits as usize / EDITS_OF_HOUSEHOLD).clamp(1, wrong.items.len() - singles);
        let (in_bulk, one_by_one) = wrong.items.split_at(in_bulk);
        let one_by_one = &one_by_one[..singles];
        let (address, token, households) = (self.running.address, token_of(self.home)?, self.households);
        let asking = Asking { address, token, households };
        let mut figures = self.one_by_one(&asking, one_by_one).await?;
        figures.extend(self.in_bulk(&asking, in_bulk).await?);
        figures.extend(self.past(&asking).await?);
        figures.extend(self.cost(&*source, rebuilt_before).await?);
        Ok(figures)
    }

    fn form(&self) -> String {
        format!("{} persons in {} wards", self.households * HOUSEHOLD_PERSONS, self.wards.len())
    }

    async fn one_by_one(&self, asking: &Asking, items: &[wrong::Item]) -> Result<Vec<Measured>> {
        self.setup.progress("time: dry runs");
        let corrections = items.iter().map(wrong::correct).collect::<Result<Vec<_>>>()?;
        let mut p99s = Vec::new();
        for _ in 0..self.setup.rounds {
            p99s.push(asking.dry_runs_p99(&corrections).await?);
        }
        submit(&self.running.gateway, corrections).await?;
        catch_up(self.running).await?;
        let method = format!(
            "p99, median of {} rounds of {} dry runs, one after the other; a household and its members to another ward: \
             {EDITS_OF_HOUSEHOLD} edits, every row, index and total before and after; {}",
            self.setup.rounds,
            items.len(),
            self.form()
        );
        Ok(vec![
            Measured::new("time_dry_run_p99", median(&p99s), "ms", READ, method)
                .beside("the limit", MAX_DRY_RUN_MS),
        ])
    }

    async fn in_bulk(&self, asking: &Asking, items: &[wrong::Item]) -> Result<Vec<Measured>> {
        let driving = Driving { running: self.running, opener: OFFICE };
        let persons = self.households * HOUSEHOLD_PERSONS;
        let bulk = Bulk { driving, asking, reads: asking.reads(persons) };
        let mut rounds = Vec::new();
        for round in 0..self.setup.rounds {
            self.setup.progress(&format!("time: in bulk, round {} of {}", round + 1, self.setup.rounds));
            rounds.push(bulk.round(items).await?);
        }
        Ok(Rounds::of(rounds, items.len(), &self.form()).figures())
    }

    /// Rows and totals as they were, with corrections and their taking back behind them.
    async fn past(&self, asking: &Asking) -> Result<Vec<Measured>> {
        self.setup.progress("time: the past");
        let (views, rounds, households) = (self.running.views.clone(), self.setup.rounds, self.households);
        let names = ["time_person_p99", "time_household_p99", "time_known_at_p99"];
        let of = (households * HOUSEHOLD_PERSONS, households);
        let read = move || past::measure(&views, names, of, rounds);
        let mut figures = tokio::task::spawn_blocking(read).await??;
        let today = wall_clock()().vietnam_date();
        let province = [self.province];
        let form = format!(
            "p99, median of {rounds} rounds; any day of the last {}; {}",
            past::DAYS_BACK,
            self.form()
        );
        let figure = |name: &str, p99s: &[f64], what: &str, limit: f64| {
            Measured::new(name, median(p99s), "ms", READ, format!("{what}; {form}"))
                .beside("the limit", limit)
        };
        let areas = [("ward", &self.wards[..], MAX_WARD_MS), ("province", &province[..], MAX_PROVINCE_MS)];
        for (area, units, limit) in areas {
            let (mut structure, mut flows) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                structure.push(asking.structures_p99(units, today).await?);
                flows.push(asking.flows_p99(units, today).await?);
            }
            let what = format!("a {area} by sex and age on a day, its boundaries those of the day");
            figures.push(figure(&format!("time_{area}_p99"), &structure, &what, limit));
            let what = format!("how many a {area} had at the end of each month of a year, by date of event");
            figures.push(figure(&format!("time_{area}_months_p99"), &flows, &what, limit));
        }
        Ok(figures)
    }

    async fn cost(&self, source: &dyn LogSource, before: Rebuilt) -> Result<Vec<Measured>> {
        let after = self.rebuild(source, "time: folding the log with corrections").await?;
        let form = self.form();
        let method = format!(
            "{form}; all views anew beside the live ones, equal by proof, median of {MAX_REBUILDS} at most; with {} events, {} of them of corrections",
            after.cost.events,
            after.cost.events - before.cost.events
        );
        let rate = |rebuilt: &Rebuilt| rebuilt.cost.events as f64 / rebuilt.seconds;
        let mut figures = after.cost.figures(&form);
        figures.push(
            Measured::new("time_rebuild", rate(&after), "events/s", "synced with its restart point", method)
                .beside("before the corrections", rate(&before)),
        );
        Ok(figures)
    }

    async fn rebuild(&self, source: &dyn LogSource, what: &str) -> Result<Rebuilt> {
        self.setup.progress(what);
        let mut seconds = Vec::new();
        for _ in 0..self.setup.rounds.min(MAX_REBUILDS) {
            let views = self.running.views.clone();
            let begin = Instant::now();
            let report = tokio::task::spawn_blocking(move || views.rebuild(false)).await??;
            seconds.push(begin.elapsed().as_secs_f64());
            ensure!(report.difference.is_none(), "a rebuild differs: {:?}", report.difference);
        }
        Ok(Rebuilt { seconds: median(&seconds), cost: Cost::of(source)? })
    }
}

/// A fold of the whole log, and what the log held.
struct Rebuilt {
    seconds: f64,
    cost: Cost,
}
