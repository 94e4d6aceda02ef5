//! Totals for whoever may see totals and no persons: fixed tables in which small counts are hidden.
//!
//! The tables have no choices: two questions that differ a little would tell, by what lies between them, what each of them hides.

use super::area::{Area, AreaName};
use super::ask::{Answered, NoAnswer, QueryState, ReadToken};
use super::problems;
use super::units::UnitName;
use crate::answers::{
    AreaView, DisclosedBand, DisclosedSizes, DisclosedStructure, DisclosedVital, Hidden, HouseholdSizeCell,
    Teller, VitalCell,
};
use crate::changes::ByDate;
use crate::definition::Definition;
use crate::disclosure::disclose;
use crate::flows::{Period, household_sizes as sizes, rolled_up, vital_events as vital};
use crate::month::Month;
use crate::structure::{Apart, Bands, Question, structure as count};
use crate::tree::Tree;
use crate::view::CountBySex;
use crate::vital::{ByPlace, Vital};
use access::http::{Problem, QueryOf};
use axum::extract::{Path, State};
use event_schemas::household::HouseholdKind;
use event_schemas::ids::UnitId;
use event_schemas::time::Date;
use std::collections::BTreeSet;

/// The definition of these tables.
const DEFINITION: Definition = Definition::Usual;
/// Their bands, years.
const BAND_YEARS: i16 = 5;
/// Households of so many permanent members and more are one row.
const LARGEST_HOUSEHOLD: u16 = 10;
/// The events that are told of, one for each person: couples have no place.
const EVENTS: [Vital; 4] = [Vital::Birth, Vital::Death, Vital::Marrying, Vital::Divorcing];
/// Of a year that is over no more is registered.
const BY: ByDate = ByDate::Registration;
const PLACE: ByPlace = ByPlace::Residence;

pub(super) async fn structure(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(token): QueryOf<ReadToken>,
) -> Answered<DisclosedStructure> {
    let name = name_of(&code)?;
    let (trees, threshold) = (state.trees(), state.hide_below());
    let make = move |teller: &mut Teller<'_>| {
        let (area, day) = area_of(Area::find(teller, &trees, name, None)?, teller)?;
        let on = Date::new(day.year(), 1, 1).unwrap_or(day);
        let bands = Bands::of_width(BAND_YEARS).map_err(|_| &problems::BAD_BANDS)?;
        let question = Question { definition: DEFINITION, on, bands, apart: Apart::default() };
        let ages: Vec<(i16, Option<i16>)> = question.bands.ages().collect();
        let reading = teller.reading;
        let cells = |tree: &Tree, units: &BTreeSet<UnitId>| -> Result<Vec<u64>, NoAnswer> {
            let counted = count(reading, tree, units, &question)?.ok_or(&problems::STRUCTURE_TOO_LARGE)?;
            let bands = counted.bands.iter().map(|band| band.counts).chain([counted.not_born]);
            Ok(bands.flat_map(|CountBySex { male, female, unknown }| [male, female, unknown]).collect())
        };
        let cells =
            disclose(&area.tree, &path_to(&area, day), day, threshold, |units| cells(&area.tree, units))?;
        let mut rows = cells.chunks_exact(3);
        let bands = ages.into_iter().zip(rows.by_ref());
        let bands = bands.map(|((from, to), row)| DisclosedBand {
            from: Some(from),
            to,
            male: row[0],
            female: row[1],
            unknown: row[2],
        });
        let mut bands: Vec<DisclosedBand> = bands.collect();
        bands.extend(rows.next().map(|row| DisclosedBand {
            from: None,
            to: None,
            male: row[0],
            female: row[1],
            unknown: row[2],
        }));
        let (meaning, meaning_vi) = DEFINITION.meaning();
        Ok(DisclosedStructure {
            unit: area_view(teller, &area)?,
            definition: DEFINITION,
            meaning: meaning.to_owned(),
            meaning_vi: meaning_vi.to_owned(),
            on,
            bands,
            shown: cells.iter().flatten().sum(),
            hidden: hidden(&cells, threshold),
        })
    };
    state.answer(token, make).await
}

