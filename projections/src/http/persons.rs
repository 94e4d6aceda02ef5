//! Persons.

use super::ask::{Answered, NoAnswer, Paging, QueryState, id_of};
use super::past::{AsOfQuery, PastTeller};
use super::problems;
use crate::answers::{FoundBy, HistoryAnswer, PersonAnswer, PersonView, ResidenceAnswer};
use crate::row_source::{Moment, RowSource};
use crate::rows::{PersonRow, Row};
use access::http::{Problem, QueryOf};
use axum::extract::{Path, State};
use event_schemas::document::cmnd_number;
use event_schemas::ids::PersonId;
use event_schemas::pin::Pin;
use event_schemas::row::RowRef;

/// Persons shown beside the first for one CMND.
const MAX_SAME_CMND: usize = 20;

pub(super) async fn by_id(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(query): QueryOf<AsOfQuery>,
) -> Answered<PersonAnswer> {
    let id: PersonId = id_of(&id, "P17")?;
    let make = move |teller: &mut PastTeller<'_, '_>| {
        let person = view_of(teller, id)?;
        Ok(PersonAnswer { found_by: None, person })
    };
    state.answer_as_of(query, make).await
}

pub(super) async fn by_pin(
    State(state): State<QueryState>,
    Path(pin): Path<String>,
    QueryOf(query): QueryOf<AsOfQuery>,
) -> Answered<PersonAnswer> {
    let Ok(pin) = pin.parse::<Pin>() else {
        let vi = "Số định danh cá nhân gồm đúng 12 chữ số.";
        return Err(Problem::of(&problems::BAD_ID).detail("A PIN has exactly 12 digits.", vi));
    };
    let make = move |teller: &mut PastTeller<'_, '_>| {
        let id = teller.reading.by_pin(pin)?.ok_or(&problems::PERSON_NOT_FOUND)?;
        let person = view_of(teller, id)?;
        let cancelled = person.pins.iter().any(|entry| entry.pin == pin && !entry.in_force);
        let found_by = FoundBy::Pin { pin, cancelled, current: person.pin };
        Ok(PersonAnswer { found_by: Some(found_by), person })
    };
    state.answer_as_of(query, make).await
}

pub(super) async fn by_cmnd(
    State(state): State<QueryState>,
    Path(number): Path<String>,
    QueryOf(query): QueryOf<AsOfQuery>,
) -> Answered<PersonAnswer> {
    let Some(key) = cmnd_number(&number) else {
        let vi = "Số chứng minh nhân dân tra cứu gồm đúng 9 chữ số.";
        return Err(Problem::of(&problems::BAD_ID).detail("A CMND has exactly 9 digits here.", vi));
    };
    let make = move |teller: &mut PastTeller<'_, '_>| {
        let holders = teller.reading.by_cmnd(key, MAX_SAME_CMND + 1)?;
        let (first, also) = holders.split_first().ok_or(&problems::PERSON_NOT_FOUND)?;
        let person = view_of(teller, *first)?;
        for other in also {
            teller.show(RowRef::Person(*other));
        }
        let found_by = FoundBy::Cmnd { number, also: also.to_vec() };
        Ok(PersonAnswer { found_by: Some(found_by), person })
    };
    state.answer_as_of(query, make).await
}

pub(super) async fn residence(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(query): QueryOf<AsOfQuery>,
) -> Answered<ResidenceAnswer> {
    let id: PersonId = id_of(&id, "P17")?;
    let make = move |teller: &mut PastTeller<'_, '_>| {
        let row = row_of(teller, id)?;
        Ok(ResidenceAnswer::of(teller, id, &row)?)
    };
    state.answer_as_of(query, make).await
}

pub(super) async fn history(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(paging): QueryOf<Paging>,
) -> Answered<HistoryAnswer> {
    let id: PersonId = id_of(&id, "P17")?;
    state.history(RowRef::Person(id), paging, &problems::PERSON_NOT_FOUND).await
}

fn row_of(teller: &PastTeller<'_, '_>, id: PersonId) -> Result<PersonRow, NoAnswer> {
    let reading: &Moment<'_> = teller.reading;
    match (reading.row(RowRef::Person(id))?, reading) {
        (Some(Row::Person(row)), _) if row.registration.is_some() => Ok(*row),
        // A birth that was taken back still tells that it was, and which number leads here; so does any day asked of by what was known
        // after it. By what was known before it the person is told as believed then.
        (Some(Row::Person(row)), Moment::Now(_)) if row.is_annulled() => Ok(*row),
        (Some(Row::Person(row)), Moment::Then(past)) if past.is_annulled(id)? => Ok(*row),
        _ => Err(reading.or_not_known(&problems::PERSON_NOT_FOUND).into()),
    }
}

fn view_of(teller: &mut PastTeller<'_, '_>, id: PersonId) -> Result<PersonView, NoAnswer> {
    let row = row_of(teller, id)?;
    Ok(PersonView::of(teller, id, &row)?)
}
