//! What an accepted command does to the ledger. Sources are named where the law, not the command, says what follows.

use crate::names::Name;
use crate::store::*;
use crate::units::WardIndex;
use event_schemas::card::{CardStatus, DocumentKind, DossierStatus, WithdrawalReason};
use event_schemas::household::Relationship;
use event_schemas::ids::PersonId;
use event_schemas::outcome::Created;
use event_schemas::person::MaritalStatus;
use event_schemas::time::Date;

/// Who goes into a household, and as what.
pub(crate) type Places = Box<[(PersonIndex, Relationship)]>;

/// What to write down when a command was accepted. Rows named here were planned with the command.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Nothing that the ledger keeps.
    None,
    EnrolHousehold {
        household: HouseholdIndex,
        members: Places,
    },
    /// Enrolment of one person, into a household or not.
    NewPerson {
        person: PersonIndex,
        household: HouseholdIndex,
    },
    /// Birth of one person, into a household or not.
    Birth {
        person: PersonIndex,
        household: HouseholdIndex,
    },
    Death {
        person: PersonIndex,
        died: Date,
        new_head: PersonIndex,
    },
    /// A marriage, also one that a death has ended since. No other partner: one who is not registered.
    Marriage {
        person: PersonIndex,
        other: PersonIndex,
    },
    Divorce {
        person: PersonIndex,
    },
    Name {
        person: PersonIndex,
        name: Name,
    },
    MoveHousehold {
        household: HouseholdIndex,
        ward: WardIndex,
    },
    /// Persons into a household, a new one if it is only planned.
    Relocate {
        persons: Places,
        to: HouseholdIndex,
        /// New heads of households that lose theirs.
        new_heads: Vec<(HouseholdIndex, PersonIndex)>,
    },
    Leave {
        person: PersonIndex,
        new_head: PersonIndex,
    },
    AppointHead {
        household: HouseholdIndex,
        head: PersonIndex,
    },
    Relationship {
        person: PersonIndex,
        relationship: Relationship,
    },
    Stay {
        person: PersonIndex,
        stay: Stay,
    },
    EndStay {
        person: PersonIndex,
    },
    Dwelling {
        ward: WardIndex,
    },
    Pin {
        person: PersonIndex,
    },
    Dossier {
        dossier: DossierIndex,
    },
    Decided {
        dossier: DossierIndex,
        approved: bool,
    },
    Produced {
        card: CardIndex,
        dossier: DossierIndex,
        issued: Date,
    },
    HandedOver {
        card: CardIndex,
        dossier: DossierIndex,
    },
    CardStatus {
        card: CardIndex,
        status: CardStatus,
    },
    Withdrawn {
        card: CardIndex,
        reason: WithdrawalReason,
    },
}

/// Law 26/2023/QH15 is in force from 1 July 2024.
pub(crate) fn is_new_law(day: Date) -> bool {
    day >= Date::new(2024, 7, 1).expect("this day exists")
}

/// The card that citizens get on a day.
pub(crate) fn document_of_day(day: Date) -> DocumentKind {
    if is_new_law(day) { DocumentKind::CanCuoc2024 } else { DocumentKind::Cccd2021 }
}

/// Last day of a card: Law 59/2014/QH13 Art. 21, from 1 July 2024 Law 26/2023/QH15 Art. 21. Exchange at 25, 40 and 60 (and
/// at 14 for children's cards of the new law); a card issued within the two years before serves to the next age.
pub(crate) fn last_day_of_card(birth: Date, issued: Date, document: DocumentKind) -> Option<Date> {
    let age = issued.full_years_since(birth);
    let until = match age {
        ..12 if document == DocumentKind::CanCuoc2024 => 14,
        ..23 => 25,
        23..38 => 40,
        38..58 => 60,
        _ => return None,
    };
    Some(birth.plus_years(until))
}

