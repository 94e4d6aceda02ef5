//! The simulated people and what planners need: who is free today, who is competent, how a command names things.

use crate::effect::Effect;
use crate::names::NameBook;
use crate::options::{Options, OptionsError};
use crate::planned::Expectation;
use crate::rates::Rates;
use crate::rng::{Purpose, Rng, mix, per_mille, stream};
use crate::store::*;
use crate::units::{NATIONAL_OFFICE, Units, WardIndex, commune_office, province_office};
use event_schemas::basis::{Basis, BasisKind, LegacyEntry};
use event_schemas::command::{Command, ExpectedVersion, PersonInHousehold, Succession};
use event_schemas::household::Relationship;
use event_schemas::ids::{HouseholdId, OfficeId};
use event_schemas::person::{PersonRef, Sex};
use event_schemas::pin::{Pin, PinCell};
use event_schemas::place::{AddressText, DomesticPlace, Place, UnitCode, UnitKind};
use event_schemas::text::Text;
use event_schemas::time::Date;
use rand::Rng as _;
use std::collections::{HashMap, VecDeque};

/// A command before it has an id.
#[derive(Debug)]
pub(crate) struct Draft {
    pub office: OfficeId,
    pub basis: BasisKind,
    pub command: Command,
    pub effect: Effect,
    pub expect: Expectation,
    pub expected_versions: Vec<ExpectedVersion>,
    pub tag: &'static str,
}

/// What is to be done on a later day.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Todo {
    FirstCard(PersonIndex),
    DecideDossier(DossierIndex),
    ProduceCard(DossierIndex),
    HandOver(DossierIndex),
    ExpireCard(CardIndex),
    ExchangeCard(PersonIndex),
    ExchangeForName(PersonIndex),
    ReplaceCard(CardIndex),
    FindCard(CardIndex),
    ReturnCard(CardIndex),
    RegainNationality(CardIndex),
    FillVacancy(HouseholdIndex),
    Rehome(PersonIndex),
    IssuePin(PersonIndex),
    PosthumousBirth(PersonIndex),
    MoveToSpouse(PersonIndex),
}

/// Picks of one happening before it is left for another day.
pub(crate) const TRIES: u32 = 400;
/// Deaths, register entries and changed households remembered for later commands.
const REMEMBERED: usize = 256;
/// The share of references by PIN and by old card number, per mille; the others are by the registry's own number.
const BY_PIN_PER_MILLE: u32 = 250;
const BY_CMND_PER_MILLE: u32 = 20;

/// The people, the day, and what is due.
#[derive(Debug)]
pub(crate) struct Nation {
    pub options: Options,
    pub units: Units,
    pub names: NameBook,
    pub store: Store,
    /// Index of the populated province.
    pub province: usize,
    pub day: Day,
    pub calendar: Vec<Vec<Todo>>,
    pub drafts: VecDeque<Draft>,
    pub rates: Rates,
    /// The last dead, for commands that wrongly name them.
    pub dead: VecDeque<PersonIndex>,
    /// Households whose head or members changed lately.
    pub changed: VecDeque<HouseholdIndex>,
    /// Entries of older registers that were used, with the day.
    pub legacy_births: VecDeque<(Day, LegacyEntry)>,
    pub legacy_numbers: u32,
    /// Persons in the populated wards, cumulated: the chance of a ward to be chosen.
    ward_ends: Vec<u32>,
    pin_serials: HashMap<u32, u32>,
    cmnd_numbers: u32,
}

