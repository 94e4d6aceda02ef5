//! The real administrative units of 2021, and the offices that the simulation opens in them.

use crate::options::OptionsError;
use event_schemas::command::administration::MAX_UNITS;
use event_schemas::command::{Command, EstablishUnits, NewUnit, RegisterOffice};
use event_schemas::ids::OfficeId;
use event_schemas::place::{Area, OfficeKind, UnitCode, UnitKind, UnitLevel};
use event_schemas::text::Text;
use event_schemas::time::Date;

/// The operator of the registry, competent for the nation for commands of administration. Never registered.
pub const OPERATOR: OfficeId = OfficeId(0);
/// The population database's own authority: decides on cards, issues PINs.
pub const NATIONAL_OFFICE: OfficeId = OfficeId(1);
/// A province's office is this number and the province's code.
const PROVINCE_OFFICES: u32 = 100;
/// A commune's office is this number and the ward's code.
const COMMUNE_OFFICES: u32 = 100_000;

/// 8 July 2004, the day of Decision 124/2004/QĐ-TTg, which gave the units their codes. Every fact that the simulation
/// registers is younger, so no fact names a unit before its time.
pub fn units_valid_from() -> Date {
    Date::new(2004, 7, 8).expect("this day exists")
}

const PROVINCES_CSV: &str = include_str!("../data/provinces.csv");
const DISTRICTS_CSV: &str = include_str!("../data/districts_2021.csv");
const WARDS_CSV: &str = include_str!("../data/wards_2021.csv");

/// Index of a ward in [`Units::wards`].
pub(crate) type WardIndex = u16;

/// A province.
#[derive(Debug)]
pub struct Province {
    pub code: UnitCode,
    pub name: &'static str,
    /// Census of 1 April 2019.
    pub population: u32,
    pub(crate) wards: Vec<WardIndex>,
}

/// A district.
#[derive(Debug)]
pub struct District {
    pub code: UnitCode,
    pub name: &'static str,
    /// Index in [`Units::provinces`].
    pub province: usize,
}

/// A ward.
#[derive(Debug)]
pub struct Ward {
    pub code: UnitCode,
    pub name: &'static str,
    pub kind: UnitKind,
    /// Index in [`Units::districts`].
    pub district: usize,
}

/// All units, each level in the order of its codes.
#[derive(Debug)]
pub struct Units {
    pub provinces: Vec<Province>,
    pub districts: Vec<District>,
    pub wards: Vec<Ward>,
}

fn code(level: UnitLevel, digits: &str) -> UnitCode {
    let number = digits.parse().expect("codes in the data files are digits");
    UnitCode::new(level, number).expect("codes in the data files fit their level")
}

fn rows<const N: usize>(csv: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    csv.lines().skip(1).map(|line| {
        let mut cells = [""; N];
        for (cell, text) in cells.iter_mut().zip(line.splitn(N, ',')) {
            *cell = text;
        }
        cells
    })
}

impl Units {
    /// Reads the data that the crate carries.
    pub fn load() -> Self {
        let mut provinces: Vec<Province> = rows::<3>(PROVINCES_CSV)
            .map(|[digits, name, population]| Province {
                code: code(UnitLevel::Province, digits),
                name,
                population: population.parse().expect("a population is a number"),
                wards: Vec::new(),
            })
            .collect();
        let districts: Vec<District> = rows::<3>(DISTRICTS_CSV)
            .map(|[digits, province, name]| District {
                code: code(UnitLevel::District, digits),
                name,
                province: provinces
                    .binary_search_by_key(&code(UnitLevel::Province, province), |p| p.code)
                    .expect("a district's province is in the data"),
            })
            .collect();
        let wards: Vec<Ward> = rows::<4>(WARDS_CSV)
            .map(|[digits, kind, district, name]| Ward {
                code: code(UnitLevel::Ward, digits),
                name,
                kind: match kind {
                    "P" => UnitKind::UrbanWard,
                    "T" => UnitKind::Township,
                    _ => UnitKind::RuralCommune,
                },
                district: districts
                    .binary_search_by_key(&code(UnitLevel::District, district), |d| d.code)
                    .expect("a ward's district is in the data"),
            })
            .collect();
        for (index, ward) in wards.iter().enumerate() {
            provinces[districts[ward.district].province].wards.push(index as WardIndex);
        }
        Self { provinces, districts, wards }
    }

    /// Index of the province with this two-digit code.
    pub(crate) fn province_index(&self, province: u8) -> Result<usize, OptionsError> {
        let wanted = UnitCode::new(UnitLevel::Province, u32::from(province));
        self.provinces
            .iter()
            .position(|p| Some(p.code) == wanted)
            .ok_or(OptionsError::UnknownProvince(province))
    }

    pub(crate) fn ward_code(&self, ward: WardIndex) -> UnitCode {
        self.wards[usize::from(ward)].code
    }

    pub(crate) fn district_code(&self, ward: WardIndex) -> UnitCode {
        self.districts[self.wards[usize::from(ward)].district].code
    }

