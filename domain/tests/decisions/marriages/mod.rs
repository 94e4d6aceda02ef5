//! Marriage, divorce and widowhood: given, when, then.
//!
//! Layout: this file holds what follows, what comes late, and who is competent; [`couples`] who may marry whom.

mod couples;

use domain::testing::*;
use domain::timeline::in_valid_order;
use domain::timeline::marriage::{Marital, Spouse};
use domain::{Decision, TimelineSource};
use event_schemas::basis::{Basis, BasisKind, LegacyEntry};
use event_schemas::command::{
    Command, CommandEnvelope, Death, ExpectedVersion, RegisterDivorce, RegisterMarriage,
};
use event_schemas::event::{EventBody, ParentLinked};
use event_schemas::examples::example;
use event_schemas::ids::{PersonId, Version};
use event_schemas::kin::{DescribedPerson, KinRef, ParentKind, ParentLink, ParentRole, Period};
use event_schemas::outcome::Created;
use event_schemas::person::{MaritalStatus, Names, PersonRef, Sex};
use event_schemas::row::{Aspect, RowRef, StreamRef};
use expect_test::expect;

fn of(person: PersonId) -> KinRef<PersonRef> {
    KinRef::Registered(id(person))
}

fn described(birth: Option<&str>) -> KinRef<PersonRef> {
    let names =
        Names { surname: Some(text("Dupont")), middle: None, given: text("Marie"), other: Vec::new() };
    let birth = birth.map(partial);
    KinRef::Described(Box::new(DescribedPerson { names, birth, nationality: None, document: None }))
}

fn marries(first: PersonId, second: PersonId, on: &str) -> Command {
    marriage([of(first), of(second)], on)
}

fn marriage(partners: [KinRef<PersonRef>; 2], on: &str) -> Command {
    Command::RegisterMarriage(RegisterMarriage { partners, married_on: date(on), legacy_entry: None })
}

fn divorces(person: PersonId, spouse: Option<PersonId>, on: &str) -> Command {
    let spouse = spouse.map(id);
    Command::RegisterDivorce(RegisterDivorce { person: id(person), spouse, effective_on: date(on) })
}

fn on_basis(world: &mut World, kind: BasisKind, command: Command) -> CommandEnvelope {
    CommandEnvelope { basis: Basis::of(kind), ..world.envelope(command) }
}

#[track_caller]
fn given_divorce(world: &mut World, person: PersonId, spouse: Option<PersonId>, on: &str) {
    let envelope = on_basis(world, BasisKind::Court, divorces(person, spouse, on));
    world.given_envelope(domain::decide::OPERATOR, envelope);
}

#[track_caller]
fn when_divorce(world: &mut World, person: PersonId, spouse: Option<PersonId>, on: &str) -> Then {
    let envelope = on_basis(world, BasisKind::Court, divorces(person, spouse, on));
    world.when_envelope(domain::decide::OPERATOR, envelope)
}

fn death(person: PersonId, died: &str) -> Command {
    Command::Death(Death {
        person: id(person),
        died: partial(died),
        time: None,
        place: None,
        cause: None,
        registered_at: code(PHUC_XA),
        legacy_entry: None,
        succession: None,
    })
}

fn couple(world: &mut World) -> (PersonId, PersonId) {
    (world.person(man("1980-01-01")), world.person(woman("1982-01-01")))
}

fn now(world: &World, person: PersonId) -> (MaritalStatus, Option<Spouse>) {
    let marital = world.registry.person(person).expect("the person is there").marital();
    (marital.status, marital.spouse)
}

/// By the whole timeline, as of a day.
fn as_of(world: &World, person: PersonId, day: &str) -> (MaritalStatus, Option<Spouse>) {
    let stream = StreamRef { row: RowRef::Person(person), aspect: Aspect::Marriage };
    let timeline = in_valid_order(world.history.stream(stream).expect("the history is there"));
    let marital = Marital::on(person, &timeline, date(day));
    (marital.status, marital.spouse)
}

