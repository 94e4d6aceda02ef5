//! What changed in a unit between two pairs of times.

use super::ask::{Answered, NoAnswer, Paging, QueryState};
use super::lately::Anew;
use super::past::{AskedFor, about};
use super::past_rows::shown;
use super::problems;
use super::units::name_of;
use crate::answers::{AspectChange, ChangesAnswer, PersonBrief, PersonChange, Reflecting, Teller};
use crate::as_of::{AsOf, Past};
use crate::cursor::{Cursor, ListingKind};
use crate::difference::{Causes, Differs, candidates, differs};
use crate::explanation::{ExplainedEvent, Shown, by_lsn, explained, says_of};
use crate::labels::Label;
use crate::row_source::Moment;
use crate::view::{MAX_UNITS_VISITED, View};
use crate::walk::RowRecord;
use access::http::{Answer, Problem, QueryOf};
use axum::extract::{Path, State};
use event_log::LogSource;
use event_schemas::event::Event;
use event_schemas::ids::{EventAddress, LogId, Lsn, PersonId, UnitId};
use event_schemas::row::{Aspect, RowRef};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Most persons who are compared for one page.
const MAX_COMPARED: usize = 1_000;
/// Most readings of the view for one page.
const MAX_ROUNDS: usize = 50;

/// Between what.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangesQuery {
    /// The first pair: a day, `@`, and an lsn, a day or an instant, such as 2021-08-15@1187. What is left out is now.
    pub from: Option<String>,
    /// The second pair; now unless stated.
    pub to: Option<String>,
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

fn pair(text: Option<&str>) -> Result<AskedFor, Problem> {
    let (valid_on, known_at) = match text.unwrap_or_default().split_once('@') {
        Some((valid_on, known_at)) => (valid_on, known_at),
        None => (text.unwrap_or_default(), ""),
    };
    let stated = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    AskedFor::of(stated(valid_on).as_deref(), stated(known_at).as_deref())
}

/// `GET /v1/units/{code}/changes`
pub(super) async fn changes(
    State(state): State<QueryState>,
    Path(code): Path<String>,
    QueryOf(query): QueryOf<ChangesQuery>,
) -> Answered<ChangesAnswer> {
    let ChangesQuery { from, to, at_least, log_id, wait_ms, after, limit } = query;
    let paging = Paging { at_least, log_id, wait_ms, after, limit };
    let limit = paging.limit()?;
    let name = name_of(&code)?;
    let (from, to) = (pair(from.as_deref())?, pair(to.as_deref())?);
    state.wait_for(paging.token()).await?;
    let (views, lately) = (state.views().clone(), state.lately());
    state
        .off_the_async_threads(move || {
            let (view, source) = (views.current(), &**views.source());
            let (from, to) = (from.resolve(&view, source)?, to.resolve(&view, source)?);
            let reading = view.read();
            let log_id = reading.log_id();
            let mut teller = Teller::new(&reading);
            let unit = super::units::find(&mut teller, name)?;
            let brief = teller.unit(unit)?;
            let units = reading.subtree(unit, MAX_UNITS_VISITED)?.ok_or(&problems::STRUCTURE_TOO_LARGE)?;
            drop(teller);
            drop(reading);
            let listing = Cursor { kind: ListingKind::Changes, subject: (0, unit.0), place: 0, log_id };
            let after = PersonId(paging.place(listing)?.unwrap_or(0) as u32);
            let mut anew = lately.told_anew(source, from.known_at.min(to.known_at));
            let (changes, shown) = (Vec::new(), Vec::new());
            let mut page = Page { view: &view, source, from, to, units: &units, changes, shown };
            let next = each_candidate(&view, &units, &mut anew, after, |person| {
                page.compare(person)?;
                Ok(page.changes.len() == limit)
            })?;
            let next = next.map(|place| Cursor { place: u64::from(place.0), ..listing }.to_text());
            let (first, second) = (about(source, from)?, about(source, to)?);
            let Page { changes, shown, .. } = page;
            let body = ChangesAnswer { unit: brief, from: first, to: second, changes, next };
            let lsn = to.known_at;
            Ok(Answer { body: Reflecting { log_id, lsn, as_of: Some(second), body }, lsn, shown })
        })
        .await
}

/// Calls `look` with persons beyond `after` who may have been residents of these units, until it says that it has enough or so many
/// were looked at; the last one who was looked at, if there are more.
pub(super) fn each_candidate(
    view: &View,
    units: &BTreeSet<UnitId>,
    anew: &mut Anew<'_>,
    mut after: PersonId,
    mut look: impl FnMut(PersonId) -> Result<bool, NoAnswer>,
) -> Result<Option<PersonId>, NoAnswer> {
    let mut looked_closely = 0;
    for _ in 0..MAX_ROUNDS {
        let reading = anew.reading(view)?;
        let (found, looked_at) = candidates(&reading, units, anew.told(), after)?;
        drop(reading);
        let Some(looked_at) = looked_at else { return Ok(None) };
        for person in found {
            looked_closely += 1;
            if look(person)? || looked_closely == MAX_COMPARED {
                return Ok(Some(person));
            }
        }
        after = looked_at;
    }
    Ok(Some(after))
}

/// One page, as it is filled.
struct Page<'a> {
    view: &'a View,
    source: &'a dyn LogSource,
    from: AsOf,
    to: AsOf,
    units: &'a BTreeSet<UnitId>,
    changes: Vec<PersonChange>,
    shown: Vec<RowRef>,
}

impl Page<'_> {
    fn compare(&mut self, person: PersonId) -> Result<(), NoAnswer> {
        let from = Past::new(self.view, self.source, self.from);
        let to = Past::new(self.view, self.source, self.to);
        let Some(differs) = differs(person, self.units, &from, &to)? else { return Ok(()) };
        let row = RowRef::Person(person);
        let (from, to) = (Moment::Then(&from), Moment::Then(&to));
        let (mut before, mut after) = (Teller::new(&from), Teller::new(&to));
        let was = shown(&mut before, row)?;
        let is = shown(&mut after, row)?;
        let brief = match is {
            Some(_) => after.person(person)?,
            None => before.person(person)?,
        };
        self.changes.push(change(brief, differs, was.as_ref(), is.as_ref()));
        for row in before.shown.into_iter().chain(after.shown) {
            if !self.shown.contains(&row) {
                self.shown.push(row);
            }
        }
        Ok(())
    }
}

fn change(person: PersonBrief, differs: Differs, was: Option<&Shown>, is: Option<&Shown>) -> PersonChange {
    let Differs { outcome, aspects, records } = differs;
    let (was, is) = (was.map(Shown::members).unwrap_or_default(), is.map(Shown::members).unwrap_or_default());
    let row = RowRef::Person(person.id);
    let by_lsn = by_lsn(&records);
    let change = |(aspect, causes): (Aspect, Causes)| AspectChange {
        aspect,
        label: Label::of_aspect(aspect),
        before: says_of(row, aspect, &was),
        after: says_of(row, aspect, &is),
        no_longer: told(causes.no_longer, &by_lsn),
        newly: told(causes.newly, &by_lsn),
    };
    let aspects = aspects.into_iter().map(change).collect();
    PersonChange { person, outcome, aspects }
}

fn told(events: Vec<(EventAddress, Event)>, records: &BTreeMap<Lsn, &RowRecord>) -> Vec<ExplainedEvent> {
    events.iter().filter_map(|(at, event)| explained(*at, event, records)).collect()
}
