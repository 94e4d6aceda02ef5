//! People who leave their permanent household, for whatever reason: membership ends, a head's place is filled or falls
//! vacant, and a household that nobody is left in ends.

use super::deciding::Deciding;
use crate::refusal::Code;
use crate::registry::rows::HouseholdRow;
use event_schemas::command::{MAX_MEMBERS, Succession};
use event_schemas::defect::DefectKind;
use event_schemas::event::{
    DefectCleared, EventBody, HeadAppointed, HeadVacated, HouseholdEnded, MemberLeft, RelationshipChanged,
};
use event_schemas::household::{HouseholdEndReason, HouseholdKind, LeaveReason, Membership, Relationship};
use event_schemas::ids::{HouseholdId, PersonId};
use event_schemas::row::{Aspect, RowRef};
use event_schemas::text::Text;
use event_schemas::time::{Date, PartialDate};
use std::fmt::Display;

/// What becomes of a household whose head leaves without a successor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Vacancy {
    /// The command is refused: somebody who acts by choice names a successor.
    Refused,
    /// The headship falls vacant: nobody can be asked to have died later.
    Allowed,
}

/// People leave, on a day, for a reason.
pub(super) struct Departure<'c> {
    /// Living persons who were found; those without a permanent household are passed over.
    pub persons: &'c [PersonId],
    pub on: Date,
    pub effective: PartialDate,
    pub reason: LeaveReason,
    pub successions: &'c [Succession],
    pub vacancy: Vacancy,
    /// Household in which the leavers are merged, if that is why they leave.
    pub into: Option<HouseholdId>,
    pub field: &'c dyn Display,
}

impl Departure<'_> {
    /// Emits what follows, household by household in the order in which the persons name them.
    pub fn decide(&self, d: &mut Deciding<'_>) {
        let mut households: Vec<HouseholdId> = Vec::new();
        for &person in self.persons {
            if let Some(household) = HouseholdId(d.row(person).household).some()
                && !households.contains(&household)
            {
                households.push(household);
            }
        }
        for (number, succession) in self.successions.iter().enumerate() {
            let before = &self.successions[..number];
            if before.iter().any(|other| other.household == succession.household) {
                d.fault(Code::NamedTwice, "successions", &[&succession.household]);
            }
            if !households.contains(&succession.household) {
                d.fault(Code::SuccessionNotNeeded, "successions", &[&succession.household]);
            }
        }
        for household in households {
            self.leave_household(d, household);
        }
    }

    fn leave_household(&self, d: &mut Deciding<'_>, household: HouseholdId) {
        let Some(row) = d.registry.household(household) else {
            return;
        };
        let head_leaves = row.head != 0 && self.persons.contains(&PersonId(row.head));
        let succession = self.successions.iter().find(|succession| succession.household == household);
        if head_leaves && succession.is_some() {
            // Whoever succeeds must have been there on the day; later facts would have to be judged anew.
            d.check_no_later(RowRef::Household(household), row.composition_since, self.on, self.field);
        } else {
            d.restate_if_late(
                RowRef::Household(household),
                Aspect::Composition,
                row.composition_since,
                self.on,
            );
        }
        for &person in self.persons {
            if d.row(person).household == household.0 {
                let reason = self.reason;
                let left = MemberLeft { household, person, membership: Membership::Permanent, reason };
                d.emit(self.effective, EventBody::MemberLeft(left));
            }
        }
        let remaining: Vec<PersonId> =
            row.permanent_members().filter(|member| !self.persons.contains(member)).collect();
        if remaining.is_empty() {
            if succession.is_some() {
                d.fault(Code::SuccessionNotNeeded, "successions", &[&household]);
            }
            self.end(d, household, row);
            return;
        }
        if !head_leaves {
            if succession.is_some() {
                d.fault(Code::SuccessionNotNeeded, "successions", &[&household]);
            }
            return;
        }
        match succession {
            Some(succession) => succeed(d, succession, &remaining, None, self.effective, "successions"),
            None if self.vacancy == Vacancy::Allowed || row.kind == HouseholdKind::Institutional as u8 => {
                let former = PersonId(row.head);
                d.emit(self.effective, EventBody::HeadVacated(HeadVacated { household, former }));
            }
            None => d.fault_with(
                Code::SuccessorRequired,
                "successions",
                &[&household],
                RowRef::Household(household),
            ),
        }
    }

    /// The last permanent member has left: temporary memberships end too.
    fn end(&self, d: &mut Deciding<'_>, household: HouseholdId, row: &HouseholdRow) {
        // Others may have left later than this one; the household ended with the last of them.
        let ended_on = if row.composition_since > self.on.0 {
            PartialDate::of_day(Date(row.composition_since))
        } else {
            self.effective
        };
        for person in row.temporary_members() {
            let reason = LeaveReason::StayEnded;
            let left = MemberLeft { household, person, membership: Membership::Temporary, reason };
            d.emit(ended_on, EventBody::MemberLeft(left));
        }
        let reason = match self.into {
            Some(_) => HouseholdEndReason::Merged,
            None => HouseholdEndReason::LastMemberLeft,
        };
        d.emit(ended_on, EventBody::HouseholdEnded(HouseholdEnded { household, reason, into: self.into }));
    }
}

