//! Commands that are wrong on purpose, as clerks make them. Each states the codes with which it is to be refused; none
//! changes the ledger.

use crate::effect::{Effect, document_of_day, is_new_law};
use crate::enrolment::new_person;
use crate::names::Name;
use crate::nation::{Draft, Nation};
use crate::planned::Expectation;
use crate::rng::Rng;
use crate::store::*;
use event_schemas::basis::BasisKind;
use event_schemas::card::{ApplicationReason, CardStatus, HoldReason};
use event_schemas::command::{
    ApplyForCard, AppointHead, Birth, BirthResidence, ChangeName, Command, Death, EnrolPerson,
    ExpectedVersion, HandOverCard, HoldCard, IssuePin, JoinHousehold, MovePermanent, Newborn, Parentage,
    PermanentMove, RegisterDivorce, RegisterMarriage, RegisterTemporaryResidence,
};
use event_schemas::household::{HouseholdKind, Relationship};
use event_schemas::ids::{OfficeId, Version};
use event_schemas::kin::{KinRef, ParentRole};
use event_schemas::person::{Nationality, PersonRef, Sex};
use event_schemas::pin::Pin;
use event_schemas::place::{Place, UnitCode, UnitLevel};
use event_schemas::row::RowRef;
use event_schemas::text::Text;
use rand::Rng as _;

/// Mistakes, taken in turns.
const MISTAKES: [fn(&mut Nation, &mut Rng) -> Option<Draft>; 20] = [
    dead_person_moves,
    unknown_unit,
    birth_in_the_future,
    office_of_elsewhere,
    birth_registered_twice,
    joins_a_second_household,
    stale_version,
    somebody_elses_pin,
    second_pin,
    card_for_a_child,
    handed_over_twice,
    death_registered_twice,
    stay_too_short,
    married_twice,
    married_as_a_child,
    married_to_kin,
    divorced_without_judgment,
    held_without_decision,
    exchanged_too_early,
    exchanged_for_no_new_name,
];

impl Nation {
    /// Adds mistakes to the day's commands, the stated share of them.
    pub(crate) fn plan_wrong_commands(&mut self, rng: &mut Rng) {
        let share = f64::from(self.options.wrong_per_mille) / 1_000.0;
        let wanted = self.drafts.len() as f64 * share;
        let count = wanted as usize + usize::from(rng.random_bool(wanted.fract()));
        for _ in 0..count {
            let first = rng.random_range(0..MISTAKES.len());
            // A mistake that nobody can make today gives way to the next.
            let mistake =
                (0..MISTAKES.len()).find_map(|step| MISTAKES[(first + step) % MISTAKES.len()](self, rng));
            if let Some(draft) = mistake {
                // Among the others, not after them.
                let place = rng.random_range(0..=self.drafts.len());
                self.drafts.insert(place, draft);
            }
        }
    }

    fn settled(&self, rng: &mut Rng) -> Option<PersonIndex> {
        self.find_person(rng, |nation, person| {
            let household = nation.store.person(person).household;
            household != NONE && nation.is_quiet_family(household)
        })
    }
}

fn wrong(
    office: OfficeId,
    command: Command,
    codes: &'static [&'static str],
    tag: &'static str,
) -> Option<Draft> {
    Some(Draft {
        office,
        basis: BasisKind::Declaration,
        command,
        effect: Effect::None,
        expect: Expectation::RefusedWith(codes),
        expected_versions: Vec::new(),
        tag,
    })
}

fn dead_person_moves(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let person = any_dead(nation, rng)?;
    let ward = nation.any_home_ward(rng);
    let command = Command::MovePermanent(MovePermanent {
        effective_on: nation.today(),
        movement: PermanentMove::NewHousehold {
            kind: HouseholdKind::Family,
            to: nation.address(rng, ward),
            file_number: None,
            persons: vec![nation.in_household(rng, person, Relationship::Head)],
        },
        successions: Vec::new(),
    });
    wrong(nation.office_of(ward), command, &["person_dead"], "wrong.dead_person_moves")
}

/// Somebody whose death was registered on an earlier day.
fn any_dead(nation: &Nation, rng: &mut Rng) -> Option<PersonIndex> {
    let number = rng.random_range(0..nation.dead.len().max(1));
    let person = *nation.dead.get(number)?;
    (nation.store.person(person).state == State::Gone).then_some(person)
}

