//! Deaths (Law 60/2014/QH13 Art. 32–34): everything that the dead person held ends with the same record.

use super::deciding::Deciding;
use super::departure::{Departure, Vacancy};
use super::register::register_entry;
use crate::refusal::Code;
use crate::registry::rows::PersonRow;
use event_schemas::basis::{BasisKind, RegisterKind};
use event_schemas::card::CardStatus;
use event_schemas::command::{Death, Succession};
use event_schemas::event::{
    CardHolderDied, DeathRegistered, DossierClosed, EventBody, MemberLeft, PermanentResidenceEnded,
    TemporaryResidenceEnded,
};
use event_schemas::household::{LeaveReason, Membership, ResidenceEndReason};
use event_schemas::ids::{CardId, DossierId, HouseholdId, PersonId};
use event_schemas::row::RowRef;
use event_schemas::text::Text;
use event_schemas::time::{Date, PartialDate};

pub(super) fn death(d: &mut Deciding<'_>, command: &Death) {
    let died = command.died;
    d.check_not_future(died.earliest(), "command.death.died");
    let registered_at = d.unit(command.registered_at, d.today, "command.death.registered_at");
    if let Some(unit) = registered_at {
        d.check_competent(unit, "command.death.registered_at");
    }
    let place = match &command.place {
        Some(place) => d.place(place, d.today, "command.death.place").map(Some),
        None => Some(None),
    };
    let entry = register_entry(d, RegisterKind::Death, command.legacy_entry, "command.death.legacy_entry");
    let Some(person) = d.person(&command.person, "command.death.person") else { return };
    if !check_person(d, person, died) {
        return;
    }
    if let (Some(registered_at), Some(place), Some(entry)) = (registered_at, place, entry) {
        let registered = DeathRegistered {
            person,
            time: command.time,
            place,
            cause: command.cause.clone(),
            registered_at,
            entry,
            legacy: command.legacy_entry,
            declared: d.envelope.basis.kind == BasisKind::Court,
        };
        d.emit(died, EventBody::DeathRegistered(registered));
    }
    end_residence(d, person, died);
    end_cards(d, person, died);
    leave_household(d, person, died, command.succession.as_ref());
}

/// Alive, born before, and nothing recorded of a later day that only a living person does.
fn check_person(d: &mut Deciding<'_>, person: PersonId, died: PartialDate) -> bool {
    let row = d.row(person);
    let field = "command.death.person";
    if let Some(recorded) = PartialDate::from_packed(row.died) {
        d.fault_with(Code::PersonDead, field, &[&person, &recorded], RowRef::Person(person));
        return false;
    }
    let birth = PartialDate::from_packed(row.birth).filter(|birth| died.latest() < birth.earliest());
    if let Some(birth) = birth {
        d.fault_with(Code::DeathBeforeBirth, "command.death.died", &[&died, &birth], RowRef::Person(person));
        return false;
    }
    if let Some(later) = latest_fact(d, person, row).filter(|later| *later > died.latest()) {
        d.fault_with(
            Code::FactsAfterDeath,
            "command.death.died",
            &[&person, &later, &died],
            RowRef::Person(person),
        );
        return false;
    }
    true
}

/// The latest day on which the registry has this person doing something.
fn latest_fact(d: &Deciding<'_>, person: PersonId, row: &PersonRow) -> Option<Date> {
    let temporary = d.registry.temporary(person).map_or(i32::MIN, |temporary| temporary.since);
    let card = d.registry.card(CardId(row.card)).map_or(i32::MIN, |card| card.since);
    let dossier = d.registry.dossier(DossierId(row.dossier)).map_or(i32::MIN, |dossier| dossier.since);
    let latest = [row.identity_since, row.residence_since, temporary, card, dossier].into_iter().max()?;
    (latest > i32::MIN).then_some(Date(latest))
}

fn end_residence(d: &mut Deciding<'_>, person: PersonId, died: PartialDate) {
    let reason = ResidenceEndReason::Died;
    if d.row(person).unit != 0 {
        d.emit(died, EventBody::PermanentResidenceEnded(PermanentResidenceEnded { person, reason }));
    }
    let Some(temporary) = d.registry.temporary(person) else { return };
    if temporary.unit != 0 {
        d.emit(died, EventBody::TemporaryResidenceEnded(TemporaryResidenceEnded { person, reason }));
    }
    if let Some(household) = HouseholdId(temporary.household).some() {
        let (membership, reason) = (Membership::Temporary, LeaveReason::Died);
        d.emit(died, EventBody::MemberLeft(MemberLeft { household, person, membership, reason }));
    }
}

fn end_cards(d: &mut Deciding<'_>, person: PersonId, died: PartialDate) {
    let row = d.row(person);
    let dossier = DossierId(row.dossier);
    // A card that was produced on the open application and not handed over ends that application by itself.
    let produced = d.registry.dossier(dossier).map_or(CardId::NONE, |dossier| CardId(dossier.card));
    if dossier != DossierId::NONE && produced == CardId::NONE {
        let reason = Text::new("holder died").expect("a short text");
        d.emit(died, EventBody::DossierClosed(DossierClosed { dossier, person, reason }));
    }
    for card in [CardId(row.card), produced] {
        let status = d.registry.card(card).and_then(|card| CardStatus::ALL.get(usize::from(card.status)));
        if status.is_some_and(|status| status.is_open()) {
            d.emit(died, EventBody::CardHolderDied(CardHolderDied { card, person }));
        }
    }
}

/// A head's death leaves the headship vacant when no successor is named; it is never refused for that.
fn leave_household(
    d: &mut Deciding<'_>,
    person: PersonId,
    died: PartialDate,
    succession: Option<&Succession>,
) {
    let successions: Vec<Succession> = succession.cloned().into_iter().collect();
    Departure {
        persons: &[person],
        on: died.earliest(),
        effective: died,
        reason: LeaveReason::Died,
        successions: &successions,
        vacancy: Vacancy::Allowed,
        into: None,
        field: "command.death.person",
    }
    .decide(d);
}
