//! Two kinds of time: every row as of every day, by what was known at every record, is what the events and corrections recorded by
//! then say.
//!
//! The account beside which rows are held is naive on purpose, and shares nothing with the product but the types of events: an
//! event's slot is its address; the latest correction that is itself in force rules a slot; what rules the slots is put in the
//! order of earliest possible days, then of slots; what begins later than the day asked for is left out; the rest is read from
//! first to last.
use crate::common::correcting::{Corrections, Edit, stated};
use crate::common::town::Town;
use crate::common::{cases, folded};
use event_schemas::card::CardStatus;
use event_schemas::event::{Event, EventBody};
use event_schemas::household::{Membership, Relationship};
use event_schemas::ids::{CardId, DossierId, EventAddress, HouseholdId, Lsn, OperationId, PersonId, UnitId};
use event_schemas::kin::KinRef;
use event_schemas::operation::PartContent;
use event_schemas::pin::Pin;
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use projections::Projector;
use projections::as_of::{AsOf, Past};
use projections::rows::{CardRow, HouseholdRow, PersonRow, Row};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Everything that was recorded.
struct Recorded {
    events: Vec<(EventAddress, Event)>,
    corrections: Vec<(Lsn, Edit)>,
}

impl Recorded {
    fn is_in_force(&self, correction: Lsn, known_at: Lsn) -> bool {
        correction <= known_at
            && !self
                .corrections
                .iter()
                .any(|(lsn, edit)| *edit == Edit::Reverse(correction) && self.is_in_force(*lsn, known_at))
    }

    /// What rules each slot, in order, as far as it is effective.
    fn as_of(&self, valid_on: Date, known_at: Lsn) -> Vec<(EventAddress, &Event)> {
        let mut found = Vec::new();
        for (slot, event) in self.events.iter().filter(|(slot, _)| slot.lsn <= known_at) {
            let ruling = self.corrections.iter().rev().find(|(lsn, edit)| {
                let rules = matches!(edit, Edit::Annul(of) | Edit::Amend(of, _) if of == slot);
                rules && self.is_in_force(*lsn, known_at)
            });
            match ruling {
                None => found.push((*slot, event)),
                Some((_, Edit::Amend(_, amended))) => found.push((*slot, &**amended)),
                Some(_) => {}
            }
        }
        found.retain(|(_, event)| event.effective_on.earliest() <= valid_on);
        found.sort_by_key(|(slot, event)| (event.effective_on.earliest(), *slot));
        found
    }
}

type Tie = Option<(HouseholdId, Relationship)>;

/// What is believed of a person.
#[derive(PartialEq, Default, Debug)]
struct Person {
    name: Option<String>,
    former_names: Vec<String>,
    born: Option<String>,
    pins: Vec<Pin>,
    home: Option<UnitId>,
    homes_before: Vec<UnitId>,
    stay: Option<(UnitId, Date)>,
    tie: Tie,
    parents: Vec<PersonId>,
    children: Vec<PersonId>,
    died: Option<String>,
    dossiers: Vec<DossierId>,
    cards: Vec<CardId>,
}

#[derive(PartialEq, Default, Debug)]
struct Household {
    unit: Option<UnitId>,
    members: Vec<(PersonId, Membership, Relationship)>,
    head: Option<PersonId>,
    ended: bool,
}

type Card = (CardStatus, Option<String>);

/// What all of it together says.
#[derive(Default)]
struct Account {
    persons: BTreeMap<PersonId, Person>,
    registered: Vec<PersonId>,
    households: BTreeMap<HouseholdId, Household>,
    formed: Vec<HouseholdId>,
    cards: BTreeMap<CardId, Card>,
    produced: Vec<CardId>,
}

impl Account {
    /// `staged` numbers take effect with their commit.
    fn of(events: &[(EventAddress, &Event)], staged: &BTreeMap<OperationId, Vec<(PersonId, Pin)>>) -> Self {
        let mut account = Self::default();
        for (_, event) in events {
            account.read(event, staged);
        }
        account
    }

