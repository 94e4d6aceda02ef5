//! Births (Law 60/2014/QH13 Art. 13–16).

use super::deciding::Deciding;
use super::enrolment::join_with_residence;
use super::form::{check_described, check_names, check_nationality};
use super::kinship::{ParentFacts, check_parents};
use super::pin::draw_pin;
use super::register::register_entry;
use crate::refusal::Code;
use event_schemas::basis::RegisterKind;
use event_schemas::command::{Birth, BirthResidence, Parentage};
use event_schemas::event::{
    BirthRegistration, EventBody, FoundChild, Origin, ParentLinked, PersonRegistered,
};
use event_schemas::household::Relationship;
use event_schemas::ids::{HouseholdId, PersonId};
use event_schemas::kin::{KinRef, MAX_PARENTS, ParentLink, ParentRole};
use event_schemas::person::{Identification, Identity, PersonRef, PersonalData, Sex};
use event_schemas::pin::PinOccasion;
use event_schemas::place::Place;
use std::fmt::Display;

/// Children born together at most; more is a typing error.
const MAX_CHILDREN_TOGETHER: u8 = 9;
/// Grams; outside this range it is a typing error.
const BIRTH_WEIGHT_G: std::ops::RangeInclusive<u16> = 200..=9_000;

type Links = Vec<(ParentLink<PersonId>, Option<ParentFacts>)>;

pub(super) fn birth(d: &mut Deciding<'_>, command: &Birth) {
    let child = d.new_person();
    let birth = command.child.birth;
    d.check_not_future(birth.earliest(), "command.birth.child.birth");
    let registered_at = d.unit(command.registered_at, d.today, "command.birth.registered_at");
    check_child(d, command);
    let entry = register_entry(d, RegisterKind::Birth, command.legacy_entry, "command.birth.legacy_entry");
    let links = parents(d, command);
    check_parents(d, child, birth, &links, "command.birth.parentage");
    let found = found_child(d, command);
    if let (Some(registered_at), Some(entry)) = (registered_at, entry) {
        let registration = BirthRegistration {
            registered_at,
            entry,
            legacy: command.legacy_entry,
            weight_g: command.child.weight_g,
            birth_order: command.child.birth_order,
            multiple: command.child.multiple,
            found,
            late: birth.latest().plus_days(d.context.rules.birth_registration_days.into()) < d.today,
        };
        register_child(d, child, command, registration);
        for (link, _) in &links {
            d.emit(birth, EventBody::ParentLinked(ParentLinked { child, link: link.clone() }));
        }
        // A number needs the sex; a child of unknown sex gets one later by a command of its own.
        if command.child.sex != Sex::Unknown {
            let born = (command.child.sex, birth.year());
            draw_pin(d, child, registered_at, born, PinOccasion::Birth, "command.birth");
        }
    }
    reside(d, child, command, &links);
}

fn check_child(d: &mut Deciding<'_>, command: &Birth) {
    let child = &command.child;
    if let Some(multiple) = child.multiple {
        let plausible = (2..=MAX_CHILDREN_TOGETHER).contains(&multiple.children)
            && (1..=multiple.children).contains(&multiple.number);
        if !plausible {
            let (number, children) = (multiple.number, multiple.children);
            d.fault(Code::MultipleBirthOutOfRange, "command.birth.child.multiple", &[&number, &children]);
        }
    }
    if let Some(weight_g) = child.weight_g.filter(|weight_g| !BIRTH_WEIGHT_G.contains(weight_g)) {
        d.fault(Code::BirthWeightImpossible, "command.birth.child.weight_g", &[&weight_g]);
    }
    check_names(d, &child.names, "command.birth.child.names");
    check_nationality(d, &child.nationality, "command.birth.child.nationality");
}

fn parents(d: &mut Deciding<'_>, command: &Birth) -> Links {
    let Parentage::Parents(stated) = &command.parentage else { return Vec::new() };
    let field = "command.birth.parentage.parents";
    if !d.check_count(stated.len(), MAX_PARENTS, field) {
        return Vec::new();
    }
    let mut links = Vec::new();
    for (place, link) in stated.iter().enumerate() {
        let (parent, facts) = match &link.parent {
            KinRef::Described(described) => {
                check_described(d, described, format_args!("{field}[{place}].parent.described"));
                (KinRef::Described(described.clone()), None)
            }
            KinRef::Registered(reference) => {
                let Some(parent) = d.person(reference, format_args!("{field}[{place}]")) else { continue };
                (KinRef::Registered(parent), Some(ParentFacts::of_registered(d, parent)))
            }
        };
        links.push((ParentLink { role: link.role, kind: link.kind, parent, period: link.period }, facts));
    }
    links
}