const MARRIED: MaritalStatus = MaritalStatus::Married;
const DIVORCED: MaritalStatus = MaritalStatus::Divorced;
const WIDOWED: MaritalStatus = MaritalStatus::Widowed;

fn to(person: PersonId) -> Option<Spouse> {
    Some(Spouse::Registered(person))
}

// What follows.

#[test]
fn a_marriage_is_entered_in_the_register_and_shows_on_both_rows() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    let then = world.when_by(PHUC_XA_OFFICE, marries(husband, wife, "2022-03-10"));
    expect!["2022-03-10 MarriageRegistered { partners: [Registered(P1), Registered(P2)], entry: RegisterEntry { office: O1, register: Marriage, year: 2022, number: 1 }, legacy: None }"]
        .assert_eq(&then.told());
    let created = Created::by(&then.accepted().changes.events);
    assert_eq!(created.entries.len(), 1);
    let mut world = then.world;
    assert_eq!(now(&world, husband), (MARRIED, to(wife)));
    assert_eq!(now(&world, wife), (MARRIED, to(husband)));
    assert_eq!(as_of(&world, wife, "2022-03-09"), (MaritalStatus::NoInformation, None));
    // The register goes on without a gap.
    let (husband, wife) = couple(&mut world);
    let next = world.given_by(PHUC_XA_OFFICE, marries(husband, wife, "2022-03-10"));
    assert_eq!(Created::by(&next.changes.events).entries[0].number, 2);
}

#[test]
fn a_partner_who_is_not_registered_is_described() {
    let mut world = World::new();
    let husband = world.person(man("1980-01-01"));
    world.given(marriage([described(Some("1985")), of(husband)], TODAY));
    assert_eq!(now(&world, husband), (MARRIED, Some(Spouse::Described)));
    when_divorce(&mut world, husband, Some(husband), TODAY).then_refused(&["not_spouses"]);
    given_divorce(&mut world, husband, None, TODAY);
    assert_eq!(now(&world, husband), (DIVORCED, None));
}

#[test]
fn a_divorce_holds_from_the_day_on_which_the_judgment_takes_effect() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    world.given(marries(husband, wife, "2010-05-01"));
    let then = when_divorce(&mut world, wife, Some(husband), "2020-06-01");
    expect!["2020-06-01 MarriageEnded { person: P2, spouse: Some(P1), reason: Divorce }"]
        .assert_eq(&then.told());
    let mut world = then.world;
    for (person, other) in [(husband, wife), (wife, husband)] {
        assert_eq!(now(&world, person), (DIVORCED, None));
        assert_eq!(as_of(&world, person, "2020-05-31"), (MARRIED, to(other)));
        assert_eq!(as_of(&world, person, "2020-06-01"), (DIVORCED, None));
    }
    // Both are free from that day on; they may marry each other again.
    world.when(marries(husband, wife, "2020-05-31")).then_refused(&["already_married"]);
    world.given(marries(husband, wife, "2020-06-01"));
    assert_eq!(now(&world, wife), (MARRIED, to(husband)));
}

#[test]
fn a_death_leaves_the_other_widowed_in_the_same_record() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    world.given(marries(husband, wife, "2010-05-01"));
    let then = world.when(death(husband, "2022-03-01"));
    let told: Vec<String> = then.told().lines().skip(1).map(str::to_owned).collect();
    assert_eq!(told, ["2022-03-01 MarriageEnded { person: P1, spouse: Some(P2), reason: Death }"]);
    let mut world = then.world;
    assert_eq!(now(&world, wife), (WIDOWED, None));
    assert_eq!(now(&world, husband), (MARRIED, None), "the dead keep what they were");
    assert_eq!(as_of(&world, wife, "2022-02-28"), (MARRIED, to(husband)));
    let next = world.person(man("1979-01-01"));
    world.when(marries(next, wife, "2022-02-28")).then_refused(&["already_married"]);
    world.given(marries(next, wife, "2022-03-01"));
}

