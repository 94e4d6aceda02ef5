//! Households: given, when, then.

use domain::testing::*;
use event_schemas::command::household::LeaveGround;
use event_schemas::command::{
    AppointHead, ChangeRelationship, Command, EnrolHousehold, FormHousehold, JoinHousehold, LeaveHousehold,
    MAX_MEMBERS, MergeHouseholds, PersonInHousehold, SplitHousehold, Succession,
};
use event_schemas::defect::DefectKind;
use event_schemas::household::HouseholdKind;
use event_schemas::household::Relationship::{self, Child, Head, NotKin, Parent, Resident, Sibling, Spouse};
use event_schemas::ids::{HouseholdId, PersonId};
use event_schemas::person::LegalCapacity;
use expect_test::expect;

fn of(person: PersonId, relationship: Relationship) -> PersonInHousehold {
    PersonInHousehold { person: id(person), relationship }
}

fn form(unit: &str, members: Vec<PersonInHousehold>, on: &str) -> FormHousehold {
    FormHousehold {
        kind: HouseholdKind::Family,
        place: place(unit),
        file_number: None,
        members,
        effective_on: date(on),
    }
}

fn join(household: HouseholdId, person: PersonId, relationship: Relationship, on: &str) -> Command {
    Command::JoinHousehold(JoinHousehold {
        household,
        person: id(person),
        relationship,
        effective_on: date(on),
    })
}

fn leave(person: PersonId, succession: Option<Succession>, on: &str) -> Command {
    let ground = LeaveGround::SettledAbroad;
    Command::LeaveHousehold(LeaveHousehold { person: id(person), ground, succession, effective_on: date(on) })
}

fn succession(household: HouseholdId, head: PersonId, relationships: Vec<PersonInHousehold>) -> Succession {
    Succession { household, head: id(head), relationships }
}

fn split(
    household: HouseholdId,
    leaving: Vec<PersonInHousehold>,
    succession: Option<Succession>,
    on: &str,
) -> Command {
    Command::SplitHousehold(SplitHousehold {
        household,
        leaving,
        file_number: None,
        succession,
        effective_on: date(on),
    })
}

fn merge(from: HouseholdId, into: HouseholdId, relationships: Vec<PersonInHousehold>, on: &str) -> Command {
    Command::MergeHouseholds(MergeHouseholds { from, into, relationships, effective_on: date(on) })
}

fn appoint(succession: Succession, on: &str) -> Command {
    Command::AppointHead(AppointHead { succession, effective_on: date(on) })
}

fn relate(household: HouseholdId, person: PersonId, relationship: Relationship, on: &str) -> Command {
    Command::ChangeRelationship(ChangeRelationship {
        household,
        person: id(person),
        relationship,
        effective_on: date(on),
    })
}

/// Father, mother and a grown son in Phúc Xá since 2021-08-01.
struct Family {
    world: World,
    household: HouseholdId,
    father: PersonId,
    mother: PersonId,
    son: PersonId,
}

fn family() -> Family {
    let mut world = World::new();
    let father = world.person(man("1960-02-02"));
    let mother = world.person(woman("1962-03-03"));
    let son = world.person(man("1990-04-04"));
    let household = world.household(PHUC_XA, "2021-08-01", &[(father, Head), (mother, Spouse), (son, Child)]);
    Family { world, household, father, mother, son }
}

