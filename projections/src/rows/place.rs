//! Rows of units, offices and dwellings.

use super::{Fact, Stamp};
use crate::stored::{page_rows, stored};
use event_schemas::event::{DwellingRegistered, EventBody, OfficeRegistered, UnitEstablished};
use event_schemas::time::PartialDate;

/// One version of an administrative unit.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct UnitRow {
    pub stamp: Stamp,
    pub established: Option<UnitEstablished>,
    pub valid_from: Option<PartialDate>,
}

/// An office, with the areas it has now.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct OfficeRow {
    pub stamp: Stamp,
    pub established: Option<OfficeRegistered>,
    pub since: Option<PartialDate>,
}

/// A dwelling.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct DwellingRow {
    pub stamp: Stamp,
    pub established: Option<DwellingRegistered>,
    pub since: Option<PartialDate>,
}

stored! {
    UnitRow { part stamp, value established, value valid_from }
    OfficeRow { part stamp, value established, value since }
    DwellingRow { part stamp, value established, value since }
}

page_rows! { UnitRow OfficeRow DwellingRow }

impl UnitRow {
    pub(super) fn fold(&mut self, fact: Fact<'_>) {
        if let EventBody::UnitEstablished(e) = &fact.event.body {
            self.established = Some(e.clone());
            self.valid_from = Some(fact.event.effective_on);
        }
    }
}

impl OfficeRow {
    pub(super) fn fold(&mut self, fact: Fact<'_>) {
        match (&fact.event.body, &mut self.established) {
            (EventBody::OfficeRegistered(e), _) => self.established = Some(e.clone()),
            (EventBody::OfficeAreaChanged(e), Some(office)) => office.areas.clone_from(&e.areas),
            _ => return,
        }
        self.since = Some(fact.event.effective_on);
    }
}

impl DwellingRow {
    pub(super) fn fold(&mut self, fact: Fact<'_>) {
        if let EventBody::DwellingRegistered(e) = &fact.event.body {
            self.established = Some(e.clone());
            self.since = Some(fact.event.effective_on);
        }
    }
}
