//! Which facts can be edited, and how.
//!
//! What names a thing for good is not edited: numbers and cards have commands of their own, units, offices and dwellings are the
//! operator's, and whoever was enrolled by mistake stays there. A birth that never was is taken back; its person's row and number stay.

use super::super::deciding::Deciding;
use super::super::form::{check_described, check_names, check_nationality, check_sealed};
use super::plan::Planned;
use crate::refusal::Code;
use event_schemas::correction::StatedFact;
use event_schemas::event::{Event, EventBody, HouseholdFormed, Origin};
use event_schemas::ids::{EventAddress, UnitId};
use event_schemas::kin::KinRef;
use event_schemas::place::{Place, RegisteredPlace};
use event_schemas::time::Date;

/// Whether the fact can be taken back.
pub fn may_annul(body: &EventBody) -> bool {
    use EventBody as B;
    match body {
        B::DeathRegistered(_) | B::MarriageRegistered(_) | B::MarriageEnded(_) | B::HouseholdEnded(_) => true,
        B::PersonRegistered(e) => matches!(e.origin, Origin::Birth(_)),
        // What a death ended; with the death they are taken back.
        B::DossierClosed(_) | B::CardHolderDied(_) => true,
        body => may_insert(body),
    }
}

/// Whether a correction of such a fact can be taken back.
pub fn may_restore(body: &EventBody) -> bool {
    matches!(body, EventBody::PersonRegistered(_) | EventBody::HouseholdFormed(_)) || may_annul(body)
}

/// Whether such a fact can be recorded as one that was missing.
fn may_insert(body: &EventBody) -> bool {
    use EventBody as B;
    matches!(
        body,
        B::NameChanged(_)
            | B::ParentLinked(_)
            | B::PermanentResidenceRegistered(_)
            | B::PermanentResidenceEnded(_)
            | B::TemporaryResidenceRegistered(_)
            | B::TemporaryResidenceEnded(_)
            | B::MemberJoined(_)
            | B::MemberLeft(_)
            | B::HeadAppointed(_)
            | B::HeadVacated(_)
            | B::RelationshipChanged(_)
            | B::HouseholdMoved(_)
    )
}

/// In bulk only facts are corrected that are nobody's number, birth, death, marriage or descent: those are looked at one by one.
pub fn check_in_bulk(d: &mut Deciding<'_>, edits: &[Planned]) {
    use EventBody as B;
    for edit in edits {
        let facts = [&edit.before, &edit.after].into_iter().flatten();
        let not_in_bulk = facts.map(|(_, event)| &event.body).find(|body| {
            matches!(body, B::ParentLinked(_) | B::HouseholdEnded(_))
                || !(may_insert(body) || matches!(body, B::HouseholdFormed(_)))
        });
        if let Some(body) = not_in_bulk {
            d.fault(Code::CorrectionNotInBulk, &edit.field, &[&body.name()]);
        }
    }
}

pub fn check_insert(d: &mut Deciding<'_>, fact: &StatedFact, field: &str) {
    if !may_insert(&fact.body) {
        d.fault(Code::CorrectionUnsupported, field, &[&fact.body.name()]);
    }
}

/// The same kind of fact about the same; and something else than what stands there.
pub fn check_amend(d: &mut Deciding<'_>, at: EventAddress, before: &Event, to: &StatedFact, field: &str) {
    let amendable = matches!(
        to.body,
        EventBody::PersonRegistered(_) | EventBody::DeathRegistered(_) | EventBody::MarriageRegistered(_)
    ) || matches!(to.body, EventBody::MarriageEnded(_) | EventBody::HouseholdFormed(_))
        || may_insert(&to.body);
    if !amendable {
        d.fault(Code::CorrectionUnsupported, field, &[&at]);
    } else if !is_same_thing(before, to) {
        d.fault(Code::AmendedToOtherFact, field, &[&at]);
    } else if before.body == to.body && before.effective_on == to.effective_on {
        d.fault(Code::CorrectionWithoutEffect, field, &[&at]);
    }
}