/// Writes an acceptance down. The error names the number that the acceptance should have brought.
pub(crate) fn apply(
    store: &mut Store,
    effect: Effect,
    created: &Created,
    day: Day,
) -> Result<(), &'static str> {
    store.count_vital(&effect, day);
    match effect {
        Effect::None => {}
        Effect::EnrolHousehold { household, members } => {
            register_household(store, household, created)?;
            for (number, (person, relationship)) in members.iter().copied().enumerate() {
                let id = *created.persons.get(number).ok_or("persons")?;
                register_person(store, person, id, created, day);
                store.enter(person, household, relationship, day);
            }
        }
        Effect::NewPerson { person, household } | Effect::Birth { person, household } => {
            let id = *created.persons.first().ok_or("persons")?;
            register_person(store, person, id, created, day);
            if household != NONE {
                let relationship = store.person(person).relationship;
                store.enter(person, household, relationship, day);
            }
        }
        Effect::Death { person, died, new_head } => store.bury(person, died, some(new_head), day),
        Effect::Marriage { person, other } => store.marry(person, other),
        Effect::Divorce { person } => store.divorce(person),
        Effect::Name { person, name } => {
            let row = store.person_mut(person);
            (row.name, row.renamed) = (name, day);
        }
        Effect::MoveHousehold { household, ward } => store.relocate(household, ward, day),
        Effect::Relocate { persons, to, new_heads } => {
            if !store.household(to).is_registered() {
                register_household(store, to, created)?;
            }
            for &(person, relationship) in &persons {
                store.leave(person, day);
                store.enter(person, to, relationship, day);
            }
            for (household, head) in new_heads {
                store.appoint(household, head, day);
            }
        }
        Effect::Leave { person, new_head } => {
            let household = store.person(person).household;
            store.leave(person, day);
            if new_head != NONE {
                store.appoint(household, new_head, day);
            }
        }
        Effect::AppointHead { household, head } => store.appoint(household, head, day),
        Effect::Relationship { person, relationship } => {
            let row = store.person_mut(person);
            row.relationship = relationship;
            if let Some(household) = some(row.household) {
                store.household_mut(household).touched = day;
            }
        }
        Effect::Stay { person, stay } => store.begin_stay(person, stay, day),
        Effect::EndStay { person } => store.end_stay(person, day),
        Effect::Dwelling { ward } => {
            let dwelling = *created.dwellings.first().ok_or("dwellings")?;
            store.dwellings.entry(ward).or_default().push(dwelling);
        }
        Effect::Pin { person } => {
            let (_, pin) = *created.pins.first().ok_or("pins")?;
            store.person_mut(person).pin = pin.number();
        }
        _ => return apply_to_card(store, effect, created, day),
    }
    Ok(())
}

fn apply_to_card(store: &mut Store, effect: Effect, created: &Created, day: Day) -> Result<(), &'static str> {
    match effect {
        Effect::Dossier { dossier } => {
            let row = &mut store.dossiers[dossier as usize];
            row.id = *created.dossiers.first().ok_or("dossiers")?;
            row.status = DossierStatus::Received;
            let person = row.person;
            store.person_mut(person).dossier = dossier;
        }
        Effect::Decided { dossier, approved } => {
            let row = &mut store.dossiers[dossier as usize];
            if approved {
                row.status = DossierStatus::Approved;
            } else {
                row.status = DossierStatus::Refused;
                let person = row.person;
                store.person_mut(person).dossier = NONE;
            }
        }
        Effect::Produced { card, dossier, issued } => {
            let row = &mut store.dossiers[dossier as usize];
            (row.status, row.card) = (DossierStatus::Produced, card);
            let holder = store.person(store.cards[card as usize].person);
            let (birth, number) = (holder.birth, holder.pin);
            let row = &mut store.cards[card as usize];
            (row.number, row.made) = (number, day);
            row.id = *created.cards.first().ok_or("cards")?;
            row.status = CardStatus::Produced;
            // Who applied under the old law and is served under the new one gets the new law's card.
            row.expires_on = last_day_of_card(birth, issued, document_of_day(issued));
        }
        Effect::HandedOver { card, dossier } => store.hand_over(card, dossier),
        Effect::CardStatus { card, status } => store.cards[card as usize].status = status,
        Effect::Withdrawn { card, reason } => {
            let row = &mut store.cards[card as usize];
            (row.status, row.reason) = (CardStatus::Withdrawn, Some(reason));
        }
        _ => unreachable!("`apply` handles every other effect"),
    }
    Ok(())
}