    fn person(&mut self, id: PersonId) -> &mut Person {
        self.persons.entry(id).or_default()
    }

    fn household(&mut self, id: HouseholdId) -> &mut Household {
        self.households.entry(id).or_default()
    }

    fn card(&mut self, id: CardId, status: CardStatus, event: &Event) {
        self.cards.insert(id, (status, Some(event.effective_on.to_string())));
    }

    fn read(&mut self, event: &Event, staged: &BTreeMap<OperationId, Vec<(PersonId, Pin)>>) {
        let on = event.effective_on.to_string();
        match &event.body {
            EventBody::PersonRegistered(e) => {
                self.registered.push(e.person);
                let person = self.person(e.person);
                person.name = Some(e.identity.names.to_string());
                person.born = Some(e.identity.birth.to_string());
            }
            EventBody::NameChanged(e) => {
                let person = self.person(e.person);
                if let Some(name) = person.name.replace(e.names.to_string()) {
                    person.former_names.push(name);
                } else {
                    person.name = None;
                }
            }
            EventBody::PinIssued(e) => self.give(e.person, e.pin),
            EventBody::PinAccepted(e) => self.give(e.person, e.pin),
            EventBody::OperationCommitted(e) => {
                for (person, pin) in staged.get(&e.operation).into_iter().flatten() {
                    let left_out = e.left_out.iter().any(|left| left.row == RowRef::Person(*person));
                    if !left_out {
                        self.give(*person, *pin);
                    }
                }
            }
            EventBody::PermanentResidenceRegistered(e) => {
                let person = self.person(e.person);
                let before = person.home.replace(*e.place.unit().unwrap());
                person.homes_before.extend(before);
            }
            EventBody::PermanentResidenceEnded(e) => {
                let person = self.person(e.person);
                let before = person.home.take();
                person.homes_before.extend(before);
            }
            EventBody::TemporaryResidenceRegistered(e) => {
                self.person(e.person).stay = Some((*e.place.unit().unwrap(), e.until));
            }
            EventBody::TemporaryResidenceEnded(e) => self.person(e.person).stay = None,
            EventBody::HouseholdFormed(e) => {
                self.formed.push(e.household);
                self.household(e.household).unit = e.place.unit().copied();
            }
            EventBody::HouseholdEnded(e) => self.household(e.household).ended = true,
            EventBody::MemberJoined(e) => {
                self.person(e.person).tie = Some((e.household, e.relationship));
                let members = &mut self.household(e.household).members;
                members.retain(|(person, membership, _)| (*person, *membership) != (e.person, e.membership));
                members.push((e.person, e.membership, e.relationship));
            }
            EventBody::MemberLeft(e) => {
                self.person(e.person).tie = None;
                let household = self.household(e.household);
                household
                    .members
                    .retain(|(person, membership, _)| (*person, *membership) != (e.person, e.membership));
                household.head = household.head.filter(|head| *head != e.person);
            }
            EventBody::HeadAppointed(e) => {
                if let Some((_, relationship)) = &mut self.person(e.head).tie {
                    *relationship = Relationship::Head;
                }
                let household = self.household(e.household);
                household.head = Some(e.head);
                for (person, _, relationship) in &mut household.members {
                    if *person == e.head {
                        *relationship = Relationship::Head;
                    }
                }
            }
            EventBody::ParentLinked(e) => {
                let KinRef::Registered(parent) = e.link.parent else { return };
                self.person(e.child).parents.push(parent);
                self.person(parent).children.push(e.child);
            }
            EventBody::DeathRegistered(e) => self.person(e.person).died = Some(on),
            EventBody::DossierReceived(e) => self.person(e.person).dossiers.push(e.dossier),
            EventBody::CardProduced(e) => {
                self.person(e.person).cards.push(e.card);
                self.produced.push(e.card);
            }
            EventBody::CardHandedOver(e) => self.card(e.card, CardStatus::Active, event),
            EventBody::CardReturned(e) => self.card(e.card, CardStatus::Active, event),
            EventBody::CardFound(e) => self.card(e.card, CardStatus::Active, event),
            EventBody::CardHeld(e) => self.card(e.card, CardStatus::Held, event),
            EventBody::CardReportedLost(e) => self.card(e.card, CardStatus::ReportedLost, event),
            EventBody::CardReportedDamaged(e) => self.card(e.card, CardStatus::Damaged, event),
            EventBody::CardHolderDied(e) => self.card(e.card, CardStatus::HolderDead, event),
            _ => {}
        }
    }