pub(super) async fn household_sizes(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(token): QueryOf<ReadToken>,
) -> Answered<DisclosedSizes> {
    let name = name_of(&code)?;
    let (trees, threshold) = (state.trees(), state.hide_below());
    let make = move |teller: &mut Teller<'_>| {
        let (area, day) = area_of(Area::find(teller, &trees, name, None)?, teller)?;
        let per_kind = usize::from(LARGEST_HOUSEHOLD) + 1;
        let reading = teller.reading;
        let cells = disclose(&area.tree, &path_to(&area, day), day, threshold, |units| {
            let mut cells = vec![0; 2 * per_kind];
            for ((kind, members), count) in sizes(reading, &rolled_up(&area.tree, units))? {
                cells[usize::from(kind) * per_kind + usize::from(members.min(LARGEST_HOUSEHOLD))] += count;
            }
            Ok::<_, NoAnswer>(cells)
        })?;
        let rows = cells.iter().enumerate().map(|(place, households)| HouseholdSizeCell {
            kind: if place < per_kind { HouseholdKind::Family } else { HouseholdKind::Institutional },
            members: (place % per_kind) as u16,
            and_more: place % per_kind == per_kind - 1,
            households: *households,
        });
        let sizes = rows.filter(|row| row.households != Some(0)).collect();
        let hidden = hidden(&cells, threshold);
        let shown = cells.iter().flatten().sum();
        Ok(DisclosedSizes { unit: area_view(teller, &area)?, sizes, shown, hidden })
    };
    state.answer(token, make).await
}

pub(super) async fn vital_events(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(token): QueryOf<ReadToken>,
) -> Answered<DisclosedVital> {
    let name = name_of(&code)?;
    let (trees, threshold) = (state.trees(), state.hide_below());
    let make = move |teller: &mut Teller<'_>| {
        let (area, day) = area_of(Area::find(teller, &trees, name, None)?, teller)?;
        let (year, period) = last_year(day)?;
        let reading = teller.reading;
        let cells = disclose(&area.tree, &path_to(&area, day), day, threshold, |units| {
            let found = vital(reading, &rolled_up(&area.tree, units), (BY, PLACE), None, period)?;
            let mut cells = vec![0; EVENTS.len() * 3];
            for happened in found.ok_or(&problems::STRUCTURE_TOO_LARGE)? {
                let Some(place) = EVENTS.iter().position(|event| *event == happened.what) else { continue };
                let CountBySex { male, female, unknown } = happened.counts;
                for (cell, count) in cells[place * 3..].iter_mut().zip([male, female, unknown]) {
                    *cell += count;
                }
            }
            Ok::<_, NoAnswer>(cells)
        })?;
        let rows = EVENTS.into_iter().zip(cells.chunks_exact(3));
        let events =
            rows.map(|(event, row)| VitalCell { event, male: row[0], female: row[1], unknown: row[2] });
        Ok(DisclosedVital {
            unit: area_view(teller, &area)?,
            year,
            by: BY,
            place: PLACE,
            events: events.collect(),
            shown: cells.iter().flatten().sum(),
            hidden: hidden(&cells, threshold),
        })
    };
    state.answer(token, make).await
}

/// The calendar year before the one of this day.
fn last_year(day: Date) -> Result<(i16, Period), NoAnswer> {
    let year = day.year() - 1;
    let month = |month| Date::new(year, month, 1).map(Month::of_day).map_err(|_| &problems::BAD_PERIOD);
    Ok((year, Period { from: month(1)?, to: month(12)? }))
}

/// The nation or a unit of today: single versions of a unit would tell of each other.
fn name_of(code: &str) -> Result<AreaName, Problem> {
    match AreaName::of(code)? {
        AreaName::Unit(UnitName::Id(_)) => Err(Problem::of(&problems::NOT_A_CHOICE_HERE).detail(
            "Here a unit is named by its code, or the nation by VN.",
            "Ở đây đơn vị được gọi bằng mã, cả nước là VN.",
        )),
        name => Ok(name),
    }
}

fn area_of(area: Area, teller: &Teller<'_>) -> Result<(Area, Date), NoAnswer> {
    let day = match area.boundaries_on {
        Some(day) => day,
        None => teller.reading.day()?.unwrap_or(Date(0)),
    };
    Ok((area, day))
}

/// From a province down to the unit; empty for the nation.
fn path_to(area: &Area, day: Date) -> Vec<UnitId> {
    if area.is_nation() {
        return Vec::new();
    }
    let mut path = area.tree.with_ancestors_on(area.unit, day);
    path.reverse();
    path
}

fn area_view(teller: &mut Teller<'_>, area: &Area) -> Result<AreaView, NoAnswer> {
    Ok(AreaView { unit: area.brief(teller)?, boundaries_on: area.boundaries_on })
}

fn hidden(cells: &[Option<u64>], below: u64) -> Hidden {
    Hidden { below, counts: cells.iter().filter(|cell| cell.is_none()).count() }
}