fn unknown_unit(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let person = nation.settled(rng)?;
    nation.claim(person);
    let code = UnitCode::new(UnitLevel::Ward, 99_990 + rng.random_range(0..10))?;
    let command = Command::RegisterTemporaryResidence(RegisterTemporaryResidence {
        person: nation.by_id(person),
        place: Place::in_unit(code),
        household: None,
        from: nation.today(),
        until: nation.today().plus_days(90),
    });
    let office = nation.office_of(nation.store.last_ward(person));
    wrong(office, command, &["unknown_unit"], "wrong.unknown_unit")
}

fn birth_of(nation: &Nation, rng: &mut Rng, mother: PersonIndex, birth: event_schemas::time::Date) -> Birth {
    let sex = Sex::Female;
    let ward = nation.store.last_ward(mother);
    let parent = KinRef::Registered(nation.by_id(mother));
    Birth {
        child: Newborn {
            names: nation.names.names(Name::draw(rng, sex), sex),
            sex,
            birth: birth.into(),
            birth_time: None,
            birth_place: None,
            hometown: None,
            ethnicity: None,
            nationality: Nationality::vietnamese(),
            weight_g: None,
            birth_order: None,
            multiple: None,
        },
        parentage: Parentage::Parents(vec![crate::enrolment::biological(ParentRole::Mother, parent)]),
        residence: BirthResidence::None,
        registered_at: nation.ward_code(ward),
        legacy_entry: None,
    }
}

fn any_mother(nation: &Nation, rng: &mut Rng) -> Option<PersonIndex> {
    let today = nation.today();
    nation.find_person(rng, |nation, person| {
        let row = nation.store.person(person);
        row.sex == Sex::Female && (20..40).contains(&row.age(today))
    })
}

fn birth_in_the_future(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let mother = any_mother(nation, rng)?;
    nation.claim(mother);
    let birth = birth_of(nation, rng, mother, nation.today().plus_days(30));
    let office = nation.office_of(nation.store.last_ward(mother));
    let codes = &["date_in_future"];
    wrong(office, Command::Birth(birth), codes, "wrong.birth_in_the_future")
}

fn birth_registered_twice(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let mother = any_mother(nation, rng)?;
    // A day's commands come in any order: only an entry of an earlier day certainly stands in the register.
    let before_today = |(day, _): &(Day, _)| *day < nation.day;
    let known = nation.legacy_births.partition_point(before_today);
    if known == 0 {
        return None;
    }
    let (_, entry) = nation.legacy_births[rng.random_range(0..known)];
    let birth = Birth {
        legacy_entry: Some(entry),
        ..birth_of(nation, rng, mother, nation.options.start_date.plus_days(-40))
    };
    nation.claim(mother);
    let office = nation.office_of(nation.store.last_ward(mother));
    let codes = &["register_entry_taken"];
    wrong(office, Command::Birth(birth), codes, "wrong.birth_registered_twice")
}

fn office_of_elsewhere(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let person = nation.settled(rng)?;
    let household = nation.store.person(person).household;
    let head = nation.store.household(household).head;
    nation.claim(person);
    let home = nation.units.province_of(nation.store.last_ward(person));
    let elsewhere = nation
        .units
        .provinces
        .iter()
        .enumerate()
        .find(|(index, _)| *index != home)
        .map(|(_, province)| crate::units::province_office(province))?;
    let command = Command::AppointHead(AppointHead {
        succession: nation.succession(rng, household, head, &[]),
        effective_on: nation.today(),
    });
    wrong(elsewhere, command, &["not_competent"], "wrong.office_of_elsewhere")
}

fn joins_a_second_household(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let person = nation.settled(rng)?;
    let own = nation.store.person(person).household;
    let other = nation.find_family(rng, |_, household| household != own)?;
    nation.claim(person);
    nation.claim_household(other);
    let command = Command::JoinHousehold(JoinHousehold {
        household: nation.household_id(other),
        person: nation.by_id(person),
        relationship: Relationship::NotKin,
        effective_on: nation.today(),
    });
    let office = nation.office_of(nation.store.household(other).ward);
    let codes = &["already_in_household"];
    wrong(office, command, codes, "wrong.joins_a_second_household")
}

fn stale_version(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let person = nation.settled(rng)?;
    nation.claim(person);
    let row = nation.store.person(person);
    let name = row.name.changed(rng, row.sex);
    let command = Command::ChangeName(ChangeName {
        person: nation.by_id(person),
        names: nation.names.names(name, row.sex),
        reason: Text::new("Theo nguyện vọng").expect("a short plain reason"),
        effective_on: nation.today(),
    });
    // No person of this simulation reaches so many versions.
    let expected = ExpectedVersion { row: RowRef::Person(row.id), version: Version(1_000_000) };
    let office = nation.office_of(nation.store.last_ward(person));
    let codes = &["version_conflict"];
    let draft = wrong(office, command, codes, "wrong.stale_version")?;
    Some(Draft { expected_versions: vec![expected], ..draft })
}