    fn give(&mut self, person: PersonId, pin: Pin) {
        let pins = &mut self.person(person).pins;
        pins.retain(|given| *given != pin);
        pins.push(pin);
    }
}

fn person_of(row: &PersonRow) -> Person {
    let unit_of = |unit: Option<UnitId>| unit.filter(|unit| *unit != UnitId::NONE);
    Person {
        name: row.identity.as_ref().map(|identity| identity.names.to_string()),
        former_names: row.former_names.iter().map(|former| former.names.to_string()).collect(),
        born: row.identity.as_ref().map(|identity| identity.birth.to_string()),
        pins: row.pins.iter().map(|entry| entry.pin).collect(),
        home: row.permanent_unit(),
        homes_before: row.permanent_before.iter().filter_map(|spell| unit_of(Some(spell.unit))).collect(),
        stay: row.temporary.as_ref().map(|stay| (*stay.place.unit().unwrap(), stay.until)),
        tie: row.household.map(|tie| (tie.household, tie.relationship)),
        parents: row.parents.iter().map(|parent| registered(&parent.link.parent)).collect(),
        children: row.children.iter().map(|child| child.child).collect(),
        died: row.death.as_ref().map(|death| death.on.to_string()),
        dossiers: row.dossiers.clone(),
        cards: row.cards.clone(),
    }
}

fn registered(kin: &KinRef<PersonId>) -> PersonId {
    match kin {
        KinRef::Registered(person) => *person,
        KinRef::Described(_) => panic!("the town registers every parent"),
    }
}

fn household_of(row: &HouseholdRow) -> Household {
    let members = row.members.iter().map(|member| (member.person, member.membership, member.relationship));
    Household { unit: row.unit(), members: members.collect(), head: row.head, ended: row.ended.is_some() }
}

fn card_of(row: &CardRow) -> Card {
    (row.current_status(), row.since.map(|since| since.to_string()))
}

/// A town that lives and is corrected.
pub fn lived(life: &[(u8, u32)]) -> (Town, Corrections) {
    let (mut town, mut corrections) = (Town::new(), Corrections::default());
    town.enrol(2, crate::common::town::WARDS[0]);
    live_on(&mut town, &mut corrections, life);
    (town, corrections)
}

pub fn live_on(town: &mut Town, corrections: &mut Corrections, life: &[(u8, u32)]) {
    for (what, which) in life {
        match what % 5 {
            4 => corrections.correct(town, *which),
            _ => town.live(*what / 5, *which),
        }
    }
}

fn numbers(events: &[(EventAddress, Event)]) -> BTreeMap<OperationId, Vec<(PersonId, Pin)>> {
    let mut staged: BTreeMap<OperationId, Vec<(PersonId, Pin)>> = BTreeMap::new();
    for (_, event) in events {
        if let EventBody::OperationPart(part) = &event.body {
            let PartContent::Pins(content) = &part.content else { continue };
            let pins = content.pins.iter().map(|staged| (staged.person, staged.pin));
            staged.entry(part.operation).or_default().extend(pins);
        }
    }
    staged
}

