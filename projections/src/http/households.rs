//! Households.

use super::ask::{Answered, Paging, QueryState, id_of};
use super::past::{AsOfQuery, PastTeller};
use super::problems;
use crate::answers::{HistoryAnswer, HouseholdAnswer, HouseholdView};
use crate::row_source::RowSource;
use access::http::QueryOf;
use axum::extract::{Path, State};
use event_schemas::ids::HouseholdId;
use event_schemas::row::RowRef;

pub(super) async fn by_id(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(query): QueryOf<AsOfQuery>,
) -> Answered<HouseholdAnswer> {
    let id: HouseholdId = id_of(&id, "H17")?;
    let make = move |teller: &mut PastTeller<'_, '_>| {
        let not_found = teller.reading.or_not_known(&problems::HOUSEHOLD_NOT_FOUND);
        let row = teller.reading.household(id)?.ok_or(not_found)?;
        Ok(HouseholdAnswer { household: HouseholdView::of(teller, id, &row)? })
    };
    state.answer_as_of(query, make).await
}

pub(super) async fn history(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(paging): QueryOf<Paging>,
) -> Answered<HistoryAnswer> {
    let id: HouseholdId = id_of(&id, "H17")?;
    state.history(RowRef::Household(id), paging, &problems::HOUSEHOLD_NOT_FOUND).await
}
