//! Places that a command names, by the units of a day.

use super::deciding::Deciding;
use crate::refusal::Code;
use event_schemas::ids::UnitId;
use event_schemas::place::{Place, RegisteredPlace, UnitCode, UnitLevel};
use event_schemas::time::Date;
use std::fmt::Display;

impl Deciding<'_> {
    /// The unit with this code on the day.
    pub fn unit(&mut self, code: UnitCode, on: Date, field: impl Display + Copy) -> Option<UnitId> {
        if let Some(unit) = self.registry.units().by_code(code, on) {
            return Some(unit);
        }
        let near = self.registry.units().near(code);
        let near: Vec<String> = near.iter().map(|(code, name)| format!("{code} {name}")).collect();
        let near = if near.is_empty() { "–".to_owned() } else { near.join(", ") };
        self.fault(Code::UnknownUnit, field, &[&code, &on, &near]);
        None
    }

    /// A place as registered: its unit on the day, its dwelling there.
    pub fn place(
        &mut self,
        place: &Place<UnitCode>,
        on: Date,
        field: impl Display + Copy,
    ) -> Option<RegisteredPlace> {
        if let Place::Domestic(domestic) = place {
            let unit = self.unit(domestic.unit, on, field)?;
            if let Some(dwelling) = domestic.dwelling {
                match self.registry.dwelling(dwelling) {
                    None => {
                        self.fault(Code::UnknownDwelling, field, &[&dwelling]);
                        return None;
                    }
                    Some(row) if row.unit != unit.0 => {
                        self.fault(Code::DwellingElsewhere, field, &[&dwelling, &domestic.unit]);
                        return None;
                    }
                    Some(_) => {}
                }
            }
            let mapped: Result<_, std::convert::Infallible> = place.clone().try_map_unit(|_| Ok(unit));
            return mapped.ok();
        }
        let mapped: Result<_, std::convert::Infallible> = place.clone().try_map_unit(|_| Ok(UnitId::NONE));
        mapped.ok()
    }

    /// A place that may be left out: nothing if it is stated and not as it should be.
    pub fn optional_place(
        &mut self,
        place: Option<&Place<UnitCode>>,
        on: Date,
        field: impl Display + Copy,
    ) -> Option<Option<RegisteredPlace>> {
        match place {
            Some(place) => self.place(place, on, field).map(Some),
            None => Some(None),
        }
    }

    /// A place where somebody can be registered: in a ward, or a district that has none.
    pub fn residence_place(
        &mut self,
        place: &Place<UnitCode>,
        on: Date,
        field: impl Display + Copy,
    ) -> Option<RegisteredPlace> {
        let registered = self.place(place, on, field)?;
        let unit = registered.unit().copied();
        match unit.and_then(|unit| self.registry.units().get(unit)) {
            Some(row) if row.code.level() == UnitLevel::Ward || self.is_district_without_wards(row.code) => {
                Some(registered)
            }
            Some(row) => {
                let code = row.code;
                self.fault(Code::UnitNotForResidence, field, &[&code]);
                None
            }
            None => {
                self.fault(Code::UnitNotForResidence, field, &[&"VN"]);
                None
            }
        }
    }

    fn is_district_without_wards(&self, code: UnitCode) -> bool {
        let units = self.registry.units();
        code.level() == UnitLevel::District
            && units
                .by_code(code, self.today)
                .is_some_and(|district| !units.iter().any(|(_, row)| row.parent == Some(district)))
    }
}
