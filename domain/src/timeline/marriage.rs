//! Marital status as a function of the marriage timeline and of what enrolment stated.
//!
//! A marriage holds from its day until the day before its end: whoever is divorced or widowed on a day is free on that day.
//! What enrolment stated counts from the day of enrolment, and only where no registered marriage speaks: a marriage that is
//! registered late with an earlier date is the one that was stated, and the statement adds nothing to it.

use event_schemas::Event;
use event_schemas::event::{EventBody, MarriageEnded, MarriageRegistered, PersonRegistered};
use event_schemas::ids::{EventAddress, PersonId};
use event_schemas::kin::{KinRef, MarriageEndReason, Partners};
use event_schemas::person::MaritalStatus;
use event_schemas::time::Date;

/// The other partner of a marriage in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spouse {
    Registered(PersonId),
    /// Known from papers only.
    Described,
    /// Enrolment stated a marriage and nobody to whom.
    Unknown,
}

/// What somebody is on one day. The dead keep the status that they died with. A marriage to nobody known
/// is not ended by an event, and stays with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marital {
    pub status: MaritalStatus,
    /// The partner of the marriage in force, if there is one.
    pub spouse: Option<Spouse>,
}

impl Marital {
    /// What the person is on the day by a timeline in valid-time order.
    pub fn on(person: PersonId, timeline: &[(EventAddress, Event)], day: Date) -> Self {
        let mut marital = Self::default();
        let effective = timeline.iter().filter(|(_, event)| event.effective_on.earliest() <= day);
        effective.for_each(|(_, event)| marital.fold(person, &event.body));
        marital
    }

    /// Takes the next event of the person's timeline in.
    pub fn fold(&mut self, person: PersonId, body: &EventBody) {
        match body {
            EventBody::PersonRegistered(registered) => self.fold_statement(registered),
            EventBody::MarriageRegistered(MarriageRegistered { partners, .. }) => {
                self.status = MaritalStatus::Married;
                self.spouse = Some(other_partner(partners, person));
            }
            EventBody::MarriageEnded(ended) => self.fold_end(person, ended),
            _ => {}
        }
    }

    fn fold_statement(&mut self, registered: &PersonRegistered) {
        if self.spouse.is_some() {
            return;
        }
        match stated(registered) {
            MaritalStatus::Married => {
                *self = Self { status: MaritalStatus::Married, spouse: Some(Spouse::Unknown) };
            }
            status if self.status == MaritalStatus::NoInformation => self.status = status,
            _ => {}
        }
    }

    /// An end of another marriage than the one in force changes nothing: a divorce that comes to be known after the death
    /// stands before it, and the death then ends nothing more.
    fn fold_end(&mut self, person: PersonId, ended: &MarriageEnded) {
        let other = if ended.person == person { ended.spouse } else { Some(ended.person) };
        let is_in_force = match (self.spouse, other) {
            (Some(Spouse::Registered(spouse)), Some(other)) => spouse == other,
            (Some(Spouse::Described | Spouse::Unknown), None) => true,
            _ => false,
        };
        if !is_in_force {
            return;
        }
        self.spouse = None;
        self.status = match ended.reason {
            MarriageEndReason::Divorce => MaritalStatus::Divorced,
            MarriageEndReason::Death if ended.person == person => self.status,
            MarriageEndReason::Death => MaritalStatus::Widowed,
        };
    }
}

/// The marital status with which a person came into the registry: whoever is born here is unmarried.
fn stated(registered: &PersonRegistered) -> MaritalStatus {
    use event_schemas::event::Origin;
    match (registered.data.marital_status, &registered.origin) {
        (Some(status), _) => status,
        (None, Origin::Birth(_)) => MaritalStatus::Unmarried,
        (None, Origin::Enrolment) => MaritalStatus::NoInformation,
    }
}

/// The partner who is not this person.
pub fn other_partner(partners: &Partners<PersonId>, person: PersonId) -> Spouse {
    let others = partners.iter().filter(|partner| **partner != KinRef::Registered(person));
    let registered = others.into_iter().find_map(|partner| match partner {
        KinRef::Registered(other) => Some(*other),
        KinRef::Described(_) => None,
    });
    registered.map_or(Spouse::Described, Spouse::Registered)
}
