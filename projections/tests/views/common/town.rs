//! A town of two wards. It lives by a list of numbers, and keeps its own account of who lives where.

use super::numbering::Staging;
pub use super::truth::{Entry, Truth};
use super::{Scribe, date, event};
use event_schemas::basis::{RegisterEntry, RegisterKind};
use event_schemas::card::{ApplicationReason, DocumentKind, HoldReason};
use event_schemas::document::{IdentityDocument, IdentityDocumentKind};
use event_schemas::event::*;
use event_schemas::household::{
    HouseholdEndReason, HouseholdKind, LeaveReason, Membership, Relationship, ResidenceEndReason,
};
use event_schemas::ids::{CardId, DossierId, HouseholdId, Lsn, OfficeId, PersonId, UnitId};
use event_schemas::kin::{KinRef, ParentKind, ParentLink, ParentRole, Period};
use event_schemas::person::{Identification, Identity, Names, Nationality, PersonalData, Sex};
use event_schemas::pin::{PinCell, PinOccasion};
use event_schemas::place::{Place, RegisteredPlace, UnitKind};
use event_schemas::record::EntryBody;
use event_schemas::time::{Date, PartialDate};
use std::collections::BTreeMap;

pub const PROVINCE: UnitId = UnitId(1);
pub const DISTRICT: UnitId = UnitId(2);
pub const WARDS: [UnitId; 2] = [UnitId(3), UnitId(4)];

pub struct Town {
    pub scribe: Scribe,
    pub people: BTreeMap<PersonId, Truth>,
    /// Members in the order of joining; the first is the head.
    pub households: BTreeMap<HouseholdId, (UnitId, Vec<PersonId>)>,
    pub today: Date,
    /// Whether births and nationalities differ, some births vague.
    pub varied: bool,
    pub staging: Option<Staging>,
    /// Operations opened so far.
    pub operations: u32,
    /// Numbers that operations drew and did not give.
    pub reserved: u64,
    next_household: u32,
    next_card: u32,
    next_dossier: u32,
}

pub fn names(given: &str) -> Names {
    let part = |text: &str| text.parse().unwrap();
    Names { surname: Some(part("Nguyễn")), middle: None, given: part(given), other: Vec::new() }
}

pub fn identity(given: &str, sex: Sex) -> Identity<UnitId> {
    Identity {
        names: names(given),
        sex,
        birth: PartialDate::of_day(date("1990-05-01")),
        birth_time: None,
        birth_place: None,
        nationality: Nationality::vietnamese(),
        identification: Identification::Verified,
    }
}

pub fn place(unit: UnitId) -> RegisteredPlace {
    Place::at(unit, "Số 5 phố Tân Ấp".parse().unwrap())
}

pub fn unit(id: u32, code: &str, name: &str, kind: UnitKind, parent: Option<u32>) -> EventBody {
    EventBody::UnitEstablished(UnitEstablished {
        unit: UnitId(id),
        code: code.parse().unwrap(),
        name: name.parse().unwrap(),
        kind,
        parent: parent.map(UnitId),
    })
}

pub fn registered(person: PersonId, given: &str, sex: Sex) -> EventBody {
    let cmnd = IdentityDocument {
        kind: IdentityDocumentKind::Cmnd,
        number: format!("{:09}", person.0 % 7).parse().unwrap(),
        country: None,
        issued_by: None,
        issued_on: None,
        expires_on: None,
    };
    let data = PersonalData { documents: vec![cmnd], ..PersonalData::default() };
    EventBody::PersonRegistered(PersonRegistered {
        person,
        origin: Origin::Enrolment,
        identity: Box::new(identity(given, sex)),
        data: Box::new(data),
    })
}

