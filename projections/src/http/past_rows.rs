//! How a row came to be what it is: everything recorded of it, and why it says what it says.

use super::ask::{NoAnswer, QueryState, id_of};
use super::past::{AsOfQuery, PastTeller};
use super::problems;
use crate::answers::{CardView, ChronicleAnswer, ExplanationAnswer, HouseholdView, PersonView, Reflecting};
use crate::as_of::Past;
use crate::chronicle::{Chronicle, OfficeBrief, chronicle, named};
use crate::explanation::{Shown, explain};
use crate::page::page;
use crate::row_source::{Moment, RowSource};
use crate::walk::RowRecord;
use access::http::{Answer, Page, Problem, ProblemKind, QueryOf};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use event_schemas::row::RowRef;

/// Most events that one answer tells, those of timelines told anew counted before and after.
const MAX_LINES: usize = 50_000;

fn lines_of(records: &[RowRecord]) -> usize {
    let restated =
        |record: &RowRecord| record.restatements.iter().map(|it| it.timeline.len() * 2).sum::<usize>();
    records.iter().map(|record| record.events.len() + restated(record)).sum()
}

fn person(id: &str) -> Result<RowRef, Problem> {
    id_of(id, "P17").map(RowRef::Person)
}

fn household(id: &str) -> Result<RowRef, Problem> {
    id_of(id, "H17").map(RowRef::Household)
}

fn card(id: &str) -> Result<RowRef, Problem> {
    id_of(id, "C17").map(RowRef::Card)
}

macro_rules! handlers {
    ($($chronicle:ident $explanation:ident $row:ident;)*) => {$(
        pub(super) async fn $chronicle(
            State(state): State<QueryState>,
            Path(id): Path<String>,
            QueryOf(query): QueryOf<AsOfQuery>,
            headers: HeaderMap,
        ) -> Result<Response, Problem> {
            tell_all(state, $row(&id)?, query, &headers).await
        }

        pub(super) async fn $explanation(
            State(state): State<QueryState>,
            Path(id): Path<String>,
            QueryOf(query): QueryOf<AsOfQuery>,
        ) -> Result<Answer<Reflecting<ExplanationAnswer>>, Problem> {
            tell_why(state, $row(&id)?, query).await
        }
    )*};
}

handlers! {
    person_chronicle person_explanation person;
    household_chronicle household_explanation household;
    card_chronicle card_explanation card;
}

/// Everything recorded, as JSON or, if that is what the caller accepts, as a page.
async fn tell_all(
    state: QueryState,
    row: RowRef,
    query: AsOfQuery,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    if query.valid_on.is_some() {
        return Err(Problem::of(&problems::NOT_A_CHOICE_HERE).detail(
            "What was recorded is told whole, whatever the day: this question has no choice of valid_on.",
            "Lịch sử ghi nhận được trả lời đầy đủ cho mọi ngày: câu hỏi này không có lựa chọn valid_on.",
        ));
    }
    let as_page = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let as_page = as_page.is_some_and(|accept| accept.contains("text/html"));
    let answer = state.answer_past(query, move |teller, past| {
        let records = past.records(row)?;
        if records.is_empty() {
            return Err(NoAnswer::from(not_found(row)));
        }
        if lines_of(&records) > MAX_LINES {
            return Err(NoAnswer::from(&problems::HISTORY_TOO_LONG));
        }
        teller.show(row);
        let (persons, offices) = named(&records);
        let mut chronicle = Chronicle {
            row,
            records: chronicle(row, &records),
            persons: Vec::with_capacity(persons.len()),
            offices: Vec::with_capacity(offices.len()),
        };
        for named in persons {
            if let RowRef::Person(id) = named {
                chronicle.persons.push(teller.person(id)?);
            }
        }
        for id in offices {
            let office = teller.reading.office(id)?.and_then(|office| office.established);
            let name = office.map_or_else(String::new, |office| office.name.to_string());
            chronicle.offices.push(OfficeBrief { id, name });
        }
        Ok(ChronicleAnswer { chronicle })
    });
    let answer = answer.await?;
    if !as_page {
        return Ok(answer.into_response());
    }
    let html = page(&answer.body);
    Ok(Page(Answer { body: html, shown: answer.shown, lsn: answer.lsn }).into_response())
}

fn not_found(row: RowRef) -> &'static ProblemKind {
    match row {
        RowRef::Household(_) => &problems::HOUSEHOLD_NOT_FOUND,
        RowRef::Card(_) => &problems::CARD_NOT_FOUND,
        _ => &problems::PERSON_NOT_FOUND,
    }
}

async fn tell_why(
    state: QueryState,
    row: RowRef,
    query: AsOfQuery,
) -> Result<Answer<Reflecting<ExplanationAnswer>>, Problem> {
    let make = move |teller: &mut PastTeller<'_, '_>, past: &Past<'_>| {
        let shown = shown(teller, row)?.ok_or(&problems::NOT_KNOWN_THEN)?;
        let explanation = explain(row, &past.records(row)?, past.as_of(), &shown);
        Ok(ExplanationAnswer { explanation })
    };
    state.answer_past(query, make).await
}

/// What the row says, as answers show it.
pub(super) fn shown(teller: &mut PastTeller<'_, '_>, row: RowRef) -> Result<Option<Shown>, NoAnswer> {
    let moment: &Moment<'_> = teller.reading;
    Ok(match row {
        RowRef::Person(id) => match moment.person(id)? {
            Some(row) => Some(Shown::Person(Box::new(PersonView::of(teller, id, &row)?))),
            None => None,
        },
        RowRef::Household(id) => match moment.household(id)? {
            Some(row) => Some(Shown::Household(Box::new(HouseholdView::of(teller, id, &row)?))),
            None => None,
        },
        RowRef::Card(id) => match moment.card(id)? {
            Some(row) => CardView::of(teller, id, &row)?.map(|view| Shown::Card(Box::new(view))),
            None => None,
        },
        _ => None,
    })
}
