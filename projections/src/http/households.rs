//! Households.

use super::ask::{Answered, AsOf, Paging, QueryState, id_of};
use super::problems;
use crate::answers::{HistoryAnswer, HouseholdAnswer, HouseholdView, Teller};
use access::http::QueryOf;
use axum::extract::{Path, State};
use event_schemas::ids::HouseholdId;
use event_schemas::row::RowRef;

pub(super) async fn by_id(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(as_of): QueryOf<AsOf>,
) -> Answered<HouseholdAnswer> {
    let id: HouseholdId = id_of(&id, "H17")?;
    let make = move |teller: &mut Teller<'_>| {
        let row = teller.reading.household(id)?.ok_or(&problems::HOUSEHOLD_NOT_FOUND)?;
        Ok(HouseholdAnswer { household: HouseholdView::of(teller, id, &row)? })
    };
    state.answer(as_of, make).await
}

pub(super) async fn history(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(paging): QueryOf<Paging>,
) -> Answered<HistoryAnswer> {
    let id: HouseholdId = id_of(&id, "H17")?;
    state.history(RowRef::Household(id), paging, &problems::HOUSEHOLD_NOT_FOUND).await
}