impl Town {
    pub fn new() -> Self {
        let mut scribe = Scribe::new();
        let founded = date("2004-07-08");
        let units = vec![
            unit(1, "01", "Thành phố Hà Nội", UnitKind::Municipality, None),
            unit(2, "001", "Quận Ba Đình", UnitKind::UrbanDistrict, Some(1)),
            unit(3, "00001", "Phường Phúc Xá", UnitKind::UrbanWard, Some(2)),
            unit(4, "00004", "Phường Trúc Bạch", UnitKind::UrbanWard, Some(2)),
        ];
        scribe.record(units.into_iter().map(|body| event(founded, body)).collect());
        Self {
            scribe,
            people: BTreeMap::new(),
            households: BTreeMap::new(),
            staging: None,
            operations: 0,
            reserved: 0,
            today: date("2021-07-01"),
            varied: false,
            next_household: 1,
            next_card: 1,
            next_dossier: 1,
        }
    }

    /// Lives one step; `which` is taken modulo whatever there is to choose from.
    pub fn live(&mut self, what: u8, which: u32) {
        match what % 20 {
            0 => self.enrol(1 + which % 4, WARDS[(which / 4) as usize % 2]),
            1 => self.birth(which),
            2 => self.death(which),
            3 => self.move_out(which),
            4 => self.stay(which),
            5 => self.end_stay(which),
            6 => self.rename(which, 0),
            7 => self.rename(which, 400),
            8 => self.card(which),
            9 => self.lose_card(which),
            10 => self.new_pin(which),
            12 => self.hold_card(which),
            13 => self.return_card(which),
            14 => self.find_card(which),
            15 => self.damage_card(which),
            16 => self.move_late(which),
            17..=19 => self.number_many(which),
            _ => self.pass_days(which),
        }
    }

    fn alive(&self, which: u32) -> Option<PersonId> {
        let alive: Vec<_> = self.people.iter().filter(|(_, truth)| truth.alive).map(|(id, _)| *id).collect();
        (!alive.is_empty()).then(|| alive[which as usize % alive.len()])
    }

    pub fn record(&mut self, bodies: Vec<EventBody>) -> Lsn {
        let today = self.today;
        self.scribe.record(bodies.into_iter().map(|body| event(today, body)).collect())
    }

    fn next_person(&mut self, which: u32) -> (PersonId, Sex, Vec<EventBody>) {
        let person = PersonId(self.people.len() as u32 + 1);
        let sex = [Sex::Male, Sex::Female][which as usize % 2];
        let born = Date(-10_000 + (which * 7_919 % 28_000) as i32);
        let birth = match which % 5 {
            _ if !self.varied => PartialDate::of_day(date("1990-05-01")),
            3 => PartialDate::of_year(born.year()).unwrap(),
            4 => PartialDate::of_month(born.year(), born.ymd().1).unwrap(),
            _ => PartialDate::of_day(born),
        };
        let citizen = !self.varied || !which.is_multiple_of(7);
        let pin = PinCell::of(1, sex, 1990).unwrap().pin(person.0);
        let truth = Truth {
            alive: true,
            sex,
            unit: None,
            stays_in: None,
            household: None,
            pins: vec![pin],
            card: None,
            lost: None,
            dossier_open: false,
            birth,
            citizen,
            homes: Vec::new(),
            stays: Vec::new(),
            died_on: None,
        };
        self.people.insert(person, truth);
        let issued = PinIssued { person, pin, draw: person.0, key_version: 1, occasion: PinOccasion::Birth };
        let mut body = registered(person, "An", sex);
        if let EventBody::PersonRegistered(registered) = &mut body {
            registered.identity.birth = birth;
            if !citizen {
                registered.identity.nationality = Nationality::Undetermined;
            }
        }
        (person, sex, vec![body, EventBody::PinIssued(issued)])
    }

