//! The JSON of answers. Public, so that whoever prints tables reads the same types.

mod card;
mod changes;
mod disclosed;
mod effect;
mod foreseen;
mod household;
mod operation;
mod person;
mod place;
mod total;
mod totals;

pub use card::{Acceptance, CardView, DossierView, Procedure};
pub use changes::{AspectChange, ChangesAnswer, PersonChange};
pub use disclosed::{
    DisclosedBand, DisclosedSizes, DisclosedStructure, DisclosedVital, Hidden, HouseholdSizeCell, VitalCell,
};
pub use effect::{EffectView, FollowUp, IndexChange, IndexEffect, RowEffect, RowView, Withheld};
pub use foreseen::{IndexCounts, ItemEffect, OperationEffectAnswer, OperationItemsAnswer, RowCounts};
pub use household::{HouseholdBrief, HouseholdView, MemberView};
pub use operation::{
    ApprovalView, LeftOutAnswer, LeftOutView, NoticeView, NoticesAnswer, OperationAnswer, OperationView,
    OperationsAnswer, PinCellsAnswer,
};
pub(crate) use person::residence_line;
pub use person::{
    CardBrief, ChildView, DeathView, DossierBrief, ParentView, PersonBrief, PersonView, PinView,
    ResidenceView, TieView,
};
pub use place::{BySex, PlaceView, Population, UnitBrief, UnitView};
pub use total::{Flow, HappenedBy, PopulationBy, TotalEffect, TotalView};
pub use totals::{
    AgeBand, AreaView, DelayRow, DelaysAnswer, FlowsAnswer, HouseholdSizeRow, HouseholdSizesAnswer,
    MovesAnswer, MovesRow, StructureAnswer, VitalAnswer, VitalRow,
};

use crate::chronicle::Chronicle;
use crate::due::DueReason;
use crate::explanation::Explanation;
use crate::history::HistoryRecord;
use crate::row_source::RowSource;
use crate::view::Reading;
use event_schemas::card::CardStatus;
use event_schemas::ids::{CardId, DossierId, HouseholdId, LogId, Lsn, PersonId, UnitId, Version};
use event_schemas::pin::Pin;
use event_schemas::row::RowRef;
use event_schemas::time::{Date, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every answer names the state that it reflects: all records up to `lsn`, and none beyond.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Reflecting<T> {
    pub log_id: LogId,
    pub lsn: Lsn,
    /// Of questions that may be asked for the past: what the answer is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOfView>,
    #[serde(flatten)]
    pub body: T,
}

/// What an answer is about, in both kinds of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AsOfView {
    /// What held on this day …
    pub valid_on: Date,
    /// … by the records up to this lsn.
    pub known_at: Lsn,
    /// When that record was made; of what is known now it is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
}

/// Answer to a question for one person.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PersonAnswer {
    /// Set if the question named the person by a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_by: Option<FoundBy>,
    pub person: PersonView,
}

/// How a number led to a person.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    Pin {
        pin: Pin,
        /// The PIN is no longer in force; `current` has taken its place.
        cancelled: bool,
        current: Option<Pin>,
    },
    Cmnd {
        number: String,
        /// Others who hold or held the same number.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<PersonId>,
    },
}

/// Answer to a question for a person's residence.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ResidenceAnswer {
    pub person: PersonId,
    pub version: Version,
    pub alive: bool,
    pub permanent: Option<ResidenceView>,
    pub temporary: Option<ResidenceView>,
    pub household: Option<TieView>,
    pub temporary_household: Option<TieView>,
}

/// Answer to a question for a household.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HouseholdAnswer {
    pub household: HouseholdView,
}

/// Answer to a question for a card.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CardAnswer {
    pub card: CardView,
}

/// One page of the persons found, in the order of their ids.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SearchAnswer {
    /// How many were found in all.
    pub found: usize,
    /// Too many have these words among others in their names: only those are shown whose whole name it is.
    pub whole_names_only: bool,
    pub persons: Vec<PersonBrief>,
    /// Give it as `after` to go on; none on the last page.
    pub next: Option<String>,
}