impl Nation {
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        options.check()?;
        let units = Units::load();
        let province = units.province_index(options.province)?;
        let quotas = ward_quotas(&options, &units, province);
        let ward_ends = quotas
            .iter()
            .scan(0, |sum, quota| {
                *sum += quota;
                Some(*sum)
            })
            .collect();
        let mut store = Store::default();
        store.persons.reserve(options.persons as usize * 21 / 20);
        Ok(Self {
            rates: Rates::new(&options),
            calendar: (0..=options.days()).map(|_| Vec::new()).collect(),
            names: NameBook::new(),
            store,
            units,
            province,
            day: 0,
            drafts: VecDeque::new(),
            dead: VecDeque::with_capacity(REMEMBERED),
            changed: VecDeque::with_capacity(REMEMBERED),
            legacy_births: VecDeque::with_capacity(REMEMBERED),
            legacy_numbers: 0,
            ward_ends,
            pin_serials: HashMap::new(),
            cmnd_numbers: 0,
            options,
        })
    }

    /// The simulated day.
    pub fn today(&self) -> Date {
        self.options.start_date.plus_days(i32::from(self.day))
    }

    pub fn date_of(&self, day: Day) -> Date {
        self.options.start_date.plus_days(i32::from(day))
    }

    /// Wards of the populated province.
    pub fn home_wards(&self) -> &[WardIndex] {
        &self.units.provinces[self.province].wards
    }

    /// Where a ward's quota of persons ends in the order of enrolment.
    pub fn ward_end(&self, ward: usize) -> u32 {
        self.ward_ends[ward]
    }

    /// A ward of the populated province, as likely as it is populous.
    pub fn any_home_ward(&self, rng: &mut Rng) -> WardIndex {
        let person = rng.random_range(0..self.options.persons);
        self.home_wards()[self.ward_ends.partition_point(|&end| end <= person)]
    }

    /// A ward of another province, as likely as that province is populous.
    pub fn any_ward_elsewhere(&self, rng: &mut Rng) -> WardIndex {
        let wards = self.units.wards.len() as WardIndex;
        for _ in 0..TRIES {
            let ward = rng.random_range(0..wards);
            if self.units.province_of(ward) != self.province {
                return ward;
            }
        }
        0
    }

    /// A person of the store, who may be anybody.
    pub fn anybody(&self, rng: &mut Rng) -> PersonIndex {
        rng.random_range(0..self.store.persons.len() as PersonIndex)
    }

    /// A living adult or child whom no command of today concerns.
    pub fn find_person(
        &self,
        rng: &mut Rng,
        fits: impl Fn(&Self, PersonIndex) -> bool,
    ) -> Option<PersonIndex> {
        for _ in 0..TRIES {
            let person = self.anybody(rng);
            if self.is_free(person) && fits(self, person) {
                return Some(person);
            }
        }
        None
    }

    /// A family's household that has a head and that no command of today concerns.
    pub fn find_family(
        &self,
        rng: &mut Rng,
        fits: impl Fn(&Self, HouseholdIndex) -> bool,
    ) -> Option<HouseholdIndex> {
        let households = self.store.households.len() as HouseholdIndex;
        for _ in 0..TRIES {
            let household = rng.random_range(0..households);
            if self.is_quiet_family(household) && fits(self, household) {
                return Some(household);
            }
        }
        None
    }

    /// Whether a household is a family with a head, and free today.
    pub fn is_quiet_family(&self, household: HouseholdIndex) -> bool {
        let row = self.store.household(household);
        row.is_open()
            && row.busy != self.day
            && row.head != NONE
            && row.kind == event_schemas::household::HouseholdKind::Family
    }

    /// Whether a person lives and neither they nor their household is concerned by a command of today: commands of a day
    /// concern different households, so that they may arrive in any order.
    pub fn is_free(&self, person: PersonIndex) -> bool {
        let row = self.store.person(person);
        let household = some(row.household).map(|household| self.store.household(household));
        row.state == State::Alive
            && row.busy != self.day
            && household.is_none_or(|household| household.busy != self.day)
    }

    /// Reserves a person and their household for one command of today.
    pub fn claim(&mut self, person: PersonIndex) {
        let day = self.day;
        let row = self.store.person_mut(person);
        (row.busy, row.touched) = (day, day);
        if let Some(household) = some(row.household) {
            self.store.household_mut(household).busy = day;
        }
    }

    /// Reserves a household for one command of today.
    pub fn claim_household(&mut self, household: HouseholdIndex) {
        let day = self.day;
        self.store.household_mut(household).busy = day;
    }

    /// Whether a member of the household has temporary residence elsewhere.
    pub fn has_stays(&self, household: HouseholdIndex) -> bool {
        let row = self.store.household(household);
        !row.guests.is_empty() || row.members.iter().any(|member| self.store.stays.contains_key(member))
    }

    /// Leaves something for `days` from now, unless the simulation is over by then.
    pub fn later(&mut self, days: u16, todo: Todo) {
        let day = usize::from(self.day) + usize::from(days);
        if let Some(list) = self.calendar.get_mut(day) {
            list.push(todo);
        }
    }

    /// Plans a command that is to be accepted.
    pub fn plan(
        &mut self,
        office: OfficeId,
        basis: BasisKind,
        command: Command,
        effect: Effect,
        tag: &'static str,
    ) {
        self.drafts.push_back(Draft {
            office,
            basis,
            command,
            effect,
            expect: Expectation::Accepted,
            expected_versions: Vec::new(),
            tag,
        });
    }

    /// The office that is competent in a ward: the commune's where it is open, else the province's.
    pub fn office_of(&self, ward: WardIndex) -> OfficeId {
        let province = self.units.province_of(ward);
        if province == self.province {
            commune_office(self.units.ward_code(ward))
        } else {
            province_office(&self.units.provinces[province])
        }
    }

    /// The office that receives applications for cards from people of a ward.
    pub fn card_office_of(&self, ward: WardIndex) -> OfficeId {
        province_office(&self.units.provinces[self.units.province_of(ward)])
    }

    /// The national authority.
    pub fn national_office(&self) -> OfficeId {
        NATIONAL_OFFICE
    }

    pub fn ward_code(&self, ward: WardIndex) -> UnitCode {
        self.units.ward_code(ward)
    }

    pub fn household_id(&self, household: HouseholdIndex) -> HouseholdId {
        self.store.household(household).id
    }

    /// How an office names a person: mostly by the registry's number, often by PIN, sometimes by an old card.
    pub fn name_person(&self, rng: &mut Rng, person: PersonIndex) -> PersonRef {
        let row = self.store.person(person);
        if row.has_pin() && per_mille(rng, BY_PIN_PER_MILLE) {
            let pin = Pin::from_number(row.pin).expect("the registry gave the number");
            return PersonRef::Pin(pin);
        }
        if row.cmnd != 0 && per_mille(rng, BY_CMND_PER_MILLE) {
            return PersonRef::Cmnd(cmnd_text(row.cmnd));
        }
        PersonRef::PersonId(row.id)
    }

    /// A person with a place in a household.
    pub fn in_household(
        &self,
        rng: &mut Rng,
        person: PersonIndex,
        relationship: Relationship,
    ) -> PersonInHousehold {
        PersonInHousehold { person: self.name_person(rng, person), relationship }
    }

    /// A new head and how those who stay relate to it.
    pub fn succession(
        &self,
        rng: &mut Rng,
        household: HouseholdIndex,
        head: PersonIndex,
        leaving: &[PersonIndex],
    ) -> Succession {
        let stay = |member: &PersonIndex| *member != head && !leaving.contains(member);
        let members = self.store.household(household).members.iter().copied();
        Succession {
            household: self.household_id(household),
            head: self.name_person(rng, head),
            relationships: members
                .filter(stay)
                .map(|member| self.in_household(rng, member, self.store.relate(head, member)))
                .collect(),
        }
    }

    /// A registered dwelling of the ward if there is one, else an invented address.
    pub fn address(&self, rng: &mut Rng, ward: WardIndex) -> Place<UnitCode> {
        let dwellings = self.store.dwellings.get(&ward).map_or(&[][..], Vec::as_slice);
        let dwelling = (!dwellings.is_empty() && per_mille(rng, 600))
            .then(|| dwellings[rng.random_range(0..dwellings.len())]);
        Place::Domestic(DomesticPlace {
            unit: self.ward_code(ward),
            dwelling,
            address: Some(self.address_text(rng, ward)),
        })
    }

    /// House and street, or hamlet.
    pub fn address_text(&self, rng: &mut Rng, ward: WardIndex) -> AddressText {
        let house = rng.random_range(1..400);
        let text = match self.units.wards[usize::from(ward)].kind {
            UnitKind::RuralCommune => format!("Thôn {}", rng.random_range(1..19)),
            UnitKind::Township => format!("Số {house}, tổ dân phố {}", rng.random_range(1..15)),
            _ => format!("Số {house}, ngõ {}", rng.random_range(1..120)),
        };
        Text::new(&text).expect("an address is short and plain")
    }

    /// A PIN as an earlier office would have given it, unique in this run; none for whom the structure has no code.
    pub fn earlier_pin(&mut self, birth_ward: WardIndex, sex: Sex, birth: Date) -> Option<Pin> {
        /// Coprime with the capacity of a cell, so that all serials come before one repeats.
        const STRIDE: u64 = 611_953;
        let province = self.units.provinces[self.units.province_of(birth_ward)].code.number();
        let cell = PinCell::of(province as u16, sex, birth.year())?;
        let count = self.pin_serials.entry(cell.packed()).or_default();
        if *count == PinCell::CAPACITY / 2 {
            return None;
        }
        let first = mix(self.options.seed ^ u64::from(cell.packed()));
        let serial = (first % u64::from(PinCell::CAPACITY) + u64::from(*count) * STRIDE)
            % u64::from(PinCell::CAPACITY);
        *count += 1;
        Some(cell.pin(serial as u32))
    }

    /// A number of an old identity card, unique in this run.
    pub fn next_cmnd(&mut self) -> u32 {
        const NUMBERS: u64 = 1_000_000_000;
        const STRIDE: u64 = 618_033_989;
        self.cmnd_numbers += 1;
        let number = u64::from(self.cmnd_numbers) * STRIDE % NUMBERS;
        number as u32
    }

    /// Remembers a death for later mistakes.
    pub fn remember_dead(&mut self, person: PersonIndex) {
        if self.dead.len() == REMEMBERED {
            self.dead.pop_front();
        }
        self.dead.push_back(person);
    }

    /// Remembers a household whose composition a command of today changes.
    pub fn remember_change(&mut self, household: HouseholdIndex) {
        if self.changed.len() == REMEMBERED {
            self.changed.pop_front();
        }
        self.changed.push_back(household);
    }

    /// Remembers an entry of an older register for later mistakes.
    pub fn remember_entry(&mut self, entry: LegacyEntry) {
        if self.legacy_births.len() == REMEMBERED {
            self.legacy_births.pop_front();
        }
        self.legacy_births.push_back((self.day, entry));
    }
}

