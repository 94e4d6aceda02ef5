//! Units: who lives there, and how many.

use super::ask::{Answered, MembersQuery, NoAnswer, Paging, QueryState, ReadToken, id_of};
use super::members::members_then;
use super::past::AskedFor;
use super::problems;
use crate::answers::{
    HouseholdsAnswer, MembersAnswer, PartPopulation, PopulationAnswer, Teller, UnitAnswer, UnitView,
};
use crate::cursor::{Cursor, ListingKind};
use crate::layout::ResidenceKind;
use access::http::{Problem, QueryOf};
use axum::extract::{Path, State};
use event_schemas::ids::{HouseholdId, LogId, Lsn, PersonId, UnitId};
use event_schemas::place::UnitCode;
use event_schemas::time::Date;
use schemars::JsonSchema;
use serde::Deserialize;

/// Near matches named for a code that does not exist.
const MAX_NEAR_MATCHES: usize = 5;

/// How an address names a unit.
#[derive(Clone, Copy)]
pub(super) enum UnitName {
    /// One version.
    Id(UnitId),
    /// The version in force on the registry's day.
    Code(UnitCode),
}

pub(super) async fn by_code(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(token): QueryOf<ReadToken>,
) -> Answered<UnitAnswer> {
    let name = name_of(&code)?;
    let make = move |teller: &mut Teller<'_>| {
        let unit = find(teller, name)?;
        let unit = UnitView::read(teller, unit)?.ok_or(&problems::UNIT_NOT_FOUND)?;
        Ok(UnitAnswer { unit })
    };
    state.answer(token, make).await
}

pub(super) async fn members(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<MembersQuery>,
) -> Answered<MembersAnswer> {
    let name = name_of(&code)?;
    let kind = query.kind.unwrap_or_default();
    let asked_for = AskedFor::of(query.valid_on.as_deref(), query.known_at.as_deref())?;
    let paging = Paging::from(query);
    if !asked_for.is_now() {
        return members_then(state, name, kind, paging, asked_for).await;
    }
    let limit = paging.limit()?;
    let listing_kind = match kind {
        ResidenceKind::Permanent => ListingKind::PermanentResidents,
        ResidenceKind::Temporary => ListingKind::TemporaryResidents,
    };
    let token = paging.token();
    let make = move |teller: &mut Teller<'_>| {
        let unit = find(teller, name)?;
        let listing = listing(teller, listing_kind, unit);
        let after = PersonId(paging.place(listing)?.unwrap_or(0) as u32);
        let found = teller.reading.residents(unit, kind, after, limit)?;
        let last = found.items.last().map(|last| u64::from(last.0));
        let next = last.filter(|_| found.more).map(|place| Cursor { place, ..listing }.to_text());
        let members = found.items.into_iter().map(|id| teller.person(id)).collect::<Result<_, _>>()?;
        Ok(MembersAnswer { unit: teller.unit(unit)?, kind, members, next })
    };
    state.answer(token, make).await
}

pub(super) async fn households(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(paging): QueryOf<Paging>,
) -> Answered<HouseholdsAnswer> {
    let name = name_of(&code)?;
    let limit = paging.limit()?;
    let token = paging.token();
    let make = move |teller: &mut Teller<'_>| {
        let unit = find(teller, name)?;
        let listing = listing(teller, ListingKind::Households, unit);
        let after = HouseholdId(paging.place(listing)?.unwrap_or(0) as u32);
        let found = teller.reading.households(unit, after, limit)?;
        let last = found.items.last().map(|last| u64::from(last.0));
        let next = last.filter(|_| found.more).map(|place| Cursor { place, ..listing }.to_text());
        let households = found.items.into_iter().map(|id| teller.household(id)).collect::<Result<_, _>>()?;
        Ok(HouseholdsAnswer { unit: teller.unit(unit)?, households, next })
    };
    state.answer(token, make).await
}

/// Of when.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PopulationQuery {
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

pub(super) async fn population(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<PopulationQuery>,
) -> Answered<PopulationAnswer> {
    let name = name_of(&code)?;
    let make = move |teller: &mut Teller<'_>| {
        let unit = find(teller, name)?;
        let population = teller.reading.counts_below(unit)?.into();
        let mut parts = Vec::new();
        for part in teller.reading.units_below(Some(unit))? {
            let population = teller.reading.counts_below(part)?.into();
            parts.push(PartPopulation { unit: teller.unit(part)?, population });
        }
        Ok(PopulationAnswer { unit: teller.unit(unit)?, population, parts })
    };
    let PopulationQuery { known_at, at_least, log_id, wait_ms } = query;
    state.answer_known(ReadToken { at_least, log_id, wait_ms }, known_at, make).await
}

pub(super) fn listing(teller: &Teller<'_>, kind: ListingKind, unit: UnitId) -> Cursor {
    Cursor { kind, subject: (0, unit.0), place: 0, log_id: teller.reading.log_id() }
}

pub(super) fn name_of(text: &str) -> Result<UnitName, Problem> {
    if text.starts_with('U') {
        return id_of(text, "U5").map(UnitName::Id);
    }
    text.parse().map(UnitName::Code).map_err(|_| {
        Problem::of(&problems::BAD_ID).detail(
            "A unit code has 2 digits (province), 3 (district) or 5 (ward); an id looks like U5.",
            "Mã đơn vị hành chính gồm 2 chữ số (tỉnh), 3 (huyện) hoặc 5 (xã); mã phiên bản có dạng U5.",
        )
    })
}

pub(super) fn find(teller: &mut Teller<'_>, name: UnitName) -> Result<UnitId, NoAnswer> {
    let code = match name {
        UnitName::Id(id) if teller.reading.unit(id)?.is_some() => return Ok(id),
        UnitName::Id(_) => return Err(NoAnswer::from(&problems::UNIT_NOT_FOUND)),
        UnitName::Code(code) => code,
    };
    let day = teller.reading.day()?.unwrap_or(Date(0));
    if let Some(id) = teller.reading.unit_by_code(code, day)? {
        return Ok(id);
    }
    let mut near = Vec::new();
    for unit in teller.reading.units_with_codes_like(code, MAX_NEAR_MATCHES)? {
        let brief = teller.unit(unit)?;
        near.push(format!("{} {}", brief.code.map_or_else(String::new, |code| code.to_string()), brief.name));
    }
    let problem = Problem::of(&problems::UNIT_NOT_FOUND);
    if near.is_empty() {
        return Err(problem.into());
    }
    let near = near.join("; ");
    let en = format!("There is no unit {code}. Near it: {near}.");
    let vi = format!("Không có đơn vị {code}. Gần đúng: {near}.");
    Err(problem.detail(en, vi).into())
}