#[test]
fn a_marriage_that_is_registered_after_the_death_ends_with_it() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    world.given(death(husband, "2021-07"));
    world.when(marries(husband, wife, "2021-08-01")).then_refused(&["dead_before_marriage"]);
    let then = world.when(marries(husband, wife, "2021-07-20"));
    let told: Vec<String> = then.told().lines().skip(1).map(str::to_owned).collect();
    // Nothing ends before it began.
    assert_eq!(told, ["2021-07-20 MarriageEnded { person: P1, spouse: Some(P2), reason: Death }"]);
    world.given(marries(husband, wife, "2010-01-01"));
    assert_eq!(now(&world, wife), (WIDOWED, None));
    assert_eq!(as_of(&world, wife, "2021-06-30"), (MARRIED, to(husband)));
    assert_eq!(as_of(&world, wife, "2021-07-01"), (WIDOWED, None), "from the first day that it can be");
}

#[test]
fn the_order_in_which_two_deaths_are_registered_does_not_matter() {
    for first_the_later in [false, true] {
        let mut world = World::new();
        let (husband, wife) = couple(&mut world);
        world.given(marries(husband, wife, "2010-05-01"));
        let mut deaths = vec![death(wife, "2015-01-01"), death(husband, "2018-01-01")];
        if first_the_later {
            deaths.reverse();
        }
        deaths.into_iter().for_each(|death| {
            world.given(death);
        });
        assert_eq!(now(&world, husband), (WIDOWED, None), "{first_the_later}");
        assert_eq!(now(&world, wife), (MARRIED, None), "{first_the_later}");
        assert_eq!(as_of(&world, husband, "2016-01-01"), (WIDOWED, None));
    }
}

#[test]
fn both_deaths_are_known_before_the_marriage() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    world.given(death(husband, "2018"));
    world.given(death(wife, "2015"));
    let then = world.when(marries(husband, wife, "2010-05-01"));
    let told: Vec<String> = then.told().lines().skip(1).map(str::to_owned).collect();
    assert_eq!(told, ["2015 MarriageEnded { person: P2, spouse: Some(P1), reason: Death }"]);
    assert_eq!(now(&then.world, husband), (WIDOWED, None));
}

#[test]
fn who_married_or_was_divorced_was_alive() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    world.given(marries(husband, wife, "2021-05-05"));
    world.when(death(husband, "2021-05-04")).then_refused(&["facts_after_death"]);
    let then = world.when(death(husband, "2021"));
    let told: Vec<String> = then.told().lines().skip(1).map(str::to_owned).collect();
    assert_eq!(told, ["2021-05-05 MarriageEnded { person: P1, spouse: Some(P2), reason: Death }"]);
    given_divorce(&mut world, husband, Some(wife), "2022-01-01");
    world.when(death(wife, "2021-12-31")).then_refused(&["facts_after_death"]);
    // Nobody says that a widow lived on.
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    world.given(marries(husband, wife, "2021-05-05"));
    world.given(death(husband, "2022-02-01"));
    world.given(death(wife, "2021-12-31"));
    assert_eq!(as_of(&world, husband, "2022-01-01"), (WIDOWED, None));
}

#[test]
fn a_divorce_that_comes_to_be_known_after_the_death_stands_before_it() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    world.given(marries(husband, wife, "2010-05-01"));
    world.given(death(husband, "2022-02-01"));
    when_divorce(&mut world, wife, Some(husband), "2022-02-01").then_refused(&["not_married"]);
    given_divorce(&mut world, wife, Some(husband), "2021-12-01");
    assert_eq!(now(&world, wife), (DIVORCED, None));
    assert_eq!(now(&world, husband), (DIVORCED, None));
}

// Late registration.

