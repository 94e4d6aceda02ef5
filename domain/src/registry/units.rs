//! Administrative units and offices: few, looked up by code, kept whole.

use event_schemas::codec::{CodecError, decode_from, encode_into};
use event_schemas::ids::{Lsn, OfficeId, UnitId, Version};
use event_schemas::place::{Area, OfficeKind, UnitCode, UnitKind, UnitLevel};
use event_schemas::text::Text;
use event_schemas::time::Date;
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// One version of a unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnitRow {
    pub code: UnitCode,
    pub name: Text<120>,
    pub kind: UnitKind,
    pub parent: Option<UnitId>,
    pub valid_from: Date,
    pub version: Version,
    pub last_lsn: Lsn,
}

/// An office.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfficeRow {
    pub name: Text<200>,
    pub kind: OfficeKind,
    pub areas: Vec<Area<UnitId>>,
    /// From when the areas hold.
    pub since: Date,
    pub version: Version,
    pub last_lsn: Lsn,
}

/// All units, by id and by code.
#[derive(Clone, Default)]
pub struct Units {
    rows: Vec<Option<UnitRow>>,
    by_code: HashMap<UnitCode, SmallVec<[UnitId; 1]>>,
}

/// Most hops from a unit to the nation: ward, district, province, and one to spare.
const MAX_DEPTH: usize = 4;

impl Units {
    /// The unit.
    pub fn get(&self, id: UnitId) -> Option<&UnitRow> {
        if id == UnitId::NONE {
            return None;
        }
        self.rows.get(id.index())?.as_ref()
    }

    pub(super) fn put(&mut self, id: UnitId, row: Option<UnitRow>) {
        if self.rows.len() <= id.index() {
            self.rows.resize(id.index() + 1, None);
        }
        if let Some(old) = self.rows[id.index()].take()
            && let Some(ids) = self.by_code.get_mut(&old.code)
        {
            ids.retain(|known| *known != id);
        }
        if let Some(row) = &row {
            self.by_code.entry(row.code).or_default().push(id);
        }
        self.rows[id.index()] = row;
    }

    /// The version of the unit with this code that is valid on `date`.
    pub fn by_code(&self, code: UnitCode, date: Date) -> Option<UnitId> {
        let ids = self.by_code.get(&code)?;
        ids.iter()
            .copied()
            .filter(|&id| self.get(id).is_some_and(|row| row.valid_from <= date))
            .max_by_key(|&id| self.get(id).map(|row| row.valid_from))
    }

    /// Whether any unit ever had this code.
    pub fn code_known(&self, code: UnitCode) -> bool {
        self.by_code.get(&code).is_some_and(|ids| !ids.is_empty())
    }

    /// Codes of the same level that are nearest to one that does not exist, for a helpful refusal.
    pub fn near(&self, code: UnitCode) -> Vec<(UnitCode, &Text<120>)> {
        let mut near: Vec<(UnitCode, &Text<120>)> = self
            .rows
            .iter()
            .flatten()
            .filter(|row| row.code.level() == code.level() && row.code.number().abs_diff(code.number()) <= 12)
            .map(|row| (row.code, &row.name))
            .collect();
        near.sort_by_key(|(known, _)| (known.number().abs_diff(code.number()), *known));
        near.dedup_by_key(|(known, _)| *known);
        near.truncate(3);
        near
    }

    /// Whether `unit` is `area` or lies below it.
    pub fn is_within(&self, unit: UnitId, area: UnitId) -> bool {
        let mut current = Some(unit);
        for _ in 0..=MAX_DEPTH {
            match current {
                Some(id) if id == area => return true,
                Some(id) => current = self.get(id).and_then(|row| row.parent),
                None => return false,
            }
        }
        false
    }

    /// The province of a unit.
    pub fn province_of(&self, unit: UnitId) -> Option<UnitCode> {
        let mut current = unit;
        for _ in 0..=MAX_DEPTH {
            let row = self.get(current)?;
            if row.code.level() == UnitLevel::Province {
                return Some(row.code);
            }
            current = row.parent?;
        }
        None
    }

    /// Whether the PIN's table has this place: a province's code as three digits.
    pub fn is_pin_place(&self, place: u16) -> bool {
        UnitCode::new(UnitLevel::Province, u32::from(place)).is_some_and(|code| self.code_known(code))
    }

    /// Every unit, in order of its id.
    pub fn iter(&self) -> impl Iterator<Item = (UnitId, &UnitRow)> {
        self.rows
            .iter()
            .enumerate()
            .filter_map(|(index, row)| Some((UnitId(index as u32 + 1), row.as_ref()?)))
    }
}

impl UnitRow {
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        encode_into(
            &(self.code, &self.name, self.kind, self.parent, self.valid_from, self.version, self.last_lsn),
            out,
        )
    }

    pub(super) fn decode(input: &mut &[u8]) -> Result<Self, CodecError> {
        let (code, name, kind, parent, valid_from, version, last_lsn) = decode_from(input)?;
        Ok(Self { code, name, kind, parent, valid_from, version, last_lsn })
    }
}

impl OfficeRow {
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        encode_into(&(&self.name, self.kind, &self.areas, self.since, self.version, self.last_lsn), out)
    }

    pub(super) fn decode(input: &mut &[u8]) -> Result<Self, CodecError> {
        let (name, kind, areas, since, version, last_lsn) = decode_from(input)?;
        Ok(Self { name, kind, areas, since, version, last_lsn })
    }
}

/// All offices, in order of their ids.
pub type Offices = BTreeMap<OfficeId, OfficeRow>;