    fn settle(
        &mut self,
        person: PersonId,
        household: HouseholdId,
        unit: UnitId,
        head: bool,
    ) -> Vec<EventBody> {
        let relationship = if head { Relationship::Head } else { Relationship::OtherKin };
        let truth = self.people.get_mut(&person).unwrap();
        (truth.unit, truth.household) = (Some(unit), Some(household));
        let (on, recorded_on, until) = (self.today, self.today, self.today);
        truth.homes.push(Entry { on, recorded_on, unit: Some(unit), until });
        self.households.get_mut(&household).unwrap().1.push(person);
        let membership = Membership::Permanent;
        vec![
            EventBody::PermanentResidenceRegistered(PermanentResidenceRegistered {
                person,
                place: place(unit),
            }),
            EventBody::MemberJoined(MemberJoined { household, person, membership, relationship }),
        ]
    }

    fn form(&mut self, unit: UnitId) -> (HouseholdId, EventBody) {
        let household = HouseholdId(self.next_household);
        self.next_household += 1;
        self.households.insert(household, (unit, Vec::new()));
        let kind = HouseholdKind::Family;
        let place = place(unit);
        let formed = HouseholdFormed { household, kind, place, file_number: None, split_from: None };
        (household, EventBody::HouseholdFormed(formed))
    }

    pub fn enrol(&mut self, count: u32, unit: UnitId) {
        let mut bodies = Vec::new();
        let mut people = Vec::new();
        for which in 0..count {
            let (person, _, events) = self.next_person(which);
            people.push(person);
            bodies.extend(events);
        }
        let (household, formed) = self.form(unit);
        bodies.push(formed);
        for (place, person) in people.iter().enumerate() {
            bodies.extend(self.settle(*person, household, unit, place == 0));
        }
        bodies.push(EventBody::HeadAppointed(HeadAppointed { household, head: people[0] }));
        self.record(bodies);
    }

    fn birth(&mut self, which: u32) {
        let Some(mother) = self.alive(which) else { return };
        let Some(household) = self.people[&mother].household else { return };
        let unit = self.households[&household].0;
        let (child, _, mut bodies) = self.next_person(which);
        let link = ParentLink {
            role: ParentRole::Mother,
            kind: ParentKind::Biological,
            parent: KinRef::Registered(mother),
            period: Period::default(),
        };
        bodies.push(EventBody::ParentLinked(ParentLinked { child, link }));
        bodies.extend(self.settle(child, household, unit, false));
        self.record(bodies);
    }

    /// Events of leaving the household; the last one leaving ends it.
    fn leave(&mut self, person: PersonId, reason: LeaveReason) -> Vec<EventBody> {
        let Some(household) = self.people.get_mut(&person).unwrap().household.take() else {
            return Vec::new();
        };
        let membership = Membership::Permanent;
        let mut bodies = vec![EventBody::MemberLeft(MemberLeft { household, person, membership, reason })];
        let members = &mut self.households.get_mut(&household).unwrap().1;
        let headed = members[0] == person;
        members.retain(|member| *member != person);
        match members.first().copied() {
            Some(head) if headed => bodies.push(EventBody::HeadAppointed(HeadAppointed { household, head })),
            Some(_) => {}
            None => {
                self.households.remove(&household);
                let reason = HouseholdEndReason::LastMemberLeft;
                bodies.push(EventBody::HouseholdEnded(HouseholdEnded { household, reason, into: None }));
            }
        }
        bodies
    }