    /// Index of the province in which a ward lies.
    pub(crate) fn province_of(&self, ward: WardIndex) -> usize {
        self.districts[self.wards[usize::from(ward)].district].province
    }

    /// The units of one level as commands; a level's parents must be established before it.
    pub fn establish(&self, level: UnitLevel) -> Vec<Command> {
        let units: Vec<NewUnit> = match level {
            UnitLevel::Province => self.provinces.iter().map(new_province).collect(),
            UnitLevel::District => self.districts.iter().map(|d| self.new_district(d)).collect(),
            UnitLevel::Ward => self.wards.iter().map(|w| self.new_ward(w)).collect(),
        };
        let command = |chunk: &[NewUnit]| {
            Command::EstablishUnits(EstablishUnits { valid_from: units_valid_from(), units: chunk.to_vec() })
        };
        units.chunks(MAX_UNITS).map(command).collect()
    }

    fn new_district(&self, district: &District) -> NewUnit {
        NewUnit {
            code: district.code,
            name: unit_name(district.name),
            kind: kind_by_name(district.name),
            parent: Some(self.provinces[district.province].code),
        }
    }

    fn new_ward(&self, ward: &Ward) -> NewUnit {
        NewUnit {
            code: ward.code,
            name: unit_name(ward.name),
            kind: ward.kind,
            parent: Some(self.districts[ward.district].code),
        }
    }

    /// The offices: the national one, one for each province, one for each ward of the simulated province.
    pub(crate) fn register_offices(&self, province: usize) -> Vec<Command> {
        let office = |office, name: String, kind, area| {
            Command::RegisterOffice(RegisterOffice {
                office,
                name: Text::new(&name).expect("names of units are short and plain"),
                kind,
                areas: vec![area],
                opened_on: units_valid_from(),
            })
        };
        let mut commands = vec![office(
            NATIONAL_OFFICE,
            "Trung tâm dữ liệu quốc gia về dân cư".into(),
            OfficeKind::National,
            Area::Nation,
        )];
        for province in &self.provinces {
            let name = format!("Phòng cấp căn cước {}", province.name);
            commands.push(office(
                province_office(province),
                name,
                OfficeKind::Province,
                Area::Unit(province.code),
            ));
        }
        for &ward in &self.provinces[province].wards {
            let unit = &self.wards[usize::from(ward)];
            commands.push(office(
                commune_office(unit.code),
                format!("Công an {}", unit.name),
                OfficeKind::Commune,
                Area::Unit(unit.code),
            ));
        }
        commands
    }
}

/// The office of a province; it also receives applications for cards.
pub fn province_office(province: &Province) -> OfficeId {
    OfficeId(PROVINCE_OFFICES + province.code.number())
}

/// The office of a ward.
pub fn commune_office(ward: UnitCode) -> OfficeId {
    OfficeId(COMMUNE_OFFICES + ward.number())
}

fn new_province(province: &Province) -> NewUnit {
    NewUnit {
        code: province.code,
        name: unit_name(province.name),
        kind: if province.name.starts_with("Tỉnh") { UnitKind::Province } else { UnitKind::Municipality },
        parent: None,
    }
}

fn unit_name(name: &str) -> Text<120> {
    Text::new(name).expect("names of units are short and plain")
}

fn kind_by_name(name: &str) -> UnitKind {
    match name {
        name if name.starts_with("Quận") => UnitKind::UrbanDistrict,
        name if name.starts_with("Huyện") => UnitKind::RuralDistrict,
        name if name.starts_with("Thị xã") => UnitKind::Town,
        _ => UnitKind::ProvincialCity,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event_schemas::place::UnitLevel::{District, Province, Ward};

    #[test]
    fn the_data_hold_the_nation_of_2021() {
        let units = Units::load();
        assert_eq!((units.provinces.len(), units.districts.len(), units.wards.len()), (63, 705, 10_599));
        let total: u64 = units.provinces.iter().map(|p| u64::from(p.population)).sum();
        assert_eq!(total, 96_208_984);
        assert!(units.wards.is_sorted_by_key(|ward| ward.code));
        assert!(units.districts.is_sorted_by_key(|district| district.code));
        let without_wards = (0..units.districts.len())
            .filter(|&index| units.wards.iter().all(|ward| ward.district != index))
            .count();
        assert_eq!(without_wards, 5);
    }

    #[test]
    fn commands_hold_every_unit_once_and_stay_bounded() {
        let units = Units::load();
        let mut codes = std::collections::BTreeSet::new();
        for level in [Province, District, Ward] {
            for command in units.establish(level) {
                let Command::EstablishUnits(establish) = command else {
                    panic!("only units are established");
                };
                assert!(establish.units.len() <= MAX_UNITS);
                for unit in establish.units {
                    assert_eq!(unit.parent.is_none(), unit.code.level() == Province);
                    assert!(unit.parent.is_none_or(|parent| codes.contains(&parent)));
                    assert!(codes.insert(unit.code));
                }
            }
        }
        assert_eq!(codes.len(), 63 + 705 + 10_599);
    }
}
