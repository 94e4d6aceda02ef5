//! What a record would change, as answers show it.

use super::total::{TotalEffect, TotalView};
use super::{CardView, DossierView, HouseholdView, PersonView, Teller, UnitBrief};
use crate::derived::count_of;
use crate::due::{DueReason, due};
use crate::layout::{
    BY_CMND, BY_NAME, BY_PIN, BY_WORD, HOUSEHOLDS_BY_UNIT, PIN_NOTICES, RESIDENTS, ResidenceKind,
};
use crate::row_source::RowSource;
use crate::rows::Row;
use crate::trial::{Effect, EntryChange, Trial};
use crate::view::Reading;
use access::{Caller, Scope};
use event_schemas::ids::{CardId, HouseholdId, PersonId, UnitId, Version};
use event_schemas::pin::Pin;
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::store::StoreError;

/// Everything that a record would change of what is shown.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EffectView {
    pub rows: Vec<RowEffect>,
    /// Keys by which rows are found.
    pub indexes: Vec<IndexEffect>,
    pub totals: Vec<TotalEffect>,
    /// What follows for cards, and for offices' lists of work.
    pub follows: Vec<FollowUp>,
    /// What the caller's token has no scope for; it is changed all the same.
    pub withheld: Withheld,
}

/// How much is not shown.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Withheld {
    pub rows: usize,
    pub indexes: usize,
    pub totals: usize,
}

/// A row before and after, each as questions for it are answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RowEffect {
    pub row: RowRef,
    /// The version that it would get.
    pub version: Version,
    pub before: Option<RowView>,
    pub after: Option<RowView>,
}

/// A row as questions for it are answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowView {
    Person(Box<PersonView>),
    Household(Box<HouseholdView>),
    Card(Box<CardView>),
    Dossier(Box<DossierView>),
}

/// A key by which a row is found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IndexEffect {
    pub index: String,
    pub change: IndexChange,
    /// The word, name or number; whether residence is permanent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth: Option<Date>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitBrief>,
    /// What is found by it.
    pub row: Option<RowRef>,
}

/// What becomes of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IndexChange {
    Added,
    Removed,
    /// Another is found by it, or the number is no longer, or again, in force.
    Changed,
}

/// What follows for cards and lists of work, on the registry's day.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FollowUp {
    /// Whether somebody needs a card, and why.
    CardDue { person: PersonId, before: Option<DueReason>, after: Option<DueReason> },
    /// Whether a card may be accepted: stable codes.
    CardAccepted { card: CardId, before: Option<String>, after: Option<String> },
    /// Whether somebody is to be told of a number in writing.
    PinNoticeDue { person: PersonId, before: Option<Pin>, after: Option<Pin> },
}

impl EffectView {
    /// As far as the caller may see it, and whom it shows.
    pub(crate) fn of(
        caller: &Caller,
        reading: &Reading<'_>,
        trial: &Trial<'_>,
    ) -> Result<(Self, Vec<RowRef>), StoreError> {
        let (mut now, mut then) = (Teller::new(reading), Teller::new(trial));
        let Effect { rows, entries } = trial.effect()?;
        let mut view = Self::default();
        for change in &rows {
            if !may_see(caller, change.row) {
                view.withheld.rows += 1;
                continue;
            }
            let before =
                change.before.as_ref().map(|row| RowView::of(&mut now, change.row, row)).transpose()?;
            let after = RowView::of(&mut then, change.row, &change.after)?;
            let (row, version) = (change.row, change.after.stamp().version);
            view.rows.push(RowEffect { row, version, before: before.flatten(), after });
            if let (RowRef::Person(person), true) = (row, caller.may(Scope::ReadCards)) {
                follow_cards(reading, trial, person, &mut view.follows)?;
            }
            follow_notices(change.row, change.before.as_ref(), &change.after, &mut view.follows);
        }
        for change in &entries {
            if let Some(total) = TotalView::of(&mut then, change.table, &change.key)? {
                match caller.may(Scope::ReadUnits) {
                    true => view.totals.push(TotalEffect {
                        total,
                        before: change.before.as_deref().map_or(0, count_of),
                        after: change.after.as_deref().map_or(0, count_of),
                    }),
                    false => view.withheld.totals += 1,
                }
                continue;
            }
            let index = IndexEffect::of(&mut then, change)?;
            match index.row.is_none_or(|row| may_see(caller, row)) {
                true => view.indexes.push(index),
                false => view.withheld.indexes += 1,
            }
        }
        let mut shown = now.shown;
        shown.extend(then.shown);
        shown.sort_unstable();
        shown.dedup();
        Ok((view, shown))
    }
}

/// Whether the scope allows rows of the kind; what names nobody is for everybody.
fn may_see(caller: &Caller, row: RowRef) -> bool {
    match row {
        RowRef::Person(_) => caller.may(Scope::ReadPersons),
        RowRef::Household(_) => caller.may(Scope::ReadHouseholds),
        RowRef::Card(_) | RowRef::Dossier(_) => caller.may(Scope::ReadCards),
        RowRef::Dwelling(_) | RowRef::Unit(_) | RowRef::Office(_) | RowRef::Operation(_) => true,
    }
}