    fn death(&mut self, which: u32) {
        let Some(person) = self.alive(which) else { return };
        let entry =
            RegisterEntry { office: OfficeId(2), register: RegisterKind::Death, year: 2021, number: which };
        let mut bodies = vec![EventBody::DeathRegistered(DeathRegistered {
            person,
            time: None,
            place: None,
            cause: None,
            registered_at: WARDS[0],
            entry,
            legacy: None,
            declared: false,
        })];
        let reason = ResidenceEndReason::Died;
        let truth = self.people.get_mut(&person).unwrap();
        truth.alive = false;
        truth.died_on = Some(self.today);
        let (on, until) = (self.today, self.today);
        let ended = Entry { on, recorded_on: on, unit: None, until };
        if truth.unit.take().is_some() {
            truth.homes.push(ended);
            bodies.push(EventBody::PermanentResidenceEnded(PermanentResidenceEnded { person, reason }));
        }
        if truth.stays_in.take().is_some() {
            truth.stays.push(ended);
            bodies.push(EventBody::TemporaryResidenceEnded(TemporaryResidenceEnded { person, reason }));
        }
        if let Some(card) = truth.card.take() {
            bodies.push(EventBody::CardHolderDied(CardHolderDied { card, person }));
        }
        bodies.extend(self.leave(person, LeaveReason::Died));
        self.record(bodies);
    }

    fn move_out(&mut self, which: u32) {
        let Some(person) = self.alive(which) else { return };
        let unit = WARDS[which as usize / 3 % 2];
        let mut bodies = self.leave(person, LeaveReason::Moved);
        let (household, formed) = self.form(unit);
        bodies.push(formed);
        bodies.extend(self.settle(person, household, unit, true));
        bodies.push(EventBody::HeadAppointed(HeadAppointed { household, head: person }));
        self.record(bodies);
    }

    fn stay(&mut self, which: u32) {
        let Some(person) = self.alive(which) else { return };
        let unit = WARDS[which as usize % 2];
        let until = self.today.plus_days(if which.is_multiple_of(3) { 200 } else { 30 });
        let truth = self.people.get_mut(&person).unwrap();
        truth.stays_in = Some(unit);
        truth.stays.push(Entry { on: self.today, recorded_on: self.today, unit: Some(unit), until });
        let stay = TemporaryResidenceRegistered { person, place: place(unit), until };
        self.record(vec![EventBody::TemporaryResidenceRegistered(stay)]);
    }

    fn end_stay(&mut self, which: u32) {
        let Some(person) = self.alive(which) else { return };
        let truth = self.people.get_mut(&person).unwrap();
        if truth.stays_in.take().is_none() {
            return;
        }
        let (on, until) = (self.today, self.today);
        truth.stays.push(Entry { on, recorded_on: on, unit: None, until });
        let reason = ResidenceEndReason::LeftEarly;
        self.record(vec![EventBody::TemporaryResidenceEnded(TemporaryResidenceEnded { person, reason })]);
    }

    /// A change of name that held `days_ago` already: a late one comes with its restatement.
    pub fn rename(&mut self, which: u32, days_ago: i32) {
        let Some(person) = self.alive(which) else { return };
        let given = ["Bình", "Châu", "Dung"][which as usize % 3];
        let changed = NameChanged { person, names: names(given), reason: "at own wish".parse().unwrap() };
        let on = self.today.plus_days(-days_ago);
        self.scribe.record(vec![event(on, EventBody::NameChanged(changed))]);
    }

    fn card(&mut self, which: u32) {
        let Some(person) = self.alive(which) else { return };
        if self.people[&person].card.is_some() {
            return;
        }
        let (dossier, card) = (DossierId(self.next_dossier), CardId(self.next_card));
        self.next_dossier += 1;
        let document = DocumentKind::Cccd2021;
        let reason = ApplicationReason::FirstIssue;
        let received_at = WARDS[0];
        let (replaces, representative) = (None, None);
        let received =
            DossierReceived { dossier, person, document, reason, replaces, representative, received_at };
        self.record(vec![EventBody::DossierReceived(received)]);
        if which.is_multiple_of(4) {
            let reason = "no photograph".parse().unwrap();
            self.record(vec![EventBody::DossierRefused(DossierRefused { dossier, person, reason })]);
            return;
        }
        self.next_card += 1;
        self.record(vec![EventBody::DossierApproved(DossierApproved { dossier, person })]);
        let truth = self.people.get_mut(&person).unwrap();
        truth.card = Some(card);
        let pin = *truth.pins.last().unwrap();
        let serial = format!("S{:08}", card.0).parse().unwrap();
        let expires_on = Some(date("2031-05-01"));
        let produced = CardProduced { card, dossier, person, document, serial, pin, expires_on };
        self.record(vec![EventBody::CardProduced(produced)]);
        self.record(vec![EventBody::CardHandedOver(CardHandedOver { card, person })]);
    }

