//! Names, numbers, defects, dwellings, areas of offices.

use crate::effect::Effect;
use crate::nation::{Nation, Todo};
use crate::rng::{Rng, per_mille};
use crate::store::*;
use crate::units::{OPERATOR, commune_office};
use event_schemas::basis::BasisKind;
use event_schemas::command::{
    AcceptPin, ChangeName, ChangeOfficeArea, ClearDefect, Command, IssuePin, RegisterDwelling,
};
use event_schemas::pin::Pin;
use event_schemas::place::{Area, DwellingKind};
use event_schemas::row::RowRef;
use event_schemas::text::Text;
use rand::Rng as _;

/// Every so many days a commune's office takes over for a neighbour, or gives back.
const OFFICES_CHANGE_EVERY_DAYS: u16 = 60;
/// Until a new name leads its holder to the counter for cards.
const TO_NEW_CARD: std::ops::Range<u16> = 5..40;

impl Nation {
    pub(crate) fn plan_change_of_name(&mut self, rng: &mut Rng) -> bool {
        let Some(person) = self.find_person(rng, |nation, person| nation.store.residence(person).is_some())
        else {
            return false;
        };
        let row = self.store.person(person);
        let name = row.name.changed(rng, row.sex);
        let names = self.names.names(name, row.sex);
        self.claim(person);
        self.later(rng.random_range(TO_NEW_CARD), Todo::ExchangeForName(person));
        let command = Command::ChangeName(ChangeName {
            person: self.name_person(rng, person),
            names,
            reason: Text::new("Tên gây nhầm lẫn, ảnh hưởng đến tình cảm gia đình")
                .expect("a short plain reason"),
            effective_on: self.today(),
        });
        let effect = Effect::Name { person, name };
        let office = self.office_of(self.store.last_ward(person));
        self.plan(office, BasisKind::Declaration, command, effect, "name.change");
        true
    }

    /// A gap of the enrolment is closed or explained.
    pub(crate) fn plan_clear_defect(&mut self, rng: &mut Rng) -> bool {
        if self.store.gaps.is_empty() {
            return false;
        }
        let number = rng.random_range(0..self.store.gaps.len());
        let (person, defect) = self.store.gaps[number];
        if !self.is_free(person) {
            return false;
        }
        self.store.gaps.swap_remove(number);
        self.claim(person);
        let command = Command::ClearDefect(ClearDefect {
            row: RowRef::Person(self.store.person(person).id),
            defect,
            reason: Text::new("Đã xác minh hồ sơ gốc").expect("a short plain reason"),
        });
        let office = self.office_of(self.store.last_ward(person));
        self.plan(office, BasisKind::Agency, command, Effect::None, "defect.clear");
        true
    }

    pub(crate) fn plan_dwelling(&mut self, rng: &mut Rng) -> bool {
        let ward = self.any_home_ward(rng);
        let kind = match per_mille(rng, 700) {
            true => DwellingKind::House,
            false => DwellingKind::Apartment,
        };
        let command = Command::RegisterDwelling(RegisterDwelling {
            kind,
            unit: self.ward_code(ward),
            address: self.address_text(rng, ward),
            effective_on: self.today(),
        });
        let office = self.office_of(ward);
        let effect = Effect::Dwelling { ward };
        self.plan(office, BasisKind::Agency, command, effect, "dwelling.register");
        true
    }

    pub(crate) fn plan_accept_pin(&mut self, person: PersonIndex, pin: Pin) {
        let command = Command::AcceptPin(AcceptPin { person: self.by_id(person), pin });
        let office = self.office_of(self.store.last_ward(person));
        let effect = Effect::Pin { person };
        self.plan(office, BasisKind::Form, command, effect, "pin.accept");
    }

    pub(crate) fn plan_issue_pin(&mut self, person: PersonIndex) {
        let row = self.store.person(person);
        let untold =
            row.birth_ward_untold.then(|| self.units.provinces[self.units.province_of(row.birth_ward)].code);
        let command = Command::IssuePin(IssuePin { person: self.by_id(person), birth_registered_at: untold });
        let effect = Effect::Pin { person };
        self.plan(self.national_office(), BasisKind::Agency, command, effect, "pin.issue");
    }

    /// A PIN for somebody who arrived; whether this is settled.
    pub(crate) fn plan_pin_of_arrival(&mut self, person: PersonIndex) -> bool {
        let row = self.store.person(person);
        if row.state != State::Alive || row.has_pin() {
            return true;
        }
        if !self.is_free(person) {
            return false;
        }
        self.claim(person);
        self.plan_issue_pin(person);
        true
    }

    /// An office takes over a neighbour's ward beside its own; the next time another gives it back.
    pub(crate) fn plan_office_areas(&mut self) {
        if !self.day.is_multiple_of(OFFICES_CHANGE_EVERY_DAYS) {
            return;
        }
        let round = usize::from(self.day / OFFICES_CHANGE_EVERY_DAYS);
        let wards = self.home_wards();
        let own = self.ward_code(wards[round / 2 % wards.len()]);
        let neighbour = self.ward_code(wards[(round / 2 + 1) % wards.len()]);
        let areas = match round % 2 {
            0 => vec![Area::Unit(own), Area::Unit(neighbour)],
            _ => vec![Area::Unit(own)],
        };
        let tag = match areas.len() {
            2 => "office.takes_over",
            _ => "office.gives_back",
        };
        let command = Command::ChangeOfficeArea(ChangeOfficeArea {
            office: commune_office(own),
            areas,
            effective_on: self.today(),
        });
        self.plan(OPERATOR, BasisKind::Agency, command, Effect::None, tag);
    }
}
