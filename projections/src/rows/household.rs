//! The row of a household.

use super::person::{OpenDefect, fold_defects};
use super::{Fact, Stamp};
use crate::stored::{page_rows, stored};
use event_schemas::event::{EventBody, HouseholdFormed};
use event_schemas::household::{HouseholdEndReason, Membership, Relationship};
use event_schemas::ids::{HouseholdId, PersonId, UnitId};
use event_schemas::place::RegisteredPlace;
use event_schemas::row::{Aspect, RowRef};
use event_schemas::time::PartialDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A household and who belongs to it.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct HouseholdRow {
    pub stamp: Stamp,
    /// Kind, file number and the household it was split from, as formed.
    pub formed: Option<HouseholdFormed>,
    pub formed_on: Option<PartialDate>,
    pub place: Option<RegisteredPlace>,
    pub place_since: Option<PartialDate>,
    /// In the order in which they joined.
    pub members: Vec<Member>,
    pub head: Option<PersonId>,
    pub ended: Option<HouseholdEnd>,
    pub defects: Vec<OpenDefect>,
}

/// Who belongs to the household, and how.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Member {
    pub person: PersonId,
    pub membership: Membership,
    pub relationship: Relationship,
    pub since: PartialDate,
}

/// The end of a household.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HouseholdEnd {
    pub on: PartialDate,
    pub reason: HouseholdEndReason,
    /// The household it was merged into.
    pub into: Option<HouseholdId>,
}

stored! {
    HouseholdRow {
        part stamp, value formed, value formed_on, value place, value place_since, part members, value head,
        part ended, part defects,
    }
    Member { value person, value membership, value relationship, value since }
    HouseholdEnd { value on, value reason, value into }
}

page_rows! { HouseholdRow }

impl HouseholdRow {
    /// The unit it is in.
    pub fn unit(&self) -> Option<UnitId> {
        self.place.as_ref().and_then(|place| place.unit().copied())
    }

    pub(super) fn fold(&mut self, aspect: Aspect, fact: Fact<'_>) {
        match aspect {
            Aspect::Existence => self.fold_existence(fact),
            Aspect::HouseholdPlace => self.fold_place(fact),
            Aspect::Composition => self.fold_composition(fact),
            Aspect::Defects => {
                // The defect's own row is this one: nothing else brings the event here.
                let row = match &fact.event.body {
                    EventBody::DefectNoted(e) => e.row,
                    EventBody::DefectCleared(e) => e.row,
                    _ => return,
                };
                if let RowRef::Household(_) = row {
                    fold_defects(&mut self.defects, row, fact);
                }
            }
            _ => {}
        }
    }

    pub(super) fn reset(&mut self, aspect: Aspect) {
        match aspect {
            Aspect::Existence => (self.formed, self.formed_on, self.ended) = (None, None, None),
            Aspect::HouseholdPlace => (self.place, self.place_since) = (None, None),
            Aspect::Composition => {
                self.members.clear();
                self.head = None;
            }
            Aspect::Defects => self.defects.clear(),
            _ => {}
        }
    }

    fn fold_existence(&mut self, fact: Fact<'_>) {
        let on = fact.event.effective_on;
        match &fact.event.body {
            EventBody::HouseholdFormed(e) => {
                self.formed = Some(e.clone());
                self.formed_on = Some(on);
            }
            EventBody::HouseholdEnded(e) => {
                self.ended = Some(HouseholdEnd { on, reason: e.reason, into: e.into })
            }
            _ => {}
        }
    }

    fn fold_place(&mut self, fact: Fact<'_>) {
        let place = match &fact.event.body {
            EventBody::HouseholdFormed(e) => &e.place,
            EventBody::HouseholdMoved(e) => &e.place,
            _ => return,
        };
        self.place = Some(place.clone());
        self.place_since = Some(fact.event.effective_on);
    }

    fn fold_composition(&mut self, fact: Fact<'_>) {
        match &fact.event.body {
            EventBody::MemberJoined(e) => {
                self.members.retain(|member| (member.person, member.membership) != (e.person, e.membership));
                self.members.push(Member {
                    person: e.person,
                    membership: e.membership,
                    relationship: e.relationship,
                    since: fact.event.effective_on,
                });
            }
            EventBody::MemberLeft(e) => {
                self.members.retain(|member| (member.person, member.membership) != (e.person, e.membership));
                if self.head == Some(e.person) && e.membership == Membership::Permanent {
                    self.head = None;
                }
            }
            EventBody::HeadAppointed(e) => {
                self.head = Some(e.head);
                self.relate(e.head, Relationship::Head);
            }
            EventBody::HeadVacated(_) => self.head = None,
            EventBody::RelationshipChanged(e) => self.relate(e.person, e.relationship),
            _ => {}
        }
    }

    fn relate(&mut self, person: PersonId, relationship: Relationship) {
        for member in &mut self.members {
            if member.person == person && member.membership == Membership::Permanent {
                member.relationship = relationship;
            }
        }
    }
}
