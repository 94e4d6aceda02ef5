//! Finding persons by what is known of them.

use super::ask::{Answered, NoAnswer, Paging, QueryState};
use super::problems;
use super::units;
use crate::answers::{SearchAnswer, Teller};
use crate::cursor::{Cursor, ListingKind};
use crate::names::{MAX_WORDS, Word, words_of};
use crate::search::{Criteria, Found, search};
use access::http::{Problem, QueryOf};
use axum::extract::State;
use event_schemas::ids::{LogId, Lsn, PersonId};
use event_schemas::person::Sex;
use event_schemas::row::RowRef;
use event_schemas::time::PartialDate;
use schemars::JsonSchema;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

const MAX_NAME_CHARS: usize = 200;

/// What is known of somebody. A name or a unit is needed; whatever else narrows it down.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchQuery {
    /// Words of a name now or before, in any order. Words without diacritics match with any.
    pub name: Option<String>,
    /// Born in a year, in a month, on a day: 1985, 1985-03, 1985-03-02.
    pub birth: Option<String>,
    pub sex: Option<Sex>,
    /// Resident in this unit or below it.
    pub unit: Option<String>,
    /// Words of the mother's name.
    pub mother: Option<String>,
    /// Words of the father's name.
    pub father: Option<String>,
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

impl SearchQuery {
    fn paging(&self) -> Paging {
        let Self { at_least, log_id, wait_ms, limit, .. } = *self;
        Paging { at_least, log_id, wait_ms, after: self.after.clone(), limit }
    }

    /// Binds a page to its question.
    fn digest(&self) -> u32 {
        let Self { name, birth, sex, unit, mother, father, .. } = self;
        xxh3_64(format!("{name:?} {birth:?} {sex:?} {unit:?} {mother:?} {father:?}").as_bytes()) as u32
    }

    /// Everything but the unit, which the view knows.
    fn criteria(&self) -> Result<Criteria, Problem> {
        let bad_date = |_| Problem::of(&problems::BAD_DATE);
        let birth: Option<PartialDate> =
            self.birth.as_deref().map(str::parse).transpose().map_err(bad_date)?;
        let criteria = Criteria {
            name: asked(self.name.as_deref())?,
            birth,
            sex: self.sex,
            unit: None,
            mother: asked(self.mother.as_deref())?,
            father: asked(self.father.as_deref())?,
        };
        if criteria.name.is_empty() && self.unit.is_none() {
            return Err(Problem::of(&problems::SEARCH_EMPTY));
        }
        Ok(criteria)
    }

    /// What would narrow it down.
    fn missing(&self) -> Vec<(&'static str, &'static str)> {
        let all = [
            (self.name.is_none(), ("a name", "họ tên")),
            (self.birth.is_none(), ("a date of birth", "ngày sinh")),
            (
                self.birth.as_ref().is_some_and(|birth| birth.len() < 10),
                ("the day of birth", "ngày sinh đầy đủ"),
            ),
            (self.unit.is_none(), ("a ward", "phường hoặc xã")),
        ];
        all.into_iter().filter(|(is_missing, _)| *is_missing).map(|(_, what)| what).collect()
    }
}

fn asked(text: Option<&str>) -> Result<Vec<Word>, Problem> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let too_long = text.chars().count() > MAX_NAME_CHARS || text.split_whitespace().count() > MAX_WORDS;
    if too_long {
        return Err(Problem::of(&problems::SEARCH_TOO_LONG));
    }
    let words = words_of(text);
    if words.is_empty() { Err(Problem::of(&problems::SEARCH_EMPTY)) } else { Ok(words) }
}

/// `GET /v1/persons`
pub(super) async fn persons(
    State(state): State<QueryState>,
    QueryOf(query): QueryOf<SearchQuery>,
) -> Answered<SearchAnswer> {
    let mut criteria = query.criteria()?;
    let unit = query.unit.as_deref().map(units::name_of).transpose()?;
    let paging = query.paging();
    let limit = paging.limit()?;
    let token = paging.token();
    let make = move |teller: &mut Teller<'_>| {
        if let Some(unit) = unit {
            criteria.unit = Some(units::find(teller, unit)?);
        }
        let (found, whole_names_only) = match search(teller.reading, &criteria)? {
            Found::All(found) => (found, false),
            Found::WholeName(found) => (found, true),
            Found::TooMany => return Err(too_broad(&query)),
        };
        let listing = Cursor {
            kind: ListingKind::Search,
            subject: (0, query.digest()),
            place: 0,
            log_id: teller.reading.log_id(),
        };
        let after = PersonId(paging.place(listing)?.unwrap_or(0) as u32);
        let mut rest = found.iter().copied().filter(|id| *id > after);
        let page: Vec<PersonId> = rest.by_ref().take(limit).collect();
        let last = page.last().map(|last| u64::from(last.0));
        let next = last.filter(|_| rest.next().is_some()).map(|place| Cursor { place, ..listing }.to_text());
        let mut persons = Vec::with_capacity(page.len());
        for id in page {
            persons.push(teller.person(id)?);
            let row = teller.reading.person(id)?.unwrap_or_default();
            criteria
                .compared_parents(&row)
                .into_iter()
                .for_each(|parent| teller.show(RowRef::Person(parent)));
        }
        Ok(SearchAnswer { found: found.len(), whole_names_only, persons, next })
    };
    state.answer(token, make).await
}

fn too_broad(query: &SearchQuery) -> NoAnswer {
    let problem = Problem::of(&problems::SEARCH_TOO_BROAD);
    let missing = query.missing();
    if missing.is_empty() {
        return problem.into();
    }
    let join = |pick: fn(&(&'static str, &'static str)) -> &'static str, or: &str| {
        missing.iter().map(pick).collect::<Vec<_>>().join(or)
    };
    let en = format!("Too many persons would have to be looked at. Add {}.", join(|(en, _)| en, " or "));
    let vi = format!("Quá nhiều người phù hợp. Hãy bổ sung {}.", join(|(_, vi)| vi, " hoặc "));
    problem.detail(en, vi).into()
}
