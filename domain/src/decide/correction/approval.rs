//! Corrections that one officer alone does not make: the registry's own policy, dated, because what was recorded before a rule is judged
//! without it.

use super::super::deciding::Deciding;
use super::plan::{Plan, Planned};
use crate::refusal::Code;
use event_schemas::event::{Event, EventBody, Origin};
use event_schemas::ids::EventAddress;
use event_schemas::record::MAX_EVENTS;
use event_schemas::time::Date;

/// What a correction changes that takes a second officer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Grave {
    /// Somebody was never born, or was after all.
    Birth,
    /// Somebody is dead or alive again.
    Death,
    /// A parent whom the registration of the birth named.
    ParentAtBirth,
    Sex,
    BirthYear,
}

/// Each with the first day on which a second officer approves it: that of the residence law on which the registry rests
/// (Law 68/2020/QH14). The law itself asks that the head of the authority decides (Law 60/2014/QH13 Art. 28), not how.
const SINCE: [(Grave, (i16, i8, i8)); 5] = [
    (Grave::Birth, (2021, 7, 1)),
    (Grave::Death, (2021, 7, 1)),
    (Grave::ParentAtBirth, (2021, 7, 1)),
    (Grave::Sex, (2021, 7, 1)),
    (Grave::BirthYear, (2021, 7, 1)),
];

impl Grave {
    /// Stable name, for faults.
    fn name(self) -> &'static str {
        match self {
            Self::Birth => "birth",
            Self::Death => "death",
            Self::ParentAtBirth => "parent_at_birth",
            Self::Sex => "sex",
            Self::BirthYear => "birth_year",
        }
    }

    fn is_approved_by_another_on(self, day: Date) -> bool {
        SINCE.iter().any(|(grave, (year, month, since))| {
            *grave == self && Date::new(*year, *month, *since).is_ok_and(|since| day >= since)
        })
    }
}

/// Faults for every edit that takes a second officer.
pub fn check(d: &mut Deciding<'_>, plan: &Plan) {
    for edit in &plan.edits {
        for grave in changed_gravely(plan, edit).into_iter().flatten() {
            if grave.is_approved_by_another_on(d.today) {
                d.fault(Code::ApprovalRequired, &edit.field, &[&grave.name()]);
            }
        }
    }
}

fn changed_gravely(plan: &Plan, edit: &Planned) -> [Option<Grave>; 2] {
    match (body_of(&edit.before), body_of(&edit.after)) {
        (Some(EventBody::PersonRegistered(before)), Some(EventBody::PersonRegistered(after))) => {
            let (before, after) = (&before.identity, &after.identity);
            let sex = (before.sex != after.sex).then_some(Grave::Sex);
            let year = (before.birth.year() != after.birth.year()).then_some(Grave::BirthYear);
            [sex, year]
        }
        (Some(EventBody::PersonRegistered(_)), None) | (None, Some(EventBody::PersonRegistered(_))) => {
            [Some(Grave::Birth), None]
        }
        (Some(EventBody::DeathRegistered(_)), None) | (None, Some(EventBody::DeathRegistered(_))) => {
            [Some(Grave::Death), None]
        }
        (Some(EventBody::ParentLinked(_)), _) | (_, Some(EventBody::ParentLinked(_)))
            if is_of_a_birth(plan, edit.slot) =>
        {
            [Some(Grave::ParentAtBirth), None]
        }
        _ => [None, None],
    }
}

fn body_of(fact: &Option<(EventAddress, Event)>) -> Option<&EventBody> {
    fact.as_ref().map(|(_, event)| &event.body)
}

/// Whether the record in which the fact stood first registered a birth.
fn is_of_a_birth(plan: &Plan, slot: EventAddress) -> bool {
    let beside = (0..MAX_EVENTS as u32).map(|index| EventAddress { lsn: slot.lsn, index });
    let mut facts = beside.filter_map(|at| plan.slots.fact(at));
    facts.any(
        |fact| matches!(&fact.body, EventBody::PersonRegistered(e) if matches!(e.origin, Origin::Birth(_))),
    )
}
