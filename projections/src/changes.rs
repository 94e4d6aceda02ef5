//! How a person came to belong to populations, and ceased to: every change of the unit in which a definition counts the person, in
//! the order of the days on which it held, and in that of the records.
//!
//! All of it follows from the person's row: from where he was registered, since when, and by which record. The changes of a person
//! add up to where he is counted now, so a population is the sum of all its changes ever (R6).

use crate::definition::{Definition, Registered};
use crate::month::Month;
use crate::reference::Reference;
use crate::rows::residence::is_usual;
use crate::rows::{PersonRow, Spell};
use event_schemas::event::Origin;
use event_schemas::household::ResidenceEndReason;
use event_schemas::ids::{EventAddress, Lsn, UnitId};
use event_schemas::time::PartialDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// By which date something is counted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ByDate {
    /// On which it happened, as far as it is known now.
    #[default]
    Event,
    /// On which it was registered; what is past never changes.
    Registration,
}

/// What brings somebody into a unit's population or takes him out of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Component {
    /// Born into it.
    Born = 1,
    /// Entered the registry without a birth, and was counted here from then on.
    Enrolled,
    /// Was counted nowhere before: came from abroad, had no residence, or only now stays.
    Arrived,
    /// Came from another unit.
    MovedIn,
    Died,
    /// Is counted nowhere after it: went abroad, or a registration ended.
    Left,
    /// Went to another unit.
    MovedOut,
}

impl Component {
    /// Every component, in the order of answers.
    pub const ALL: [Self; 7] =
        [Self::Born, Self::Enrolled, Self::Arrived, Self::MovedIn, Self::Died, Self::Left, Self::MovedOut];

