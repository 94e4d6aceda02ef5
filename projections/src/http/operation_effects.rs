//! What an operation of corrections would change, told before it is committed.

use super::ask::{Answered, NoAnswer, Paging, QueryState, ReadToken, id_of};
use super::problems;
use crate::answers::{
    EffectView, ItemEffect, OperationEffectAnswer, OperationItemsAnswer, Reflecting, Teller,
};
use crate::cursor::{Cursor, ListingKind};
use crate::foreseen::{Sums, items_from};
use crate::view::Reading;
use access::Caller;
use access::http::{Answer, Problem, QueryOf};
use axum::Extension;
use axum::extract::{Path, State};
use event_schemas::ids::OperationId;
use event_schemas::operation::{OperationKind, OperationStatus};

/// Most corrections of one page: each shows all of its rows.
const MAX_ITEMS: usize = 50;

pub(super) async fn sums(
    State(state): State<QueryState>,
    Path(id): Path<String>,
    QueryOf(token): QueryOf<ReadToken>,
) -> Answered<OperationEffectAnswer> {
    let operation: OperationId = id_of(&id, "B17")?;
    state.wait_for(token).await?;
    let turn = state.foreseeing().try_acquire_owned();
    let turn = turn.map_err(|_| Problem::of(&problems::TOO_BUSY).retry_after_s(1))?;
    let (views, references) = (state.views().clone(), state.references());
    state
        .off_the_async_threads(move || {
            let _turn = turn;
            let view = views.current();
            check(&view.read(), operation)?;
            let mut reference = references.of(&view.read())?;
            let sums = Sums::of(&view, &mut reference, operation)?;
            let reading = view.read();
            // Its parts are freed with its end: what was summed meanwhile would be less than all.
            check(&reading, operation)?;
            let mut teller = Teller::new(&reading);
            let body = OperationEffectAnswer::of(&mut teller, operation, sums)?;
            Ok(Answer { body: teller.reflecting(body), lsn: reading.lsn(), shown: Vec::new() })
        })
        .await
}

pub(super) async fn items(
    State(state): State<QueryState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    QueryOf(paging): QueryOf<Paging>,
) -> Answered<OperationItemsAnswer> {
    let operation: OperationId = id_of(&id, "B17")?;
    let limit = paging.limit()?.min(MAX_ITEMS);
    let log_id = state.views().log_id();
    let listing = Cursor { kind: ListingKind::OperationItems, subject: (0, operation.0), place: 0, log_id };
    let from = paging.place(listing)?.unwrap_or(0);
    state.wait_for(paging.token()).await?;
    let (views, references) = (state.views().clone(), state.references());
    state
        .off_the_async_threads(move || {
            let view = views.current();
            let reading = view.read();
            check(&reading, operation)?;
            let mut reference = references.of(&reading)?;
            let (found, more) = items_from(&reading, operation, ((from >> 32) as u32, from as u32), limit)?;
            let (mut items, mut shown) = (Vec::with_capacity(found.len()), Vec::new());
            let beyond = found.last().map(|item| u64::from(item.at.0) << 32 | u64::from(item.at.1 + 1));
            for item in found {
                let (part, place) = item.at;
                let effect = match item.tried(&reading, &mut reference)? {
                    Some(trial) => {
                        let (effect, rows) = EffectView::of(&caller, &reading, &trial)?;
                        shown.extend(rows);
                        Some(effect)
                    }
                    None => None,
                };
                items.push(ItemEffect { part, place, effect });
            }
            let next = beyond.filter(|_| more).map(|place| Cursor { place, ..listing }.to_text());
            let body = OperationItemsAnswer { operation, items, next };
            shown.sort_unstable();
            shown.dedup();
            let (lsn, as_of) = (reading.lsn(), None);
            Ok(Answer { body: Reflecting { log_id, lsn, as_of, body }, lsn, shown })
        })
        .await
}

/// Corrections that are staged, and neither committed nor given up.
fn check(reading: &Reading<'_>, operation: OperationId) -> Result<(), NoAnswer> {
    let row = reading.operation(operation)?.ok_or(&problems::OPERATION_NOT_FOUND)?;
    let is_over = matches!(row.current_status(), OperationStatus::Committed | OperationStatus::Abandoned);
    let corrects = row.opened.as_ref().is_some_and(|it| matches!(it.kind, OperationKind::Corrections(_)));
    if is_over || !corrects { Err(NoAnswer::from(&problems::NOTHING_FORESEEN)) } else { Ok(()) }
}
