//! Enrolment: persons and households who lived before the registry knew them. Legacy data has gaps: they become defects.

use super::deciding::{Deciding, has_full_capacity};
use super::departure::appoint_if_capable;
use super::form::{check_at_most, check_described, check_names, check_nationality, check_sealed};
use super::kinship::{ParentFacts, check_parents};
use super::pin::check_accepted_pin;
use crate::refusal::Code;
use event_schemas::command::{EnrolHousehold, EnrolPerson, MAX_MEMBERS, MemberRef, NewPerson};
use event_schemas::defect::DefectKind;
use event_schemas::event::{
    DefectNoted, EventBody, HouseholdFormed, MemberJoined, Origin, ParentLinked,
    PermanentResidenceRegistered, PersonRegistered, PinAccepted,
};
use event_schemas::household::{HouseholdKind, Membership, Relationship};
use event_schemas::ids::{HouseholdId, PersonId, UnitId};
use event_schemas::kin::{KinRef, MAX_PARENTS, ParentLink};
use event_schemas::person::{Identity, MAX_DOCUMENTS, PersonalData, Sex};
use event_schemas::place::{Place, RegisteredPlace, UnitCode};
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use std::collections::BTreeMap;
use std::fmt::Display;

/// A member of the command at hand, for members who refer to each other.
struct Enrolled<'c> {
    id: PersonId,
    person: &'c NewPerson,
}

pub(super) fn enrol_household(d: &mut Deciding<'_>, command: &EnrolHousehold) {
    let on = command.effective_on;
    d.check_not_future(on, "command.enrol_household.effective_on");
    if !d.check_count(command.members.len(), MAX_MEMBERS, "command.enrol_household.members") {
        return;
    }
    let place = d.residence_place(&command.place, on, "command.enrol_household.place");
    let household = d.new_household();
    let enrolled: Vec<Enrolled<'_>> = command
        .members
        .iter()
        .map(|member| Enrolled { id: d.new_person(), person: &member.person })
        .collect();
    if let Some(place) = &place {
        let file_number = command.file_number.clone();
        let place = place.clone();
        let formed = HouseholdFormed { household, kind: command.kind, place, file_number, split_from: None };
        d.emit(on, EventBody::HouseholdFormed(formed));
    }
    let mut cmnds = BTreeMap::new();
    for (number, member) in command.members.iter().enumerate() {
        let field = format_args!("command.enrol_household.members[{number}].person");
        register_person(d, number, &enrolled, &mut cmnds, on, field);
        let person = enrolled[number].id;
        if let Some(place) = &place {
            let place = place.clone();
            d.emit(
                on,
                EventBody::PermanentResidenceRegistered(PermanentResidenceRegistered { person, place }),
            );
        }
        let (membership, relationship) = (Membership::Permanent, member.relationship);
        d.emit(on, EventBody::MemberJoined(MemberJoined { household, person, membership, relationship }));
    }
    appoint_enrolled_head(d, command, household, &enrolled);
}

