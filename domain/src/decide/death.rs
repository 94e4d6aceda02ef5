//! Deaths (Law 60/2014/QH13 Art. 32–34): everything that the dead person held ends with the same record.
//!
//! A death that is known only to the month or the year stays as vague as it is. What the person held ends on the last day on
//! which the registry knows the person alive, if that lies within the month or the year: nothing ends before it began.
//!
//! Whoever applies for a card, takes it over or reports what became of it is alive, and so is whoever is in custody that keeps
//! it or gives it back. What the authority does with the application is no
//! sign of life: it works on until it hears of the death, and what it did last is the day on which application and card end.

use super::deciding::{Deciding, not_before};
use super::departure::{Departure, Vacancy};
use super::kinship::check_children;
use super::marriage::end_by_death;
use super::register::register_entry;
use crate::context::TimelineUnavailable;
use crate::refusal::Code;
use event_schemas::basis::{BasisKind, RegisterKind};
use event_schemas::card::CardStatus;
use event_schemas::command::{Death, Succession};
use event_schemas::event::{
    CardHolderDied, DeathRegistered, DossierClosed, Event, EventBody, MemberLeft, Origin,
    PermanentResidenceEnded, PersonRegistered, TemporaryResidenceEnded,
};
use event_schemas::household::{LeaveReason, Membership, ResidenceEndReason};
use event_schemas::ids::{CardId, DossierId, EventAddress, HouseholdId, PersonId};
use event_schemas::kin::MarriageEndReason;
use event_schemas::row::{Aspect, RowRef, StreamRef};
use event_schemas::text::Text;
use event_schemas::time::{Date, PartialDate};

/// Events of a stream in the order in which they were recorded.
type Recorded = Vec<(EventAddress, Event)>;

pub(super) fn death(d: &mut Deciding<'_>, command: &Death) {
    let died = command.died;
    d.check_not_future(died.earliest(), "command.death.died");
    let registered_at = d.unit(command.registered_at, d.today, "command.death.registered_at");
    let place = match &command.place {
        Some(place) => d.place(place, d.today, "command.death.place").map(Some),
        None => Some(None),
    };
    let entry = register_entry(d, RegisterKind::Death, command.legacy_entry, "command.death.legacy_entry");
    let Some(person) = d.person(&command.person, "command.death.person") else { return };
    let Some(ended) = check_person(d, person, died) else { return };
    check_children(d, person, died, "command.death.died");
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
    if end_by_death(d, person, ended.marriage).is_err() {
        d.fault(Code::HistoryUnavailable, "command.death.died", &[]);
    }
    end_residence(d, person, ended.life);
    end_cards(d, person, ended.papers);
    leave_household(d, person, ended.life, command.succession.as_ref());
}

/// Alive, born before, and nothing recorded of a later day that only a living person does. Gives the dates with which ends
/// what the person held.
fn check_person(d: &mut Deciding<'_>, person: PersonId, died: PartialDate) -> Option<Endings> {
    let row = d.row(person);
    let field = "command.death.person";
    if row.died != 0 {
        d.fault_with(Code::PersonDead, field, &[&person], RowRef::Person(person));
        return None;
    }
    let field = "command.death.died";
    if PartialDate::from_packed(row.birth).is_some_and(|birth| died.latest() < birth.earliest()) {
        d.fault_with(Code::DeathBeforeBirth, field, &[&died], RowRef::Person(person));
        return None;
    }
    let Ok(LatestFacts { alive, settled, papers }) = latest_facts(d, person, died) else {
        d.fault(Code::HistoryUnavailable, field, &[]);
        return None;
    };
    if alive > died.latest() {
        d.fault_with(Code::FactsAfterDeath, field, &[&person, &alive, &died], RowRef::Person(person));
        return None;
    }
    let life = not_before(died, alive.max(settled));
    Some(Endings { marriage: not_before(died, alive), life, papers: not_before(life, papers) })
}

/// The latest days of what is recorded of a person.
struct LatestFacts {
    /// The person did something, or something was done that needs a living person.
    alive: Date,
    /// The registration of the birth let residence begin: later than the birth if the household has changed since.
    settled: Date,
    /// Anything happened to the person's applications and cards, the authority's work included.
    papers: Date,
}

/// When ends what the dead person held.
struct Endings {
    /// The marriage: not before it began.
    marriage: PartialDate,
    /// Residence and membership.
    life: PartialDate,
    /// Applications and cards: their facts stay in order.
    papers: PartialDate,
}

/// What happens by itself is no sign of life: a stay or a card that expires, a host's household that moves or ends. Rows
/// know only the latest day of all, so the timelines tell whose day it is, where it lies after the death.
fn latest_facts(
    d: &Deciding<'_>,
    person: PersonId,
    died: PartialDate,
) -> Result<LatestFacts, TimelineUnavailable> {
    let row = d.row(person);
    let of_person = RowRef::Person(person);
    let mut alive = Date(row.identity_since);
    let mut settled = Date(i32::MIN);
    if row.residence_since > died.latest().0 {
        let birth = recorded(d, of_person, Aspect::Existence)?.into_iter().find_map(birth_address);
        for aspect in [Aspect::PermanentResidence, Aspect::Membership] {
            for (address, event) in recorded(d, of_person, aspect)? {
                let with_birth = birth.is_some_and(|birth| birth.lsn == address.lsn);
                let latest = if with_birth { &mut settled } else { &mut alive };
                *latest = event.effective_on.earliest().max(*latest);
            }
        }
    } else {
        alive = alive.max(Date(row.residence_since));
    }
    if d.registry.temporary(person).is_some_and(|temporary| temporary.since > died.earliest().0) {
        for aspect in [Aspect::TemporaryResidence, Aspect::TemporaryMembership] {
            alive = alive.max(latest_sign(recorded(d, of_person, aspect)?));
        }
    }
    if row.marriage_since > died.earliest().0 {
        alive = alive.max(latest_of_marriages(recorded(d, of_person, Aspect::Marriage)?));
    }
    let mut papers = d.registry.dossier(DossierId(row.dossier)).map_or(i32::MIN, |dossier| dossier.since);
    if died.earliest() < d.today {
        // Rows forget an application that was refused or closed.
        for (_, event) in recorded(d, of_person, Aspect::Cards)? {
            let day = event.effective_on.earliest();
            papers = papers.max(day.0);
            if is_card_sign(&event.body) {
                alive = alive.max(day);
            }
        }
    }
    Ok(LatestFacts { alive, settled, papers: Date(papers) })
}

