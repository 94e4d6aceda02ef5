//! Rows as they were: read back through the log, whatever their age.

use super::measured::{IN_MEMORY, Measured, median, quantile};
use anyhow::{Context, Result, bail};
use event_schemas::ids::{HouseholdId, Lsn, PersonId};
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use projections::Views;
use projections::as_of::{AsOf, Past, last_recorded_by, recorded_at};
use projections::rows::Row;
use std::time::Instant;

/// Most reads of one round.
const READS: u32 = 5_000;
/// The limit that was set.
const MAX_READ_P99_MS: f64 = 2.0;
/// Days asked for lie so far back at most.
pub const DAYS_BACK: u32 = 400;

/// A number in an order without pattern.
pub fn scattered(number: u32, below: u64) -> u64 {
    u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) % below
}

/// Persons, and households with all their members, as of days and records at random; figures called so.
pub fn measure(
    views: &Views,
    names: [&str; 3],
    (persons, households): (u32, u32),
    rounds: u32,
) -> Result<Vec<Measured>> {
    let view = views.current();
    let source = &**views.source();
    let (last, today) = (view.lsn(), view.read().day()?.context("a registry has a day")?);
    let pair = |number: u32| AsOf {
        valid_on: Date(today.0 - scattered(number, u64::from(DAYS_BACK)) as i32),
        known_at: Lsn(1 + scattered(number + 1, last.0)),
    };
    let read = |row, number| -> Result<Option<Row>> { Ok(Past::new(&view, source, pair(number)).row(row)?) };
    let person = |number: u32| -> Result<()> {
        let id = PersonId(1 + scattered(number, u64::from(persons)) as u32);
        read(RowRef::Person(id), number)?;
        Ok(())
    };
    let household = |number: u32| -> Result<()> {
        let id = HouseholdId(1 + scattered(number, u64::from(households)) as u32);
        let past = Past::new(&view, source, pair(number));
        match past.row(RowRef::Household(id))? {
            Some(Row::Household(row)) => {
                for member in &row.members {
                    past.row(RowRef::Person(member.person))?;
                }
            }
            Some(_) => bail!("{id} is no household"),
            None => {}
        }
        Ok(())
    };
    let by_time = |number: u32| -> Result<()> {
        let time = recorded_at(source, Lsn(1 + scattered(number, last.0)))?;
        last_recorded_by(source, last, time)?;
        Ok(())
    };
    let form = format!(
        "p99, median of {rounds} rounds; one of {persons} persons in {households} households, read back through the log"
    );
    let figure = |name: &str, what: &str, read: &dyn Fn(u32) -> Result<()>| -> Result<Measured> {
        let mut p99s = Vec::new();
        for round in 0..rounds {
            p99s.push(p99_ms((round * READS, READS.min(persons)), read)?);
        }
        Ok(Measured::new(name, median(&p99s), "ms", IN_MEMORY, format!("{what}; {form}")))
    };
    Ok(vec![
        figure(names[0], "a day and a record at random", &person)?.beside("the limit", MAX_READ_P99_MS),
        figure(names[1], "with all its members", &household)?.beside("the limit", MAX_READ_P99_MS),
        figure(names[2], "the record of an instant, by halving the log", &by_time)?,
    ])
}

fn p99_ms((from, count): (u32, u32), read: &dyn Fn(u32) -> Result<()>) -> Result<f64> {
    let mut latencies = Vec::with_capacity(count as usize);
    for number in from..from + count {
        let begin = Instant::now();
        read(number)?;
        latencies.push(begin.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(quantile(&mut latencies, 0.99))
}
