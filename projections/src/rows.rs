//! Rows, and the fold that makes them: `new row = fold(old row, aspect, event)`, and nothing else.
//!
//! A row keeps for each aspect what that aspect's events say; resetting an aspect and folding its restated timeline
//! touches nothing of the others.
//!
//! *Architecture invariant:* no fold looks at another row, at the log or at a clock (R2).

mod card;
mod household;
mod operation;
mod person;
mod place;
pub(crate) mod residence;

pub use card::{CardRow, DossierRow, Ending};
pub use household::{HouseholdEnd, HouseholdRow, Member};
pub use operation::{Approval, OperationRow};
pub use person::{
    Child, Death, FormerNames, HouseholdTie, Marital, Marriage, MarriageEnd, OpenDefect, Parent, PersonRow,
    PinCancellation, PinEntry, PinNotice, Registration,
};
pub use place::{DwellingRow, OfficeRow, UnitRow};
pub use residence::{Residence, Spell, Stay};

use crate::stored::stored;
use event_schemas::event::Event;
use event_schemas::ids::{EventAddress, Lsn, Version};
use event_schemas::row::{Aspect, RowRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An event and its address.
#[derive(Clone, Copy, Debug)]
pub struct Fact<'a> {
    pub at: EventAddress,
    pub event: &'a Event,
}

/// Which record a row reflects last.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Stamp {
    pub version: Version,
    /// Lsn of the row's last record: where its history begins.
    pub last_lsn: Lsn,
}

stored! {
    Stamp { value version, value last_lsn }
}

/// Calls `$do` with the row inside, whatever its kind.
macro_rules! each_kind {
    ($row:expr, $inner:ident => $do:expr) => {
        match $row {
            Row::Person($inner) => $do,
            Row::Household($inner) => $do,
            Row::Card($inner) => $do,
            Row::Dossier($inner) => $do,
            Row::Dwelling($inner) => $do,
            Row::Unit($inner) => $do,
            Row::Office($inner) => $do,
            Row::Operation($inner) => $do,
        }
    };
}

pub(crate) use each_kind;

/// Calls `$make` with every kind of row that answers show: how it is asked for, and by what it is told that there is one.
macro_rules! each_reader {
    ($make:ident) => {
        $make! {
            /// A person's row.
            person(id: PersonId) -> PersonRow, Person, registration;
            /// A household's row.
            household(id: HouseholdId) -> HouseholdRow, Household, formed;
            /// A card's row.
            card(id: CardId) -> CardRow, Card, produced;
            /// An application's row.
            dossier(id: DossierId) -> DossierRow, Dossier, received;
            /// A dwelling's row.
            dwelling(id: DwellingId) -> DwellingRow, Dwelling, established;
            /// A unit's row.
            unit(id: UnitId) -> UnitRow, Unit, established;
            /// An office's row.
            office(id: OfficeId) -> OfficeRow, Office, established;
            /// An operation's row.
            operation(id: OperationId) -> OperationRow, Operation, opened;
        }
    };
}

pub(crate) use each_reader;

/// A row of any kind.
#[derive(Clone, PartialEq, Debug)]
pub enum Row {
    Person(Box<PersonRow>),
    Household(Box<HouseholdRow>),
    Card(Box<CardRow>),
    Dossier(Box<DossierRow>),
    Dwelling(Box<DwellingRow>),
    Unit(Box<UnitRow>),
    Office(Box<OfficeRow>),
    Operation(Box<OperationRow>),
}

impl Row {
    /// The row before its first record.
    pub fn new(row: RowRef) -> Self {
        match row {
            RowRef::Person(_) => Self::Person(Box::default()),
            RowRef::Household(_) => Self::Household(Box::default()),
            RowRef::Card(_) => Self::Card(Box::default()),
            RowRef::Dossier(_) => Self::Dossier(Box::default()),
            RowRef::Dwelling(_) => Self::Dwelling(Box::default()),
            RowRef::Unit(_) => Self::Unit(Box::default()),
            RowRef::Office(_) => Self::Office(Box::default()),
            RowRef::Operation(_) => Self::Operation(Box::default()),
        }
    }

    /// Folds one event into one aspect.
    pub fn fold(&mut self, row: RowRef, aspect: Aspect, fact: Fact<'_>) {
        match (self, row) {
            (Self::Person(person), RowRef::Person(id)) => person.fold(id, aspect, fact),
            (Self::Household(household), _) => household.fold(aspect, fact),
            (Self::Card(card), _) => card.fold(aspect, fact),
            (Self::Dossier(dossier), _) => dossier.fold(aspect, fact),
            (Self::Dwelling(dwelling), _) => dwelling.fold(fact),
            (Self::Unit(unit), _) => unit.fold(fact),
            (Self::Office(office), _) => office.fold(fact),
            (Self::Operation(operation), _) => operation.fold(fact),
            (Self::Person(_), _) => unreachable!("a person's row is folded under a person's reference"),
        }
    }

    /// Forgets one aspect, so that its restated timeline can be folded from the beginning.
    pub fn reset(&mut self, aspect: Aspect) {
        match self {
            Self::Person(person) => person.reset(aspect),
            Self::Household(household) => household.reset(aspect),
            Self::Card(card) => card.reset(aspect),
            Self::Dossier(dossier) => dossier.reset(aspect),
            Self::Dwelling(row) if aspect == Aspect::Existence => (row.established, row.since) = (None, None),
            Self::Unit(row) if aspect == Aspect::Existence => {
                (row.established, row.valid_from) = (None, None)
            }
            Self::Office(row) if aspect == Aspect::Existence => (row.established, row.since) = (None, None),
            Self::Operation(operation) => operation.reset(aspect),
            Self::Dwelling(_) | Self::Unit(_) | Self::Office(_) => {}
        }
    }

    /// Version and last record.
    pub fn stamp(&self) -> Stamp {
        each_kind!(self, row => row.stamp)
    }

    /// Sets version and last record.
    pub fn set_stamp(&mut self, stamp: Stamp) {
        each_kind!(self, row => row.stamp = stamp);
    }
}
