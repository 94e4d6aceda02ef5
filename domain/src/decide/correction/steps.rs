//! One stream in its order: whether each fact finds what it speaks of.

use super::coverage::{Book, Which};
use crate::context::TimelineUnavailable;
use crate::timeline::marriage::{Marital, Spouse};
use event_schemas::event::EventBody;
use event_schemas::household::{LeaveReason, Membership, ResidenceEndReason};
use event_schemas::ids::{EventAddress, HouseholdId, PersonId};
use event_schemas::kin::{MarriageEndReason, ParentKind, ParentRole};
use event_schemas::row::{Aspect, RowRef, StreamRef};
use std::collections::BTreeSet;

/// Facts of the stream that found what they speak of before, or were not there, and do not find it after.
pub fn no_longer_possible(
    book: &Book<'_>,
    stream: StreamRef,
) -> Result<Vec<EventAddress>, TimelineUnavailable> {
    let before: BTreeSet<EventAddress> = impossible(book, stream, Which::Before)?.into_iter().collect();
    let after = impossible(book, stream, Which::After)?;
    Ok(after.into_iter().filter(|at| !before.contains(at)).collect())
}

fn impossible(
    book: &Book<'_>,
    stream: StreamRef,
    which: Which,
) -> Result<Vec<EventAddress>, TimelineUnavailable> {
    let timeline = book.timeline(stream, which)?;
    let mut state = State::default();
    let mut impossible = Vec::new();
    for (at, event) in &timeline {
        let mut possible = state.step(stream, &event.body);
        if let Some(dead) = ended_by_death_of(&event.body) {
            let died = book.death(dead, which)?;
            possible &= died.is_some_and(|died| died.earliest() <= event.effective_on.earliest());
        }
        if !possible {
            impossible.push(*at);
        }
    }
    Ok(impossible)
}

/// Whose death ended something by this fact.
fn ended_by_death_of(body: &EventBody) -> Option<PersonId> {
    match body {
        EventBody::PermanentResidenceEnded(e) if e.reason == ResidenceEndReason::Died => Some(e.person),
        EventBody::TemporaryResidenceEnded(e) if e.reason == ResidenceEndReason::Died => Some(e.person),
        EventBody::MemberLeft(e) if e.reason == LeaveReason::Died => Some(e.person),
        EventBody::MarriageEnded(e) if e.reason == MarriageEndReason::Death => Some(e.person),
        EventBody::CardHolderDied(e) => Some(e.person),
        _ => None,
    }
}

/// Whether only somebody alive can have done it. What an authority does with a card, and what comes by itself, the dead may have.
pub fn needs_living(body: &EventBody, person: PersonId) -> bool {
    use EventBody as B;
    match body {
        B::NameChanged(_)
        | B::PermanentResidenceRegistered(_)
        | B::TemporaryResidenceRegistered(_)
        | B::MemberJoined(_)
        | B::RelationshipChanged(_)
        | B::MarriageRegistered(_)
        | B::DossierReceived(_)
        | B::CardHandedOver(_)
        | B::CardReportedLost(_)
        | B::CardFound(_)
        | B::CardReportedDamaged(_)
        | B::CardHeld(_)
        | B::CardReturned(_) => true,
        B::HeadAppointed(e) => e.head == person,
        B::MarriageEnded(e) => e.reason == MarriageEndReason::Divorce,
        B::MemberLeft(e) => [LeaveReason::Moved, LeaveReason::Split].contains(&e.reason),
        _ => false,
    }
}

/// What a stream's facts so far have led to.
#[derive(Default)]
struct State {
    /// Of one person: permanent residence, a stay, or death.
    holds: bool,
    household: Option<HouseholdId>,
    members: Vec<(PersonId, Membership)>,
    head: Option<PersonId>,
    marital: Marital,
    parents: Vec<(ParentRole, ParentKind)>,
}

impl State {
    /// Whether the fact is possible now; and what comes after it.
    fn step(&mut self, stream: StreamRef, body: &EventBody) -> bool {
        match (stream.row, stream.aspect) {
            (RowRef::Person(_), Aspect::PermanentResidence) => match body {
                EventBody::PermanentResidenceEnded(_) => std::mem::take(&mut self.holds),
                _ => {
                    self.holds = true;
                    true
                }
            },
            (RowRef::Person(_), Aspect::TemporaryResidence) => match body {
                EventBody::TemporaryResidenceEnded(_) => std::mem::take(&mut self.holds),
                _ => !std::mem::replace(&mut self.holds, true),
            },
            (RowRef::Person(_), Aspect::Life) => !std::mem::replace(&mut self.holds, true),
            (RowRef::Person(_), Aspect::Membership | Aspect::TemporaryMembership) => self.membership(body),
            (RowRef::Person(person), Aspect::Kinship) => self.kinship(person, body),
            (RowRef::Person(person), Aspect::Marriage) => self.marriage(person, body),
            (RowRef::Household(_), Aspect::Composition) => self.composition(body),
            (RowRef::Household(_), Aspect::Existence) => match body {
                EventBody::HouseholdEnded(_) => std::mem::take(&mut self.holds),
                _ => {
                    self.holds = true;
                    true
                }
            },
            _ => true,
        }
    }

    fn membership(&mut self, body: &EventBody) -> bool {
        match body {
            EventBody::MemberJoined(e) => self.household.replace(e.household).is_none(),
            EventBody::MemberLeft(e) => {
                let belonged = self.household == Some(e.household);
                if belonged {
                    self.household = None;
                }
                belonged
            }
            EventBody::HeadAppointed(e) => self.household == Some(e.household),
            EventBody::RelationshipChanged(e) => self.household == Some(e.household),
            _ => true,
        }
    }

    fn composition(&mut self, body: &EventBody) -> bool {
        let is_member =
            |state: &Self, person: PersonId| state.members.contains(&(person, Membership::Permanent));
        match body {
            EventBody::MemberJoined(e) => {
                let is_new = !self.members.contains(&(e.person, e.membership));
                if is_new {
                    self.members.push((e.person, e.membership));
                }
                is_new
            }
            EventBody::MemberLeft(e) => {
                let count = self.members.len();
                self.members.retain(|member| *member != (e.person, e.membership));
                if e.membership == Membership::Permanent && self.head == Some(e.person) {
                    self.head = None;
                }
                self.members.len() < count
            }
            EventBody::HeadAppointed(e) => {
                self.head = Some(e.head);
                is_member(self, e.head)
            }
            // Whoever leaves and heads has left the place already when it falls vacant.
            EventBody::HeadVacated(e) => {
                let headed = self.head.is_none() || self.head == Some(e.former);
                self.head = None;
                headed
            }
            EventBody::RelationshipChanged(e) => is_member(self, e.person),
            _ => true,
        }
    }

    /// One mother and one father of each kind.
    fn kinship(&mut self, person: PersonId, body: &EventBody) -> bool {
        let EventBody::ParentLinked(e) = body else { return true };
        if e.child != person {
            return true;
        }
        let place = (e.link.role, e.link.kind);
        let is_free = !self.parents.contains(&place);
        self.parents.push(place);
        is_free
    }

    fn marriage(&mut self, person: PersonId, body: &EventBody) -> bool {
        let before = self.marital;
        self.marital.fold(person, body);
        match body {
            EventBody::MarriageRegistered(_) => matches!(before.spouse, None | Some(Spouse::Unknown)),
            EventBody::MarriageEnded(_) => before.spouse.is_some() && self.marital.spouse.is_none(),
            _ => true,
        }
    }
}
