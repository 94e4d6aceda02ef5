//! The rows behind the ledger: persons, households, applications and cards in the order in which they were planned.
//! A row is planned first and becomes true when the registry accepts it.

use crate::names::Name;
use crate::units::WardIndex;
use crate::vital::VitalBook;
use event_schemas::card::{CardStatus, DossierStatus, WithdrawalReason};
use event_schemas::defect::DefectKind;
use event_schemas::household::{HouseholdKind, Relationship};
use event_schemas::ids::{CardId, DossierId, DwellingId, HouseholdId, PersonId};
use event_schemas::person::{MaritalStatus, Sex};
use event_schemas::time::Date;
use std::collections::{BTreeMap, HashMap};

pub(crate) type PersonIndex = u32;
pub(crate) type HouseholdIndex = u32;
pub(crate) type DossierIndex = u32;
pub(crate) type CardIndex = u32;
/// Days since the start of the simulation.
pub(crate) type Day = u16;

/// Stands for "none" in every index.
pub(crate) const NONE: u32 = u32::MAX;
/// Before the first day.
pub(crate) const NEVER: Day = Day::MAX;

/// The index, unless it stands for none.
pub(crate) fn some(index: u32) -> Option<u32> {
    (index != NONE).then_some(index)
}

/// Where a planned row stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Submitted; the answer is awaited, or it was a refusal.
    Planned,
    /// A living person, an existing household.
    Alive,
    /// A dead person, a household that has ended.
    Gone,
}

/// A person, about 100 bytes.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub id: PersonId,
    /// Zero: none.
    pub pin: u64,
    pub birth: Date,
    pub died: Option<Date>,
    pub household: HouseholdIndex,
    pub mother: PersonIndex,
    pub father: PersonIndex,
    /// Whom the person lives with as a couple, registered or not.
    pub spouse: PersonIndex,
    /// Partner of the registered marriage in force.
    pub wedded: PersonIndex,
    /// Nine-digit number of an old identity card; zero: none.
    pub cmnd: u32,
    pub card: CardIndex,
    /// The application that is open.
    pub dossier: DossierIndex,
    /// Where the birth was registered.
    pub birth_ward: WardIndex,
    /// Residence of a person without household, or where the person lived last.
    pub ward: WardIndex,
    /// Whether `ward` is a permanent residence without a household.
    pub resident: bool,
    /// Last day on which residence or membership changed.
    pub since: Day,
    /// Last day on which anything was registered.
    pub touched: Day,
    /// Day on which this person is named by a command.
    pub busy: Day,
    /// Day of the last change of name.
    pub renamed: Day,
    /// Day of the last birth of a child.
    pub gave_birth: Day,
    pub name: Name,
    pub sex: Sex,
    pub ethnicity: u8,
    pub children: u8,
    pub state: State,
    pub marital: MaritalStatus,
    pub relationship: Relationship,
    /// Only the year of birth is known to the registry.
    pub year_only: bool,
    /// The registry was not told where the birth was registered.
    pub birth_ward_untold: bool,
}

impl Person {
    pub fn is_registered(&self) -> bool {
        self.id != PersonId::NONE
    }

    pub fn has_pin(&self) -> bool {
        self.pin != 0
    }

    pub fn age(&self, today: Date) -> i16 {
        today.full_years_since(self.birth)
    }
}

/// A household.
#[derive(Clone, Debug)]
pub(crate) struct Household {
    pub id: HouseholdId,
    pub head: PersonIndex,
    pub members: Vec<PersonIndex>,
    /// Temporary members.
    pub guests: Vec<PersonIndex>,
    pub ward: WardIndex,
    /// Last day on which its members, permanent or temporary, their relationships, its head or its place changed.
    pub touched: Day,
    pub busy: Day,
    pub kind: HouseholdKind,
    pub state: State,
}

impl Household {
    pub fn is_registered(&self) -> bool {
        self.id != HouseholdId::NONE
    }

    pub fn is_open(&self) -> bool {
        self.state == State::Alive
    }
}

/// An application for a card.
#[derive(Clone, Debug)]
pub(crate) struct Dossier {
    pub id: DossierId,
    pub person: PersonIndex,
    /// The card produced for it, not yet handed over.
    pub card: CardIndex,
    pub status: DossierStatus,
}

/// A card.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub id: CardId,
    pub person: PersonIndex,
    pub status: CardStatus,
    pub expires_on: Option<Date>,
    /// The PIN that it was made with.
    pub number: u64,
    /// Day on which it was made.
    pub made: Day,
    /// Why it was withdrawn.
    pub reason: Option<WithdrawalReason>,
}

/// Temporary residence.
#[derive(Clone, Debug)]
pub(crate) struct Stay {
    pub ward: WardIndex,
    pub household: HouseholdIndex,
    pub until: Date,
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub persons: Vec<Person>,
    pub households: Vec<Household>,
    pub dossiers: Vec<Dossier>,
    pub cards: Vec<Card>,
    pub stays: BTreeMap<PersonIndex, Stay>,
    /// Registered dwellings by ward.
    pub dwellings: BTreeMap<WardIndex, Vec<DwellingId>>,
    /// Households planned in a ward, also those that have moved away or ended since.
    pub households_of_ward: BTreeMap<WardIndex, Vec<HouseholdIndex>>,
    /// Gaps that the registry was told at the enrolment and that nobody has cleared.
    pub gaps: Vec<(PersonIndex, DefectKind)>,
    pub vital: VitalBook,
    // Only looked up, never iterated: no order of a hash map can reach a command.
    pub person_index: HashMap<PersonId, PersonIndex>,
    pub household_index: HashMap<HouseholdId, HouseholdIndex>,
}