fn register_household(
    store: &mut Store,
    index: HouseholdIndex,
    created: &Created,
) -> Result<(), &'static str> {
    let id = *created.households.first().ok_or("households")?;
    let household = store.household_mut(index);
    (household.id, household.state) = (id, State::Alive);
    let ward = household.ward;
    store.household_index.insert(id, index);
    store.households_of_ward.entry(ward).or_default().push(index);
    Ok(())
}

fn register_person(store: &mut Store, index: PersonIndex, id: PersonId, created: &Created, day: Day) {
    let pin = created.pins.iter().find(|(person, _)| *person == id);
    let person = store.person_mut(index);
    (person.id, person.state) = (id, State::Alive);
    (person.since, person.touched) = (day, day);
    if let Some((_, pin)) = pin {
        person.pin = pin.number();
    }
    store.person_index.insert(id, index);
}

impl Store {
    /// A person without household enters one.
    fn enter(
        &mut self,
        person: PersonIndex,
        household: HouseholdIndex,
        relationship: Relationship,
        day: Day,
    ) {
        let row = self.person_mut(person);
        row.household = household;
        row.relationship = relationship;
        row.resident = false;
        row.since = day;
        let home = self.household_mut(household);
        home.members.push(person);
        home.touched = day;
        if relationship == Relationship::Head {
            home.head = person;
        }
    }

    /// A person's permanent residence and membership end; the last one to leave ends the household.
    fn leave(&mut self, person: PersonIndex, day: Day) {
        let row = self.person_mut(person);
        let household = std::mem::replace(&mut row.household, NONE);
        row.resident = false;
        row.since = day;
        if household == NONE {
            return;
        }
        let home = self.household_mut(household);
        home.members.retain(|&member| member != person);
        home.touched = day;
        if home.head == person {
            home.head = NONE;
        }
        if home.members.is_empty() {
            home.state = State::Gone;
        }
        let ward = home.ward;
        self.person_mut(person).ward = ward;
    }

    fn appoint(&mut self, household: HouseholdIndex, head: PersonIndex, day: Day) {
        let home = self.household_mut(household);
        home.head = head;
        home.touched = day;
        for member in home.members.clone() {
            let relationship = self.relate(head, member);
            let row = self.person_mut(member);
            (row.relationship, row.touched) = (relationship, day);
        }
    }

    fn relocate(&mut self, household: HouseholdIndex, ward: WardIndex, day: Day) {
        let home = self.household_mut(household);
        home.ward = ward;
        home.touched = day;
        for member in home.members.clone() {
            self.person_mut(member).since = day;
        }
        self.households_of_ward.entry(ward).or_default().push(household);
    }

    fn marry(&mut self, person: PersonIndex, other: PersonIndex) {
        for (one, other) in [(person, some(other)), (other, Some(person))] {
            let Some(row) = some(one).map(|one| &mut self.persons[one as usize]) else { continue };
            row.marital = MaritalStatus::Married;
            (row.spouse, row.wedded) = (other.unwrap_or(NONE), other.unwrap_or(NONE));
        }
        for one in [person, other] {
            if some(one).is_some_and(|one| self.person(one).state == State::Gone) {
                self.widow(one);
            }
        }
    }

    /// Law 52/2014/QH13 Art. 57.
    fn divorce(&mut self, person: PersonIndex) {
        let other = self.person(person).wedded;
        for one in [person, other].into_iter().filter_map(some) {
            let row = self.person_mut(one);
            row.marital = MaritalStatus::Divorced;
            (row.spouse, row.wedded) = (NONE, NONE);
        }
    }

    /// A death ends the marriage of the dead person: Law 52/2014/QH13 Art. 65.
    fn widow(&mut self, dead: PersonIndex) {
        let other = std::mem::replace(&mut self.person_mut(dead).wedded, NONE);
        if let Some(other) = some(other) {
            let row = self.person_mut(other);
            (row.marital, row.wedded) = (MaritalStatus::Widowed, NONE);
        }
    }

