//! How often things happen.

use crate::options::Options;
use crate::store::Day;

/// Things that happen at a rate. Each has a planner in `plan`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Happening {
    Birth,
    Foundling,
    Death,
    MoveHousehold,
    Marriage,
    OldMarriage,
    Divorce,
    MoveToNewHousehold,
    Arrival,
    ArrivalOfHousehold,
    Stay,
    EndStay,
    Form,
    Join,
    Leave,
    Split,
    Merge,
    AppointHead,
    ChangeRelationship,
    ChangeName,
    ClearDefect,
    Dwelling,
    LateFirstCard,
    LoseCard,
    DamageCard,
    WithdrawCard,
    HoldCard,
    EarlyExchange,
    RenewCard,
    ChildsCard,
}

/// Every command kind occurs at least this often in a run of a year or more, however small the population: what is rarer by
/// its rate happens more often than in life, so that small runs show everything.
const FLOOR: f64 = 130.0;
/// The floor is reached within this part of the run, so that what follows from a happening has time to.
const FLOOR_REACHED_BY: f64 = 0.8;
/// What could not happen for want of somebody it could happen to is made up for later, up to this many.
const MOST_OWED: f64 = 64.0;

/// Per 1,000 living persons and year, and how many times the floor it comes to at least. Births and deaths: the census; of migrants the census
/// counts 6.4 million of five years and older who changed commune within five years, 15 ‰ a year; the rest is ours.
const RATES: [(Happening, f64, f64); 30] = {
    use Happening::*;
    [
        (Birth, crate::distributions::BIRTHS_PER_MILLE, 0.0),
        (Foundling, 0.02, 0.0),
        (Death, crate::distributions::DEATHS_PER_MILLE, 1.0),
        (MoveHousehold, 1.5, 1.0),
        (Marriage, 6.0, 0.0),
        // Couples must be known before they can part.
        (OldMarriage, 6.0, 2.0),
        (Divorce, 0.4, 1.0),
        (MoveToNewHousehold, 2.0, 0.0),
        (Arrival, 2.0, 1.0),
        (ArrivalOfHousehold, 0.4, 0.0),
        (Stay, 15.0, 1.0),
        (EndStay, 5.0, 1.0),
        (Form, 0.3, 1.0),
        (Join, 0.5, 1.0),
        (Leave, 1.5, 1.0),
        (Split, 1.5, 1.0),
        (Merge, 0.4, 1.0),
        (AppointHead, 0.5, 1.0),
        (ChangeRelationship, 0.6, 1.0),
        (ChangeName, 1.0, 1.0),
        (ClearDefect, 0.8, 1.0),
        (Dwelling, 1.5, 1.0),
        (LateFirstCard, 10.0, 0.0),
        (LoseCard, 8.0, 2.0),
        (DamageCard, 2.0, 1.5),
        (WithdrawCard, 0.5, 1.0),
        (HoldCard, 1.5, 1.2),
        (EarlyExchange, 3.0, 0.5),
        (RenewCard, 2.0, 0.5),
        (ChildsCard, 6.0, 0.0),
    ]
};

/// What is owed of each happening.
#[derive(Debug)]
pub(crate) struct Rates {
    owed: [f64; RATES.len()],
    floor_per_day: f64,
}

impl Rates {
    pub fn new(options: &Options) -> Self {
        Self {
            owed: [0.0; RATES.len()],
            floor_per_day: FLOOR / (f64::from(options.days()) * FLOOR_REACHED_BY),
        }
    }

    /// Every happening.
    pub fn happenings() -> impl Iterator<Item = Happening> {
        RATES.iter().map(|(happening, _, _)| *happening)
    }

    /// How often it happens on an ordinary day.
    fn per_day(&self, happening: Happening, living: u32) -> f64 {
        let (_, per_mille, floors) = RATES[happening as usize];
        let rate = per_mille * f64::from(living) / 1_000.0 / 365.25;
        rate.max(self.floor_per_day * floors)
    }

    /// One more day passes: how often it is due today.
    pub fn due(&mut self, happening: Happening, living: u32) -> u32 {
        let per_day = self.per_day(happening, living);
        let owed = &mut self.owed[happening as usize];
        *owed = (*owed + per_day).min(MOST_OWED + per_day);
        *owed as u32
    }

    /// It happened.
    pub fn done(&mut self, happening: Happening) {
        self.owed[happening as usize] -= 1.0;
    }

    /// How many commands all happenings give within `days`, about.
    pub fn estimate(&self, living: u32, days: Day) -> u64 {
        let daily: f64 = Self::happenings().map(|happening| self.per_day(happening, living)).sum();
        (daily * f64::from(days)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_happening_stands_at_its_own_number() {
        for (index, (happening, _, _)) in RATES.iter().enumerate() {
            assert_eq!(*happening as usize, index);
        }
    }

    #[test]
    fn a_year_of_births_is_the_rate() {
        let mut rates = Rates::new(&Options::default());
        let mut births = 0;
        for _ in 0..365 {
            for _ in 0..rates.due(Happening::Birth, 100_000) {
                rates.done(Happening::Birth);
                births += 1;
            }
        }
        assert!((1_600..=1_640).contains(&births), "{births}");
    }
}
