//! What the law says of cards on a day: Law 59/2014/QH13 on citizen identification until 2024-06-30, Law 26/2023/QH15 on
//! identification from 2024-07-01.
//!
//! Whoever was born on 29 February reaches an age on 1 March of a common year. Of a partial date of birth the latest day
//! counts: nobody is obliged, and no card ends, before the age is certainly reached.

use crate::rules::Rules;
use event_schemas::card::{ApplicationReason, DocumentKind, WithdrawalReason};
use event_schemas::time::{Date, PartialDate};

/// Ages at which a card ends, beside that from which it is compulsory: Law 59/2014/QH13 Art. 21(1), Law 26/2023/QH15 Art. 21(1).
const EXCHANGE_AGES_YEARS: [i16; 3] = [25, 40, 60];

/// The law in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Law {
    Of2014,
    Of2023,
}

impl Law {
    /// The law of a day.
    pub fn on(day: Date) -> Self {
        if day < Self::of_2023_from() { Self::Of2014 } else { Self::Of2023 }
    }

    fn of_2023_from() -> Date {
        Date::new(2024, 7, 1).expect("a day of the calendar")
    }

    /// Art. 19 of the earlier law, Art. 19 of the later one: from then on children get a card if their representative
    /// wishes it.
    pub fn lowest_age_years(self, rules: &Rules) -> i16 {
        match self {
            Self::Of2014 => rules.card_compulsory_age_years,
            Self::Of2023 => 0,
        }
    }

    /// Art. 23 of the earlier law, Art. 24 of the later one. That units were rearranged was no ground of its own before; a PIN
    /// that was established anew is one since Circular 59/2021/TT-BCA Art. 6.
    pub fn knows(self, reason: ApplicationReason) -> bool {
        self == Self::Of2023 || reason != ApplicationReason::UnitsRearranged
    }

    /// Art. 28(1) of the earlier law, Art. 29(1) of the later one.
    pub fn knows_withdrawal(self, reason: WithdrawalReason) -> bool {
        self == Self::Of2023 || reason == WithdrawalReason::NationalityLost
    }
}

/// First day on which chip-based cards are issued (Circular 06/2021/TT-BCA).
fn first_chip_card() -> Date {
    Date::new(2021, 1, 23).expect("a day of the calendar")
}

/// Whether applications for this document are received on the day.
pub(super) fn is_in_force(document: DocumentKind, on: Date) -> bool {
    match document {
        DocumentKind::Cccd2021 => on >= first_chip_card() && Law::on(on) == Law::Of2014,
        DocumentKind::CanCuoc2024 | DocumentKind::IdentityCertificate => Law::on(on) == Law::Of2023,
    }
}

/// What is made of an application for this document on the day: whoever applied under the earlier law and gets the card
/// under the later one gets the later law's card.
pub(super) fn document_made(applied_for: DocumentKind, on: Date) -> DocumentKind {
    match (applied_for, Law::on(on)) {
        (DocumentKind::Cccd2021, Law::Of2023) => DocumentKind::CanCuoc2024,
        (document, _) => document,
    }
}

/// Last day of a card issued on `issued_on`: the birthday at the next exchange age that is more than two years away; none
/// after the last.
pub(super) fn expiry(
    rules: &Rules,
    document: DocumentKind,
    birth: PartialDate,
    issued_on: Date,
) -> Option<Date> {
    let birthday = birth.latest();
    // The compulsory age ends only what is issued under the later law: the earlier one gives no cards to children.
    let first = match document {
        DocumentKind::Cccd2021 => None,
        DocumentKind::CanCuoc2024 | DocumentKind::IdentityCertificate => {
            Some(rules.card_compulsory_age_years)
        }
    };
    let mut ages = first.into_iter().chain(EXCHANGE_AGES_YEARS);
    let next = ages.find(|age| issued_on < birthday.plus_years(age - rules.card_early_years));
    next.map(|age| birthday.plus_years(age))
}

