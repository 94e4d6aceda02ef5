//! Operations larger than one record, cells of PINs, notices of PINs.

use super::ask::{Answered, Paging, QueryState, ReadToken, id_of};
use super::problems;
use super::units::{find, listing, name_of};
use crate::answers::{
    LeftOutAnswer, LeftOutView, NoticeView, NoticesAnswer, OperationAnswer, OperationView, OperationsAnswer,
    PinCellsAnswer, Teller,
};
use crate::cursor::{Cursor, ListingKind};
use crate::view::MAX_UNITS_VISITED;
use access::http::{Problem, QueryOf};
use axum::extract::{Path, State};
use event_schemas::ids::{LogId, Lsn, OperationId, PersonId, UnitId};
use event_schemas::pin::PinCell;
use schemars::JsonSchema;
use serde::Deserialize;

/// Places have three digits.
const MAX_PLACE: u16 = 999;

pub(super) async fn by_id(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(token): QueryOf<ReadToken>,
) -> Answered<OperationAnswer> {
    let id: OperationId = id_of(&id, "B17")?;
    let make = move |teller: &mut Teller<'_>| {
        let row = teller.reading.operation(id)?.ok_or(&problems::OPERATION_NOT_FOUND)?;
        let operation = OperationView::of(teller, id, &row)?.ok_or(&problems::OPERATION_NOT_FOUND)?;
        Ok(OperationAnswer { operation })
    };
    state.answer(token, make).await
}

pub(super) async fn all(
    State(state): State<QueryState>,
    QueryOf(paging): QueryOf<Paging>,
) -> Answered<OperationsAnswer> {
    let limit = paging.limit()?;
    let token = paging.token();
    let make = move |teller: &mut Teller<'_>| {
        let listing = listing(teller, ListingKind::Operations, UnitId::NONE);
        let after = OperationId(paging.place(listing)?.unwrap_or(0) as u32);
        let found = teller.reading.operations(after, limit)?;
        let last = found.items.last().map(|(id, _)| u64::from(id.0));
        let next = last.filter(|_| found.more).map(|place| Cursor { place, ..listing }.to_text());
        let mut operations = Vec::with_capacity(found.items.len());
        for (id, row) in &found.items {
            operations.extend(OperationView::of(teller, *id, row)?);
        }
        Ok(OperationsAnswer { operations, next })
    };
    state.answer(token, make).await
}

pub(super) async fn left_out(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(paging): QueryOf<Paging>,
) -> Answered<LeftOutAnswer> {
    let operation: OperationId = id_of(&id, "B17")?;
    let limit = paging.limit()?;
    let token = paging.token();
    let make = move |teller: &mut Teller<'_>| {
        teller.reading.operation(operation)?.ok_or(&problems::OPERATION_NOT_FOUND)?;
        let log_id = teller.reading.log_id();
        let listing = Cursor { kind: ListingKind::LeftOut, subject: (0, operation.0), place: 0, log_id };
        let after = PersonId(paging.place(listing)?.unwrap_or(0) as u32);
        let found = teller.reading.left_out(operation, after, limit)?;
        let last = found.items.last().map(|(person, _)| u64::from(person.0));
        let next = last.filter(|_| found.more).map(|place| Cursor { place, ..listing }.to_text());
        let mut left_out = Vec::with_capacity(found.items.len());
        for (person, reason) in found.items {
            left_out.push(LeftOutView { person: teller.person(person)?, reason });
        }
        Ok(LeftOutAnswer { operation, left_out, next })
    };
    state.answer(token, make).await
}

/// Which cells.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CellsQuery {
    /// Of this place alone: three digits, a province's code with a leading zero.
    pub place: Option<String>,
    /// Answer no earlier state than this lsn.
    pub at_least: Option<Lsn>,
    /// The log that `at_least` belongs to.
    pub log_id: Option<LogId>,
    /// How long to wait for it, in milliseconds; at most 30,000.
    pub wait_ms: Option<u64>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Most entries, 1 to 1,000.
    pub limit: Option<usize>,
}

pub(super) async fn cells(
    State(state): State<QueryState>,
    QueryOf(query): QueryOf<CellsQuery>,
) -> Answered<PinCellsAnswer> {
    let CellsQuery { place, at_least, log_id, wait_ms, after, limit } = query;
    let paging = Paging { at_least, log_id, wait_ms, after, limit };
    let limit = paging.limit()?;
    let place = place.map(|text| place_of(&text)).transpose()?;
    let token = paging.token();
    let make = move |teller: &mut Teller<'_>| {
        let log_id = teller.reading.log_id();
        // No place has the number of none.
        let subject = (0, place.map_or(u32::MAX, u32::from));
        let listing = Cursor { kind: ListingKind::PinCells, subject, place: 0, log_id };
        let after = paging.place(listing)?.map(|packed| PinCell {
            place: (packed / 1_000) as u16,
            century_sex: (packed / 100 % 10) as u8,
            year: (packed % 100) as u8,
        });
        let found = teller.reading.pin_cells(place, after, limit)?;
        let packed = |place: u16, century_sex: u8, birth_year: i16| {
            u64::from(place) * 1_000 + u64::from(century_sex) * 100 + u64::from(birth_year as u16 % 100)
        };
        let last = found.items.last().map(|cell| packed(cell.place, cell.century_sex, cell.birth_year));
        let next = last.filter(|_| found.more).map(|place| Cursor { place, ..listing }.to_text());
        Ok(PinCellsAnswer { cells: found.items, next })
    };
    state.answer(token, make).await
}

fn place_of(text: &str) -> Result<u16, Problem> {
    let plain = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let place = plain.then(|| text.parse().ok()).flatten().filter(|place| *place <= MAX_PLACE);
    place.ok_or_else(|| Problem::of(&problems::BAD_PIN_PLACE))
}

pub(super) async fn notices(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(paging): QueryOf<Paging>,
) -> Answered<NoticesAnswer> {
    let name = name_of(&code)?;
    let limit = paging.limit()?;
    let token = paging.token();
    let make = move |teller: &mut Teller<'_>| {
        let unit = find(teller, name)?;
        let listing = listing(teller, ListingKind::PinNotices, unit);
        let place = paging.place(listing)?.unwrap_or(0);
        let after = (UnitId((place >> 32) as u32), PersonId(place as u32));
        let units = teller.reading.subtree(unit, MAX_UNITS_VISITED)?;
        let units = units.ok_or(&problems::STRUCTURE_TOO_LARGE)?;
        let found = teller.reading.notices_due(&units, after, limit)?;
        let last = found.items.last().map(|(unit, person)| u64::from(unit.0) << 32 | u64::from(person.0));
        let next = last.filter(|_| found.more).map(|place| Cursor { place, ..listing }.to_text());
        let mut notices = Vec::with_capacity(found.items.len());
        for (_, id) in found.items {
            let Some(row) = teller.reading.person(id)? else { continue };
            let Some(due) = row.notice_due() else { continue };
            let person = teller.person(id)?;
            let residence = crate::answers::residence_line(teller, &row)?;
            notices.push(NoticeView { person, pin: due.pin, issued_on: due.since, residence });
        }
        Ok(NoticesAnswer { unit: teller.unit(unit)?, notices, next })
    };
    state.answer(token, make).await
}