#[test]
fn a_marriage_of_long_ago_takes_its_place_in_time() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    let former = world.person(woman("1981-01-01"));
    world.given(marries(husband, wife, "2015-01-01"));
    world.when(marries(husband, former, "2005-01-01")).then_refused(&["later_marriage"]);
    world.given(death(former, "2012-06-01"));
    let then = world.when(marries(husband, former, "2005-01-01"));
    assert_eq!(then.accepted().changes.restatements.len(), 1, "only his stream has later facts");
    let world = then.world;
    assert_eq!(now(&world, husband), (MARRIED, to(wife)));
    assert_eq!(as_of(&world, husband, "2006-01-01"), (MARRIED, to(former)));
    assert_eq!(as_of(&world, husband, "2013-01-01"), (WIDOWED, None));
}

#[test]
fn an_entry_of_an_older_book_is_kept_and_taken_once() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    let legacy = |partners| {
        let legacy_entry = Some(LegacyEntry { office: PHUC_XA_OFFICE, year: 2009, number: 45 });
        Command::RegisterMarriage(RegisterMarriage { partners, married_on: date("2009-10-18"), legacy_entry })
    };
    let given = world.given(legacy([of(husband), of(wife)]));
    let entry = Created::by(&given.changes.events).entries[0];
    assert_eq!((entry.year, entry.number), (2009, 45));
    let (husband, wife) = couple(&mut world);
    world.when(legacy([of(husband), of(wife)])).then_refused(&["register_entry_taken"]);
}

#[test]
fn without_the_history_nothing_late_is_judged() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    world.given(marries(husband, wife, "2015-01-01"));
    let other = world.person(woman("1981-01-01"));
    world.history.broken = true;
    world.when(marries(husband, other, "2005-01-01")).then_refused(&["history_unavailable"]);
    when_divorce(&mut world, husband, Some(wife), "2014-01-01").then_refused(&["history_unavailable"]);
    // Where the row tells, no history is needed.
    given_divorce(&mut world, husband, Some(wife), "2022-01-01");
    world.given(marries(husband, other, "2022-01-02"));
}

// What enrolment stated.

fn stated(world: &mut World, status: MaritalStatus, person: NewPersonOf) -> PersonId {
    world.enrolled(NewPersonOf { marital_status: Some(status), ..person }, "2021-08-01")
}

#[test]
fn a_stated_marriage_blocks_a_later_one_until_somebody_vouches() {
    let mut world = World::new();
    let husband = stated(&mut world, MARRIED, man("1980-01-01"));
    let wife = stated(&mut world, WIDOWED, woman("1982-01-01"));
    assert_eq!(now(&world, husband), (MARRIED, Some(Spouse::Unknown)));
    assert_eq!(now(&world, wife), (WIDOWED, None));
    world.when(marries(husband, wife, "2021-08-01")).then_refused(&["stated_married"]);
    for kind in [BasisKind::Agency, BasisKind::Court] {
        let envelope = on_basis(&mut world, kind, marries(husband, wife, "2021-09-01"));
        let then = world.when_envelope(NATIONAL_OFFICE, envelope);
        then.accepted();
        assert_eq!(now(&then.world, husband), (MARRIED, to(wife)));
    }
    // The stated marriage may also be divorced, without naming to whom.
    when_divorce(&mut world, husband, None, "2021-07-31").then_refused(&["not_married"]);
    given_divorce(&mut world, husband, None, "2021-12-01");
    assert_eq!(now(&world, husband), (DIVORCED, None));
    world.given(marries(husband, wife, "2021-12-01"));
}

