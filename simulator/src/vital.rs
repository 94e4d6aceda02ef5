//! What happened in people's lives, counted as it is written down: never read from the rows that it changes.

use crate::effect::Effect;
use crate::store::{Day, Store};
use event_schemas::time::Date;
use std::collections::BTreeMap;

/// How many of each, of a day or a month.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct VitalCounts {
    pub births: u64,
    pub deaths: u64,
    pub marriages: u64,
    pub divorces: u64,
}

/// Vital events by the day on which they were registered, births and deaths also by the day on which they happened.
#[derive(Clone, Default, Debug)]
pub(crate) struct VitalBook {
    pub registered: BTreeMap<Day, VitalCounts>,
    pub happened: BTreeMap<Date, VitalCounts>,
}

impl Store {
    /// Counts what the effect, which is about to be written down, says of lives.
    pub fn count_vital(&mut self, effect: &Effect, day: Day) {
        let happened = match effect {
            Effect::Birth { person, .. } => Some(self.person(*person).birth),
            Effect::Death { died, .. } => Some(*died),
            Effect::Marriage { .. } | Effect::Divorce { .. } => None,
            _ => return,
        };
        let book = &mut self.vital;
        let on_that_day = happened.map(|on| book.happened.entry(on).or_default());
        let counts = [Some(book.registered.entry(day).or_default()), on_that_day];
        for counts in counts.into_iter().flatten() {
            match effect {
                Effect::Birth { .. } => counts.births += 1,
                Effect::Death { .. } => counts.deaths += 1,
                Effect::Marriage { .. } => counts.marriages += 1,
                _ => counts.divorces += 1,
            }
        }
    }
}