fn found_child(d: &mut Deciding<'_>, command: &Birth) -> Option<FoundChild> {
    let Parentage::Foundling(found) = &command.parentage else { return None };
    let field = "command.birth.parentage.foundling";
    d.check_not_future(found.on, field);
    if found.on < command.child.birth.earliest() {
        d.fault(Code::DateBeforeBirth, field, &[&found.on]);
    }
    let place = d.place(&found.place, d.today, field)?;
    Some(FoundChild { on: found.on, place })
}

fn register_child(d: &mut Deciding<'_>, person: PersonId, command: &Birth, registration: BirthRegistration) {
    let child = &command.child;
    let birth_place =
        d.optional_place(child.birth_place.as_ref(), d.today, "command.birth.child.birth_place");
    let hometown = d.optional_place(child.hometown.as_ref(), d.today, "command.birth.child.hometown");
    let (Some(birth_place), Some(hometown)) = (birth_place, hometown) else { return };
    let identity = Box::new(Identity {
        names: child.names.clone(),
        sex: child.sex,
        birth: child.birth,
        birth_time: child.birth_time,
        birth_place,
        nationality: child.nationality.clone(),
        identification: Identification::Verified,
    });
    let data = Box::new(PersonalData {
        birth_registration_place: Some(Place::in_unit(registration.registered_at)),
        hometown,
        ethnicity: child.ethnicity,
        ..PersonalData::default()
    });
    let origin = Origin::Birth(Box::new(registration));
    d.emit(child.birth, EventBody::PersonRegistered(PersonRegistered { person, origin, identity, data }));
}

fn reside(d: &mut Deciding<'_>, child: PersonId, command: &Birth, links: &Links) {
    let field = "command.birth.residence";
    let (household, relationship) = match &command.residence {
        BirthResidence::None => return,
        BirthResidence::Facility(household) => (*household, Relationship::Resident),
        BirthResidence::Guardian(guardian) => {
            let Some(household) = household_of(d, &guardian.person, field) else { return };
            (household, guardian.relationship)
        }
        BirthResidence::Mother(relationship) => {
            let Some(household) = household_of_parent(d, links, ParentRole::Mother, field) else { return };
            (household, *relationship)
        }
        BirthResidence::Father(relationship) => {
            let Some(household) = household_of_parent(d, links, ParentRole::Father, field) else { return };
            (household, *relationship)
        }
    };
    if relationship == Relationship::Head {
        d.fault(Code::RelationshipIsHead, field, &[]);
        return;
    }
    let Some(household) = d.household(household, field) else { return };
    let row = d.registry.household(household).expect("the household was found");
    // Residence begins with the birth, or when the household came to be as it is: a late registration does not reach
    // behind what happened to the household since.
    let since = command
        .child
        .birth
        .earliest()
        .max(event_schemas::time::Date(row.composition_since.max(row.place_since)));
    join_with_residence(d, child, household, relationship, since.min(d.today), field);
}

fn household_of(
    d: &mut Deciding<'_>,
    reference: &PersonRef,
    field: impl Display + Copy,
) -> Option<HouseholdId> {
    let person = d.living_person(reference, d.today, field)?;
    household_or_fault(d, person, field)
}

fn household_of_parent(
    d: &mut Deciding<'_>,
    links: &Links,
    role: ParentRole,
    field: impl Display + Copy,
) -> Option<HouseholdId> {
    let parent = links.iter().find_map(|(link, _)| match link.parent {
        KinRef::Registered(parent) if link.role == role => Some(parent),
        _ => None,
    });
    let Some(parent) = parent else {
        d.fault(Code::UnknownPerson, field, &[&if role == ParentRole::Mother { "mother" } else { "father" }]);
        return None;
    };
    household_or_fault(d, parent, field)
}

fn household_or_fault(
    d: &mut Deciding<'_>,
    person: PersonId,
    field: impl Display + Copy,
) -> Option<HouseholdId> {
    let household = HouseholdId(d.row(person).household).some();
    if household.is_none() {
        d.fault(Code::NoHousehold, field, &[&person]);
    }
    household
}