/// Emits a new head and how the others relate to the new head. `staying` are the permanent members; a `former` head among
/// them needs a relationship.
pub(super) fn succeed(
    d: &mut Deciding<'_>,
    succession: &Succession,
    staying: &[PersonId],
    former: Option<PersonId>,
    effective: PartialDate,
    field: impl Display + Copy,
) {
    let household = succession.household;
    let Some(head) = d.living_person(&succession.head, effective.earliest(), field) else {
        return;
    };
    if !staying.contains(&head) {
        d.fault_with(Code::NotAMember, field, &[&head, &household], RowRef::Person(head));
        return;
    }
    appoint(d, household, head, effective, field);
    if succession.relationships.len() > MAX_MEMBERS {
        d.fault(Code::TooMany, field, &[&succession.relationships.len(), &MAX_MEMBERS]);
        return;
    }
    let mut stated: Vec<PersonId> = Vec::new();
    for member in &succession.relationships {
        let Some(person) = d.person(&member.person, field) else {
            continue;
        };
        if !staying.contains(&person) {
            d.fault_with(Code::NotAMember, field, &[&person, &household], RowRef::Person(person));
        } else if person == head || member.relationship == Relationship::Head {
            d.fault(Code::RelationshipIsHead, field, &[]);
        } else if stated.contains(&person) {
            d.fault(Code::NamedTwice, field, &[&person]);
        } else {
            stated.push(person);
            let relationship = member.relationship;
            d.emit(
                effective,
                EventBody::RelationshipChanged(RelationshipChanged { household, person, relationship }),
            );
        }
    }
    if let Some(former) = former.filter(|former| !stated.contains(former)) {
        d.fault_with(Code::RelationshipMissing, field, &[&former], RowRef::Person(former));
    }
}

/// Emits a new head, who has full legal capacity, or there is a stated basis to accept another (Law 68/2020/QH14 Art. 10).
/// Defects that the appointment mends are cleared.
pub(super) fn appoint(
    d: &mut Deciding<'_>,
    household: HouseholdId,
    head: PersonId,
    effective: PartialDate,
    field: impl Display + Copy,
) {
    let capable = d.has_capacity(head, effective.earliest());
    appoint_if_capable(d, household, head, capable, effective, field);
}

/// The same for a head whose capacity the caller knows, because the registry does not hold the person yet.
pub(super) fn appoint_if_capable(
    d: &mut Deciding<'_>,
    household: HouseholdId,
    head: PersonId,
    capable: bool,
    effective: PartialDate,
    field: impl Display + Copy,
) {
    d.emit(effective, EventBody::HeadAppointed(HeadAppointed { household, head }));
    let row = RowRef::Household(household);
    let open = d.registry.household(household).map_or(0, |row| row.defects);
    let mut mended = vec![DefectKind::HeadMissing];
    if capable {
        mended.push(DefectKind::HeadWithoutCapacity);
    } else {
        d.flag(Code::HeadWithoutCapacity, field, &[&head], row, DefectKind::HeadWithoutCapacity);
    }
    for defect in mended {
        if open & defect.bit() != 0 {
            let reason = Text::new("head appointed").expect("a short text");
            d.emit(d.today, EventBody::DefectCleared(DefectCleared { row, defect, reason }));
        }
    }
}
