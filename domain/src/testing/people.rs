//! Persons and households that are taken for granted.

use super::{World, partial, text, unit};
use event_schemas::basis::{RegisterEntry, RegisterKind};
use event_schemas::event::{
    DeathRegistered, EventBody, HeadAppointed, HeadVacated, HouseholdFormed, MemberJoined, MemberLeft,
    Origin, PermanentResidenceEnded, PermanentResidenceRegistered, PersonRegistered, PinAccepted,
    TemporaryResidenceRegistered,
};
use event_schemas::household::{HouseholdKind, LeaveReason, Membership, Relationship, ResidenceEndReason};
use event_schemas::ids::{HouseholdId, PersonId};
use event_schemas::person::{
    Identification, Identity, LegalCapacity, MaritalStatus, Names, Nationality, PersonRef, PersonalData, Sex,
};
use event_schemas::place::Place;
use event_schemas::time::PartialDate;

/// A person to be taken for granted; change what a test needs.
#[derive(Clone, Debug)]
pub struct NewPersonOf {
    pub sex: Sex,
    pub birth: PartialDate,
    pub capacity: LegalCapacity,
    /// As enrolment stated it.
    pub marital_status: Option<MaritalStatus>,
    pub nationality: Nationality,
    /// A unit's code.
    pub born_in: Option<&'static str>,
    /// Twelve digits.
    pub pin: Option<&'static str>,
}

/// A man, a citizen of full capacity, born in Hà Nội.
pub fn man(birth: &str) -> NewPersonOf {
    NewPersonOf {
        sex: Sex::Male,
        birth: partial(birth),
        capacity: LegalCapacity::Full,
        marital_status: None,
        nationality: Nationality::vietnamese(),
        born_in: Some(super::PHUC_XA),
        pin: None,
    }
}

/// A woman, a citizen of full capacity, born in Hà Nội.
pub fn woman(birth: &str) -> NewPersonOf {
    NewPersonOf { sex: Sex::Female, ..man(birth) }
}

/// A reference by number.
pub fn id(person: PersonId) -> PersonRef {
    PersonRef::PersonId(person)
}

impl World {
    /// A person who is registered, and lives nowhere yet. Facts hold from the birth on.
    pub fn person(&mut self, new: NewPersonOf) -> PersonId {
        let birth = new.birth.to_string();
        self.enrolled(new, &birth)
    }

    /// A person who was enrolled on a day, and lives nowhere yet.
    pub fn enrolled(&mut self, new: NewPersonOf, on: &str) -> PersonId {
        let person = self.registry.head().persons.next();
        let registered = EventBody::PersonRegistered(PersonRegistered {
            person,
            origin: Origin::Enrolment,
            identity: Box::new(Identity {
                names: Names {
                    surname: Some(text("Nguyễn")),
                    middle: None,
                    given: text("An"),
                    other: Vec::new(),
                },
                sex: new.sex,
                birth: new.birth,
                birth_time: None,
                birth_place: None,
                nationality: new.nationality,
                identification: Identification::Verified,
            }),
            data: Box::new(PersonalData {
                capacity: new.capacity,
                marital_status: new.marital_status,
                birth_registration_place: new.born_in.map(|code| Place::in_unit(unit(code))),
                ..PersonalData::default()
            }),
        });
        let accepted = new.pin.map(|pin| {
            let pin = pin.parse().expect("PINs of the laboratory are valid");
            EventBody::PinAccepted(PinAccepted { person, pin })
        });
        self.given_events(on, [registered].into_iter().chain(accepted));
        person
    }

    /// A family's household in a unit since a day. Whoever is `Head` is appointed.
    pub fn household(
        &mut self,
        code: &str,
        since: &str,
        members: &[(PersonId, Relationship)],
    ) -> HouseholdId {
        self.household_of(HouseholdKind::Family, code, since, members)
    }

    /// A household of this kind.
    pub fn household_of(
        &mut self,
        kind: HouseholdKind,
        code: &str,
        since: &str,
        members: &[(PersonId, Relationship)],
    ) -> HouseholdId {
        let household = self.registry.head().households.next();
        let place = Place::in_unit(unit(code));
        let mut bodies = vec![EventBody::HouseholdFormed(HouseholdFormed {
            household,
            kind,
            place: place.clone(),
            file_number: None,
            split_from: None,
        })];
        for &(person, relationship) in members {
            bodies.push(EventBody::MemberJoined(MemberJoined {
                household,
                person,
                membership: Membership::Permanent,
                relationship,
            }));
            if relationship == Relationship::Head {
                let head = person;
                bodies.push(EventBody::HeadAppointed(HeadAppointed { household, head }));
            }
            bodies.push(EventBody::PermanentResidenceRegistered(PermanentResidenceRegistered {
                person,
                place: place.clone(),
            }));
        }
        self.given_events(since, bodies);
        household
    }

    /// A permanent residence without a household.
    pub fn resident(&mut self, person: PersonId, code: &str, since: &str) {
        let place = Place::in_unit(unit(code));
        let registered = PermanentResidenceRegistered { person, place };
        self.given_events(since, [EventBody::PermanentResidenceRegistered(registered)]);
    }

    /// A temporary residence, in a household or not.
    pub fn stay(
        &mut self,
        person: PersonId,
        code: &str,
        since: &str,
        until: &str,
        household: Option<HouseholdId>,
    ) {
        let place = Place::in_unit(unit(code));
        let until = super::date(until);
        let mut bodies = vec![EventBody::TemporaryResidenceRegistered(TemporaryResidenceRegistered {
            person,
            place,
            until,
        })];
        if let Some(household) = household {
            bodies.push(EventBody::MemberJoined(MemberJoined {
                household,
                person,
                membership: Membership::Temporary,
                relationship: Relationship::NotKin,
            }));
        }
        self.given_events(since, bodies);
    }
}

/// A death, as it stands in an office's register.
pub fn death_of(person: PersonId) -> EventBody {
    EventBody::DeathRegistered(DeathRegistered {
        person,
        time: None,
        place: None,
        cause: None,
        registered_at: unit(super::PHUC_XA),
        entry: RegisterEntry {
            office: super::PHUC_XA_OFFICE,
            register: RegisterKind::Death,
            year: 2022,
            number: 1,
        },
        legacy: None,
        declared: false,
    })
}

/// The head of a household dies and nobody succeeds.
pub fn dies(household: HouseholdId, head: PersonId) -> Vec<EventBody> {
    let reason = ResidenceEndReason::Died;
    let left =
        MemberLeft { household, person: head, membership: Membership::Permanent, reason: LeaveReason::Died };
    vec![
        death_of(head),
        EventBody::PermanentResidenceEnded(PermanentResidenceEnded { person: head, reason }),
        EventBody::MemberLeft(left),
        EventBody::HeadVacated(HeadVacated { household, former: head }),
    ]
}