impl Store {
    pub fn person(&self, index: PersonIndex) -> &Person {
        &self.persons[index as usize]
    }

    pub fn person_mut(&mut self, index: PersonIndex) -> &mut Person {
        &mut self.persons[index as usize]
    }

    pub fn household(&self, index: HouseholdIndex) -> &Household {
        &self.households[index as usize]
    }

    pub fn household_mut(&mut self, index: HouseholdIndex) -> &mut Household {
        &mut self.households[index as usize]
    }

    pub fn is_alive(&self, person: PersonIndex) -> bool {
        self.person(person).state == State::Alive
    }

    /// Where a living person has permanent residence.
    pub fn residence(&self, index: PersonIndex) -> Option<WardIndex> {
        let person = self.person(index);
        if person.state != State::Alive {
            return None;
        }
        match some(person.household) {
            Some(household) => Some(self.household(household).ward),
            None => person.resident.then_some(person.ward),
        }
    }

    /// Where a person lives or lived last: the commune that has to do with them.
    pub fn last_ward(&self, index: PersonIndex) -> WardIndex {
        let person = self.person(index);
        match some(person.household) {
            Some(household) => self.household(household).ward,
            None => person.ward,
        }
    }

    /// Plans a household without members.
    pub fn plan_household(&mut self, ward: WardIndex, kind: HouseholdKind) -> HouseholdIndex {
        let index = self.households.len() as HouseholdIndex;
        self.households.push(Household {
            id: HouseholdId::NONE,
            head: NONE,
            members: Vec::new(),
            guests: Vec::new(),
            ward,
            touched: 0,
            busy: NEVER,
            kind,
            state: State::Planned,
        });
        index
    }

    /// Plans a person; the caller fills in what it knows.
    pub fn plan_person(&mut self, person: Person) -> PersonIndex {
        let index = self.persons.len() as PersonIndex;
        self.persons.push(person);
        index
    }

    /// Whether two people have an ancestor in common up to their grandparents, or one descends from the other so far.
    pub fn are_kin(&self, one: PersonIndex, other: PersonIndex) -> bool {
        let parents =
            |of: PersonIndex| [self.person(of).mother, self.person(of).father].into_iter().filter_map(some);
        let line = |of: PersonIndex| -> Vec<PersonIndex> {
            let mut line = vec![of];
            line.extend(parents(of));
            let grandparents: Vec<PersonIndex> =
                line[1..].iter().flat_map(|&parent| parents(parent)).collect();
            line.extend(grandparents);
            line
        };
        let others = line(other);
        line(one).iter().any(|ancestor| others.contains(ancestor))
    }

    /// How a person is related to a head, as far as registered kinship tells.
    pub fn relate(&self, head: PersonIndex, member: PersonIndex) -> Relationship {
        use Relationship::*;
        if head == member {
            return Head;
        }
        let parents = |of: PersonIndex| [self.person(of).mother, self.person(of).father];
        let is_parent = |elder: PersonIndex, of: PersonIndex| elder != NONE && parents(of).contains(&elder);
        let spouse = |of: PersonIndex| some(self.person(of).spouse);
        if spouse(member) == Some(head) {
            Spouse
        } else if is_parent(head, member) || spouse(head).is_some_and(|spouse| is_parent(spouse, member)) {
            Child
        } else if is_parent(member, head) {
            Parent
        } else if spouse(head).is_some_and(|spouse| is_parent(member, spouse)) {
            ParentInLaw
        } else if spouse(member).is_some_and(|spouse| is_parent(head, spouse)) {
            ChildInLaw
        } else if parents(member).into_iter().any(|p| p != NONE && is_parent(head, p)) {
            Grandchild
        } else if parents(head).into_iter().any(|p| p != NONE && is_parent(member, p)) {
            Grandparent
        } else if parents(member).into_iter().any(|p| p != NONE && parents(head).contains(&p)) {
            Sibling
        } else {
            OtherKin
        }
    }

    /// Who can head a household once `leaving` are gone: the spouse of the head if of age, else the eldest adult.
    pub fn next_head(
        &self,
        household: HouseholdIndex,
        leaving: &[PersonIndex],
        today: Date,
    ) -> Option<PersonIndex> {
        let household = self.household(household);
        let fit = |&member: &PersonIndex| {
            !leaving.contains(&member) && self.person(member).age(today) >= AGE_OF_MAJORITY
        };
        let spouse = some(household.head).and_then(|head| some(self.person(head).spouse));
        let mut others = household.members.iter().copied().filter(fit);
        match spouse.filter(|spouse| household.members.contains(spouse) && fit(spouse)) {
            Some(spouse) => Some(spouse),
            None => {
                let first = others.next()?;
                Some(others.fold(first, |eldest, other| {
                    if self.person(other).birth < self.person(eldest).birth { other } else { eldest }
                }))
            }
        }
    }
}

/// Full legal capacity begins at 18: Civil Code 91/2015/QH13 Art. 20.
pub(crate) const AGE_OF_MAJORITY: i16 = 18;
