//! PINs for everyone: whom an operation gives a number, and what becomes of those who moved since their part.

use super::deciding::Deciding;
use super::operation::{MAX_LOOKED_AT, after, room};
use super::pin::{Draw, cell_of};
use crate::registry::operations::{OperationRow, Staged};
use crate::registry::rows::{FLAG_VIETNAMESE, PersonRow};
use event_schemas::ids::{Lsn, OperationId, PersonId, UnitId, Version};
use event_schemas::operation::{LeftOut, LeftOutReason, MovedRow, PartContent, StagedPin, StagedPins};
use event_schemas::pin::{Pin, PinCell};
use event_schemas::row::RowRef;
use hashbrown::HashMap;

/// What a part will hold.
pub(super) struct Selected {
    pub content: PartContent,
    pub left_out: Vec<LeftOut>,
    pub looked_at: PersonId,
    pub is_complete: bool,
}

/// What becomes of rows that moved, sorted by row.
pub(super) struct Judged {
    pub moved: Vec<MovedRow>,
    pub left_out: Vec<LeftOut>,
}

/// Whether units lie in the operation's area; persons of one unit often follow each other.
struct Within<'a> {
    d: &'a Deciding<'a>,
    area: Option<UnitId>,
    known: HashMap<u32, bool>,
}

impl<'a> Within<'a> {
    fn new(d: &'a Deciding<'a>, area: Option<UnitId>) -> Self {
        Self { d, area, known: HashMap::new() }
    }

    fn holds(&mut self, unit: u32) -> bool {
        let Some(area) = self.area else { return true };
        let units = self.d.registry.units();
        *self.known.entry(unit).or_insert_with(|| unit != 0 && units.is_within(UnitId(unit), area))
    }
}

/// Citizens of the area who are alive and have no number, from where the last part ended.
pub(super) fn select(d: &Deciding<'_>, id: OperationId, row: &OperationRow, limit: usize) -> Selected {
    let limit = limit.min(room(d, id));
    let last = row.up_to.0.min(row.looked_at.0.saturating_add(MAX_LOOKED_AT));
    let mut within = Within::new(d, row.kind.unit().copied());
    let mut drawing = Draw::new(d);
    let (mut pins, mut left_out) = (Vec::new(), Vec::new());
    let mut looked_at = row.looked_at.0;
    while looked_at < last && pins.len() + left_out.len() < limit {
        looked_at += 1;
        let person = PersonId(looked_at);
        let Some(found) = d.registry.person(person).filter(|found| needs_number(found)) else { continue };
        if !within.holds(found.unit) {
            continue;
        }
        match cell(d, found).and_then(|cell| drawing.next(cell).ok_or(LeftOutReason::CellFull)) {
            Ok((pin, draw)) => pins.push(staged(d, person, pin, Some(draw))),
            Err(reason) => left_out.push(LeftOut { row: RowRef::Person(person), reason }),
        }
    }
    let is_full = pins.len() >= room(d, id);
    Selected {
        content: content(d, pins),
        left_out,
        looked_at: PersonId(looked_at),
        is_complete: looked_at >= row.up_to.0 || is_full,
    }
}

/// Those who moved since they were staged, each judged again; they keep their numbers.
pub(super) fn select_moved(d: &Deciding<'_>, id: OperationId, row: &OperationRow, limit: usize) -> Selected {
    let mut within = Within::new(d, row.kind.unit().copied());
    let (mut pins, mut left_out) = (Vec::new(), Vec::new());
    let rows = d.registry.staged(id).map_or(&[][..], |staged| &staged.rows);
    let first = rows.partition_point(|staged| staged.person.0 < after(row.looked_at));
    let mut looked_at = row.looked_at;
    let mut is_complete = true;
    for known in rows[first..].iter().filter(|known| known.pin != 0) {
        let (version, _) = d.registry.version(RowRef::Person(known.person));
        if version == known.version {
            continue;
        }
        if pins.len() + left_out.len() == limit {
            is_complete = false;
            break;
        }
        looked_at = known.person;
        let pin = pin_of(known.pin);
        match judge(d, &mut within, known.person, pin) {
            None => pins.push(staged(d, known.person, pin, None)),
            Some(reason) => left_out.push(LeftOut { row: RowRef::Person(known.person), reason }),
        }
    }
    Selected { content: content(d, pins), left_out, looked_at, is_complete }
}

/// What the commit does with those who moved since their part.
pub(super) fn judge_moved(d: &Deciding<'_>, row: &OperationRow, staged: &Staged) -> Judged {
    let mut within = Within::new(d, row.kind.unit().copied());
    let mut judged = Judged { moved: Vec::new(), left_out: Vec::new() };
    for known in staged.rows.iter().filter(|known| known.pin != 0) {
        let row = RowRef::Person(known.person);
        let (version, last) = d.registry.version(row);
        if version == known.version {
            continue;
        }
        match judge(d, &mut within, known.person, pin_of(known.pin)) {
            None => judged.moved.push(MovedRow { row, version, last }),
            Some(reason) => judged.left_out.push(LeftOut { row, reason }),
        }
    }
    judged
}

/// Why a person who was staged gets no number now.
fn judge(d: &Deciding<'_>, within: &mut Within<'_>, person: PersonId, pin: Pin) -> Option<LeftOutReason> {
    let row = d.row(person);
    if row.died != 0 {
        return Some(LeftOutReason::Died);
    }
    if row.pin.get() != 0 {
        return Some(LeftOutReason::HasNumber);
    }
    if !within.holds(row.unit) {
        return Some(LeftOutReason::Elsewhere);
    }
    (cell(d, row) != Ok(pin.cell()) || !needs_number(row)).then_some(LeftOutReason::DataChanged)
}

fn needs_number(row: &PersonRow) -> bool {
    row.died == 0 && row.pin.get() == 0 && row.flags & FLAG_VIETNAMESE != 0
}

fn cell(d: &Deciding<'_>, row: &PersonRow) -> Result<PinCell, LeftOutReason> {
    let unit = UnitId(row.birth_unit).some().ok_or(LeftOutReason::BirthPlaceMissing)?;
    let province = d.registry.units().province_of(unit).ok_or(LeftOutReason::BirthPlaceMissing)?;
    cell_of(province, row).ok_or(LeftOutReason::DataMissing)
}

fn staged(d: &Deciding<'_>, person: PersonId, pin: Pin, draw: Option<u32>) -> StagedPin {
    let (version, last): (Version, Lsn) = d.registry.version(RowRef::Person(person));
    StagedPin { person, pin, draw, version, last }
}

fn content(d: &Deciding<'_>, pins: Vec<StagedPin>) -> PartContent {
    PartContent::Pins(StagedPins { key_version: d.context.pins.key_version(), pins })
}

fn pin_of(number: u64) -> Pin {
    Pin::from_number(number).expect("what was staged is a PIN")
}
