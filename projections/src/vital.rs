//! What happened in people's lives: births, deaths, marriages, divorces, as their rows tell it; and how late it was registered.

use crate::changes::ByDate;
use crate::month::Month;
use crate::reference::Reference;
use crate::rows::{PersonRow, Spell};
use crate::totals::{ABROAD, NOWHERE};
use event_schemas::event::Origin;
use event_schemas::household::ResidenceEndReason;
use event_schemas::ids::{EventAddress, PersonId, UnitId};
use event_schemas::kin::{KinRef, MarriageEndReason};
use event_schemas::place::Place;
use event_schemas::time::{Date, PartialDate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// By which place something is counted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ByPlace {
    /// Where the person had permanent residence on that day; of a birth, where the child's begins.
    #[default]
    Residence,
    /// Where it happened.
    Event,
    /// Where it was registered.
    Registration,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Vital {
    Birth = 1,
    Death,
    /// One for each registered partner.
    Marrying,
    /// One for each registered partner.
    Divorcing,
    /// One for the couple. Its place is not recorded.
    Marriage,
    /// One for the couple. Its place is not recorded.
    Divorce,
    /// A move of permanent residence into a unit; only its delay is counted here.
    Move,
}

impl Vital {
    /// Every event, in the order of answers.
    pub const ALL: [Self; 7] = [
        Self::Birth,
        Self::Death,
        Self::Marrying,
        Self::Divorcing,
        Self::Marriage,
        Self::Divorce,
        Self::Move,
    ];

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// Days between an event and its registration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[repr(u8)]
pub enum Delay {
    #[serde(rename = "0")]
    SameDay,
    #[serde(rename = "1-7")]
    Week,
    #[serde(rename = "8-15")]
    TwoWeeks,
    #[serde(rename = "16-30")]
    Month,
    #[serde(rename = "31-60")]
    TwoMonths,
    #[serde(rename = "61-365")]
    Year,
    #[serde(rename = "366-")]
    Longer,
    /// The day of the event is not known.
    #[serde(rename = "unknown")]
    Unknown,
}

impl Delay {
    /// Every delay, in the order of answers.
    pub const ALL: [Self; 8] = [
        Self::SameDay,
        Self::Week,
        Self::TwoWeeks,
        Self::Month,
        Self::TwoMonths,
        Self::Year,
        Self::Longer,
        Self::Unknown,
    ];

    fn between(happened: PartialDate, registered: Date) -> Self {
        let Some(day) = happened.full() else { return Self::Unknown };
        match registered.0 - day.0 {
            ..=0 => Self::SameDay,
            1..=7 => Self::Week,
            8..=15 => Self::TwoWeeks,
            16..=30 => Self::Month,
            31..=60 => Self::TwoMonths,
            61..=365 => Self::Year,
            366.. => Self::Longer,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Something that happened, in one unit and one month. Places and dates that agree on it share it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Happening {
    pub unit: UnitId,
    pub month: Month,
    pub what: Vital,
    /// By which dates and places it is counted, see [`mask`].
    pub counted: u8,
}

/// How late something was registered, by the month of its registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Late {
    pub unit: UnitId,
    pub month: Month,
    pub what: Vital,
    pub delay: Delay,
}

/// Place of a date and a place in [`Happening::counted`].
pub(crate) fn mask(by: ByDate, place: ByPlace) -> u8 {
    1 << (by as u8 * 3 + place as u8)
}

/// All that happened to one person.
#[derive(Default)]
pub(crate) struct Happenings {
    pub events: SmallVec<[Happening; 8]>,
    pub delays: SmallVec<[Late; 4]>,
}

/// One thing that happened, with where.
struct Told {
    what: Vital,
    on: PartialDate,
    by: EventAddress,
    residence: UnitId,
    event: UnitId,
    registration: UnitId,
}

impl Happenings {
    /// Of one person. A couple counts once: in the row of the partner with the lower id.
    pub fn of(id: PersonId, person: &PersonRow, reference: &Reference) -> Self {
        let mut all = Self::default();
        let told = |on, by, residence| {
            let (event, registration) = (NOWHERE, NOWHERE);
            Told { what: Vital::Birth, on, by, residence, event, registration }
        };
        all.birth(person, reference, told);
        if let Some(death) = &person.death {
            let residence = last_home(person, death.on.latest());
            let event = death.facts.place.as_ref().map_or(NOWHERE, unit_of);
            let registration = death.facts.registered_at;
            let about = told(death.on, death.by, residence);
            all.tell(Told { what: Vital::Death, event, registration, ..about }, reference);
        }
        for marriage in &person.marriages {
            let couple = !matches!(marriage.spouse, KinRef::Registered(spouse) if spouse < id);
            let divorce = marriage.end.filter(|end| end.reason == MarriageEndReason::Divorce);
            let begun = (marriage.since, marriage.by, Vital::Marrying, Vital::Marriage);
            let ended = divorce.map(|end| (end.on, end.by, Vital::Divorcing, Vital::Divorce));
            for (on, by, one, both) in [Some(begun), ended].into_iter().flatten() {
                let residence = last_home(person, on.earliest());
                all.tell(Told { what: one, ..told(on, by, residence) }, reference);
                if couple {
                    all.tell(Told { what: both, ..told(on, by, NOWHERE) }, reference);
                }
            }
        }
        all.moves(person, reference);
        all
    }

    fn birth(
        &mut self,
        person: &PersonRow,
        reference: &Reference,
        told: impl Fn(PartialDate, EventAddress, UnitId) -> Told,
    ) {
        let (Some(registration), Some(identity)) = (&person.registration, &person.identity) else { return };
        let Origin::Birth(birth) = &registration.origin else { return };
        let mut homes = person.homes().into_iter();
        let residence = homes.find(|home| home.by.lsn == registration.by.lsn);
        let residence = residence.map_or(NOWHERE, |home| known(home.unit));
        let event = identity.birth_place.as_ref().map_or(NOWHERE, unit_of);
        let about = told(identity.birth, registration.by, residence);
        self.tell(Told { event, registration: birth.registered_at, ..about }, reference);
    }

    /// Registrations of permanent residence after the person's own registration.
    fn moves(&mut self, person: &PersonRow, reference: &Reference) {
        let Some(registration) = &person.registration else { return };
        for home in person.homes() {
            if home.unit != UnitId::NONE && home.by.lsn != registration.by.lsn {
                self.late(home.unit, Vital::Move, home.since, reference.day_of(home.by.lsn));
            }
        }
    }

    fn tell(&mut self, told: Told, reference: &Reference) {
        let registered = reference.day_of(told.by.lsn);
        for (by, month) in
            [(ByDate::Event, Month::of(told.on)), (ByDate::Registration, Month::of_day(registered))]
        {
            for (place, unit) in [
                (ByPlace::Residence, told.residence),
                (ByPlace::Event, told.event),
                (ByPlace::Registration, told.registration),
            ] {
                let what = told.what;
                self.note(Happening { unit, month, what, counted: mask(by, place) });
            }
        }
        let unit = if told.registration == NOWHERE { told.residence } else { told.registration };
        self.late(unit, told.what, told.on, registered);
    }

    /// Places and dates that agree share an entry.
    fn note(&mut self, happening: Happening) {
        let same = |known: &&mut Happening| {
            let once = known.counted & happening.counted == 0;
            once && Happening { counted: 0, ..**known } == Happening { counted: 0, ..happening }
        };
        match self.events.iter_mut().find(same) {
            Some(known) => known.counted |= happening.counted,
            None => self.events.push(happening),
        }
    }

    fn late(&mut self, unit: UnitId, what: Vital, on: PartialDate, registered: Date) {
        let (month, delay) = (Month::of_day(registered), Delay::between(on, registered));
        self.delays.push(Late { unit, month, what, delay });
    }
}

fn known(unit: UnitId) -> UnitId {
    if unit == UnitId::NONE { NOWHERE } else { unit }
}

fn unit_of(place: &Place<UnitId>) -> UnitId {
    place.unit().copied().unwrap_or(ABROAD)
}

/// Where permanent residence was on a day, the ends that came with the person's death apart.
fn last_home(person: &PersonRow, on: Date) -> UnitId {
    let goes_on = |home: &Spell| home.ended != Some(ResidenceEndReason::Died);
    let homes = person.homes().into_iter().filter(goes_on);
    homes.take_while(|home| home.since.earliest() <= on).last().map_or(NOWHERE, |home| known(home.unit))
}
