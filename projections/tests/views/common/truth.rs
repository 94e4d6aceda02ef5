//! What the town knows of its people by its own account: what views are held against.

use event_schemas::ids::{CardId, HouseholdId, UnitId};
use event_schemas::person::Sex;
use event_schemas::pin::Pin;
use event_schemas::time::{Date, PartialDate};

/// What the town itself knows of a person.
#[derive(Clone, Debug)]
pub struct Truth {
    pub alive: bool,
    pub sex: Sex,
    pub unit: Option<UnitId>,
    pub stays_in: Option<UnitId>,
    pub household: Option<HouseholdId>,
    pub pins: Vec<Pin>,
    pub card: Option<CardId>,
    pub lost: Option<CardId>,
    pub dossier_open: bool,
    pub birth: PartialDate,
    pub citizen: bool,
    /// Where he was registered, in the order of records.
    pub homes: Vec<Entry>,
    pub stays: Vec<Entry>,
    pub died_on: Option<Date>,
}

/// One registration of residence, or the end of one.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub on: Date,
    pub recorded_on: Date,
    pub unit: Option<UnitId>,
    /// Of a stay.
    pub until: Date,
}

impl Truth {
    /// What holds at the end of a day, by all that is known or by what was recorded by then.
    pub fn holds(entries: &[Entry], day: Date, as_recorded: bool) -> Option<usize> {
        let counts = |entry: &Entry| if as_recorded { entry.recorded_on <= day } else { entry.on <= day };
        let known = entries.iter().enumerate().filter(|(_, entry)| counts(entry));
        known.max_by_key(|(number, entry)| (entry.on, *number)).map(|(number, _)| number)
    }

    /// Whether a stay, with those it prolongs, is registered for 183 days or more.
    pub fn stays_long(&self, number: usize) -> bool {
        let mut in_order: Vec<(usize, Entry)> = self.stays.iter().copied().enumerate().collect();
        in_order.sort_by_key(|(number, entry)| (entry.on, *number));
        let mut going_on: Option<(UnitId, Date, Option<Date>)> = None;
        for (place, entry) in in_order {
            going_on = match (entry.unit, going_on) {
                (Some(unit), Some((before, begun, None))) if before == unit => Some((unit, begun, None)),
                (Some(unit), Some((before, begun, Some(end)))) if (before, end) == (unit, entry.on) => {
                    Some((unit, begun, None))
                }
                (Some(unit), _) => Some((unit, entry.on, None)),
                (None, Some((unit, begun, _))) => Some((unit, begun, Some(entry.on))),
                (None, None) => None,
            };
            if place == number {
                return going_on.is_some_and(|(_, begun, _)| entry.until.0 - begun.0 >= 182);
            }
        }
        false
    }
}
