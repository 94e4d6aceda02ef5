//! Cards and applications.

use super::ask::{Answered, Paging, QueryState, id_of};
use super::past::{AsOfQuery, PastTeller};
use super::problems;
use super::units::{find, listing, name_of};
use crate::answers::{
    CardAnswer, CardView, CardsDueAnswer, DossierAnswer, DossierView, DueView, HistoryAnswer, Teller,
};
use crate::cursor::{Cursor, ListingKind};
use crate::due;
use crate::layout::ResidenceKind;
use crate::row_source::RowSource;
use access::http::QueryOf;
use axum::extract::{Path, State};
use event_schemas::ids::{CardId, DossierId, LogId, Lsn, PersonId};
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use schemars::JsonSchema;
use serde::Deserialize;

/// Residents looked at for one page.
const MAX_LOOKED_AT: usize = 2_000;

/// What is due until when.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DueQuery {
    /// Due until this day; the registry's day unless stated.
    pub by: Option<Date>,
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

pub(super) async fn due(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<DueQuery>,
) -> Answered<CardsDueAnswer> {
    let DueQuery { by, at_least, log_id, wait_ms, after, limit } = query;
    let paging = Paging { at_least, log_id, wait_ms, after, limit };
    let name = name_of(&code)?;
    let limit = paging.limit()?;
    let token = paging.token();
    let make = move |teller: &mut Teller<'_>| {
        let unit = find(teller, name)?;
        let listing = listing(teller, ListingKind::CardsDue, unit);
        let by = match by {
            Some(by) => by,
            None => teller.reading.day()?.unwrap_or(Date(0)),
        };
        let after = PersonId(paging.place(listing)?.unwrap_or(0) as u32);
        let found = teller.reading.residents(unit, ResidenceKind::Permanent, after, MAX_LOOKED_AT)?;
        let (mut due, mut last) = (Vec::new(), None);
        for id in &found.items {
            last = Some(u64::from(id.0));
            let Some(row) = teller.reading.person(*id)? else { continue };
            let Some(found) = due::due(teller.reading, &row, by)? else { continue };
            let due::Due { reason, card, status, expires_on, application } = found;
            let person = teller.person(*id)?;
            due.push(DueView { person, reason, card, status, expires_on, application });
            if due.len() == limit {
                break;
            }
        }
        let more = found.more || last != found.items.last().map(|last| u64::from(last.0));
        let next = last.filter(|_| more).map(|place| Cursor { place, ..listing }.to_text());
        Ok(CardsDueAnswer { unit: teller.unit(unit)?, by, due, next })
    };
    state.answer(token, make).await
}

pub(super) async fn by_id(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(query): QueryOf<AsOfQuery>,
) -> Answered<CardAnswer> {
    let id: CardId = id_of(&id, "C17")?;
    let make = move |teller: &mut PastTeller<'_, '_>| {
        let not_found = teller.reading.or_not_known(&problems::CARD_NOT_FOUND);
        let row = teller.reading.card(id)?.ok_or(not_found)?;
        let card = CardView::of(teller, id, &row)?.ok_or(not_found)?;
        Ok(CardAnswer { card })
    };
    state.answer_as_of(query, make).await
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
    QueryOf(query): QueryOf<AsOfQuery>,
) -> Answered<DossierAnswer> {
    let id: DossierId = id_of(&id, "D17")?;
    let make = move |teller: &mut PastTeller<'_, '_>| {
        let not_found = teller.reading.or_not_known(&problems::DOSSIER_NOT_FOUND);
        let row = teller.reading.dossier(id)?.ok_or(not_found)?;
        let dossier = DossierView::of(teller, id, &row)?.ok_or(not_found)?;
        Ok(DossierAnswer { dossier })
    };
    state.answer_as_of(query, make).await
}