fn is_same_thing(before: &Event, to: &StatedFact) -> bool {
    use EventBody as B;
    match (&before.body, &to.body) {
        (B::PersonRegistered(a), B::PersonRegistered(b)) => {
            let same_papers = a.data.documents == b.data.documents;
            let same_statement = a.data.marital_status == b.data.marital_status;
            // An enrolment holds from the day of its form; a birth from the birth.
            let same_day = a.origin != Origin::Enrolment || before.effective_on == to.effective_on;
            a.person == b.person && a.origin == b.origin && same_papers && same_statement && same_day
        }
        (B::ParentLinked(a), B::ParentLinked(b)) => a.child == b.child,
        (B::NameChanged(a), B::NameChanged(b)) => a.person == b.person,
        (B::DeathRegistered(a), B::DeathRegistered(b)) => {
            (a.person, a.registered_at, a.entry, a.legacy, a.declared)
                == (b.person, b.registered_at, b.entry, b.legacy, b.declared)
        }
        (B::MarriageRegistered(a), B::MarriageRegistered(b)) => a == b,
        (B::MarriageEnded(a), B::MarriageEnded(b)) => (a.person, a.spouse) == (b.person, b.spouse),
        (B::PermanentResidenceRegistered(a), B::PermanentResidenceRegistered(b)) => a.person == b.person,
        (B::PermanentResidenceEnded(a), B::PermanentResidenceEnded(b)) => a.person == b.person,
        (B::TemporaryResidenceRegistered(a), B::TemporaryResidenceRegistered(b)) => a.person == b.person,
        (B::TemporaryResidenceEnded(a), B::TemporaryResidenceEnded(b)) => a.person == b.person,
        (B::MemberJoined(a), B::MemberJoined(b)) => (a.person, a.membership) == (b.person, b.membership),
        (B::MemberLeft(a), B::MemberLeft(b)) => (a.person, a.membership) == (b.person, b.membership),
        (B::HeadAppointed(a), B::HeadAppointed(b)) => a.household == b.household,
        (B::HeadVacated(a), B::HeadVacated(b)) => a.household == b.household,
        (B::RelationshipChanged(a), B::RelationshipChanged(b)) => a.person == b.person,
        // Its members and its day are facts of their own, or of others.
        (B::HouseholdFormed(a), B::HouseholdFormed(b)) => {
            let elsewhere = HouseholdFormed { place: b.place.clone(), ..a.clone() };
            elsewhere == *b && before.effective_on == to.effective_on
        }
        (B::HouseholdMoved(a), B::HouseholdMoved(b)) => a.household == b.household,
        _ => false,
    }
}

/// What must hold of a stated fact by itself.
pub fn check_stated(d: &mut Deciding<'_>, fact: &StatedFact, field: &str) {
    let day = fact.effective_on.earliest();
    d.check_not_future(day, field);
    match &fact.body {
        EventBody::PersonRegistered(e) => {
            check_names(d, &e.identity.names, field);
            check_nationality(d, &e.identity.nationality, field);
            check_sealed(d, e.data.religion.as_ref(), field);
            check_sealed(d, e.data.blood_group.as_ref(), field);
            check_sealed(d, e.data.contact.as_ref(), field);
            let places = [&e.identity.birth_place, &e.data.birth_registration_place, &e.data.hometown];
            places.into_iter().for_each(|place| check_known(d, place.as_ref(), field));
            d.check_not_future(e.identity.birth.earliest(), field);
            let is_birth = matches!(e.origin, Origin::Birth(_));
            if is_birth && fact.effective_on != e.identity.birth {
                d.fault(Code::CorrectionDoesNotFit, field, &[]);
            }
        }
        EventBody::NameChanged(e) => check_names(d, &e.names, field),
        EventBody::DeathRegistered(e) => {
            check_sealed(d, e.cause.as_ref(), field);
            check_known(d, e.place.as_ref(), field);
        }
        EventBody::ParentLinked(e) => {
            if let KinRef::Described(described) = &e.link.parent {
                check_described(d, described, field);
            }
        }
        EventBody::PermanentResidenceRegistered(e) => check_residence(d, &e.place, day, field),
        EventBody::TemporaryResidenceRegistered(e) => {
            check_residence(d, &e.place, day, field);
            if e.until < day {
                d.fault(Code::StayTooShort, field, &[]);
            }
        }
        EventBody::HouseholdFormed(e) => check_residence(d, &e.place, day, field),
        EventBody::HouseholdMoved(e) => check_residence(d, &e.place, day, field),
        _ => {}
    }
}

/// A place in a unit that there is.
fn check_known(d: &mut Deciding<'_>, place: Option<&RegisteredPlace>, field: &str) {
    let unit = place.and_then(|place| place.unit());
    if unit.is_some_and(|unit| d.registry.units().get(*unit).is_none()) {
        d.fault(Code::CorrectionDoesNotFit, field, &[]);
    }
}

/// A place where somebody can live, by the units of the day.
fn check_residence(d: &mut Deciding<'_>, place: &RegisteredPlace, on: Date, field: &str) {
    let code = place.unit().and_then(|unit| d.registry.units().get(*unit)).map(|row| row.code);
    let Some(code) = code else {
        d.fault(Code::UnitNotForResidence, field, &[&place.unit().copied().unwrap_or(UnitId::NONE)]);
        return;
    };
    let stated = place.clone().try_map_unit::<_, std::convert::Infallible>(|_| Ok(code));
    let Ok(stated) = stated;
    let registered = d.residence_place(&stated, on, field);
    if registered.is_some_and(|registered: Place<UnitId>| registered.unit() != place.unit()) {
        d.fault(Code::UnitNotForResidence, field, &[&code]);
    }
}
