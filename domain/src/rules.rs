//! Rules as far as they are figures: years, days and degrees that the law or the registry's policy names.
//!
//! Every record names the revision of the rules by which it was decided, and is decided again by it (W4). A rule whose figure changes
//! from a day on is dated where it is applied; a revision of its own is for what is judged otherwise of the same day.

use event_schemas::ids::RulesRevision;
use std::ops::RangeInclusive;

macro_rules! figures {
    ($($(#[doc = $doc:literal])+ $name:ident: $value:literal in $range:expr, $law:literal;)+) => {
        /// The figures of one revision.
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct Rules {
            pub revision: RulesRevision,
            $($(#[doc = $doc])+ pub $name: i16,)+
        }

        /// The rules by which this program decides.
        pub static IN_FORCE: Rules = Rules { revision: RulesRevision(1), $($name: $value,)+ };

        /// Every figure that there is.
        pub const FIGURES: &[Figure] = &[$(
            Figure {
                name: stringify!($name),
                what: concat!($($doc),+).trim_ascii(),
                law: $law,
                range: $range,
                get: |rules| rules.$name,
                set: |rules, value| rules.$name = value,
            },
        )+];
    };
}

figures! {
    /// Age from which a man may marry; under the laws before 2015 he has to have entered that year.
    marriage_age_man_years: 20 in 0..=150, "Law 52/2014/QH13 Art. 8(1)(a)";
    /// Age from which a woman may marry; under the laws before 2015 she has to have entered that year.
    marriage_age_woman_years: 18 in 0..=150, "Law 52/2014/QH13 Art. 8(1)(a)";
    /// Generations up to a common ancestor within which nobody marries.
    kin_generations: 2 in 0..=6, "Law 52/2014/QH13 Art. 5(2)(d), Art. 3(18)";
    /// Age of majority, from which somebody heads a household alone.
    majority_years: 18 in 0..=150, "Civil Code 2015 Art. 20";
    /// Days after a man's death within which a child may be born as his.
    days_after_father: 300 in 0..=1_000, "Law 52/2014/QH13 Art. 88(1)";
    /// Days after a birth within which it is registered in time.
    birth_registration_days: 60 in 0..=10_000, "Law 60/2014/QH13 Art. 15(1)";
    /// Days that a temporary residence lasts at least.
    stay_min_days: 30 in 1..=366, "Law 68/2020/QH14 Art. 27(1)";
    /// Years that a temporary residence lasts at most before it is extended.
    stay_max_years: 2 in 1..=150, "Law 68/2020/QH14 Art. 27(2)";
    /// Age from which a card is compulsory; below it somebody else applies.
    card_compulsory_age_years: 14 in 0..=24, "Law 59/2014/QH13 Art. 19, Law 26/2023/QH15 Art. 19";
    /// A card issued within so many years before an exchange age is valid to the next one.
    card_early_years: 2 in 0..=13, "Law 59/2014/QH13 Art. 21(2), Law 26/2023/QH15 Art. 21(2)";
}

/// One figure: what it is, where it comes from, and between what it makes sense.
pub struct Figure {
    /// Stable name.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// Where it stands.
    pub law: &'static str,
    pub range: RangeInclusive<i16>,
    get: fn(&Rules) -> i16,
    set: fn(&mut Rules, i16),
}

impl Figure {
    /// Its value by these rules.
    pub fn of(&self, rules: &Rules) -> i16 {
        (self.get)(rules)
    }
}

/// A figure that these rules cannot have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FigureError {
    #[error("no rule has a figure {0:?}")]
    Unknown(String),
    #[error("{name} is from {} to {}, not {value}", range.start(), range.end())]
    OutOfRange { name: &'static str, range: RangeInclusive<i16>, value: i16 },
}

impl Rules {
    /// The rules of a revision; none if this program does not know them.
    pub fn of(revision: RulesRevision) -> Option<&'static Self> {
        (revision == IN_FORCE.revision).then_some(&IN_FORCE)
    }

    /// The same rules with another figure: what would have been decided by it.
    ///
    /// # Errors
    /// If there is no such figure, or it cannot have this value.
    pub fn with(mut self, name: &str, value: i16) -> Result<Self, FigureError> {
        let figure = FIGURES.iter().find(|figure| figure.name == name);
        let figure = figure.ok_or_else(|| FigureError::Unknown(name.to_owned()))?;
        if !figure.range.contains(&value) {
            return Err(FigureError::OutOfRange { name: figure.name, range: figure.range.clone(), value });
        }
        (figure.set)(&mut self, value);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_can_be_read_and_set_by_its_name_within_its_range() {
        for figure in FIGURES {
            assert!(figure.range.contains(&figure.of(&IN_FORCE)), "{}", figure.name);
            let (lowest, highest) = (*figure.range.start(), *figure.range.end());
            for value in [lowest, highest] {
                let rules = IN_FORCE.clone().with(figure.name, value).unwrap();
                assert_eq!(figure.of(&rules), value);
                let back = rules.with(figure.name, figure.of(&IN_FORCE)).unwrap();
                assert_eq!(back, IN_FORCE, "nothing else changed with {}", figure.name);
            }
            assert!(IN_FORCE.clone().with(figure.name, highest + 1).is_err());
        }
        assert_eq!(
            IN_FORCE.clone().with("marriage_age", 18).unwrap_err().to_string(),
            "no rule has a figure \"marriage_age\""
        );
    }
}
