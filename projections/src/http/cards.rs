//! Cards and applications.

use super::ask::{Answered, AsOf, Paging, QueryState, id_of};
use super::problems;
use crate::answers::{CardAnswer, CardView, DossierAnswer, DossierView, HistoryAnswer, Teller};
use access::http::QueryOf;
use axum::extract::{Path, State};
use event_schemas::ids::{CardId, DossierId};
use event_schemas::row::RowRef;

pub(super) async fn by_id(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(as_of): QueryOf<AsOf>,
) -> Answered<CardAnswer> {
    let id: CardId = id_of(&id, "C17")?;
    let make = move |teller: &mut Teller<'_>| {
        let row = teller.reading.card(id)?.ok_or(&problems::CARD_NOT_FOUND)?;
        let card = CardView::of(teller, id, &row)?.ok_or(&problems::CARD_NOT_FOUND)?;
        Ok(CardAnswer { card })
    };
    state.answer(as_of, make).await
}

pub(super) async fn history(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(paging): QueryOf<Paging>,
) -> Answered<HistoryAnswer> {
    let id: CardId = id_of(&id, "C17")?;
    state.history(RowRef::Card(id), paging, &problems::CARD_NOT_FOUND).await
}

pub(super) async fn dossier(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(as_of): QueryOf<AsOf>,
) -> Answered<DossierAnswer> {
    let id: DossierId = id_of(&id, "D17")?;
    let make = move |teller: &mut Teller<'_>| {
        let row = teller.reading.dossier(id)?.ok_or(&problems::DOSSIER_NOT_FOUND)?;
        let dossier = DossierView::of(teller, id, &row)?.ok_or(&problems::DOSSIER_NOT_FOUND)?;
        Ok(DossierAnswer { dossier })
    };
    state.answer(as_of, make).await
}