/// Answer to a question for an application.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DossierAnswer {
    pub dossier: DossierView,
}

/// One page of a row's history, newest first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HistoryAnswer {
    pub row: RowRef,
    pub records: Vec<HistoryRecord>,
    /// Give it as `after` to go on; none on the last page.
    pub next: Option<String>,
}

/// Answer to a question for everything recorded of a row.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChronicleAnswer {
    pub chronicle: Chronicle,
}

/// Answer to the question why a row is what it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExplanationAnswer {
    pub explanation: Explanation,
}

/// Answer to a question for a unit.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UnitAnswer {
    pub unit: UnitView,
}

/// One page of a unit's residents, in the order of their ids.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MembersAnswer {
    pub unit: UnitBrief,
    pub kind: crate::layout::ResidenceKind,
    pub members: Vec<PersonBrief>,
    /// Give it as `after` to go on; none on the last page.
    pub next: Option<String>,
}

/// One page of a unit's residents who need a card, in the order of their ids.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CardsDueAnswer {
    pub unit: UnitBrief,
    /// Due until this day.
    pub by: Date,
    pub due: Vec<DueView>,
    /// Give it as `after` to go on; none on the last page. A page may be short, even empty, and not the last: it looks at so many
    /// residents and no more.
    pub next: Option<String>,
}

/// One who needs a card.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DueView {
    pub person: PersonBrief,
    pub reason: DueReason,
    /// The card to be replaced.
    pub card: Option<CardId>,
    pub status: Option<CardStatus>,
    pub expires_on: Option<Date>,
    /// An application that is under way already.
    pub application: Option<DossierId>,
}

/// One page of a unit's households, in the order of their ids.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HouseholdsAnswer {
    pub unit: UnitBrief,
    pub households: Vec<HouseholdBrief>,
    /// Give it as `after` to go on; none on the last page.
    pub next: Option<String>,
}

/// Counts of a unit and of those directly below it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PopulationAnswer {
    pub unit: UnitBrief,
    /// The unit with everything below it.
    pub population: Population,
    /// Each unit directly below, with everything below that.
    pub parts: Vec<PartPopulation>,
}

/// Counts of one part.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PartPopulation {
    pub unit: UnitBrief,
    pub population: Population,
}

/// Makes answers from one state. Remembers units and whom it has shown.
pub(crate) struct Teller<'a, R = Reading<'a>> {
    pub reading: &'a R,
    units: BTreeMap<UnitId, UnitBrief>,
    /// Whose data the answer holds.
    pub shown: Vec<RowRef>,
}

impl<'a, R: RowSource> Teller<'a, R> {
    pub fn new(reading: &'a R) -> Self {
        Self { reading, units: BTreeMap::new(), shown: Vec::new() }
    }

    /// Code and names of a unit, its parents' names included.
    pub fn unit(&mut self, id: UnitId) -> Result<UnitBrief, R::Error> {
        if let Some(known) = self.units.get(&id) {
            return Ok(known.clone());
        }
        let brief = UnitBrief::read(self.reading, id)?;
        self.units.insert(id, brief.clone());
        Ok(brief)
    }

    /// A person in one line.
    pub fn person(&mut self, id: PersonId) -> Result<PersonBrief, R::Error> {
        let row = self.reading.person(id)?;
        self.show(RowRef::Person(id));
        Ok(PersonBrief::of(id, row.as_ref()))
    }

    /// A household in one line.
    pub fn household(&mut self, id: HouseholdId) -> Result<HouseholdBrief, R::Error> {
        let row = self.reading.household(id)?;
        self.show(RowRef::Household(id));
        HouseholdBrief::of(self, id, row.as_ref())
    }

    pub fn show(&mut self, row: RowRef) {
        if !self.shown.contains(&row) {
            self.shown.push(row);
        }
    }

    /// With the state that it reflects.
    pub fn reflecting<T>(&self, body: T) -> Reflecting<T> {
        Reflecting { log_id: self.reading.log_id(), lsn: self.reading.lsn(), as_of: None, body }
    }
}