fn somebody_elses_pin(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let person = nation.find_person(rng, |nation, person| nation.store.person(person).has_pin())?;
    let owner = nation.store.person(person).clone();
    let ward = nation.any_home_ward(rng);
    let row = Person {
        birth_ward: owner.birth_ward,
        ward,
        name: Name::draw(rng, owner.sex),
        ..new_person(owner.sex, owner.birth)
    };
    let form = nation.new_person_form(&row, Pin::from_number(owner.pin), Vec::new());
    let command = Command::EnrolPerson(EnrolPerson {
        person: form,
        residence: Some(nation.address(rng, ward)),
        household: None,
        effective_on: nation.today(),
    });
    let office = nation.office_of(ward);
    wrong(office, command, &["pin_taken"], "wrong.somebody_elses_pin")
}

fn second_pin(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let person = nation.find_person(rng, |nation, person| nation.store.person(person).has_pin())?;
    nation.claim(person);
    let command = Command::IssuePin(IssuePin { person: nation.by_id(person), birth_registered_at: None });
    wrong(nation.national_office(), command, &["has_pin"], "wrong.second_pin")
}

fn card_for_a_child(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let today = nation.today();
    let child = nation.find_person(rng, |nation, person| {
        let row = nation.store.person(person);
        (2..super::cards::CARD_AGE - 1).contains(&row.age(today)) && row.household != NONE
    })?;
    // The new law gives cards to children, through somebody of age.
    let codes: &[&str] =
        if is_new_law(today) { &["representative_required"] } else { &["too_young_for_card"] };
    nation.claim(child);
    let ward = nation.store.last_ward(child);
    let command = Command::ApplyForCard(ApplyForCard {
        person: nation.by_id(child),
        document: document_of_day(today),
        reason: ApplicationReason::FirstIssue,
        representative: None,
        received_at: nation.ward_code(ward),
        received_on: today,
    });
    let office = nation.card_office_of(ward);
    wrong(office, command, codes, "wrong.card_for_a_child")
}

/// A holder of a valid card who has no application open.
fn any_holder(
    nation: &Nation,
    rng: &mut Rng,
    fits: impl Fn(&Person, &Card) -> bool,
) -> Option<(PersonIndex, CardIndex)> {
    let person = nation.find_person(rng, |nation, person| {
        let row = nation.store.person(person);
        let card = some(row.card).map(|card| &nation.store.cards[card as usize]);
        row.dossier == NONE
            && card.is_some_and(|card| card.status == CardStatus::Active && fits(row, card))
            && nation.store.residence(person).is_some()
    })?;
    Some((person, nation.store.person(person).card))
}

fn held_without_decision(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let (person, card) = any_holder(nation, rng, |_, _| true)?;
    nation.claim(person);
    let command = Command::HoldCard(HoldCard {
        card: nation.store.cards[card as usize].id,
        reason: HoldReason::Detention,
        held_on: nation.today(),
    });
    let office = nation.card_office_of(nation.store.last_ward(person));
    wrong(office, command, &["hold_needs_decision"], "wrong.held_without_decision")
}

fn unfounded_exchange(
    nation: &mut Nation,
    person: PersonIndex,
    reason: ApplicationReason,
) -> Option<Command> {
    nation.claim(person);
    let ward = nation.store.residence(person)?;
    Some(Command::ApplyForCard(ApplyForCard {
        person: nation.by_id(person),
        document: document_of_day(nation.today()),
        reason,
        representative: None,
        received_at: nation.ward_code(ward),
        received_on: nation.today(),
    }))
}

fn exchanged_too_early(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let in_three_years = nation.today().plus_years(3);
    let (person, _) = any_holder(nation, rng, |person, card| {
        person.age(nation.today()) >= super::cards::CARD_AGE
            && card.expires_on.is_some_and(|last| last > in_three_years)
    })?;
    let command = unfounded_exchange(nation, person, ApplicationReason::AgeExchange)?;
    let office = nation.card_office_of(nation.store.last_ward(person));
    wrong(office, command, &["age_exchange_early"], "wrong.exchanged_too_early")
}

fn exchanged_for_no_new_name(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let (person, _) = any_holder(nation, rng, |person, _| {
        person.renamed == NEVER && person.age(nation.today()) >= super::cards::CARD_AGE
    })?;
    let command = unfounded_exchange(nation, person, ApplicationReason::InformationChanged)?;
    let office = nation.card_office_of(nation.store.last_ward(person));
    wrong(office, command, &["information_unchanged"], "wrong.exchanged_for_no_new_name")
}

