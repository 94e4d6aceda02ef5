//! Totals and flows beside the ledger's own: people by sex and marital status, households by size, and every district's balance.

use super::{Compared, differs};
use crate::demo::offices::Offices;
use event_schemas::person::{MaritalStatus, Sex};
use event_schemas::place::UnitCode;
use event_schemas::time::Date;
use projections::answers::{FlowsAnswer, HouseholdSizesAnswer, Reflecting, StructureAnswer, VitalAnswer};
use projections::month::Month;
use projections::vital::Vital;
use simulator::{VitalCounts, World};
use std::collections::BTreeMap;

/// Women and men of one marital status.
type BySex = (u64, u64);

/// Whom the ledger knows in one ward.
#[derive(Default)]
struct Ward {
    residents: BTreeMap<String, BySex>,
    stays: BTreeMap<String, BySex>,
    households: BTreeMap<u16, u64>,
}

pub(super) async fn compare(world: &World, offices: &Offices, compared: &mut Compared) -> anyhow::Result<()> {
    for (code, ward) in wards(world) {
        for (definition, expected) in [("permanent", &ward.residents), ("temporary", &ward.stays)] {
            // By then everybody is born, and of one band.
            let path = format!(
                "/v1/units/{code}/structure?definition={definition}&on=2399-01-01&bands=150&apart=marital"
            );
            let found: Reflecting<StructureAnswer> = offices.get(&path).await?;
            let found = found.body.bands.iter().map(|band| {
                (status(band.marital.unwrap_or_default()), (band.counts.female, band.counts.male))
            });
            let found: BTreeMap<String, BySex> = found.collect();
            compared.note(differs(&format!("{definition} residents of {code}"), &found, expected));
        }
        let sizes: Reflecting<HouseholdSizesAnswer> =
            offices.get(&format!("/v1/units/{code}/household-sizes")).await?;
        let mut found: BTreeMap<u16, u64> = BTreeMap::new();
        for row in &sizes.body.sizes {
            *found.entry(row.members).or_default() += row.households;
        }
        compared.note(differs(&format!("households of {code}"), &found, &ward.households));
    }
    for (district, expected) in world.ledger().population_by_district() {
        for by in ["event", "registration"] {
            let path = format!("/v1/units/{district}/flows?by={by}");
            let flows: Reflecting<FlowsAnswer> = offices.get(&path).await?;
            let closing = flows.body.months.last().map(|month| month.closing);
            compared.note(differs(&format!("balance of {district} by {by}"), closing, Some(expected as i64)));
        }
    }
    compare_vital_events(world, offices, compared).await
}

/// Births, deaths, marriages and divorces of the nation, month by month.
async fn compare_vital_events(
    world: &World,
    offices: &Offices,
    compared: &mut Compared,
) -> anyhow::Result<()> {
    let ledger = world.ledger();
    let counted: [(&str, BTreeMap<Month, VitalCounts>, &[Vital]); 2] = [
        (
            "registration",
            by_month(ledger.vital_events_by_registration()),
            &[Vital::Birth, Vital::Death, Vital::Marriage, Vital::Divorce],
        ),
        ("event", by_month(ledger.vital_events_by_day()), &[Vital::Birth, Vital::Death]),
    ];
    for (by, expected, kinds) in counted {
        let Some((first, _)) = expected.first_key_value() else { continue };
        let path = format!("/v1/units/VN/vital-events?by={by}&place=registration&from={first}");
        let found: Reflecting<VitalAnswer> = offices.get(&path).await?;
        let answer = found.body;
        let mut found: BTreeMap<Month, VitalCounts> = BTreeMap::new();
        for row in &answer.events {
            if !kinds.contains(&row.event) {
                continue;
            }
            let counts = found.entry(row.month).or_default();
            match row.event {
                Vital::Birth => counts.births += row.counts.all,
                Vital::Death => counts.deaths += row.counts.all,
                Vital::Marriage => counts.marriages += row.counts.all,
                _ => counts.divorces += row.counts.all,
            }
        }
        found.retain(|_, counts| *counts != VitalCounts::default());
        compared.note(differs(&format!("vital events by {by}"), &found, &expected));
    }
    Ok(())
}

fn by_month(days: impl Iterator<Item = (Date, VitalCounts)>) -> BTreeMap<Month, VitalCounts> {
    let mut months: BTreeMap<Month, VitalCounts> = BTreeMap::new();
    for (day, counts) in days {
        let sum = months.entry(Month::of_day(day)).or_default();
        sum.births += counts.births;
        sum.deaths += counts.deaths;
        sum.marriages += counts.marriages;
        sum.divorces += counts.divorces;
    }
    months
}

fn wards(world: &World) -> BTreeMap<UnitCode, Ward> {
    let mut wards: BTreeMap<UnitCode, Ward> = BTreeMap::new();
    for person in world.ledger().persons().filter(|person| person.alive) {
        let count = |counts: &mut BTreeMap<String, BySex>| {
            let (women, men) = counts.entry(status(person.marital)).or_default();
            match person.sex {
                Sex::Female => *women += 1,
                _ => *men += 1,
            }
        };
        if let Some(ward) = person.ward {
            count(&mut wards.entry(ward).or_default().residents);
        }
        if let Some(stay) = &person.temporary {
            count(&mut wards.entry(stay.ward).or_default().stays);
        }
    }
    for household in world.ledger().households().filter(|household| !household.ended) {
        let ward = wards.entry(household.ward).or_default();
        *ward.households.entry(household.members.len() as u16).or_default() += 1;
    }
    wards
}

fn status(status: MaritalStatus) -> String {
    format!("{status:?}")
}
