//! Totals and flows: how many, under a named definition, where, and how they came to be.

use super::area::{Area, AreaName};
use super::ask::{Answered, NoAnswer, QueryState, ReadToken};
use super::problems;
use crate::answers::{
    AgeBand, AreaView, BySex, DelayRow, DelaysAnswer, FlowsAnswer, HouseholdSizeRow, HouseholdSizesAnswer,
    MovesAnswer, MovesRow, StructureAnswer, Teller, UnitBrief, VitalAnswer, VitalRow,
};
use crate::changes::ByDate;
use crate::class::Category;
use crate::definition::Definition;
use crate::flows::{self, BadPeriod, Happened, MAX_MONTHS, Period, Whose};
use crate::month::Month;
use crate::structure::{Apart, Bands, Question, nowhere, structure as count};
use crate::totals::{ABROAD, NOWHERE};
use crate::vital::{ByPlace, Delay, Vital};
use access::http::{Problem, QueryOf};
use axum::extract::{Path, State};
use event_schemas::household::HouseholdKind;
use event_schemas::ids::{LogId, Lsn};
use event_schemas::person::Sex;
use event_schemas::time::Date;
use schemars::JsonSchema;
use serde::Deserialize;

/// How to count.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StructureQuery {
    /// Who is counted where.
    pub definition: Option<Definition>,
    /// Ages as on this day; on 1 January of the registry's year unless stated.
    pub on: Option<Date>,
    /// Width in years, or the first ages of each: 5, or 0,6,15,60. Five years unless stated.
    pub bands: Option<String>,
    /// Tell people apart by category, by marital, or by both: category,marital.
    pub apart: Option<String>,
    /// Units as they stand on this day; on the registry's day unless stated.
    pub boundaries_on: Option<Date>,
    /// By what was recorded up to this lsn, to the end of this day, or up to this instant; by everything recorded unless stated. Where
    /// too much was recorded since, a replay tells (dancu replay).
    pub known_at: Option<String>,
    /// Answer no earlier state than this lsn.
    pub at_least: Option<Lsn>,
    /// The log that `at_least` belongs to.
    pub log_id: Option<LogId>,
    /// How long to wait for it, in milliseconds; at most 30,000.
    pub wait_ms: Option<u64>,
}

pub(super) async fn structure(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<StructureQuery>,
) -> Answered<StructureAnswer> {
    let StructureQuery { definition, on, bands, apart, boundaries_on, known_at, at_least, log_id, wait_ms } =
        query;
    let name = AreaName::of(&code)?;
    let bands: Bands =
        bands.as_deref().unwrap_or("5").parse().map_err(|_| Problem::of(&problems::BAD_BANDS))?;
    let apart = apart.as_deref().map_or(Ok(Apart::default()), str::parse);
    let apart = apart.map_err(|_| Problem::of(&problems::BAD_APART))?;
    let definition = definition.unwrap_or_default();
    let trees = state.trees();
    let make = move |teller: &mut Teller<'_>| {
        let area = Area::find(teller, &trees, name, boundaries_on)?;
        let on = on.map_or_else(|| first_of_year(teller), Ok)?;
        let question = Question { definition, on, bands, apart };
        let counted = count(teller.reading, &area.tree, &area.units, &question)?;
        let counted = counted.ok_or(&problems::STRUCTURE_TOO_LARGE)?;
        let nowhere = area.is_nation().then(|| nowhere(teller.reading, definition)).transpose()?;
        let (meaning, meaning_vi) = definition.meaning();
        Ok(StructureAnswer {
            unit: area_view(teller, &area)?,
            definition,
            meaning: meaning.to_owned(),
            meaning_vi: meaning_vi.to_owned(),
            on,
            bands: counted.bands.into_iter().map(AgeBand::from).collect(),
            not_born: counted.not_born.into(),
            all: counted.all.into(),
            nowhere: nowhere.map(Into::into),
        })
    };
    state.answer_known(ReadToken { at_least, log_id, wait_ms }, known_at, make).await
}

fn first_of_year(teller: &Teller<'_>) -> Result<Date, NoAnswer> {
    let today = teller.reading.day()?.unwrap_or(Date(0));
    Ok(Date::new(today.year(), 1, 1).unwrap_or(today))
}

fn area_view(teller: &mut Teller<'_>, area: &Area) -> Result<AreaView, NoAnswer> {
    Ok(AreaView { unit: area.brief(teller)?, boundaries_on: area.boundaries_on })
}

