//! Households as answers show them.

use super::{PersonBrief, PlaceView, Teller};
use crate::row_source::RowSource;
use crate::rows::{HouseholdEnd, HouseholdRow, OpenDefect};
use event_schemas::household::{HouseholdKind, Membership, Relationship, ResidenceFileNumber};
use event_schemas::ids::{HouseholdId, PersonId, Version};
use event_schemas::row::RowRef;
use event_schemas::time::PartialDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A household in one line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HouseholdBrief {
    pub id: HouseholdId,
    pub kind: HouseholdKind,
    pub address: Option<String>,
    pub members: usize,
    pub head: Option<PersonBrief>,
}

/// A household and who belongs to it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HouseholdView {
    pub id: HouseholdId,
    pub version: Version,
    pub kind: HouseholdKind,
    pub file_number: Option<ResidenceFileNumber>,
    pub formed_on: Option<PartialDate>,
    /// The household it was split from.
    pub split_from: Option<HouseholdId>,
    pub place: Option<PlaceView>,
    pub place_since: Option<PartialDate>,
    pub head: Option<PersonId>,
    /// In the order in which they joined.
    pub members: Vec<MemberView>,
    pub ended: Option<HouseholdEnd>,
    pub defects: Vec<OpenDefect>,
}

/// A member.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MemberView {
    pub person: PersonBrief,
    pub membership: Membership,
    pub relationship: Relationship,
    pub since: PartialDate,
}

impl HouseholdBrief {
    pub(crate) fn of<R: RowSource>(
        teller: &mut Teller<'_, R>,
        id: HouseholdId,
        row: Option<&HouseholdRow>,
    ) -> Result<Self, R::Error> {
        let place = PlaceView::of_option(teller, row.and_then(|row| row.place.as_ref()))?;
        let head = row.and_then(|row| row.head).map(|head| teller.person(head)).transpose()?;
        Ok(Self {
            id,
            kind: kind_of(row),
            address: place.map(|place| place.to_string()),
            members: row.map_or(0, |row| row.members.len()),
            head,
        })
    }
}

fn kind_of(row: Option<&HouseholdRow>) -> HouseholdKind {
    row.and_then(|row| row.formed.as_ref()).map_or(HouseholdKind::Family, |formed| formed.kind)
}

impl HouseholdView {
    pub(crate) fn of<R: RowSource>(
        teller: &mut Teller<'_, R>,
        id: HouseholdId,
        row: &HouseholdRow,
    ) -> Result<Self, R::Error> {
        teller.show(RowRef::Household(id));
        let mut members = Vec::with_capacity(row.members.len());
        for member in &row.members {
            members.push(MemberView {
                person: teller.person(member.person)?,
                membership: member.membership,
                relationship: member.relationship,
                since: member.since,
            });
        }
        Ok(Self {
            id,
            version: row.stamp.version,
            kind: kind_of(Some(row)),
            file_number: row.formed.as_ref().and_then(|formed| formed.file_number.clone()),
            formed_on: row.formed_on,
            split_from: row.formed.as_ref().and_then(|formed| formed.split_from),
            place: PlaceView::of_option(teller, row.place.as_ref())?,
            place_since: row.place_since,
            head: row.head,
            members,
            ended: row.ended,
            defects: row.defects.clone(),
        })
    }
}