impl RowView {
    /// None of a row that was not there yet, and of kinds that no correction changes.
    fn of<R: RowSource>(
        teller: &mut Teller<'_, R>,
        row: RowRef,
        value: &Row,
    ) -> Result<Option<Self>, R::Error> {
        Ok(match (row, value) {
            (RowRef::Person(id), Row::Person(person))
                if person.registration.is_some() || person.is_annulled() =>
            {
                Some(Self::Person(Box::new(PersonView::of(teller, id, person)?)))
            }
            (RowRef::Household(id), Row::Household(household)) if household.formed.is_some() => {
                Some(Self::Household(Box::new(HouseholdView::of(teller, id, household)?)))
            }
            (RowRef::Card(id), Row::Card(card)) => {
                CardView::of(teller, id, card)?.map(|view| Self::Card(Box::new(view)))
            }
            (RowRef::Dossier(id), Row::Dossier(dossier)) => {
                DossierView::of(teller, id, dossier)?.map(|view| Self::Dossier(Box::new(view)))
            }
            _ => None,
        })
    }
}

fn follow_cards(
    reading: &Reading<'_>,
    trial: &Trial<'_>,
    id: PersonId,
    follows: &mut Vec<FollowUp>,
) -> Result<(), StoreError> {
    let (before, after) = (needed(reading, id)?, needed(trial, id)?);
    if before != after {
        follows.push(FollowUp::CardDue { person: id, before, after });
    }
    let cards = RowSource::person(trial, id)?.map_or_else(Vec::new, |person| person.cards);
    for card in cards {
        let (before, after) = (accepted(reading, card)?, accepted(trial, card)?);
        if before != after {
            follows.push(FollowUp::CardAccepted { card, before, after });
        }
    }
    Ok(())
}

fn needed<R: RowSource>(source: &R, id: PersonId) -> Result<Option<DueReason>, R::Error> {
    let (Some(person), Some(day)) = (source.person(id)?, source.day()?) else { return Ok(None) };
    Ok(due(source, &person, day)?.map(|due| due.reason))
}

fn accepted<R: RowSource>(source: &R, id: CardId) -> Result<Option<String>, R::Error> {
    let Some(card) = source.card(id)? else { return Ok(None) };
    let view = CardView::of(&mut Teller::new(source), id, &card)?;
    Ok(view.map(|view| view.acceptance.reason))
}

fn follow_notices(row: RowRef, before: Option<&Row>, after: &Row, follows: &mut Vec<FollowUp>) {
    let due = |row: Option<&Row>| match row {
        Some(Row::Person(person)) => person.notice_due().map(|due| due.pin),
        _ => None,
    };
    let (before, after) = (due(before), due(Some(after)));
    if let (RowRef::Person(person), true) = (row, before != after) {
        follows.push(FollowUp::PinNoticeDue { person, before, after });
    }
}

impl IndexEffect {
    fn of<R: RowSource>(teller: &mut Teller<'_, R>, entry: &EntryChange) -> Result<Self, R::Error> {
        let mut effect = Self {
            index: entry.table_name().to_owned(),
            change: match (&entry.before, &entry.after) {
                (None, _) => IndexChange::Added,
                (_, None) => IndexChange::Removed,
                _ => IndexChange::Changed,
            },
            key: None,
            birth: None,
            unit: None,
            row: None,
        };
        if let Some(unit) = effect.read(entry) {
            effect.unit = unit.some().map(|unit| teller.unit(unit)).transpose()?;
        }
        Ok(effect)
    }

    /// What the key says; gives its unit.
    fn read(&mut self, entry: &EntryChange) -> Option<UnitId> {
        let key = entry.key.as_slice();
        let person = |bytes: &[u8]| number(bytes).map(|id| RowRef::Person(PersonId(id)));
        self.row = key.last_chunk::<4>().and_then(|id| person(id));
        match entry.table {
            BY_PIN => {
                let value = entry.after.as_ref().or(entry.before.as_ref())?;
                self.row = person(value);
                let pin = key.first_chunk().and_then(|pin| Pin::from_number(u64::from_be_bytes(*pin)));
                self.key = pin.map(|pin| pin.to_string());
                None
            }
            BY_CMND => {
                self.key = number(key).map(|cmnd| format!("{cmnd:09}"));
                None
            }
            RESIDENTS => {
                let kind =
                    if *key.first()? == ResidenceKind::Permanent as u8 { "permanent" } else { "temporary" };
                self.key = Some(kind.to_owned());
                number(key.get(1..)?).map(UnitId)
            }
            HOUSEHOLDS_BY_UNIT => {
                self.row = number(key.get(4..)?).map(|id| RowRef::Household(HouseholdId(id)));
                number(key).map(UnitId)
            }
            PIN_NOTICES => number(key).map(UnitId),
            BY_WORD | BY_NAME => {
                let end = key.iter().position(|byte| *byte == 0)?;
                self.key = Some(String::from_utf8_lossy(&key[..end]).into_owned());
                self.birth = number(key.get(end + 1..)?).map(|day| Date((day ^ 1 << 31) as i32));
                None
            }
            _ => None,
        }
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().copied().map(u32::from_be_bytes)
}
