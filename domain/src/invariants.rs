//! What holds of every state that admitted records lead to. Tests, simulations and `dancu verify` call the same function.

use crate::registry::Registry;
use crate::registry::rows::{HouseholdRow, PersonRow, Row};
use crate::timeline::marriage::Spouse;
use event_schemas::household::Relationship;
use event_schemas::ids::{CardId, DossierId, HouseholdId, PersonId};
use event_schemas::pin::Pin;
use event_schemas::row::RowRef;
use std::collections::BTreeSet;

/// A state that no record may lead to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{row}: {what}")]
pub struct Violation {
    pub row: RowRef,
    pub what: String,
}

/// Everything that is wrong with the state; nothing, or the fold or a rule has a fault. Reads every row.
pub fn violations(registry: &Registry) -> Vec<Violation> {
    let mut found = Vec::new();
    for (id, row) in registry.persons() {
        check_person(registry, id, row, &mut found);
    }
    for (id, row) in registry.households() {
        check_household(registry, id, row, &mut found);
    }
    for (id, row) in registry.cards() {
        let dossier = registry.dossier(DossierId(row.dossier));
        if dossier.is_none_or(|dossier| dossier.card != id.0) {
            let what = format!("its dossier {} does not name it", DossierId(row.dossier));
            note(&mut found, RowRef::Card(id), what);
        }
        let pin = Pin::from_number(row.pin.get());
        let of_number = pin.and_then(|pin| registry.person_by_pin(pin));
        if dossier.is_some_and(|dossier| of_number != Some(PersonId(dossier.person))) {
            note(&mut found, RowRef::Card(id), "carries a number that never was its holder's".to_owned());
        }
    }
    found
}

fn note(found: &mut Vec<Violation>, row: RowRef, what: String) {
    found.push(Violation { row, what });
}

fn check_person(registry: &Registry, id: PersonId, row: &PersonRow, found: &mut Vec<Violation>) {
    let mut wrong = |what: String| note(found, RowRef::Person(id), what);
    if row.died != 0 && (row.household != 0 || row.unit != 0) {
        wrong("is dead and still resident".to_owned());
    }
    if let Some(household) = HouseholdId(row.household).some() {
        match registry.household(household) {
            Some(home) if home.permanent_members().any(|member| member == id) => {
                if home.unit != row.unit {
                    wrong(format!("is resident elsewhere than the household {household}"));
                }
            }
            _ => wrong(format!("is no member of its household {household}")),
        }
    }
    if let Some(stay) = registry.temporary(id) {
        if row.died != 0 && (stay.household != 0 || stay.unit != 0) {
            wrong("is dead and still has a temporary residence".to_owned());
        }
        let household = HouseholdId(stay.household);
        let listed = registry
            .household(household)
            .is_some_and(|home| home.temporary_members().any(|member| member == id));
        if household != HouseholdId::NONE && !listed {
            wrong(format!("is no temporary member of {household}"));
        }
    }
    if let Some(pin) = Pin::from_number(row.pin.get()).filter(|pin| pin.number() != 0)
        && registry.person_by_pin(pin) != Some(id)
    {
        wrong(format!("is not found by its PIN {pin}"));
    }
    if let Some(Spouse::Registered(spouse)) = row.marital().spouse {
        if row.died != 0 {
            wrong(format!("is dead and still married to {spouse}"));
        }
        let of_spouse = registry.person(spouse).and_then(|other| other.marital().spouse);
        if spouse == id || of_spouse != Some(Spouse::Registered(id)) {
            wrong(format!("is married to {spouse}, who is not to it"));
        }
    }
    for parent in [row.mother, row.father] {
        if parent != 0 && registry.person(PersonId(parent)).is_none() {
            wrong(format!("has the unknown parent {}", PersonId(parent)));
        }
    }
    if row.card != 0 {
        let holder = registry
            .card(CardId(row.card))
            .and_then(|card| registry.dossier(DossierId(card.dossier)))
            .map(|dossier| dossier.person);
        if holder != Some(id.0) {
            wrong(format!("holds the card {} of another", CardId(row.card)));
        }
    }
    if row.dossier != 0 && registry.dossier(DossierId(row.dossier)).map(|row| row.person) != Some(id.0) {
        wrong(format!("has the dossier {} of another", DossierId(row.dossier)));
    }
}

fn check_household(registry: &Registry, id: HouseholdId, row: &HouseholdRow, found: &mut Vec<Violation>) {
    let mut wrong = |what: String| note(found, RowRef::Household(id), what);
    let members: BTreeSet<u32> = row.members.iter().copied().collect();
    if members.len() != row.members.len() {
        wrong("has a member twice".to_owned());
    }
    if !row.is_open() {
        if !row.members.is_empty() || row.head != 0 {
            wrong("has ended and still has members".to_owned());
        }
        return;
    }
    if row.permanent_members().next().is_none() {
        wrong("exists without a permanent member".to_owned());
    }
    if row.head != 0 && !row.permanent_members().any(|member| member.0 == row.head) {
        wrong(format!("is headed by {}, who is no member", PersonId(row.head)));
    }
    for member in row.permanent_members() {
        let Some(person) = registry.person(member).filter(|person| person.version() > 0) else {
            wrong(format!("has the unknown member {member}"));
            continue;
        };
        if person.household != id.0 {
            wrong(format!("lists {member}, who belongs to {}", HouseholdId(person.household)));
        }
        let says_head = person.relationship == Relationship::Head as u8;
        if says_head != (row.head == member.0) {
            wrong(format!("and {member} disagree on who is its head"));
        }
    }
    for member in row.temporary_members() {
        if registry.temporary(member).is_none_or(|stay| stay.household != id.0) {
            wrong(format!("lists {member}, whose temporary household is another"));
        }
    }
}