    fn lose_card(&mut self, which: u32) {
        let Some(person) = self.alive(which) else { return };
        let truth = self.people.get_mut(&person).unwrap();
        if let Some(card) = truth.card.take() {
            truth.lost = Some(card);
            self.record(vec![EventBody::CardReportedLost(CardReportedLost { card, person })]);
        }
    }

    fn find_card(&mut self, which: u32) {
        let Some(person) = self.alive(which) else { return };
        let truth = self.people.get_mut(&person).unwrap();
        if let Some(card) = truth.lost.take().filter(|_| truth.card.is_none()) {
            truth.card = Some(card);
            self.record(vec![EventBody::CardFound(CardFound { card, person })]);
        }
    }

    fn hold_card(&mut self, which: u32) {
        let Some(person) = self.alive(which) else { return };
        if let Some(card) = self.people[&person].card {
            let reason = HoldReason::Detention;
            self.record(vec![EventBody::CardHeld(CardHeld { card, person, reason })]);
        }
    }

    fn return_card(&mut self, which: u32) {
        let Some(person) = self.alive(which) else { return };
        if let Some(card) = self.people[&person].card {
            self.record(vec![EventBody::CardReturned(CardReturned { card, person })]);
        }
    }

    fn damage_card(&mut self, which: u32) {
        let Some(person) = self.alive(which) else { return };
        if let Some(card) = self.people.get_mut(&person).unwrap().card.take() {
            self.record(vec![EventBody::CardReportedDamaged(CardReportedDamaged { card, person })]);
        }
    }

    fn new_pin(&mut self, which: u32) {
        let Some(person) = self.alive(which) else { return };
        let truth = self.people.get_mut(&person).unwrap();
        let pin =
            PinCell::of(1, truth.sex, 1990).unwrap().pin(500_000 + person.0 * 100 + truth.pins.len() as u32);
        truth.pins.push(pin);
        self.record(vec![EventBody::PinAccepted(PinAccepted { person, pin })]);
    }

    /// A move that is registered some time after it, and may come before others that are known.
    fn move_late(&mut self, which: u32) {
        let Some(person) = self.alive(which) else { return };
        let (today, unit) = (self.today, WARDS[which as usize / 5 % 2]);
        let truth = self.people.get_mut(&person).unwrap();
        let Some(first) = truth.homes.iter().map(|entry| entry.on).min() else { return };
        let on = today.plus_days(-(which as i32 % 90)).max(first);
        truth.homes.push(Entry { on, recorded_on: today, unit: Some(unit), until: today });
        truth.unit = Truth::holds(&truth.homes, today, false).and_then(|number| truth.homes[number].unit);
        let registered = PermanentResidenceRegistered { person, place: place(unit) };
        let body = EventBody::PermanentResidenceRegistered(registered);
        self.scribe.record(vec![event(on, body)]);
    }

    fn pass_days(&mut self, which: u32) {
        self.today = self.today.plus_days(1 + which as i32 % 40);
        self.scribe.log.append(&EntryBody::DayOpened { date: self.today });
        match which % 4 {
            0 => drop(self.scribe.log.append_raw(b"not ours".to_vec())),
            1 => drop(self.scribe.log.append(&EntryBody::Claim { node: "there".parse().unwrap() })),
            2 => {
                let duplicate = self.scribe.log.raw(2);
                assert_eq!(self.scribe.log.append_raw(duplicate), None);
            }
            _ => drop(self.scribe.log.append(&EntryBody::Tick)),
        }
    }
}