    /// Death ends residence (Law 68/2020/QH14 Art. 24(1)(a)), membership, temporary residence, applications and cards.
    fn bury(&mut self, person: PersonIndex, died: Date, new_head: Option<PersonIndex>, day: Day) {
        let household = self.person(person).household;
        self.end_stay(person, day);
        self.widow(person);
        self.leave(person, day);
        if let Some(head) = new_head {
            self.appoint(household, head, day);
        }
        let row = self.person_mut(person);
        (row.state, row.died) = (State::Gone, Some(died));
        let dossier = std::mem::replace(&mut row.dossier, NONE);
        let held = row.card;
        if let Some(dossier) = some(dossier) {
            let dossier = &mut self.dossiers[dossier as usize];
            dossier.status = DossierStatus::Closed;
            let produced = dossier.card;
            self.close_card(produced, CardStatus::HolderDead);
        }
        self.close_card(held, CardStatus::HolderDead);
    }

    fn close_card(&mut self, card: CardIndex, status: CardStatus) {
        if let Some(card) = some(card).map(|card| &mut self.cards[card as usize])
            && card.status.is_open()
        {
            card.status = status;
        }
    }

    /// The card becomes valid; the one it follows does not serve any longer.
    fn hand_over(&mut self, card: CardIndex, dossier: DossierIndex) {
        let person = self.cards[card as usize].person;
        let row = self.person_mut(person);
        let before = std::mem::replace(&mut row.card, card);
        row.dossier = NONE;
        self.close_card(before, CardStatus::Replaced);
        self.cards[card as usize].status = CardStatus::Active;
        self.dossiers[dossier as usize].card = NONE;
    }

    fn begin_stay(&mut self, person: PersonIndex, stay: Stay, day: Day) {
        if let Some(host) = some(stay.household) {
            let host = self.household_mut(host);
            host.guests.push(person);
            host.touched = day;
        }
        self.stays.insert(person, stay);
    }

    fn end_stay(&mut self, person: PersonIndex, day: Day) {
        if let Some(stay) = self.stays.remove(&person)
            && let Some(host) = some(stay.household)
        {
            let host = self.household_mut(host);
            host.guests.retain(|&guest| guest != person);
            host.touched = day;
        }
    }

    /// What ends with the day before `today`: stays whose last day has passed.
    pub fn expire_stays(&mut self, today: Date, day: Day) {
        let over = |(person, stay): (&PersonIndex, &Stay)| (stay.until < today).then_some(*person);
        for person in self.stays.iter().filter_map(over).collect::<Vec<_>>() {
            self.end_stay(person, day);
            self.person_mut(person).touched = day;
        }
    }

    /// A card that was handed over, lost, damaged or kept since or not, and whose last day has passed.
    pub fn expire_card(&mut self, card: CardIndex, today: Date, day: Day) {
        let row = &mut self.cards[card as usize];
        let in_use = matches!(
            row.status,
            CardStatus::Active | CardStatus::ReportedLost | CardStatus::Damaged | CardStatus::Held
        );
        if in_use && row.expires_on.is_some_and(|last| last < today) {
            row.status = CardStatus::Expired;
            let holder = row.person;
            self.person_mut(holder).touched = day;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_serve_to_the_next_exchange_age() {
        let date = |text: &str| text.parse::<Date>().unwrap();
        let last = |birth: &str, issued: &str| {
            last_day_of_card(date(birth), date(issued), DocumentKind::Cccd2021).map(|day| day.to_string())
        };
        assert_eq!(last("2000-05-10", "2021-05-10").as_deref(), Some("2025-05-10"));
        assert_eq!(last("1998-05-11", "2021-05-10").as_deref(), Some("2023-05-11"));
        assert_eq!(last("1998-05-10", "2021-05-10").as_deref(), Some("2038-05-10"));
        assert_eq!(last("1983-05-10", "2021-05-10").as_deref(), Some("2043-05-10"));
        assert_eq!(last("1963-05-10", "2021-05-10"), None);
        let child = last_day_of_card(date("2016-01-31"), date("2025-01-01"), DocumentKind::CanCuoc2024);
        assert_eq!(child, Some(date("2030-01-31")));
    }
}