fn appoint_enrolled_head(
    d: &mut Deciding<'_>,
    command: &EnrolHousehold,
    household: HouseholdId,
    enrolled: &[Enrolled<'_>],
) {
    let field = "command.enrol_household.members";
    let heads: Vec<usize> = (0..enrolled.len())
        .filter(|number| command.members[*number].relationship == Relationship::Head)
        .collect();
    match heads.as_slice() {
        [] if command.kind == HouseholdKind::Family => {
            let row = RowRef::Household(household);
            d.emit(d.today, EventBody::DefectNoted(DefectNoted { row, defect: DefectKind::HeadMissing }));
        }
        [] => {}
        [number] => {
            appoint_enrolled(
                d,
                household,
                &enrolled[*number],
                command.effective_on,
                format_args!("{field}[{number}]"),
            );
        }
        _ => d.fault(Code::TwoHeads, field, &[]),
    }
}

fn appoint_enrolled(
    d: &mut Deciding<'_>,
    household: HouseholdId,
    head: &Enrolled<'_>,
    on: Date,
    field: impl Display + Copy,
) {
    let Enrolled { id, person } = head;
    let capable = has_full_capacity(d.context.rules, person.identity.birth, person.data.capacity as u8, on);
    appoint_if_capable(d, household, *id, capable, on.into(), field);
}

pub(super) fn enrol_person(d: &mut Deciding<'_>, command: &EnrolPerson) {
    let on = command.effective_on;
    d.check_not_future(on, "command.enrol_person.effective_on");
    let enrolled = [Enrolled { id: d.new_person(), person: &command.person }];
    register_person(d, 0, &enrolled, &mut BTreeMap::new(), on, "command.enrol_person.person");
    let person = enrolled[0].id;
    if command.residence.is_some() && command.household.is_some() {
        d.fault(Code::ResidenceAndHousehold, "command.enrol_person.residence", &[]);
    }
    if let Some(place) = &command.residence {
        let field = "command.enrol_person.residence";
        if let Some(place) = d.residence_place(place, on, field) {
            d.emit(
                on,
                EventBody::PermanentResidenceRegistered(PermanentResidenceRegistered { person, place }),
            );
        }
    }
    if let Some(place) = &command.household {
        let field = "command.enrol_person.household";
        join_with_residence(d, person, place.household, place.relationship, on, field);
        if place.relationship == Relationship::Head {
            appoint_enrolled(d, place.household, &enrolled[0], on, field);
        }
    }
}

/// A person who is new in the registry joins an open household, and is resident where it is.
pub(super) fn join_with_residence(
    d: &mut Deciding<'_>,
    person: PersonId,
    household: HouseholdId,
    relationship: Relationship,
    on: Date,
    field: impl Display + Copy,
) {
    let Some(household) = d.household(household, field) else { return };
    let row = d.registry.household(household).expect("the household was found");
    d.check_no_later(RowRef::Household(household), row.composition_since.max(row.place_since), on, field);
    if relationship == Relationship::Head && row.head != 0 {
        d.fault_with(
            Code::HeadExists,
            field,
            &[&household, &PersonId(row.head)],
            RowRef::Household(household),
        );
    }
    let place: RegisteredPlace = Place::in_unit(UnitId(row.unit));
    d.emit(on, EventBody::PermanentResidenceRegistered(PermanentResidenceRegistered { person, place }));
    let membership = Membership::Permanent;
    d.emit(on, EventBody::MemberJoined(MemberJoined { household, person, membership, relationship }));
}

/// Registers one person of the command, with parents, PIN and what is missing. `cmnds` are the numbers that the members
/// before this one stated.
fn register_person(
    d: &mut Deciding<'_>,
    number: usize,
    enrolled: &[Enrolled<'_>],
    cmnds: &mut BTreeMap<u32, PersonId>,
    on: Date,
    field: impl Display + Copy,
) {
    let Enrolled { id, person } = enrolled[number];
    check_form(d, person, field);
    if person.identity.birth.earliest() > on {
        d.fault(Code::DateBeforeBirth, format_args!("{field}.identity.birth"), &[&on]);
    }
    let identity = registered_identity(d, &person.identity, on, field);
    let data = registered_data(d, &person.data, on, field);
    if let (Some(identity), Some(data)) = (identity, data) {
        let (identity, data) = (Box::new(identity), Box::new(data));
        let registered = PersonRegistered { person: id, origin: Origin::Enrolment, identity, data };
        d.emit(on, EventBody::PersonRegistered(registered));
    }
    note_gaps(d, id, person, on);
    check_cmnds(d, id, person, cmnds, field);
    link_parents(d, number, enrolled, field);
    if let Some(pin) = person.pin {
        let field = format_args!("{field}.pin");
        let accepted =
            check_accepted_pin(d, id, pin, person.identity.sex, person.identity.birth.year(), field);
        let twice = enrolled.iter().filter(|other| other.person.pin == Some(pin)).count() > 1;
        if twice {
            d.fault(Code::NamedTwice, field, &[&pin]);
        } else if accepted {
            d.emit(on, EventBody::PinAccepted(PinAccepted { person: id, pin }));
        }
    }
}

fn registered_identity(
    d: &mut Deciding<'_>,
    stated: &Identity<UnitCode>,
    on: Date,
    field: impl Display + Copy,
) -> Option<Identity<UnitId>> {
    let birth_day = stated.birth.latest().min(d.today);
    let field = format_args!("{field}.identity.birth_place");
    let birth_place = d.optional_place(stated.birth_place.as_ref(), birth_day.max(on), field)?;
    Some(Identity {
        names: stated.names.clone(),
        sex: stated.sex,
        birth: stated.birth,
        birth_time: stated.birth_time,
        birth_place,
        nationality: stated.nationality.clone(),
        identification: stated.identification,
    })
}

fn registered_data(
    d: &mut Deciding<'_>,
    stated: &PersonalData<UnitCode>,
    on: Date,
    field: impl Display + Copy,
) -> Option<PersonalData<UnitId>> {
    let registered_at = stated.birth_registration_place.as_ref();
    let registered_at =
        d.optional_place(registered_at, on, format_args!("{field}.data.birth_registration_place"));
    let hometown = d.optional_place(stated.hometown.as_ref(), on, format_args!("{field}.data.hometown"));
    Some(PersonalData {
        birth_registration_place: registered_at?,
        hometown: hometown?,
        ethnicity: stated.ethnicity,
        religion: stated.religion.clone(),
        blood_group: stated.blood_group.clone(),
        marital_status: stated.marital_status,
        capacity: stated.capacity,
        contact: stated.contact.clone(),
        documents: stated.documents.clone(),
    })
}

fn check_form(d: &mut Deciding<'_>, person: &NewPerson, field: impl Display + Copy) {
    let NewPerson { identity, data, parents, .. } = person;
    check_names(d, &identity.names, format_args!("{field}.identity.names"));
    check_nationality(d, &identity.nationality, format_args!("{field}.identity.nationality"));
    check_at_most(d, data.documents.len(), MAX_DOCUMENTS, format_args!("{field}.data.documents"));
    check_sealed(d, data.religion.as_ref(), format_args!("{field}.data.religion.sealed"));
    check_sealed(d, data.blood_group.as_ref(), format_args!("{field}.data.blood_group.sealed"));
    check_sealed(d, data.contact.as_ref(), format_args!("{field}.data.contact.sealed"));
    check_at_most(d, parents.len(), MAX_PARENTS, format_args!("{field}.parents"));
}

fn note_gaps(d: &mut Deciding<'_>, id: PersonId, person: &NewPerson, on: Date) {
    let minor = on.full_years_since(person.identity.birth.earliest()) < d.context.rules.majority_years;
    let gaps = [
        (person.identity.birth.full().is_none(), DefectKind::BirthDateIncomplete),
        (person.identity.sex == Sex::Unknown, DefectKind::SexUnknown),
        (minor && person.parents.is_empty(), DefectKind::ParentsMissing),
        (person.data.birth_registration_place.is_none(), DefectKind::BirthRegistrationPlaceMissing),
    ];
    for (missing, defect) in gaps {
        if missing {
            let row = RowRef::Person(id);
            d.emit(d.today, EventBody::DefectNoted(DefectNoted { row, defect }));
        }
    }
}

fn check_cmnds(
    d: &mut Deciding<'_>,
    id: PersonId,
    person: &NewPerson,
    cmnds: &mut BTreeMap<u32, PersonId>,
    field: impl Display + Copy,
) {
    for (place, document) in person.data.documents.iter().enumerate() {
        let Some(number) = document.cmnd_number() else { continue };
        let registered = d.registry.lookups().person_by_cmnd(number);
        let holder = registered.unwrap_or_else(|| *cmnds.entry(number).or_insert(id));
        if holder != id {
            let field = format_args!("{field}.data.documents[{place}]");
            d.flag(Code::CmndTaken, field, &[&document.number], RowRef::Person(id), DefectKind::CmndShared);
        }
    }
}

fn link_parents(d: &mut Deciding<'_>, number: usize, enrolled: &[Enrolled<'_>], field: impl Display + Copy) {
    let Enrolled { id: child, person } = enrolled[number];
    let mut links: Vec<(ParentLink<PersonId>, Option<ParentFacts>)> = Vec::new();
    for (place, link) in person.parents.iter().enumerate() {
        let field = format_args!("{field}.parents[{place}]");
        let resolved = match &link.parent {
            KinRef::Described(described) => {
                check_described(d, described, format_args!("{field}.parent.described"));
                Some((KinRef::Described(described.clone()), None))
            }
            KinRef::Registered(MemberRef::Member(member)) => match enrolled.get(usize::from(*member)) {
                Some(parent) if parent.id != child => {
                    let facts = ParentFacts::of_new(parent.id, &parent.person.identity);
                    Some((KinRef::Registered(parent.id), Some(facts)))
                }
                _ => {
                    d.fault(Code::MemberOutOfRange, field, &[member]);
                    None
                }
            },
            KinRef::Registered(MemberRef::Person(reference)) => d
                .person(reference, field)
                .map(|parent| (KinRef::Registered(parent), Some(ParentFacts::of_registered(d, parent)))),
        };
        if let Some((parent, facts)) = resolved {
            links.push((ParentLink { role: link.role, kind: link.kind, parent, period: link.period }, facts));
        }
    }
    check_parents(d, child, person.identity.birth, &links, format_args!("{field}.parents"));
    for (link, _) in links {
        d.emit(person.identity.birth, EventBody::ParentLinked(ParentLinked { child, link }));
    }
}
