//! How two registered people are related, as far as registered links show.
//!
//! Rows hold one mother and one father. A row that has more than that says so, and then its timeline is read.

use super::deciding::Deciding;
use crate::context::TimelineUnavailable;
use crate::registry::rows::FLAG_OTHER_KIN;
use event_schemas::event::{EventBody, ParentLinked};
use event_schemas::ids::PersonId;
use event_schemas::kin::{KinRef, ParentKind};
use event_schemas::row::{Aspect, RowRef, StreamRef};
use std::collections::BTreeMap;

/// How close two people are, in the sense of Law 52/2014/QH13 Art. 5(2)(d).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kinship {
    /// One descends from the other, or both from the same people *within three generations*: siblings, half ones too, aunts
    /// and uncles with nieces and nephews, first cousins.
    Blood,
    /// Adoptive parent and child, also when that has ended.
    Adoption,
    None,
}

/// Ancestors that are looked for in the direct line (O1): more generations do not live together.
const GENERATIONS_OF_DIRECT_LINE: u8 = 6;

/// How two different people are related.
pub(super) fn kinship(
    d: &Deciding<'_>,
    first: PersonId,
    second: PersonId,
) -> Result<Kinship, TimelineUnavailable> {
    let (of_first, of_second) = (ancestors(d, first)?, ancestors(d, second)?);
    for (ancestor, up_first) in &of_first {
        let Some(up_second) = of_second.get(ancestor) else { continue };
        let is_direct = *up_first == 0 || *up_second == 0;
        let generations = i16::from((*up_first).max(*up_second));
        if is_direct || generations <= d.context.rules.kin_generations {
            return Ok(Kinship::Blood);
        }
    }
    let both = [first, second].into_iter().all(|person| has_other_kin(d, person));
    if both && is_adopted_by(d, first, second)? {
        return Ok(Kinship::Adoption);
    }
    Ok(Kinship::None)
}

fn has_other_kin(d: &Deciding<'_>, person: PersonId) -> bool {
    d.row(person).flags & FLAG_OTHER_KIN != 0
}

/// The person, the parents, their parents …, each with the fewest generations up.
fn ancestors(d: &Deciding<'_>, person: PersonId) -> Result<BTreeMap<PersonId, u8>, TimelineUnavailable> {
    let mut found = BTreeMap::from([(person, 0)]);
    let mut generation = vec![person];
    for up in 1..=GENERATIONS_OF_DIRECT_LINE {
        let mut above = Vec::new();
        for child in generation {
            for parent in parents(d, child)? {
                if d.registry.person(parent).is_some() && !found.contains_key(&parent) {
                    found.insert(parent, up);
                    above.push(parent);
                }
            }
        }
        generation = above;
    }
    Ok(found)
}

/// Registered parents, adoptive ones excepted.
fn parents(d: &Deciding<'_>, child: PersonId) -> Result<Vec<PersonId>, TimelineUnavailable> {
    let row = d.row(child);
    if !has_other_kin(d, child) {
        return Ok([row.mother, row.father].into_iter().filter_map(|id| PersonId(id).some()).collect());
    }
    let links = links(d, child)?;
    let own = links.filter(|linked| linked.child == child && linked.link.kind != ParentKind::Adoptive);
    Ok(own.filter_map(|linked| registered(&linked)).collect())
}

fn is_adopted_by(d: &Deciding<'_>, first: PersonId, second: PersonId) -> Result<bool, TimelineUnavailable> {
    let mut links = links(d, first)?.filter(|linked| linked.link.kind == ParentKind::Adoptive);
    Ok(links.any(|linked| {
        let ends = (linked.child, registered(&linked));
        ends == (first, Some(second)) || ends == (second, Some(first))
    }))
}

fn registered(linked: &ParentLinked) -> Option<PersonId> {
    match linked.link.parent {
        KinRef::Registered(parent) => Some(parent),
        KinRef::Described(_) => None,
    }
}

/// Every link in which the person is child or parent.
fn links(
    d: &Deciding<'_>,
    person: PersonId,
) -> Result<impl Iterator<Item = ParentLinked>, TimelineUnavailable> {
    let stream = StreamRef { row: RowRef::Person(person), aspect: Aspect::Kinship };
    let recorded = d.context.timelines.stream(stream)?;
    Ok(recorded.into_iter().filter_map(|(_, event)| match event.body {
        EventBody::ParentLinked(linked) => Some(linked),
        _ => None,
    }))
}