fn handed_over_twice(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let person = nation.find_person(rng, |nation, person| {
        let card = some(nation.store.person(person).card);
        card.is_some_and(|card| nation.store.cards[card as usize].status == CardStatus::Active)
    })?;
    nation.claim(person);
    let card = nation.store.person(person).card;
    let command = Command::HandOverCard(HandOverCard {
        card: nation.store.cards[card as usize].id,
        handed_over_on: nation.today(),
    });
    let office = nation.card_office_of(nation.store.last_ward(person));
    wrong(office, command, &["card_not_produced"], "wrong.handed_over_twice")
}

fn death_registered_twice(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let person = any_dead(nation, rng)?;
    let ward = nation.store.last_ward(person);
    let command = Command::Death(Death {
        person: nation.by_id(person),
        died: nation.today().into(),
        time: None,
        place: None,
        cause: None,
        registered_at: nation.ward_code(ward),
        legacy_entry: None,
        succession: None,
    });
    let office = nation.office_of(ward);
    wrong(office, command, &["person_dead"], "wrong.death_registered_twice")
}

fn stay_too_short(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let person = nation.settled(rng)?;
    let ward = nation.any_home_ward(rng);
    if ward == nation.store.last_ward(person) {
        return None;
    }
    nation.claim(person);
    let command = Command::RegisterTemporaryResidence(RegisterTemporaryResidence {
        person: nation.by_id(person),
        place: nation.address(rng, ward),
        household: None,
        from: nation.today(),
        until: nation.today().plus_days(9),
    });
    let office = nation.office_of(ward);
    wrong(office, command, &["stay_too_short"], "wrong.stay_too_short")
}

fn wedding(nation: &Nation, person: PersonIndex, other: KinRef<PersonRef>) -> Command {
    let partners = [KinRef::Registered(nation.by_id(person)), other];
    Command::RegisterMarriage(RegisterMarriage { partners, married_on: nation.today(), legacy_entry: None })
}

/// Somebody whose marriage is registered, and the spouse.
fn wedded(nation: &Nation, rng: &mut Rng) -> Option<(PersonIndex, PersonIndex)> {
    let person = nation.find_person(rng, |nation, person| {
        some(nation.store.person(person).wedded).is_some_and(|spouse| nation.is_free(spouse))
    })?;
    Some((person, nation.store.person(person).wedded))
}

fn married_twice(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let (person, spouse) = wedded(nation, rng)?;
    nation.claim(person);
    nation.claim(spouse);
    let foreigner = nation.foreigner(rng, nation.store.person(person).sex);
    let office = nation.office_of(nation.store.last_ward(person));
    let command = wedding(nation, person, foreigner);
    wrong(office, command, &["already_married"], "wrong.married_twice")
}

fn married_as_a_child(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let today = nation.today();
    let child = nation.find_person(rng, |nation, person| {
        let row = nation.store.person(person);
        (12..17).contains(&row.age(today)) && row.household != NONE
    })?;
    nation.claim(child);
    let foreigner = nation.foreigner(rng, nation.store.person(child).sex);
    let office = nation.office_of(nation.store.last_ward(child));
    let command = wedding(nation, child, foreigner);
    wrong(office, command, &["too_young_to_marry"], "wrong.married_as_a_child")
}

/// Somebody and the father or mother of the other sex.
fn married_to_kin(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let today = nation.today();
    let parent_of = |nation: &Nation, person: PersonIndex| {
        let row = nation.store.person(person);
        some(if row.sex == Sex::Female { row.father } else { row.mother })
    };
    let child = nation.find_person(rng, |nation, person| {
        let is_of_age = nation.store.person(person).age(today) >= 20;
        is_of_age && parent_of(nation, person).is_some_and(|parent| nation.is_free(parent))
    })?;
    let parent = parent_of(nation, child)?;
    nation.claim(child);
    nation.claim(parent);
    let office = nation.office_of_couple(child, parent);
    let command = wedding(nation, child, KinRef::Registered(nation.by_id(parent)));
    wrong(office, command, &["close_kin"], "wrong.married_to_kin")
}

fn divorced_without_judgment(nation: &mut Nation, rng: &mut Rng) -> Option<Draft> {
    let (person, spouse) = wedded(nation, rng)?;
    nation.claim(person);
    nation.claim(spouse);
    let command = Command::RegisterDivorce(RegisterDivorce {
        person: nation.by_id(person),
        spouse: Some(nation.by_id(spouse)),
        effective_on: nation.today(),
    });
    let office = nation.office_of_couple(person, spouse);
    wrong(office, command, &["judgment_required"], "wrong.divorced_without_judgment")
}