/// Which flows.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FlowsQuery {
    /// First month, such as 2024-01; January of the registry's year unless stated.
    pub from: Option<String>,
    /// Last month; the registry's month unless stated. At most 120 months.
    pub to: Option<String>,
    /// Whose population; of flows and moves.
    pub definition: Option<Definition>,
    /// By date of event (the default) or of registration.
    pub by: Option<ByDate>,
    /// By place of residence (the default), of event, or of registration; of vital events.
    pub place: Option<ByPlace>,
    /// Those of one sex only; of flows.
    pub sex: Option<Sex>,
    /// Those of one category only; of flows and vital events.
    pub category: Option<Category>,
    /// Units as they stand on this day; on the registry's day unless stated.
    pub boundaries_on: Option<Date>,
    /// By what was recorded up to this lsn, to the end of this day, or up to this instant; by everything recorded unless stated. Where
    /// too much was recorded since, a replay tells (dancu replay).
    pub known_at: Option<String>,
    /// Answer no earlier state than this lsn.
    pub at_least: Option<Lsn>,
    /// The log that `at_least` belongs to.
    pub log_id: Option<LogId>,
    /// How long to wait for it, in milliseconds; at most 30,000.
    pub wait_ms: Option<u64>,
}

/// The months that were asked for.
#[derive(Clone, Copy)]
struct Asked {
    from: Option<Month>,
    to: Option<Month>,
}

impl FlowsQuery {
    fn token(&self) -> ReadToken {
        ReadToken { at_least: self.at_least, log_id: self.log_id, wait_ms: self.wait_ms }
    }

    fn months(&self) -> Result<Asked, Problem> {
        let month = |text: &Option<String>| {
            let month = text.as_deref().map(str::parse::<Month>).transpose();
            month.map_err(|_| Problem::of(&problems::BAD_MONTH))
        };
        Ok(Asked { from: month(&self.from)?, to: month(&self.to)? })
    }

    /// Parameters that the question has no use for are refused, not ignored.
    fn refuse(
        &self,
        definition: bool,
        place: bool,
        sex: bool,
        category: bool,
        by: bool,
    ) -> Result<(), Problem> {
        let unused = [
            (definition && self.definition.is_some(), "definition"),
            (place && self.place.is_some(), "place"),
            (sex && self.sex.is_some(), "sex"),
            (category && self.category.is_some(), "category"),
            (by && self.by.is_some(), "by"),
        ];
        match unused.into_iter().find(|(given, _)| *given) {
            None => Ok(()),
            Some((_, name)) => Err(Problem::of(&problems::NOT_A_CHOICE_HERE).detail(
                format!("This question has no choice of {name}."),
                format!("Câu hỏi này không có lựa chọn {name}."),
            )),
        }
    }
}

impl Asked {
    fn period(self, teller: &Teller<'_>) -> Result<Period, NoAnswer> {
        let today = Month::of_day(teller.reading.day()?.unwrap_or(Date(0)));
        let to = self.to.unwrap_or(today);
        let from = self.from.unwrap_or_else(|| to.january());
        Period::new(from, to).map_err(|error| {
            let problem = Problem::of(&problems::BAD_PERIOD);
            NoAnswer::from(match error {
                BadPeriod::EndsBefore => {
                    problem.detail(format!("{to} comes before {from}."), format!("{to} đứng trước {from}."))
                }
                BadPeriod::TooLong => problem.detail(
                    format!("From {from} to {to} are more than {MAX_MONTHS} months."),
                    format!("Từ {from} đến {to} dài hơn {MAX_MONTHS} tháng."),
                ),
            })
        })
    }
}

pub(super) async fn flows(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<FlowsQuery>,
) -> Answered<FlowsAnswer> {
    let name = AreaName::of(&code)?;
    query.refuse(false, true, false, false, false)?;
    let (asked, token, trees) = (query.months()?, query.token(), state.trees());
    let known_at = query.known_at.clone();
    let (definition, by) = (query.definition.unwrap_or_default(), query.by.unwrap_or_default());
    let make = move |teller: &mut Teller<'_>| {
        let area = Area::find(teller, &trees, name, query.boundaries_on)?;
        let period = asked.period(teller)?;
        let whose = Whose { sex: query.sex, category: query.category };
        let months = flows::balances(teller.reading, &area.rolled_up(), (definition, by), whose, period)?;
        let (meaning, meaning_vi) = definition.meaning();
        Ok(FlowsAnswer {
            unit: area_view(teller, &area)?,
            definition,
            meaning: meaning.to_owned(),
            meaning_vi: meaning_vi.to_owned(),
            by,
            period,
            months: months.ok_or(&problems::STRUCTURE_TOO_LARGE)?,
        })
    };
    state.answer_known(token, known_at, make).await
}

pub(super) async fn vital_events(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<FlowsQuery>,
) -> Answered<VitalAnswer> {
    let name = AreaName::of(&code)?;
    query.refuse(true, false, true, false, false)?;
    let (asked, token, trees) = (query.months()?, query.token(), state.trees());
    let known_at = query.known_at.clone();
    let (by, place) = (query.by.unwrap_or_default(), query.place.unwrap_or_default());
    let category = query.category;
    let make = move |teller: &mut Teller<'_>| {
        let area = Area::find(teller, &trees, name, query.boundaries_on)?;
        let period = asked.period(teller)?;
        let reading = teller.reading;
        let rows = |units: &[_]| -> Result<Vec<VitalRow>, NoAnswer> {
            let found = flows::vital_events(reading, units, (by, place), category, period)?;
            let found = found.ok_or(&problems::STRUCTURE_TOO_LARGE)?.into_iter();
            Ok(found.map(VitalRow::from).collect())
        };
        let apart = |unit| if area.is_nation() { rows(&[unit]) } else { Ok(Vec::new()) };
        let (abroad, place_unknown) = (apart(ABROAD)?, apart(NOWHERE)?);
        let events = rows(&area.rolled_up())?;
        Ok(VitalAnswer { unit: area_view(teller, &area)?, by, place, period, events, abroad, place_unknown })
    };
    state.answer_known(token, known_at, make).await
}