#[test]
fn a_divorce_of_a_stated_marriage_is_not_undone_by_the_marriage_that_comes_to_be_known() {
    let mut world = World::new();
    let husband = stated(&mut world, MARRIED, man("1980-01-01"));
    let wife = stated(&mut world, WIDOWED, woman("1982-01-01"));
    given_divorce(&mut world, husband, None, "2021-12-01");
    world.when(marries(husband, wife, "2005-01-01")).then_refused(&["later_facts_exist"]);
    assert_eq!(now(&world, husband), (DIVORCED, None));
    // Nor by one of a later day, whoever vouches for it.
    let envelope = on_basis(&mut world, BasisKind::Court, marries(husband, wife, "2021-09-01"));
    world.when_envelope(NATIONAL_OFFICE, envelope).then_refused(&["later_facts_exist"]);
    // In the other order the divorce names her.
    let mut world = World::new();
    let husband = stated(&mut world, MARRIED, man("1980-01-01"));
    let wife = stated(&mut world, WIDOWED, woman("1982-01-01"));
    world.given(marries(husband, wife, "2005-01-01"));
    given_divorce(&mut world, husband, Some(wife), "2021-12-01");
    assert_eq!((now(&world, husband), now(&world, wife)), ((DIVORCED, None), (DIVORCED, None)));
}

#[test]
fn a_marriage_before_the_enrolment_is_the_one_that_was_stated() {
    let mut world = World::new();
    let husband = stated(&mut world, MARRIED, man("1980-01-01"));
    let wife = stated(&mut world, MARRIED, woman("1982-01-01"));
    world.given(marries(husband, wife, "2005-02-03"));
    assert_eq!(now(&world, husband), (MARRIED, to(wife)));
    assert_eq!(now(&world, wife), (MARRIED, to(husband)));
    assert_eq!(as_of(&world, wife, "2021-08-01"), (MARRIED, to(husband)));
    assert_eq!(as_of(&world, wife, "2005-02-02"), (MaritalStatus::NoInformation, None));
    given_divorce(&mut world, husband, Some(wife), "2021-09-01");
    assert_eq!(now(&world, wife), (DIVORCED, None));
}

#[test]
fn a_statement_adds_nothing_to_what_is_registered() {
    let mut world = World::new();
    let husband = stated(&mut world, MaritalStatus::Unmarried, man("1980-01-01"));
    let wife = stated(&mut world, DIVORCED, woman("1982-01-01"));
    world.given(marries(husband, wife, "2005-02-03"));
    assert_eq!(now(&world, husband), (MARRIED, to(wife)));
    given_divorce(&mut world, husband, Some(wife), "2010-01-01");
    assert_eq!(now(&world, husband), (DIVORCED, None));
    // Stated as married after the registered marriage had ended: to somebody else.
    let mut world = World::new();
    let husband = stated(&mut world, MARRIED, man("1980-01-01"));
    let wife = world.person(woman("1982-01-01"));
    world.given(death(wife, "2010-01-01"));
    world.given(marries(husband, wife, "2005-02-03"));
    assert_eq!(as_of(&world, husband, "2015-01-01"), (WIDOWED, None));
    assert_eq!(now(&world, husband), (MARRIED, Some(Spouse::Unknown)));
}

// Divorces.

#[test]
fn a_divorce_needs_a_judgment_and_a_marriage_in_force_between_the_two() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    let (other, _) = couple(&mut world);
    when_divorce(&mut world, wife, Some(husband), TODAY).then_refused(&["not_married"]);
    world.given(marries(husband, wife, "2010-05-01"));
    world.when(divorces(wife, Some(husband), TODAY)).then_refused(&["judgment_required"]);
    when_divorce(&mut world, wife, Some(other), TODAY).then_refused(&["not_spouses"]);
    when_divorce(&mut world, wife, None, TODAY).then_refused(&["not_spouses"]);
    when_divorce(&mut world, wife, Some(PersonId(99)), TODAY).then_refused(&["unknown_person"]);
    when_divorce(&mut world, wife, Some(husband), "2010-04-30").then_refused(&["not_married"]);
    when_divorce(&mut world, wife, Some(husband), "2022-03-16").then_refused(&["date_in_future"]);
    let by_agency = on_basis(&mut world, BasisKind::Agency, divorces(wife, Some(husband), TODAY));
    world.when_envelope(NATIONAL_OFFICE, by_agency).accepted();
    given_divorce(&mut world, wife, Some(husband), "2020-01-01");
    when_divorce(&mut world, wife, Some(husband), "2019-01-01").then_refused(&["later_facts_exist"]);
    when_divorce(&mut world, wife, Some(husband), "2021-01-01").then_refused(&["not_married"]);
}