fn recorded(d: &Deciding<'_>, row: RowRef, aspect: Aspect) -> Result<Recorded, TimelineUnavailable> {
    d.context.timelines.stream(StreamRef { row, aspect })
}

fn birth_address((address, event): (EventAddress, Event)) -> Option<EventAddress> {
    match event.body {
        EventBody::PersonRegistered(PersonRegistered { origin: Origin::Birth(_), .. }) => Some(address),
        _ => None,
    }
}

/// The latest day that does not come by itself.
fn latest_sign(recorded: Recorded) -> Date {
    let signs = recorded.into_iter().filter(|(_, event)| match &event.body {
        EventBody::TemporaryResidenceEnded(ended) => ended.reason != ResidenceEndReason::Expired,
        // Whoever ends a temporary membership by choice ends the stay with it, which counts.
        EventBody::MemberLeft(_) => false,
        _ => true,
    });
    signs.map(|(_, event)| event.effective_on.earliest()).max().unwrap_or(Date(i32::MIN))
}

/// Who marries or is divorced is alive; who becomes widowed need not be.
fn latest_of_marriages(recorded: Recorded) -> Date {
    let signs = recorded.into_iter().filter(|(_, event)| match &event.body {
        EventBody::MarriageRegistered(_) => true,
        EventBody::MarriageEnded(ended) => ended.reason == MarriageEndReason::Divorce,
        _ => false,
    });
    signs.map(|(_, event)| event.effective_on.earliest()).max().unwrap_or(Date(i32::MIN))
}

/// The holder applied for a card, took one over, or reported what became of it; or was in custody, which keeps the card
/// and gives it back.
fn is_card_sign(body: &EventBody) -> bool {
    matches!(
        body,
        EventBody::DossierReceived(_)
            | EventBody::CardHandedOver(_)
            | EventBody::CardReportedLost(_)
            | EventBody::CardFound(_)
            | EventBody::CardReportedDamaged(_)
            | EventBody::CardHeld(_)
            | EventBody::CardReturned(_)
    )
}

fn end_residence(d: &mut Deciding<'_>, person: PersonId, ended: PartialDate) {
    let reason = ResidenceEndReason::Died;
    if d.row(person).unit != 0 {
        d.emit(ended, EventBody::PermanentResidenceEnded(PermanentResidenceEnded { person, reason }));
    }
    let Some(temporary) = d.registry.temporary(person) else { return };
    if temporary.unit != 0 {
        d.emit(ended, EventBody::TemporaryResidenceEnded(TemporaryResidenceEnded { person, reason }));
    }
    if let Some(household) = HouseholdId(temporary.household).some() {
        let (membership, reason) = (Membership::Temporary, LeaveReason::Died);
        if let Some(host) = d.registry.household(household) {
            let since = host.composition_since;
            d.restate_if_late(RowRef::Household(household), Aspect::Composition, since, ended.earliest());
        }
        d.emit(ended, EventBody::MemberLeft(MemberLeft { household, person, membership, reason }));
    }
}

fn end_cards(d: &mut Deciding<'_>, person: PersonId, ended: PartialDate) {
    let row = d.row(person);
    let dossier = DossierId(row.dossier);
    // A card that was produced on the open application and not handed over ends that application by itself.
    let produced = d.registry.dossier(dossier).map_or(CardId::NONE, |dossier| CardId(dossier.card));
    if dossier != DossierId::NONE && produced == CardId::NONE {
        let reason = Text::new("holder died").expect("a short text");
        d.emit(ended, EventBody::DossierClosed(DossierClosed { dossier, person, reason }));
    }
    for card in [CardId(row.card), produced] {
        let status = d.registry.card(card).and_then(|card| CardStatus::ALL.get(usize::from(card.status)));
        if status.is_some_and(|status| status.is_open()) {
            d.emit(ended, EventBody::CardHolderDied(CardHolderDied { card, person }));
        }
    }
}

/// A head's death leaves the headship vacant when no successor is named; it is never refused for that.
fn leave_household(
    d: &mut Deciding<'_>,
    person: PersonId,
    ended: PartialDate,
    succession: Option<&Succession>,
) {
    let successions: Vec<Succession> = succession.cloned().into_iter().collect();
    Departure {
        persons: &[person],
        on: ended.earliest(),
        effective: ended,
        reason: LeaveReason::Died,
        successions: &successions,
        vacancy: Vacancy::Allowed,
        into: None,
        field: &"command.death.person",
    }
    .decide(d);
}