pub(super) async fn moves(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<FlowsQuery>,
) -> Answered<MovesAnswer> {
    let name = AreaName::of(&code)?;
    query.refuse(false, true, true, true, false)?;
    let (asked, token, trees) = (query.months()?, query.token(), state.trees());
    let known_at = query.known_at.clone();
    let (definition, by) = (query.definition.unwrap_or_default(), query.by.unwrap_or_default());
    let make = move |teller: &mut Teller<'_>| {
        let area = Area::find(teller, &trees, name, query.boundaries_on)?;
        let period = asked.period(teller)?;
        let pairs = flows::moves(teller.reading, &area.rolled_up(), (definition, by), period)?;
        let mut moves = Vec::new();
        for pair in pairs.ok_or(&problems::STRUCTURE_TOO_LARGE)? {
            let other: UnitBrief = teller.unit(pair.other)?;
            moves.push(MovesRow { other, moved_in: pair.moved_in, moved_out: pair.moved_out });
        }
        Ok(MovesAnswer { unit: area_view(teller, &area)?, definition, by, period, moves })
    };
    state.answer_known(token, known_at, make).await
}

pub(super) async fn delays(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<FlowsQuery>,
) -> Answered<DelaysAnswer> {
    let name = AreaName::of(&code)?;
    query.refuse(true, true, true, true, true)?;
    let (asked, token, trees) = (query.months()?, query.token(), state.trees());
    let known_at = query.known_at.clone();
    let make = move |teller: &mut Teller<'_>| {
        let area = Area::find(teller, &trees, name, query.boundaries_on)?;
        let period = asked.period(teller)?;
        let sums = flows::delays(teller.reading, &area.rolled_up(), period)?;
        let delays = Vital::ALL.into_iter().filter(|event| sums.keys().any(|(known, _)| known == event));
        let delays = delays.flat_map(|event| {
            let count = |days: Delay| sums.get(&(event, days)).copied().unwrap_or(0);
            Delay::ALL.map(|days| DelayRow { event, days, count: count(days) })
        });
        Ok(DelaysAnswer { delays: delays.collect(), unit: area_view(teller, &area)?, period })
    };
    state.answer_known(token, known_at, make).await
}

/// Of what.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AreaQuery {
    /// Units as they stand on this day; on the registry's day unless stated.
    pub boundaries_on: Option<Date>,
    /// By what was recorded up to this lsn, to the end of this day, or up to this instant; by everything recorded unless stated. Where
    /// too much was recorded since, a replay tells (dancu replay).
    pub known_at: Option<String>,
    /// Answer no earlier state than this lsn.
    pub at_least: Option<Lsn>,
    /// The log that `at_least` belongs to.
    pub log_id: Option<LogId>,
    /// How long to wait for it, in milliseconds; at most 30,000.
    pub wait_ms: Option<u64>,
}

pub(super) async fn household_sizes(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<AreaQuery>,
) -> Answered<HouseholdSizesAnswer> {
    let AreaQuery { boundaries_on, known_at, at_least, log_id, wait_ms } = query;
    let name = AreaName::of(&code)?;
    let trees = state.trees();
    let make = move |teller: &mut Teller<'_>| {
        let area = Area::find(teller, &trees, name, boundaries_on)?;
        let sums = flows::household_sizes(teller.reading, &area.rolled_up())?;
        let (mut households, mut members, mut sizes) = (0, 0, Vec::new());
        for ((kind, size), count) in sums {
            households += count;
            members += count * u64::from(size);
            let kind = if kind == 0 { HouseholdKind::Family } else { HouseholdKind::Institutional };
            sizes.push(HouseholdSizeRow { kind, members: size, households: count });
        }
        Ok(HouseholdSizesAnswer { unit: area_view(teller, &area)?, sizes, households, members })
    };
    state.answer_known(ReadToken { at_least, log_id, wait_ms }, known_at, make).await
}

impl From<Happened> for VitalRow {
    fn from(happened: Happened) -> Self {
        let Happened { month, what, counts } = happened;
        Self { month, event: what, counts: BySex::from(counts) }
    }
}

impl From<crate::structure::Band> for AgeBand {
    fn from(band: crate::structure::Band) -> Self {
        let crate::structure::Band { from, to, category, marital, counts, vague } = band;
        Self { from, to, category, marital, counts: counts.into(), vague }
    }
}
