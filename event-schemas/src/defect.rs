//! What is known to be wrong or missing, kept visible until it is cleared.

use crate::macros::{as_text, checked_decode};
use bincode::Encode;
use std::fmt;
use std::str::FromStr;

/// Declares the defects with their frozen numbers and names.
macro_rules! defects {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// A gap or contradiction that was accepted with a stated basis.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode)]
        pub struct DefectKind(u8);

        #[allow(non_upper_case_globals, reason = "they read like the variants of an enum")]
        impl DefectKind {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Every defect.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Stable name.
            pub fn name(self) -> &'static str {
                match self.0 {
                    $($number => $text,)*
                    _ => "unknown_defect",
                }
            }
        }
    };
}

defects! {
    /// Enrolled without parents, though a minor.
    ParentsMissing = 1, "parents_missing";
    /// Only the year, or year and month, of birth is known.
    BirthDateIncomplete = 2, "birth_date_incomplete";
    /// Sex is not known.
    SexUnknown = 3, "sex_unknown";
    /// A household of a family without a head.
    HeadMissing = 4, "head_missing";
    /// A parent younger at the birth than [`MIN_PARENT_AGE_YEARS`].
    ParentTooYoung = 5, "parent_too_young";
    /// The head lacks full legal capacity.
    HeadWithoutCapacity = 6, "head_without_capacity";
    /// No place of birth registration is known.
    BirthRegistrationPlaceMissing = 7, "birth_registration_place_missing";
    /// An accepted PIN that does not agree with sex or birth year.
    PinDisagrees = 8, "pin_disagrees";
    /// The same CMND number stands with another person.
    CmndShared = 9, "cmnd_shared";
    /// The father died more than 300 days before the birth.
    FatherLongDead = 10, "father_long_dead";
}

/// Youngest age at which a parent's link raises no question.
pub const MIN_PARENT_AGE_YEARS: i16 = 12;

/// No such defect.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no defect has this name")]
pub struct UnknownDefect;

impl DefectKind {
    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.0 == number)
    }

    /// A bit of its own in a row's set of open defects.
    pub fn bit(self) -> u16 {
        1 << self.0
    }
}

impl fmt::Display for DefectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DefectKind {
    type Err = UnknownDefect;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|kind| kind.name() == text).ok_or(UnknownDefect)
    }
}

checked_decode! {
    DefectKind(u8) if DefectKind::from_number;
}

as_text! {
    DefectKind: r"^[a-z_]+$", "Stable name of a defect.";
}