    /// What it does to the population.
    pub fn sign(self) -> i64 {
        match self {
            Self::Born | Self::Enrolled | Self::Arrived | Self::MovedIn => 1,
            Self::Died | Self::Left | Self::MovedOut => -1,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// One change of one person. Definitions and dates that agree on it share it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub unit: UnitId,
    pub month: Month,
    pub component: Component,
    /// Of a move the other unit.
    pub other: UnitId,
    /// By which definitions and dates it is counted, see [`mask`].
    pub counted: u8,
}

/// A handful, like the places where somebody has lived.
type Changes = SmallVec<[Change; 8]>;

/// Place of a definition and a date in [`Change::counted`].
pub(crate) fn mask(definition: Definition, by: ByDate) -> u8 {
    match by {
        ByDate::Event => definition.bit(),
        ByDate::Registration => definition.bit() << 4,
    }
}

/// A registration of residence, or the end of one.
#[derive(Clone, Copy)]
struct Turn {
    since: PartialDate,
    by: EventAddress,
    is_home: bool,
    /// In its own list, which is in the order of days.
    place: usize,
}

/// Every change of a person.
pub(crate) fn changes(person: &PersonRow, reference: &Reference) -> Changes {
    let (homes, stays) = (person.homes(), person.stays());
    let Some(registration) = person.registration.as_ref().filter(|_| !homes.is_empty() || !stays.is_empty())
    else {
        return Changes::new();
    };
    let first = match registration.origin {
        Origin::Birth(_) => Component::Born,
        Origin::Enrolment => Component::Enrolled,
    };
    let mut walk =
        Walk { homes: &homes, stays: &stays, first: (registration.by.lsn, first), found: Changes::new() };
    let mut all = SmallVec::<[Turn; 8]>::new();
    for (spells, is_home) in [(&homes, true), (&stays, false)] {
        let turn =
            |(place, spell): (usize, &Spell)| Turn { since: spell.since, by: spell.by, is_home, place };
        all.extend(spells.iter().enumerate().map(turn));
    }
    let death = person.death.as_ref();

    all.sort_by_key(|turn| (turn.since.earliest(), turn.by));
    let together =
        |one: &Turn, next: &Turn| (one.since.earliest(), one.by.lsn) == (next.since.earliest(), next.by.lsn);
    let end = death.map(|death| (Month::of(death.on), death.by.lsn));
    walk.walk(ByDate::Event, all.chunk_by(together), |turn| Month::of(turn.since), end);

    all.sort_by_key(|turn| turn.by);
    let together = |one: &Turn, next: &Turn| one.by.lsn == next.by.lsn;
    let recorded = |lsn| Month::of_day(reference.day_of(lsn));
    let end = death.map(|death| (recorded(death.by.lsn), death.by.lsn));
    walk.walk(ByDate::Registration, all.chunk_by(together), |turn| recorded(turn.by.lsn), end);
    walk.found
}

struct Walk<'a> {
    homes: &'a [Spell],
    stays: &'a [Spell],
    /// The record that registered the person, and what it makes of the first place in which he is counted.
    first: (Lsn, Component),
    found: Changes,
}

/// What one record did on one day.
struct Step {
    by: ByDate,
    month: Month,
    lsn: Lsn,
    died: bool,
}

impl Walk<'_> {
    /// Goes through the turns, those of one record and day at once. Whatever the order, what holds is the turn that is last by its
    /// day among those gone through.
    fn walk<'t>(
        &mut self,
        by: ByDate,
        steps: impl Iterator<Item = &'t [Turn]>,
        month_of: impl Fn(&Turn) -> Month,
        death: Option<(Month, Lsn)>,
    ) {
        let (mut home, mut stay) = (None, None);
        let mut counted = [UnitId::NONE; Definition::ALL.len()];
        for turns in steps {
            let mut died = false;
            for turn in turns {
                let (latest, spells) =
                    if turn.is_home { (&mut home, self.homes) } else { (&mut stay, self.stays) };
                *latest = (*latest).max(Some(turn.place));
                died |= spells[turn.place].ended == Some(ResidenceEndReason::Died);
            }
            let Some(turn) = turns.first() else { continue };
            let step = Step { by, month: month_of(turn), lsn: turn.by.lsn, died };
            let registered = self.registered(home, stay);
            for (definition, at) in Definition::ALL.into_iter().zip(&mut counted) {
                self.step(&step, definition, at, definition.place(registered));
            }
        }
        // The dead are counted nowhere, whatever was registered of them later.
        let Some((month, lsn)) = death else { return };
        let step = Step { by, month, lsn, died: true };
        for (definition, at) in Definition::ALL.into_iter().zip(&mut counted) {
            self.step(&step, definition, at, UnitId::NONE);
        }
    }

    fn registered(&self, home: Option<usize>, stay: Option<usize>) -> Registered {
        Registered {
            home: home.map_or(UnitId::NONE, |place| self.homes[place].unit),
            stay: stay.map_or(UnitId::NONE, |place| self.stays[place].unit),
            usually: stay.is_some_and(|place| is_usual(self.stays, place)),
        }
    }

    fn step(&mut self, step: &Step, definition: Definition, at: &mut UnitId, to: UnitId) {
        let from = std::mem::replace(at, to);
        if from == to {
            return;
        }
        let counted = mask(definition, step.by);
        let month = step.month;
        let (lsn, first) = self.first;
        let mut note = |unit, component, other| {
            self.note(Change { unit, month, component, other, counted });
        };
        match (from == UnitId::NONE, to == UnitId::NONE) {
            (true, _) if step.lsn == lsn => note(to, first, UnitId::NONE),
            (true, _) => note(to, Component::Arrived, UnitId::NONE),
            (_, true) if step.died => note(from, Component::Died, UnitId::NONE),
            (_, true) => note(from, Component::Left, UnitId::NONE),
            (false, false) => {
                note(from, Component::MovedOut, to);
                note(to, Component::MovedIn, from);
            }
        }
    }

    /// A change on which definitions and dates agree is one.
    fn note(&mut self, change: Change) {
        let same = |known: &&mut Change| {
            let once = known.counted & change.counted == 0;
            once && Change { counted: 0, ..**known } == Change { counted: 0, ..change }
        };
        match self.found.iter_mut().find(same) {
            Some(known) => known.counted |= change.counted,
            None => self.found.push(change),
        }
    }
}
