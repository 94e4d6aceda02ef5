//! What a question about totals is asked for: a unit as it stands on a day, one version of a unit, or the nation.

use super::ask::NoAnswer;
use super::units::{UnitName, find, name_of};
use crate::answers::{Teller, UnitBrief};
use crate::flows::rolled_up;
use crate::totals::NATION;
use crate::tree::Tree;
use crate::view::Reading;
use access::http::Problem;
use event_schemas::ids::{Lsn, UnitId};
use event_schemas::time::Date;
use state_store::store::StoreError;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// How an address names the whole country.
const NATION_NAME: &str = "VN";

/// How an address names what is counted.
#[derive(Clone, Copy)]
pub(super) enum AreaName {
    Nation,
    Unit(UnitName),
}

impl AreaName {
    pub fn of(text: &str) -> Result<Self, Problem> {
        if text == NATION_NAME { Ok(Self::Nation) } else { name_of(text).map(Self::Unit) }
    }
}

/// What is counted.
pub(super) struct Area {
    pub tree: Arc<Tree>,
    /// [`NATION`], or the version in force on that day, or the one that was asked for.
    pub unit: UnitId,
    /// Every version that counts there.
    pub units: BTreeSet<UnitId>,
    /// Units count as they stand on this day; none for one version as it was established.
    pub boundaries_on: Option<Date>,
}

impl Area {
    /// Finds it. Boundaries are those of the registry's day unless stated.
    pub fn find(
        teller: &mut Teller<'_>,
        trees: &Trees,
        name: AreaName,
        boundaries_on: Option<Date>,
    ) -> Result<Self, NoAnswer> {
        let tree = trees.of(teller.reading)?;
        let today = teller.reading.day()?.unwrap_or(Date(0));
        let day = boundaries_on.unwrap_or(today);
        let unit = match name {
            AreaName::Nation => NATION,
            AreaName::Unit(UnitName::Code(code)) => match tree.by_code(code, day) {
                Some(unit) => unit,
                None => find(teller, UnitName::Code(code))?,
            },
            AreaName::Unit(version) => {
                let unit = find(teller, version)?;
                let units = tree.established_below(unit);
                return Ok(Self { tree, unit, units, boundaries_on: None });
            }
        };
        let units = tree.counted_in(unit, day);
        Ok(Self { tree, unit, units, boundaries_on: Some(day) })
    }

    /// Whether it is the whole country.
    pub fn is_nation(&self) -> bool {
        self.unit == NATION
    }

    /// Units whose rolled-up totals make up the area.
    pub fn rolled_up(&self) -> Vec<UnitId> {
        // The nation also has what lies in no unit.
        if self.is_nation() { vec![NATION] } else { rolled_up(&self.tree, &self.units) }
    }

    /// Its name.
    pub fn brief(&self, teller: &mut Teller<'_>) -> Result<UnitBrief, StoreError> {
        if self.is_nation() {
            return Ok(UnitBrief { id: NATION, code: None, name: "Việt Nam".to_owned() });
        }
        teller.unit(self.unit)
    }
}

/// The units, read once for as long as none of them changes.
#[derive(Clone, Default)]
pub struct Trees(Arc<Mutex<Option<Known>>>);

/// As of the record that changed a unit last.
type Known = (Lsn, Arc<Tree>);

impl Trees {
    /// As of this reading.
    pub fn of(&self, reading: &Reading<'_>) -> Result<Arc<Tree>, StoreError> {
        let changed = reading.units_changed()?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tree)) = known.as_ref().filter(|(lsn, _)| *lsn == changed) {
            return Ok(Arc::clone(tree));
        }
        let tree = Arc::new(Tree::load(reading)?);
        *known = Some((changed, Arc::clone(&tree)));
        Ok(tree)
    }
}