/// Every person, household and card of the view as of the pair.
fn check(projector: &Projector, town: &Town, recorded: &Recorded, as_of: AsOf) {
    let source = town.scribe.log.source();
    let past = Past::new(projector.view(), &source, as_of);
    let events = recorded.as_of(as_of.valid_on, as_of.known_at);
    let mut account = Account::of(&events, &numbers(&recorded.events));
    for id in town.people.keys() {
        let row = match past.row(RowRef::Person(*id)).unwrap() {
            Some(Row::Person(row)) => *row,
            _ => PersonRow::default(),
        };
        assert_eq!(row.registration.is_some(), account.registered.contains(id), "{id} {as_of:?}");
        assert_eq!(person_of(&row), account.persons.remove(id).unwrap_or_default(), "{id} {as_of:?}");
    }
    for id in (1..=60).map(HouseholdId) {
        let row = match past.row(RowRef::Household(id)).unwrap() {
            Some(Row::Household(row)) => *row,
            _ => HouseholdRow::default(),
        };
        assert_eq!(row.formed.is_some(), account.formed.contains(&id), "{id} {as_of:?}");
        assert_eq!(household_of(&row), account.households.remove(&id).unwrap_or_default(), "{id} {as_of:?}");
    }
    for id in (1..=60).map(CardId) {
        let row = match past.row(RowRef::Card(id)).unwrap() {
            Some(Row::Card(row)) => *row,
            _ => CardRow::default(),
        };
        assert_eq!(row.produced.is_some(), account.produced.contains(&id), "{id} {as_of:?}");
        let known = account.cards.remove(&id).unwrap_or((CardStatus::Produced, None));
        assert_eq!(card_of(&row), known, "{id} {as_of:?}");
    }
    assert!(account.persons.is_empty() && account.households.is_empty() && account.cards.is_empty());
}

/// Now is the latest of all pairs: the view's own rows, to the byte.
fn check_now(projector: &Projector, town: &Town) {
    let source = town.scribe.log.source();
    let (valid_on, known_at) = (town.today, town.scribe.log.last_lsn());
    let past = Past::new(projector.view(), &source, AsOf { valid_on, known_at });
    let persons = town.people.keys().map(|id| RowRef::Person(*id));
    let others = (1..=20).flat_map(|id| [RowRef::Household(HouseholdId(id)), RowRef::Card(CardId(id))]);
    let dossiers = (1..=20).map(|id| RowRef::Dossier(DossierId(id)));
    for row in persons.chain(others).chain(dossiers) {
        assert_eq!(past.row(row).unwrap(), projector.view().read().row(row).unwrap(), "{row}");
    }
}

/// Days back, and shares of the log.
type Pairs = Vec<(i32, f64)>;

fn pairs() -> impl Strategy<Value = Pairs> {
    prop::collection::vec((0..700_i32, 0.0..1.0_f64), 3)
}

fn check_life(life: &[(u8, u32)], pairs: Pairs) {
    let (town, corrections) = lived(life);
    let recorded = Recorded { events: stated(&town.scribe), corrections: corrections.said };
    let projector = folded(&town.scribe.log);
    check_now(&projector, &town);
    let last = town.scribe.log.last_lsn().0;
    for (days_ago, share) in pairs {
        let known_at = Lsn(1 + ((last - 1) as f64 * share) as u64);
        // Mostly the days on which the town lived.
        let days_ago = if days_ago < 350 { days_ago / 4 } else { days_ago };
        check(&projector, &town, &recorded, AsOf { valid_on: town.today.plus_days(-days_ago), known_at });
    }
    check(&projector, &town, &recorded, AsOf { valid_on: town.today, known_at: Lsn(last) });
}

// Two laws, so that two processors share 5,000 cases.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(3_600)))]

    #[test]
    fn every_row_as_of_any_day_and_record_is_what_the_naive_account_says(
        life in prop::collection::vec((any::<u8>(), 0..1_000_u32), 1..25),
        pairs in pairs(),
    ) {
        check_life(&life, pairs);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(1_400)))]

    #[test]
    fn every_row_as_of_any_day_and_record_of_longer_lives_is_what_the_naive_account_says(
        life in prop::collection::vec((any::<u8>(), 0..1_000_u32), 25..50),
        pairs in pairs(),
    ) {
        check_life(&life, pairs);
    }
}
