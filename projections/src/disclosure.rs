//! Which counts may be shown to whoever may see totals and no persons: not those below a threshold, nor those from which they would
//! follow.
//!
//! Counts stand in families: a unit's and those of the units directly below it, which add up to it. A count is hidden if it is from
//! one up to below the threshold; and further ones of its family, the smallest first, until what is hidden of the family cannot be
//! told: two counts or more if their sum is shown, adding up to the threshold at least. Families are gone through from the nation
//! down, so that a count that is hidden among its neighbours does not come back as the sum of its parts.

use crate::tree::Tree;
use event_schemas::ids::UnitId;
use event_schemas::time::Date;
use std::collections::BTreeSet;

/// Counts from one up to below this are hidden, unless configured otherwise.
pub const DEFAULT_THRESHOLD: u64 = 10;

/// Which counts of a family may be shown. Their sum is shown, or it is hidden itself.
fn shown_in_family(counts: &[u64], sum_is_shown: bool, threshold: u64) -> Vec<bool> {
    let mut shown: Vec<bool> = counts.iter().map(|count| *count == 0 || *count >= threshold).collect();
    let mut by_size: Vec<usize> =
        (0..counts.len()).filter(|place| shown[*place] && counts[*place] > 0).collect();
    by_size.sort_by_key(|place| (counts[*place], *place));
    let mut further = by_size.into_iter();
    let fewest = if sum_is_shown { 2 } else { 1 };
    loop {
        let hidden = shown.iter().zip(counts).filter(|(shown, _)| !**shown);
        let (number, sum) = hidden.fold((0, 0), |(number, sum), (_, count)| (number + 1, sum + count));
        let enough = number >= fewest && sum >= threshold;
        if enough || (sum_is_shown && number == 0) {
            return shown;
        }
        match further.next() {
            Some(place) => shown[place] = false,
            None => return shown,
        }
    }
}

/// Counts of one unit, none where it is hidden. `count` counts the same cells of any units; `path` leads from a province down to the
/// unit, and is empty for the nation.
pub(crate) fn disclose<E>(
    tree: &Tree,
    path: &[UnitId],
    day: Date,
    threshold: u64,
    mut count: impl FnMut(&BTreeSet<UnitId>) -> Result<Vec<u64>, E>,
) -> Result<Vec<Option<u64>>, E> {
    let mut counts = count(&tree.counted_in(UnitId::NONE, day))?;
    let mut shown: Vec<bool> = counts.iter().map(|count| *count == 0 || *count >= threshold).collect();
    let mut above = UnitId::NONE;
    for unit in path {
        let parts = tree.parts_on(above, day);
        let mut tables = Vec::with_capacity(parts.len());
        for units in parts.values() {
            tables.push(count(units)?);
        }
        let Some(own) = parts.keys().position(|part| part == unit) else {
            // It lies below nothing that is counted: nothing of it is shown.
            return Ok(vec![None; counts.len()]);
        };
        for (cell, shown) in shown.iter_mut().enumerate() {
            let family: Vec<u64> = tables.iter().map(|table| table[cell]).collect();
            *shown = shown_in_family(&family, *shown, threshold)[own];
        }
        counts = tables.swap_remove(own);
        above = *unit;
    }
    Ok(counts.into_iter().zip(shown).map(|(count, shown)| shown.then_some(count)).collect())
}

#[cfg(test)]
mod tests {
    use super::shown_in_family;
    use proptest::prelude::*;

    #[test]
    fn a_small_count_takes_the_next_smallest_with_it() {
        assert_eq!(shown_in_family(&[3, 50, 12, 0], true, 10), [false, true, false, true]);
        assert_eq!(
            shown_in_family(&[3, 4, 12], true, 10),
            [false, false, false],
            "7 are too few to be told of"
        );
        assert_eq!(shown_in_family(&[6, 7, 12], true, 10), [false, false, true]);
        assert_eq!(shown_in_family(&[20, 30], true, 10), [true, true]);
        assert_eq!(shown_in_family(&[20, 30], false, 10), [false, true], "the sum does not come back");
        assert_eq!(shown_in_family(&[0, 0], false, 10), [true, true]);
    }

    proptest! {
        /// From the sum and the shown counts of a family nothing follows of a hidden one but that it is at most what is hidden in
        /// all; and that is at least the threshold.
        #[test]
        fn what_is_hidden_of_a_family_is_never_one_count_nor_few_people(
            counts in prop::collection::vec(0..40_u64, 1..12),
            threshold in 1..15_u64,
        ) {
            let sum: u64 = counts.iter().sum();
            let sum_is_shown = sum == 0 || sum >= threshold;
            let shown = shown_in_family(&counts, sum_is_shown, threshold);
            let hidden: Vec<u64> =
                counts.iter().zip(&shown).filter(|(_, shown)| !**shown).map(|(count, _)| *count).collect();
            for (count, shown) in counts.iter().zip(&shown) {
                prop_assert!(!*shown || *count == 0 || *count >= threshold);
            }
            if sum_is_shown && !hidden.is_empty() {
                prop_assert!(hidden.len() >= 2 && hidden.iter().sum::<u64>() >= threshold);
            }
        }
    }
}
