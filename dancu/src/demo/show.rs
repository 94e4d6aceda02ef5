//! What the demo prints.

use super::Demo;
use super::compare::Compared;
use super::drive::{Driver, Killed};
use super::offices::Offices;
use crate::tables::table;
use comfy_table::{CellAlignment, Table};
use event_schemas::ids::Lsn;
use projections::answers::{
    CardAnswer, HistoryAnswer, HouseholdAnswer, PersonAnswer, PopulationAnswer, Reflecting,
};
use simulator::World;
use std::path::Path;
use std::time::Duration;

/// Records of a history that are shown.
const SHOWN_RECORDS: usize = 12;
const SHOWN_DISTRICTS: usize = 12;

fn align_right(table: &mut Table, columns: &[usize]) {
    for &column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

pub fn introduction(demo: &Demo, world: &World, dir: &Path) {
    println!(
        "Dancu demo: province {:02}, {} persons, {} year(s) of life from {}, seed {}.",
        demo.province,
        demo.persons,
        demo.years,
        world.current_date(),
        demo.seed
    );
    println!(
        "Units are real (list of 2021). People are invented: names, numbers and lives are drawn from public distributions"
    );
    println!("of the census of 2019, and nobody in it is real. The registry is in {}.\n", dir.display());
}

pub fn what_happened(world: &World, elapsed: Duration, killed: &Killed) {
    let tally = world.tally();
    let rate = tally.answered as f64 / elapsed.as_secs_f64();
    println!(
        "{} commands answered in {:.1} s: {rate:.0} a second over HTTP, durable.\n",
        tally.answered,
        elapsed.as_secs_f64()
    );
    let mut kinds = table(["command", "submitted", "accepted", "refused"]);
    for (kind, count) in &tally.by_kind {
        kinds.add_row([
            (*kind).to_owned(),
            count.submitted.to_string(),
            count.accepted.to_string(),
            count.refused.to_string(),
        ]);
    }
    align_right(&mut kinds, &[1, 2, 3]);
    println!("{kinds}\n");
    let mut codes = table(["refused because", "times"]);
    for (code, times) in &tally.refusals {
        codes.add_row([code.clone(), times.to_string()]);
    }
    align_right(&mut codes, &[1]);
    println!("Some commands are wrong on purpose:\n{codes}\n");
    println!(
        "On {} the service was killed (SIGKILL) with {} commands under way; ready again after {:.2} s.\n",
        killed.on,
        killed.unanswered,
        killed.restart.as_secs_f64()
    );
}

/// Districts, one household, one person's history, one card.
pub async fn views(world: &World, offices: &Offices) -> anyhow::Result<()> {
    districts(world, offices).await?;
    let ledger = world.ledger();
    let large =
        ledger.households().filter(|household| !household.ended && household.members.len() >= 4).last();
    if let Some(household) = large {
        let answer: Reflecting<HouseholdAnswer> =
            offices.get(&format!("/v1/households/{}", household.household)).await?;
        show_household(&answer.body);
    }
    if let Some(person) = ledger.persons().filter(|person| person.alive && person.card.is_some()).last() {
        let path = format!("/v1/persons/{}", person.person);
        let answer: Reflecting<PersonAnswer> = offices.get(&path).await?;
        let history: Reflecting<HistoryAnswer> =
            offices.get(&format!("{path}/history?limit={SHOWN_RECORDS}")).await?;
        show_history(&answer.body, &history.body);
        if let Some((card, _)) = person.card {
            let answer: Reflecting<CardAnswer> = offices.get(&format!("/v1/cards/{card}")).await?;
            show_card(&answer.body);
        }
    }
    Ok(())
}

/// The districts with most people; the few who moved to other ones are counted together.
async fn districts(world: &World, offices: &Offices) -> anyhow::Result<()> {
    let mut expected: Vec<_> = world.ledger().population_by_district().into_iter().collect();
    expected.sort_by_key(|(district, people)| (std::cmp::Reverse(*people), *district));
    let mut districts = table(["district", "people", "men", "women", "households", "ledger says"]);
    let rest = expected.len().saturating_sub(SHOWN_DISTRICTS);
    let mut elsewhere = [0; 5];
    for (place, (district, people)) in expected.into_iter().enumerate() {
        let answer: Reflecting<PopulationAnswer> =
            offices.get(&format!("/v1/units/{district}/population")).await?;
        let (permanent, households) = (answer.body.population.permanent, answer.body.population.households);
        let counts = [permanent.all, permanent.male, permanent.female, households, people];
        if place < SHOWN_DISTRICTS {
            add_counts(&mut districts, &answer.body.unit.name, &counts);
        } else {
            elsewhere.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }
    if rest > 0 {
        add_counts(&mut districts, &format!("{rest} other districts, moved to"), &elsewhere);
    }
    align_right(&mut districts, &[1, 2, 3, 4, 5]);
    println!("{districts}\n");
    Ok(())
}

fn add_counts(districts: &mut Table, name: &str, counts: &[u64; 5]) {
    let counts = counts.iter().map(u64::to_string);
    districts.add_row(std::iter::once(name.to_owned()).chain(counts));
}

fn show_household(answer: &HouseholdAnswer) {
    let household = &answer.household;
    let place = household.place.as_ref().map_or_else(String::new, ToString::to_string);
    println!("Household {}, {place}", household.id);
    let mut members = table(["person", "name", "born", "PIN", "to the head", "since"]);
    for member in &household.members {
        let person = &member.person;
        members.add_row([
            person.id.to_string(),
            person.name.clone(),
            person.birth.map_or_else(String::new, |birth| birth.to_string()),
            person.pin.map_or_else(|| "–".to_owned(), |pin| pin.to_string()),
            format!("{:?}", member.relationship),
            member.since.to_string(),
        ]);
    }
    println!("{members}\n");
}

fn show_history(answer: &PersonAnswer, history: &HistoryAnswer) {
    println!("History of {} {}, newest first", answer.person.id, answer.person.name);
    let mut records = table(["lsn", "recorded", "office", "command", "what happened"]);
    for record in &history.records {
        let submitted = record.submitted.as_ref();
        let events: Vec<String> =
            record.events.iter().map(|event| format!("{} {}", event.effective_on, event.event)).collect();
        records.add_row([
            record.lsn.to_string(),
            record.recorded_at.vietnam_date().to_string(),
            submitted.map_or_else(|| "–".to_owned(), |submitted| submitted.office.to_string()),
            submitted.map_or_else(|| "the day".to_owned(), |submitted| submitted.command.clone()),
            events.join("\n"),
        ]);
    }
    println!("{records}\n");
}

fn show_card(answer: &CardAnswer) {
    let card = &answer.card;
    let expires = card.expires_on.map_or_else(|| "does not expire".to_owned(), |day| format!("to {day}"));
    println!(
        "Card {} of {} ({}), {expires}: {:?}. {} {}\n",
        card.id, card.holder.name, card.pin, card.status, card.acceptance.en, card.acceptance.vi
    );
}

/// One refused command, explained.
pub fn refusal(driver: &Driver) {
    let Some((command, refusal)) = &driver.refusal else { return };
    println!("A refused command: {} {}", command.command.name(), command.command_id);
    for fault in &refusal.faults {
        println!("  {}  {}", fault.code, fault.field.as_deref().unwrap_or_default());
        println!("    {}\n    {}", fault.vi, fault.en);
    }
    println!();
}

/// What was proved.
pub fn proof(killed: &Killed, compared: &Compared, lsn: Lsn) {
    println!("Nothing was lost:");
    println!(
        "  {} acceptances from before the kill (up to lsn {}) were asked for again: each gave the same lsn.",
        killed.asked_again, killed.last_lsn
    );
    println!(
        "  Views at lsn {lsn} beside the simulation's own ledger: {} wards with {} people, {} persons, {} households",
        compared.wards, compared.population, compared.persons, compared.households
    );
    println!("  and {} cards compared: {} differences.\n", compared.cards, compared.differences.len());
}

/// Commands that work when pasted.
pub fn next_steps(dir: &Path) {
    let program =
        std::env::current_exe().map_or_else(|_| "dancu".to_owned(), |path| path.display().to_string());
    let dir = dir.display();
    println!("Next steps:");
    println!("  {program} serve --dir {dir} &");
    println!("  TOKEN=$({program} token --dir {dir} --office 0 --officer 1 --scopes all)");
    println!(
        "  curl -s -H \"Authorization: Bearer $TOKEN\" -H 'X-Purpose: having a look' http://127.0.0.1:7070/v1/persons/P1"
    );
    println!("  {program} verify --dir {dir}");
    println!("  rm -r {dir}      # when you have seen enough");
}
