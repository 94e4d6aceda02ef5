//! What an operation would change, as answers show it.

use super::Teller;
use super::effect::EffectView;
use super::total::{TotalEffect, TotalView};
use crate::derived::count_of;
use crate::foreseen::Sums;
use crate::view::Reading;
use event_schemas::ids::{Lsn, OperationId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::store::StoreError;

/// Most totals of one answer (O1).
const MAX_TOTALS: usize = 20_000;

/// What an operation would change if it were committed now.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OperationEffectAnswer {
    pub operation: OperationId,
    /// Corrections that are staged.
    pub items: u64,
    /// Those of which a row has moved since: the commit derives them again, or leaves them out, and they are counted in nothing else.
    pub moved: u64,
    pub rows: RowCounts,
    pub indexes: Vec<IndexCounts>,
    /// Every total that would be another.
    pub totals: Vec<TotalEffect>,
    /// Totals beyond those, if there are too many for one answer.
    pub more_totals: usize,
    /// The lsn of the views when the first correction was folded; the answer's own is that of the last.
    pub from: Lsn,
}

/// Rows that would change, by kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RowCounts {
    pub persons: u64,
    pub households: u64,
    pub others: u64,
}

/// Keys of an index that would come, go, or lead elsewhere.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IndexCounts {
    pub index: String,
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
}

/// A page of an operation's corrections, in the order in which they are staged.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OperationItemsAnswer {
    pub operation: OperationId,
    pub items: Vec<ItemEffect>,
    /// Give it as `after` to go on; none on the last page.
    pub next: Option<String>,
}

/// One correction of an operation, by itself: totals are as if the others were not made.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ItemEffect {
    pub part: u32,
    /// Its place in the part, from 0.
    pub place: u32,
    /// None of one of which a row has moved since: the commit derives it again, or leaves it out.
    pub effect: Option<EffectView>,
}

impl OperationEffectAnswer {
    pub(crate) fn of(
        teller: &mut Teller<'_, Reading<'_>>,
        operation: OperationId,
        sums: Sums,
    ) -> Result<Self, StoreError> {
        let changed = sums.totals();
        let mut totals = Vec::with_capacity(changed.len().min(MAX_TOTALS));
        for ((table, key), change) in changed.iter().take(MAX_TOTALS) {
            let before = teller.reading.snapshot().get(*table, key)?.map_or(0, |value| count_of(&value));
            let after = before.saturating_add_signed(*change);
            if let Some(total) = TotalView::of(teller, *table, key)? {
                totals.push(TotalEffect { total, before, after });
            }
        }
        let counts = |(index, counts): (&str, crate::foreseen::KeyCounts)| IndexCounts {
            index: index.to_owned(),
            added: counts.added,
            removed: counts.removed,
            changed: counts.changed,
        };
        Ok(Self {
            operation,
            items: sums.items,
            moved: sums.moved,
            rows: RowCounts { persons: sums.persons, households: sums.households, others: sums.others },
            indexes: sums.indexes.into_iter().map(counts).collect(),
            totals,
            more_totals: changed.len().saturating_sub(MAX_TOTALS),
            from: sums.from,
        })
    }
}