// Offices and versions.

#[test]
fn the_commune_of_either_partner_is_competent() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    world.resident(husband, PHUC_XA, "2021-08-01");
    world.resident(wife, TRUC_BACH, "2021-08-01");
    for office in [PHUC_XA_OFFICE, TRUC_BACH_OFFICE, NATIONAL_OFFICE] {
        world.when_by(office, marries(husband, wife, TODAY)).accepted();
    }
    let faults =
        world.when_by(HAI_PHONG_OFFICE, marries(husband, wife, TODAY)).then_refused(&["not_competent"]);
    assert!(faults[0].rows.is_empty() && !faults[0].en.contains("Phúc Xá"), "{}", faults[0].en);
    // Where somebody stays for a time counts as well.
    world.stay(wife, QUAN_TOAN, "2022-01-01", "2022-12-31", None);
    world.given_by(HAI_PHONG_OFFICE, marries(husband, wife, TODAY));
    let divorce = on_basis(&mut world, BasisKind::Court, divorces(wife, Some(husband), TODAY));
    world.when_envelope(TRUC_BACH_OFFICE, divorce.clone()).accepted();
    world.when_envelope(PHUC_XA_OFFICE, divorce).accepted();
}

#[test]
fn nobody_knows_of_a_marriage_by_a_refusal_to_another_office() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    world.resident(husband, PHUC_XA, "2021-08-01");
    world.given(marries(husband, wife, "2020-01-01"));
    let other = world.person(woman("1981-01-01"));
    world.resident(other, PHUC_XA, "2021-08-01");
    world.when_by(HAI_PHONG_OFFICE, marries(husband, other, TODAY)).then_refused(&["not_competent"]);
    world.when_by(PHUC_XA_OFFICE, marries(husband, other, TODAY)).then_refused(&["already_married"]);
}

#[test]
fn an_office_may_expect_the_versions_of_both_partners() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    let expecting = |world: &mut World, version: u32| {
        let rows = [husband, wife].map(RowRef::Person);
        CommandEnvelope {
            expected_versions: rows.map(|row| ExpectedVersion { row, version: Version(version) }).to_vec(),
            ..world.envelope(marries(husband, wife, TODAY))
        }
    };
    let (stale, current) = (expecting(&mut world, 2), expecting(&mut world, 1));
    world.when_envelope(PHUC_XA_OFFICE, stale).then_refused(&["version_conflict"]);
    let then = world.when_envelope(PHUC_XA_OFFICE, current);
    let touched: Vec<_> =
        then.accepted().changes.rows.iter().map(|touch| (touch.row, touch.version.0)).collect();
    assert_eq!(touched, [(RowRef::Person(husband), 2), (RowRef::Person(wife), 2)]);
}

#[test]
fn the_examples_are_accepted_one_after_the_other() {
    let mut world = World::empty();
    let by_operator = ["establish_units", "register_office", "enrol_household"];
    for kind in by_operator {
        world.given(example(kind).expect("an example of every command").command);
    }
    let (father, mother) = (PersonId(1), PersonId(2));
    assert_eq!(now(&world, mother), (MARRIED, Some(Spouse::Unknown)));
    let office = event_schemas::ids::OfficeId(2);
    world.given_envelope(office, example("register_marriage").expect("an example of every command"));
    assert_eq!(now(&world, mother), (MARRIED, to(father)));
    world.given_envelope(office, example("register_divorce").expect("an example of every command"));
    assert_eq!((now(&world, father), now(&world, mother)), ((DIVORCED, None), (DIVORCED, None)));
}