/// The nine digits.
pub(crate) fn cmnd_text(number: u32) -> Text<9> {
    Text::new(&format!("{number:09}")).expect("nine digits are plain")
}

/// A ground with its day.
pub(crate) fn basis(kind: BasisKind, date: Date) -> Basis {
    let authority = match kind {
        BasisKind::Court => Text::new("Tòa án nhân dân").ok(),
        _ => None,
    };
    Basis { date: Some(date), authority, ..Basis::of(kind) }
}

/// How many of the persons live in each ward of the province. The census publishes no such list: weights are drawn, towns
/// above the countryside, and say nothing about a real ward.
fn ward_quotas(options: &Options, units: &Units, province: usize) -> Vec<u32> {
    let weight = |ward: &WardIndex| {
        let mut rng = stream(options.seed, Purpose::WardWeights, u64::from(*ward));
        let by_kind = match units.wards[usize::from(*ward)].kind {
            UnitKind::UrbanWard => 150,
            UnitKind::Township => 130,
            _ => 100,
        };
        by_kind * rng.random_range(60..150_u64)
    };
    let wards = &units.provinces[province].wards;
    let weights: Vec<u64> = wards.iter().map(weight).collect();
    let total: u64 = weights.iter().sum();
    let mut sum = 0;
    let mut given = 0;
    let mut quotas = Vec::with_capacity(weights.len());
    for weight in weights {
        sum += weight;
        let end = (u64::from(options.persons) * sum / total) as u32;
        quotas.push(end - given);
        given = end;
    }
    quotas
}