/// First day on which a card with this last day is exchanged for age: whoever comes earlier would get a card that ends on the
/// same day.
pub(super) fn exchanged_from(rules: &Rules, birth: PartialDate, last_day: Date) -> Date {
    let birthday = birth.latest();
    birthday.plus_years(last_day.full_years_since(birthday) - rules.card_early_years)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::IN_FORCE;
    use event_schemas::card::DocumentKind::{CanCuoc2024, Cccd2021, IdentityCertificate};
    use proptest::prelude::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn born(text: &str) -> PartialDate {
        text.parse().unwrap()
    }

    fn last_day(document: DocumentKind, birth: &str, issued: &str) -> String {
        expiry(&IN_FORCE, document, born(birth), date(issued))
            .map_or("never".to_owned(), |date| date.to_string())
    }

    /// Two years before each exchange age, the day before and the day after.
    #[test]
    fn validity_turns_two_years_before_each_exchange_age() {
        let birth = "2000-03-14";
        let days = |year: i16| [13, 14, 15].map(|day| Date::new(year, 3, day).unwrap().to_string());
        for (document, year, expected) in [
            (CanCuoc2024, 2012, ["2014-03-14", "2025-03-14", "2025-03-14"]),
            (CanCuoc2024, 2014, ["2025-03-14", "2025-03-14", "2025-03-14"]),
            (Cccd2021, 2014, ["2025-03-14", "2025-03-14", "2025-03-14"]),
            (Cccd2021, 2023, ["2025-03-14", "2040-03-14", "2040-03-14"]),
            (CanCuoc2024, 2023, ["2025-03-14", "2040-03-14", "2040-03-14"]),
            (CanCuoc2024, 2025, ["2040-03-14", "2040-03-14", "2040-03-14"]),
            (Cccd2021, 2038, ["2040-03-14", "2060-03-14", "2060-03-14"]),
            (Cccd2021, 2040, ["2060-03-14", "2060-03-14", "2060-03-14"]),
            (Cccd2021, 2058, ["2060-03-14", "never", "never"]),
            (IdentityCertificate, 2060, ["never", "never", "never"]),
        ] {
            assert_eq!(days(year).map(|issued| last_day(document, birth, &issued)), expected, "{year}");
        }
    }

    #[test]
    fn only_the_law_of_2023_ends_a_childs_card_at_fourteen() {
        assert_eq!(last_day(CanCuoc2024, "2013-07-02", "2025-07-01"), "2027-07-02");
        assert_eq!(last_day(CanCuoc2024, "2013-07-02", "2025-07-02"), "2038-07-02");
        assert_eq!(last_day(IdentityCertificate, "2020-07-02", "2025-07-02"), "2034-07-02");
        assert_eq!(last_day(CanCuoc2024, "2025-07-02", "2025-07-02"), "2039-07-02", "a newborn's");
    }

    #[test]
    fn whoever_was_born_on_a_leap_day_has_a_birthday_in_every_year() {
        assert_eq!(last_day(Cccd2021, "1960-02-29", "2017-01-01"), "2020-02-29");
        assert_eq!(last_day(Cccd2021, "2000-02-29", "2022-06-01"), "2025-03-01");
        assert_eq!(last_day(Cccd2021, "2000-02-29", "2023-02-28"), "2025-03-01");
        assert_eq!(last_day(Cccd2021, "2000-02-29", "2023-03-01"), "2040-02-29");
        assert_eq!(last_day(CanCuoc2024, "2012-02-29", "2024-02-28"), "2026-03-01");
        assert_eq!(last_day(CanCuoc2024, "2012-02-29", "2024-02-29"), "2037-03-01");
    }

    #[test]
    fn a_vague_birth_counts_as_late_as_it_can_be() {
        assert_eq!(last_day(Cccd2021, "2000", "2021-03-01"), "2025-12-31");
        assert_eq!(last_day(Cccd2021, "2000-02", "2021-03-01"), "2025-03-01");
    }

    #[test]
    fn each_document_has_its_time() {
        for (document, day, expected) in [
            (Cccd2021, "2021-01-22", false),
            (Cccd2021, "2021-01-23", true),
            (Cccd2021, "2024-06-30", true),
            (Cccd2021, "2024-07-01", false),
            (CanCuoc2024, "2024-06-30", false),
            (CanCuoc2024, "2024-07-01", true),
            (IdentityCertificate, "2024-06-30", false),
            (IdentityCertificate, "2024-07-01", true),
        ] {
            assert_eq!(is_in_force(document, date(day)), expected, "{document:?} on {day}");
        }
        assert_eq!(document_made(Cccd2021, date("2024-06-30")), Cccd2021);
        assert_eq!(document_made(Cccd2021, date("2024-07-01")), CanCuoc2024);
        assert_eq!(document_made(IdentityCertificate, date("2024-07-01")), IdentityCertificate);
    }

    #[test]
    fn an_exchange_for_age_is_possible_from_two_years_before() {
        let from = |birth: &str, last: &str| exchanged_from(&IN_FORCE, born(birth), date(last)).to_string();
        assert_eq!(from("2000-03-14", "2025-03-14"), "2023-03-14");
        assert_eq!(from("2013-07-02", "2027-07-02"), "2025-07-02");
        assert_eq!(from("2000-02-29", "2025-03-01"), "2023-03-01");
        assert_eq!(from("2012-02-29", "2026-03-01"), "2024-02-29");
    }

    proptest! {
        /// Art. 21 in other words: a card serves for more than two years and to a birthday of 14, 25, 40 or 60; the card that
        /// takes its place within the two years before its end serves longer.
        #[test]
        fn every_card_serves_more_than_two_years_and_its_successor_longer(
            born in 1920i16..2024, month in 1i8..13, day in 1i8..29, leap in any::<bool>(), issued in 0i32..40_000, kind in 0usize..3,
        ) {
            let leap_day = Date::new(born - born % 4, 2, 29).ok().filter(|_| leap);
            let birthday = leap_day.unwrap_or(Date::new(born, month, day).unwrap());
            let birth = PartialDate::of_day(birthday);
            let document = [Cccd2021, CanCuoc2024, IdentityCertificate][kind];
            let issued = birthday.plus_days(issued);
            let age = issued.full_years_since(birthday);
            match expiry(&IN_FORCE, document, birth, issued) {
                None => prop_assert!(age >= 58),
                Some(last) => {
                    prop_assert!([14, 25, 40, 60].contains(&last.full_years_since(birthday)));
                    prop_assert!(last.plus_days(-1).full_years_since(birthday) < last.full_years_since(birthday));
                    let from = exchanged_from(&IN_FORCE, birth, last);
                    prop_assert!(issued < from && from < last);
                    prop_assert_eq!(expiry(&IN_FORCE, document, birth, from.plus_days(-1)), Some(last));
                    prop_assert!(expiry(&IN_FORCE, document, birth, from).is_none_or(|next| next > last));
                }
            }
        }
    }
}