#[test]
fn persons_without_a_household_form_one_and_live_there() {
    let mut world = World::new();
    let (wife, husband) = (world.person(woman("1990-01-01")), world.person(man("1989-01-01")));
    let members = vec![of(wife, Head), of(husband, Spouse)];
    let then = world.when_by(PHUC_XA_OFFICE, Command::FormHousehold(form(PHUC_XA, members, "2022-03-01")));
    expect![[r#"
        2022-03-01 HouseholdFormed { household: H1, kind: Family, place: Domestic(DomesticPlace { unit: U3, dwelling: None, address: None }), file_number: None, split_from: None }
        2022-03-01 PermanentResidenceRegistered { person: P1, place: Domestic(DomesticPlace { unit: U3, dwelling: None, address: None }) }
        2022-03-01 MemberJoined { household: H1, person: P1, membership: Permanent, relationship: Head }
        2022-03-01 PermanentResidenceRegistered { person: P2, place: Domestic(DomesticPlace { unit: U3, dwelling: None, address: None }) }
        2022-03-01 MemberJoined { household: H1, person: P2, membership: Permanent, relationship: Spouse }
        2022-03-01 HeadAppointed { household: H1, head: P1 }"#]].assert_eq(&then.told());
}

#[test]
fn a_family_has_exactly_one_head_unless_a_court_decides() {
    let mut world = World::new();
    let (a, b) = (world.person(woman("1990-01-01")), world.person(man("1989-01-01")));
    let of_family = |members| Command::FormHousehold(form(PHUC_XA, members, "2022-03-01"));
    world.when(of_family(vec![of(a, Head), of(b, Head)])).then_refused(&["two_heads"]);
    let headless = of_family(vec![of(a, NotKin), of(b, NotKin)]);
    let faults = world.when(headless.clone()).then_refused(&["head_required"]);
    assert!(faults[0].overridable);
    let decided = world.by_court(&["head_required"], headless);
    let accepted = world.given_envelope(COURT, decided);
    let household = world.registry.household(HouseholdId(1)).unwrap();
    assert_eq!(household.defects, DefectKind::HeadMissing.bit());
    assert_eq!(accepted.changes.events.len(), 6);
    // The appointment mends it.
    world.given(appoint(succession(HouseholdId(1), a, Vec::new()), "2022-03-02"));
    let household = world.registry.household(HouseholdId(1)).unwrap();
    assert_eq!((household.head, household.defects), (a.0, 0));
}

#[test]
fn an_institution_needs_no_head_and_takes_one_at_most() {
    let mut world = World::new();
    let (a, b) = (world.person(woman("1990-01-01")), world.person(man("1989-01-01")));
    let of_institution = |members| {
        let kind = HouseholdKind::Institutional;
        Command::FormHousehold(FormHousehold { kind, ..form(PHUC_XA, members, "2022-03-01") })
    };
    world.when(of_institution(vec![of(a, Resident), of(b, Resident)])).accepted();
    world.when(of_institution(vec![of(a, Head), of(b, Head)])).then_refused(&["two_heads"]);
}

#[test]
fn a_head_is_of_age_and_of_full_capacity_or_a_court_decides() {
    let mut world = World::new();
    let child = world.person(man("2004-03-02"));
    let of_child = |on| Command::FormHousehold(form(PHUC_XA, vec![of(child, Head)], on));
    world.when(of_child("2022-03-01")).then_refused(&["head_without_capacity"]);
    world.when(of_child("2022-03-02")).accepted();
    let limited = world.person(NewPersonOf { capacity: LegalCapacity::Restricted, ..woman("1980-01-01") });
    let of_limited = Command::FormHousehold(form(PHUC_XA, vec![of(limited, Head)], TODAY));
    world.when(of_limited.clone()).then_refused(&["head_without_capacity"]);
    let decided = world.by_court(&["head_without_capacity"], of_limited);
    let then = world.when_envelope(COURT, decided);
    let household = then.world.registry.household(HouseholdId(1)).unwrap();
    assert_eq!(household.defects, DefectKind::HeadWithoutCapacity.bit());
}

#[test]
fn every_fault_of_forming_is_named_at_once() {
    let Family { mut world, father, .. } = family();
    let dead = world.person(man("1930-01-01"));
    world.given_events("2022-01-01", [death_of(dead)]);
    let unborn = world.person(woman("2022-03-10"));
    let members = vec![of(father, Head), of(dead, Parent), of(unborn, Child), of(PersonId(99), Child)];
    let mut command = form(BA_DINH, members, "2022-03-01");
    command.effective_on = date("2022-03-01");
    let faults = world.when(Command::FormHousehold(command)).then_refused(&[
        "already_in_household",
        "person_dead",
        "date_before_birth",
        "unknown_person",
        "unit_not_for_residence",
    ]);
    assert_eq!(faults.len(), 5);
    let twice = form(PHUC_XA, vec![of(unborn, Child), of(unborn, Child)], TODAY);
    world.when(Command::FormHousehold(twice)).then_refused(&["named_twice", "head_required"]);
    let many = form(PHUC_XA, vec![of(father, Child); MAX_MEMBERS + 1], "2022-03-16");
    world.when(Command::FormHousehold(many)).then_refused(&["too_many", "date_in_future", "head_required"]);
}

#[test]
fn a_person_without_a_household_joins_one_and_lives_there() {
    let Family { mut world, household, .. } = family();
    let aunt = world.person(woman("1965-01-01"));
    world.resident(aunt, QUAN_TOAN, "2021-08-01");
    let then = world.when_by(PHUC_XA_OFFICE, join(household, aunt, Sibling, "2022-03-01"));
    expect![[r#"
        2022-03-01 PermanentResidenceRegistered { person: P4, place: Domestic(DomesticPlace { unit: U3, dwelling: None, address: None }) }
        2022-03-01 MemberJoined { household: H1, person: P4, membership: Permanent, relationship: Sibling }"#]].assert_eq(&then.told());
}

#[test]
fn joining_is_refused_with_its_reasons() {
    let Family { mut world, household, son, .. } = family();
    let aunt = world.person(woman("1965-01-01"));
    world.when(join(household, son, Child, TODAY)).then_refused(&["already_in_household"]);
    world.when(join(household, aunt, Head, TODAY)).then_refused(&["head_exists"]);
    world.when(join(household, aunt, Sibling, "2021-07-31")).then_refused(&["later_facts_exist"]);
    world.when(join(household, aunt, Sibling, "2022-03-16")).then_refused(&["date_in_future"]);
    world.when(join(HouseholdId(7), aunt, Sibling, TODAY)).then_refused(&["unknown_household"]);
    world.resident(aunt, QUAN_TOAN, "2022-02-01");
    world.when(join(household, aunt, Sibling, "2022-01-31")).then_refused(&["later_facts_exist"]);
}

#[test]
fn a_vacant_headship_is_filled_by_joining() {
    let Family { mut world, household, father, .. } = family();
    world.given_events("2022-01-01", dies(household, father));
    let uncle = world.person(man("1965-01-01"));
    let then = world.when(join(household, uncle, Head, TODAY));
    assert_eq!(then.world.registry.household(household).unwrap().head, uncle.0);
}

#[test]
fn whoever_settles_abroad_keeps_no_registration() {
    let Family { mut world, son, .. } = family();
    world.stay(son, QUAN_TOAN, "2022-01-01", "2022-12-31", None);
    let then = world.when_by(PHUC_XA_OFFICE, leave(son, None, "2022-03-01"));
    expect![[r#"
        2022-03-01 PermanentResidenceEnded { person: P3, reason: SettledAbroad }
        2022-03-01 TemporaryResidenceEnded { person: P3, reason: SettledAbroad }
        2022-03-01 MemberLeft { household: H1, person: P3, membership: Permanent, reason: SettledAbroad }"#]]
    .assert_eq(&then.told());
}

#[test]
fn a_head_leaves_only_with_a_successor() {
    let Family { mut world, household, father, mother, son } = family();
    world.when(leave(father, None, TODAY)).then_refused(&["successor_required"]);
    let heir = succession(household, mother, vec![of(son, Child)]);
    let then = world.when(leave(father, Some(heir.clone()), TODAY));
    expect![[r#"
        2022-03-15 PermanentResidenceEnded { person: P1, reason: SettledAbroad }
        2022-03-15 MemberLeft { household: H1, person: P1, membership: Permanent, reason: SettledAbroad }
        2022-03-15 HeadAppointed { household: H1, head: P2 }
        2022-03-15 RelationshipChanged { household: H1, person: P3, relationship: Child }"#]]
    .assert_eq(&then.told());
    world.when(leave(son, Some(heir), TODAY)).then_refused(&["succession_not_needed"]);
    let gone = succession(household, father, Vec::new());
    world.when(leave(father, Some(gone), TODAY)).then_refused(&["not_a_member"]);
    let other = succession(HouseholdId(9), mother, Vec::new());
    world
        .when(leave(father, Some(other), TODAY))
        .then_refused(&["succession_not_needed", "successor_required"]);
}

#[test]
fn a_successor_states_each_relationship_once_and_no_second_head() {
    let Family { mut world, household, father, mother, son } = family();
    let heir = |relationships| leave(father, Some(succession(household, mother, relationships)), TODAY);
    world.when(heir(vec![of(son, Head)])).then_refused(&["relationship_is_head"]);
    world.when(heir(vec![of(mother, Parent)])).then_refused(&["relationship_is_head"]);
    world.when(heir(vec![of(son, Child), of(son, Child)])).then_refused(&["named_twice"]);
    world.when(heir(vec![of(father, Spouse)])).then_refused(&["not_a_member"]);
    world.when(heir(vec![of(son, Child); MAX_MEMBERS + 1])).then_refused(&["too_many"]);
}

#[test]
fn the_last_one_leaving_ends_the_household_and_its_guests_leave() {
    let mut world = World::new();
    let (owner, guest) = (world.person(man("1970-01-01")), world.person(man("1995-01-01")));
    let household = world.household(PHUC_XA, "2021-08-01", &[(owner, Head)]);
    world.stay(guest, PHUC_XA, "2022-01-01", "2022-12-31", Some(household));
    let then = world.when(leave(owner, None, "2022-03-01"));
    expect![[r#"
        2022-03-01 PermanentResidenceEnded { person: P1, reason: SettledAbroad }
        2022-03-01 MemberLeft { household: H1, person: P1, membership: Permanent, reason: SettledAbroad }
        2022-03-01 MemberLeft { household: H1, person: P2, membership: Temporary, reason: StayEnded }
        2022-03-01 HouseholdEnded { household: H1, reason: LastMemberLeft, into: None }"#]]
    .assert_eq(&then.told());
}

#[test]
fn leaving_is_refused_with_its_reasons() {
    let Family { mut world, son, .. } = family();
    let nobody = world.person(man("1970-01-01"));
    world.when(leave(nobody, None, TODAY)).then_refused(&["no_household"]);
    world.when(leave(son, None, "2021-07-31")).then_refused(&["later_facts_exist"]);
    world.when(leave(son, None, "2022-03-16")).then_refused(&["date_in_future"]);
    world.when(leave(PersonId(99), None, TODAY)).then_refused(&["unknown_person"]);
}

#[test]
fn a_late_departure_restates_the_household() {
    let Family { mut world, household, son, .. } = family();
    let aunt = world.person(woman("1965-01-01"));
    world.given(join(household, aunt, Sibling, "2022-03-01"));
    let accepted = world.given(leave(son, None, "2022-02-01"));
    let [restated] = accepted.changes.restatements.as_slice() else { panic!("one stream is restated") };
    let days: Vec<String> =
        restated.timeline.iter().map(|(_, event)| event.effective_on.to_string()).collect();
    assert_eq!(days, ["2021-08-01", "2021-08-01", "2021-08-01", "2021-08-01", "2022-02-01", "2022-03-01"]);
    let row = world.registry.household(household).unwrap();
    assert_eq!(row.permanent_members().count(), 3);
    assert_eq!(row.composition_since, date("2022-03-01").0);
}

#[test]
fn a_split_keeps_the_place_and_leaves_somebody() {
    let Family { mut world, household, son, .. } = family();
    let bride = world.person(woman("1992-01-01"));
    world.given(join(household, bride, Spouse, "2022-01-01"));
    let leaving = vec![of(son, Head), of(bride, Spouse)];
    let then = world.when_by(PHUC_XA_OFFICE, split(household, leaving, None, "2022-03-01"));
    expect![[r#"
        2022-03-01 MemberLeft { household: H1, person: P3, membership: Permanent, reason: Split }
        2022-03-01 MemberLeft { household: H1, person: P4, membership: Permanent, reason: Split }
        2022-03-01 HouseholdFormed { household: H2, kind: Family, place: Domestic(DomesticPlace { unit: U3, dwelling: None, address: None }), file_number: None, split_from: Some(H1) }
        2022-03-01 MemberJoined { household: H2, person: P3, membership: Permanent, relationship: Head }
        2022-03-01 MemberJoined { household: H2, person: P4, membership: Permanent, relationship: Spouse }
        2022-03-01 HeadAppointed { household: H2, head: P3 }"#]].assert_eq(&then.told());
}

#[test]
fn a_head_splits_off_only_with_a_successor() {
    let Family { mut world, household, father, mother, .. } = family();
    let leaving = || vec![of(father, Head)];
    world.when(split(household, leaving(), None, TODAY)).then_refused(&["successor_required"]);
    let heir = succession(household, mother, Vec::new());
    let then = world.when(split(household, leaving(), Some(heir), TODAY));
    assert_eq!(then.world.registry.household(household).unwrap().head, mother.0);
    assert_eq!(then.world.registry.household(HouseholdId(2)).unwrap().head, father.0);
}

#[test]
fn a_split_is_refused_with_its_reasons() {
    let Family { mut world, household, father, mother, son } = family();
    let stranger = world.person(man("1970-01-01"));
    let everybody = vec![of(father, Head), of(mother, Spouse), of(son, Child)];
    world.when(split(household, everybody, None, TODAY)).then_refused(&["nobody_stays"]);
    world.when(split(household, Vec::new(), None, TODAY)).then_refused(&["empty_list"]);
    world
        .when(split(household, vec![of(stranger, Head)], None, "2022-03-16"))
        .then_refused(&["not_a_member", "date_in_future"]);
    world.when(split(household, vec![of(son, Child)], None, TODAY)).then_refused(&["head_required"]);
    let both = vec![of(mother, Head), of(son, Head)];
    world.when(split(household, both, None, TODAY)).then_refused(&["two_heads"]);
    let child = world.person(man("2010-01-01"));
    world.given(join(household, child, Child, "2022-01-01"));
    world.when(split(household, vec![of(child, Head)], None, TODAY)).then_refused(&["head_without_capacity"]);
    world
        .when(split(household, vec![of(child, Head)], None, "2021-12-31"))
        .then_refused(&["later_facts_exist", "head_without_capacity"]);
}

#[test]
fn a_merger_takes_everybody_over_and_ends_the_first_household() {
    let Family { mut world, household, .. } = family();
    let (owner, guest) = (world.person(man("1970-01-01")), world.person(man("1995-01-01")));
    let from = world.household(TRUC_BACH, "2021-09-01", &[(owner, Head)]);
    world.stay(guest, TRUC_BACH, "2022-01-01", "2022-12-31", Some(from));
    world.stay(owner, PHUC_XA, "2022-01-01", "2022-12-31", Some(household));
    let then = world.when_by(PHUC_XA_OFFICE, merge(from, household, vec![of(owner, Sibling)], "2022-03-01"));
    expect![[r#"
        2022-03-01 MemberLeft { household: H2, person: P4, membership: Permanent, reason: Merged }
        2022-03-01 MemberLeft { household: H2, person: P5, membership: Temporary, reason: StayEnded }
        2022-03-01 HouseholdEnded { household: H2, reason: Merged, into: Some(H1) }
        2022-03-01 PermanentResidenceRegistered { person: P4, place: Domestic(DomesticPlace { unit: U3, dwelling: None, address: None }) }
        2022-03-01 TemporaryResidenceEnded { person: P4, reason: Replaced }
        2022-03-01 MemberLeft { household: H1, person: P4, membership: Temporary, reason: StayEnded }
        2022-03-01 MemberJoined { household: H1, person: P4, membership: Permanent, relationship: Sibling }"#]].assert_eq(&then.told());
}

#[test]
fn a_merger_is_refused_with_its_reasons() {
    let Family { mut world, household, father, mother, .. } = family();
    let (owner, wife) = (world.person(man("1970-01-01")), world.person(woman("1971-01-01")));
    let from = world.household(TRUC_BACH, "2021-09-01", &[(owner, Head), (wife, Spouse)]);
    let both = vec![of(owner, Sibling), of(wife, NotKin)];
    world.when(merge(from, from, both.clone(), TODAY)).then_refused(&["same_household"]);
    world.when(merge(from, household, vec![of(owner, Head), of(father, Parent)], TODAY)).then_refused(&[
        "relationship_missing",
        "not_a_member",
        "relationship_is_head",
    ]);
    world.when(merge(from, household, both.clone(), "2022-03-16")).then_refused(&["date_in_future"]);
    world.when(merge(from, HouseholdId(9), both.clone(), TODAY)).then_refused(&["unknown_household"]);
    world.when(merge(from, household, both.clone(), "2021-08-15")).then_refused(&["later_facts_exist"]);
    world.given(merge(from, household, both, "2022-03-01"));
    world.when(merge(household, from, vec![of(mother, Spouse)], TODAY)).then_refused(&["household_ended"]);
}

#[test]
fn another_head_is_appointed_and_the_former_one_relates_to_the_new() {
    let Family { mut world, household, father, mother, son } = family();
    let heir = succession(household, mother, vec![of(father, Spouse), of(son, Child)]);
    let then = world.when_by(PHUC_XA_OFFICE, appoint(heir, "2022-03-01"));
    expect![[r#"
        2022-03-01 HeadAppointed { household: H1, head: P2 }
        2022-03-01 RelationshipChanged { household: H1, person: P1, relationship: Spouse }
        2022-03-01 RelationshipChanged { household: H1, person: P3, relationship: Child }"#]]
    .assert_eq(&then.told());
}

#[test]
fn an_appointment_is_refused_with_its_reasons() {
    let Family { mut world, household, father, mother, .. } = family();
    let stranger = world.person(man("1970-01-01"));
    let heir = |head, relationships| succession(household, head, relationships);
    world.when(appoint(heir(father, Vec::new()), TODAY)).then_refused(&["already_head"]);
    world.when(appoint(heir(mother, Vec::new()), TODAY)).then_refused(&["relationship_missing"]);
    world.when(appoint(heir(stranger, Vec::new()), TODAY)).then_refused(&["not_a_member"]);
    world.when(appoint(heir(PersonId(99), Vec::new()), TODAY)).then_refused(&["unknown_person"]);
    let to_mother = || heir(mother, vec![of(father, Spouse)]);
    world.when(appoint(to_mother(), "2021-07-31")).then_refused(&["later_facts_exist"]);
    world.when(appoint(to_mother(), "2022-03-16")).then_refused(&["date_in_future"]);
    let child = world.person(man("2010-01-01"));
    world.given(join(household, child, Child, "2022-01-01"));
    let to_child = heir(child, vec![of(father, Parent)]);
    world.when(appoint(to_child, TODAY)).then_refused(&["head_without_capacity"]);
}

#[test]
fn a_vacant_headship_is_filled_without_a_word_of_the_dead() {
    let Family { mut world, household, father, mother, .. } = family();
    world.given_events("2022-01-01", dies(household, father));
    let then = world.when(appoint(succession(household, mother, Vec::new()), TODAY));
    expect!["2022-03-15 HeadAppointed { household: H1, head: P2 }"].assert_eq(&then.told());
}

#[test]
fn a_member_relates_to_the_head_in_another_way() {
    let Family { mut world, household, father, mother, son } = family();
    let then = world.when_by(PHUC_XA_OFFICE, relate(household, son, NotKin, "2022-03-01"));
    expect!["2022-03-01 RelationshipChanged { household: H1, person: P3, relationship: NotKin }"]
        .assert_eq(&then.told());
    world.when(relate(household, son, Child, TODAY)).then_refused(&["relationship_unchanged"]);
    world.when(relate(household, father, Spouse, TODAY)).then_refused(&["head_relationship_fixed"]);
    world.when(relate(household, mother, Head, TODAY)).then_refused(&["relationship_is_head"]);
    world.when(relate(household, son, NotKin, "2021-07-31")).then_refused(&["later_facts_exist"]);
    let stranger = world.person(man("1970-01-01"));
    world
        .when(relate(household, stranger, NotKin, "2022-03-16"))
        .then_refused(&["not_a_member", "date_in_future"]);
    world
        .when(relate(HouseholdId(9), PersonId(99), NotKin, TODAY))
        .then_refused(&["unknown_household", "unknown_person"]);
}

#[test]
fn an_enrolled_household_without_a_head_shows_the_defect_until_one_is_appointed() {
    let mut world = World::new();
    let Some(envelope) = event_schemas::examples::example("enrol_household") else { panic!("an example") };
    let Command::EnrolHousehold(example) = envelope.command else { panic!("of its kind") };
    let mut command = EnrolHousehold { effective_on: date("2022-03-01"), ..example };
    for member in &mut command.members {
        member.relationship = NotKin;
    }
    world.given(Command::EnrolHousehold(command));
    let household = HouseholdId(1);
    assert_eq!(world.registry.household(household).unwrap().defects, DefectKind::HeadMissing.bit());
    world.given(appoint(succession(household, PersonId(1), Vec::new()), "2022-03-02"));
    assert_eq!(world.registry.household(household).unwrap().defects, 0);
}

#[test]
fn a_minor_by_statement_comes_of_age_like_everybody() {
    let Family { mut world, household, father, .. } = family();
    let child = world.person(NewPersonOf { capacity: LegalCapacity::Minor, ..man("2005-03-01") });
    world.given(join(household, child, Child, "2022-01-01"));
    let to_child = || appoint(succession(household, child, vec![of(father, Parent)]), "2023-03-01");
    world.open_day("2023-02-28");
    let early = appoint(succession(household, child, vec![of(father, Parent)]), "2023-02-28");
    world.when(early).then_refused(&["head_without_capacity"]);
    world.open_day("2023-03-01");
    world.given(to_child());
    assert_eq!(world.registry.household(household).unwrap().head, child.0);
    let lost = world.person(NewPersonOf { capacity: LegalCapacity::Lost, ..woman("1980-01-01") });
    world.given(join(household, lost, NotKin, "2023-03-01"));
    let to_lost = succession(household, lost, vec![of(child, NotKin)]);
    world.when(appoint(to_lost, "2023-03-01")).then_refused(&["head_without_capacity"]);
}
