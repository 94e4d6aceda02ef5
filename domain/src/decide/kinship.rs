//! What must hold between a child and its parents.

use super::deciding::Deciding;
use crate::refusal::Code;
use crate::registry::fold::sex_of;
use crate::rules::Rules;
use event_schemas::defect::{DefectKind, MIN_PARENT_AGE_YEARS};
use event_schemas::event::{EventBody, ParentLinked};
use event_schemas::ids::PersonId;
use event_schemas::kin::{ParentKind, ParentLink, ParentRole};
use event_schemas::person::{Identity, Sex};
use event_schemas::row::{Aspect, RowRef, StreamRef};
use event_schemas::time::PartialDate;
use std::fmt::Display;

/// What is known of a registered parent.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParentFacts {
    id: PersonId,
    sex: Sex,
    birth: Option<PartialDate>,
    died: Option<PartialDate>,
}

impl ParentFacts {
    pub fn of_registered(d: &Deciding<'_>, id: PersonId) -> Self {
        let row = d.row(id);
        Self {
            id,
            sex: sex_of(row.sex),
            birth: PartialDate::from_packed(row.birth),
            died: PartialDate::from_packed(row.died),
        }
    }

    pub fn of_new<U>(id: PersonId, identity: &Identity<U>) -> Self {
        Self { id, sex: identity.sex, birth: Some(identity.birth), died: None }
    }
}

/// One mother and one father of each kind, of the right sex, old enough, and alive when it matters.
pub(super) fn check_parents(
    d: &mut Deciding<'_>,
    child: PersonId,
    birth: PartialDate,
    links: &[(ParentLink<PersonId>, Option<ParentFacts>)],
    field: impl Display + Copy,
) {
    for (place, (link, facts)) in links.iter().enumerate() {
        let role = role_name(link.role);
        let twice =
            links[..place].iter().any(|(other, _)| other.role == link.role && other.kind == link.kind);
        if twice {
            d.fault(Code::ParentNamedTwice, field, &[&role]);
        }
        if let Some(facts) = facts {
            check_parent(d, child, birth, link, facts, field);
        }
    }
}

/// Whether somebody of this sex, born and dead on these days, can be the parent; what a court or legacy data may override counts too.
pub(super) fn could_be_parent(
    rules: &Rules,
    link: &ParentLink<PersonId>,
    birth: PartialDate,
    (sex, born, died): (Sex, Option<PartialDate>, Option<PartialDate>),
) -> bool {
    if sex == wrong_sex(link.role) {
        return false;
    }
    if !is_by_birth(link.kind) {
        return true;
    }
    let is_old_enough = born.is_none_or(|born| age_at(birth, born) >= MIN_PARENT_AGE_YEARS);
    let lived = died.is_none_or(|died| match link.role {
        ParentRole::Mother => died.latest() >= birth.earliest(),
        ParentRole::Father => died.latest().plus_days(rules.days_after_father.into()) >= birth.earliest(),
    });
    is_old_enough && lived
}

fn wrong_sex(role: ParentRole) -> Sex {
    match role {
        ParentRole::Mother => Sex::Male,
        ParentRole::Father => Sex::Female,
    }
}

/// Judged in the parent's favour where dates are partial.
fn age_at(birth: PartialDate, parent_born: PartialDate) -> i16 {
    birth.latest().full_years_since(parent_born.earliest())
}

fn check_parent(
    d: &mut Deciding<'_>,
    child: PersonId,
    birth: PartialDate,
    link: &ParentLink<PersonId>,
    parent: &ParentFacts,
    field: impl Display + Copy,
) {
    let row = RowRef::Person(parent.id);
    if parent.sex == wrong_sex(link.role) {
        d.fault_with(Code::ParentSexDiffers, field, &[&parent.id, &role_name(link.role)], row);
    }
    if !is_by_birth(link.kind) {
        return;
    }
    let age = parent.birth.map(|parent_born| age_at(birth, parent_born));
    if age.is_some_and(|age| age < MIN_PARENT_AGE_YEARS) {
        d.flag(Code::ParentTooYoung, field, &[&parent.id], RowRef::Person(child), DefectKind::ParentTooYoung);
    }
    if let Some(died) = parent.died {
        check_alive_when_it_matters(d, child, birth, link.role, (parent.id, died), field);
    }
}

/// The same two rules for a death that is registered after the births: a mother lived when her child was born, a father not
/// long before. Children of a registered person stand in the person's own timeline.
pub(super) fn check_children(
    d: &mut Deciding<'_>,
    parent: PersonId,
    died: PartialDate,
    field: impl Display + Copy,
) {
    if died.latest() >= d.today {
        return; // Nobody was born later.
    }
    let stream = StreamRef { row: RowRef::Person(parent), aspect: Aspect::Kinship };
    let Ok(recorded) = d.context.timelines.stream(stream) else {
        d.fault(Code::HistoryUnavailable, field, &[]);
        return;
    };
    for (_, event) in recorded {
        let EventBody::ParentLinked(ParentLinked { child, link }) = event.body else { continue };
        if child == parent || !is_by_birth(link.kind) {
            continue;
        }
        check_alive_when_it_matters(d, child, event.effective_on, link.role, (parent, died), field);
    }
}

fn is_by_birth(kind: ParentKind) -> bool {
    matches!(kind, ParentKind::Biological | ParentKind::Presumed)
}

fn check_alive_when_it_matters(
    d: &mut Deciding<'_>,
    child: PersonId,
    birth: PartialDate,
    role: ParentRole,
    (parent, died): (PersonId, PartialDate),
    field: impl Display + Copy,
) {
    match role {
        ParentRole::Mother if died.latest() < birth.earliest() => {
            d.fault_with(Code::MotherDeadAtBirth, field, &[&parent], RowRef::Person(parent));
        }
        ParentRole::Father
            if died.latest().plus_days(d.context.rules.days_after_father.into()) < birth.earliest() =>
        {
            let child = RowRef::Person(child);
            d.flag(Code::FatherDeadBeforeConception, field, &[&parent], child, DefectKind::FatherLongDead);
        }
        _ => {}
    }
}

fn role_name(role: ParentRole) -> &'static str {
    match role {
        ParentRole::Mother => "mother",
        ParentRole::Father => "father",
    }
}
