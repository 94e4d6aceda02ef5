//! Permanent and temporary residence: given, when, then.

use domain::testing::*;
use event_schemas::command::residence::TemporaryPlace;
use event_schemas::command::{
    Command, EndTemporaryResidence, MAX_SUCCESSIONS, MovePermanent, PermanentMove, PersonInHousehold,
    RegisterTemporaryResidence, Succession,
};
use event_schemas::household::HouseholdKind;
use event_schemas::household::Relationship::{self, Child, Head, NotKin, Sibling, Spouse};
use event_schemas::ids::{HouseholdId, PersonId};
use event_schemas::place::{CountryCode, ForeignPlace, Place};
use event_schemas::row::{Aspect, RowRef, StreamRef};
use expect_test::expect;

fn of(person: PersonId, relationship: Relationship) -> PersonInHousehold {
    PersonInHousehold { person: id(person), relationship }
}

fn moving(movement: PermanentMove, on: &str) -> MovePermanent {
    MovePermanent { effective_on: date(on), movement, successions: Vec::new() }
}

fn whole(household: HouseholdId, to: &str, on: &str) -> Command {
    let movement = PermanentMove::WholeHousehold { household, to: place(to) };
    Command::MovePermanent(moving(movement, on))
}

fn into(household: HouseholdId, persons: Vec<PersonInHousehold>, on: &str) -> MovePermanent {
    moving(PermanentMove::IntoHousehold { household, persons }, on)
}

fn to_new(to: &str, persons: Vec<PersonInHousehold>, on: &str) -> MovePermanent {
    let (kind, to) = (HouseholdKind::Family, place(to));
    moving(PermanentMove::NewHousehold { kind, to, file_number: None, persons }, on)
}

fn stay(person: PersonId, at: &str, from: &str, until: &str) -> RegisterTemporaryResidence {
    RegisterTemporaryResidence {
        person: id(person),
        place: place(at),
        household: None,
        from: date(from),
        until: date(until),
    }
}

fn stay_with(host: HouseholdId, relationship: Relationship, stay: RegisterTemporaryResidence) -> Command {
    let household = Some(TemporaryPlace { household: host, relationship });
    Command::RegisterTemporaryResidence(RegisterTemporaryResidence { household, ..stay })
}

fn alone(stay: RegisterTemporaryResidence) -> Command {
    Command::RegisterTemporaryResidence(stay)
}

fn end(person: PersonId, on: &str) -> Command {
    Command::EndTemporaryResidence(EndTemporaryResidence { person: id(person), effective_on: date(on) })
}

/// A couple in Phúc Xá and a widow in Trúc Bạch, since 2021-08-01.
struct Two {
    world: World,
    home: HouseholdId,
    husband: PersonId,
    wife: PersonId,
    other: HouseholdId,
    widow: PersonId,
}

fn two() -> Two {
    let mut world = World::new();
    let (husband, wife) = (world.person(man("1980-01-01")), world.person(woman("1981-01-01")));
    let widow = world.person(woman("1950-01-01"));
    let home = world.household(PHUC_XA, "2021-08-01", &[(husband, Head), (wife, Spouse)]);
    let other = world.household(TRUC_BACH, "2021-08-01", &[(widow, Head)]);
    Two { world, home, husband, wife, other, widow }
}

#[test]
fn a_whole_household_moves_and_keeps_its_number_and_members() {
    let Two { mut world, home, wife, .. } = two();
    let guest = world.person(man("1995-01-01"));
    world.stay(guest, PHUC_XA, "2022-01-01", "2022-12-31", Some(home));
    world.stay(wife, QUAN_TOAN, "2022-01-01", "2022-12-31", None);
    let then = world.when_by(HAI_PHONG_OFFICE, whole(home, QUAN_TOAN, "2022-03-01"));
    expect![[r#"
        2022-03-01 HouseholdMoved { household: H1, place: Domestic(DomesticPlace { unit: U7, dwelling: None, address: None }) }
        2022-03-01 PermanentResidenceRegistered { person: P1, place: Domestic(DomesticPlace { unit: U7, dwelling: None, address: None }) }
        2022-03-01 PermanentResidenceRegistered { person: P2, place: Domestic(DomesticPlace { unit: U7, dwelling: None, address: None }) }
        2022-03-01 TemporaryResidenceEnded { person: P2, reason: Replaced }
        2022-03-01 MemberLeft { household: H1, person: P4, membership: Temporary, reason: Moved }"#]].assert_eq(&then.told());
}

#[test]
fn a_household_may_move_within_its_commune() {
    let Two { mut world, home, .. } = two();
    world.when_by(PHUC_XA_OFFICE, whole(home, PHUC_XA, TODAY)).accepted();
}

#[test]
fn moving_a_household_is_refused_with_its_reasons() {
    let Two { mut world, home, widow, other, wife, .. } = two();
    world.when(whole(home, QUAN_TOAN, "2022-03-16")).then_refused(&["date_in_future"]);
    world.when(whole(home, BA_DINH, TODAY)).then_refused(&["unit_not_for_residence"]);
    world.when(whole(HouseholdId(9), "99999", TODAY)).then_refused(&["unknown_household", "unknown_unit"]);
    world.when(whole(home, TRUC_BACH, "2021-07-31")).then_refused(&["later_facts_exist"]);
    let abroad = Place::Abroad(ForeignPlace { country: "FR".parse::<CountryCode>().unwrap(), address: None });
    let movement = PermanentMove::WholeHousehold { household: home, to: abroad };
    world.when(Command::MovePermanent(moving(movement, TODAY))).then_refused(&["unit_not_for_residence"]);
    let movement = PermanentMove::WholeHousehold { household: home, to: place(TRUC_BACH) };
    let successions = vec![Succession { household: other, head: id(widow), relationships: Vec::new() }];
    let command = MovePermanent { successions, ..moving(movement, TODAY) };
    world.when(Command::MovePermanent(command.clone())).then_refused(&["succession_not_needed"]);
    let successions = vec![command.successions[0].clone(); MAX_SUCCESSIONS + 1];
    world.when(Command::MovePermanent(MovePermanent { successions, ..command })).then_refused(&["too_many"]);
    world.stay(wife, TRUC_BACH, "2022-03-01", "2022-12-31", None);
    world.when(whole(home, TRUC_BACH, "2022-02-01")).then_refused(&["later_facts_exist"]);
}

#[test]
fn the_last_of_a_household_moves_into_another() {
    let Two { mut world, home, widow, .. } = two();
    let command = into(home, vec![of(widow, NotKin)], "2022-03-01");
    let then = world.when_by(PHUC_XA_OFFICE, Command::MovePermanent(command));
    expect![[r#"
        2022-03-01 MemberLeft { household: H2, person: P3, membership: Permanent, reason: Moved }
        2022-03-01 HouseholdEnded { household: H2, reason: LastMemberLeft, into: None }
        2022-03-01 PermanentResidenceRegistered { person: P3, place: Domestic(DomesticPlace { unit: U3, dwelling: None, address: None }) }
        2022-03-01 MemberJoined { household: H1, person: P3, membership: Permanent, relationship: NotKin }"#]].assert_eq(&then.told());
}

#[test]
fn a_head_moves_away_only_with_a_successor() {
    let Two { mut world, home, husband, wife, other, .. } = two();
    let command = into(other, vec![of(husband, Child)], TODAY);
    world.when(Command::MovePermanent(command.clone())).then_refused(&["successor_required"]);
    let heir = Succession { household: home, head: id(wife), relationships: Vec::new() };
    let with_heir = MovePermanent { successions: vec![heir.clone()], ..command.clone() };
    let then = world.when(Command::MovePermanent(with_heir));
    assert_eq!(then.world.registry.household(home).unwrap().head, wife.0);
    let twice = MovePermanent { successions: vec![heir.clone(), heir], ..command };
    world.when(Command::MovePermanent(twice)).then_refused(&["named_twice"]);
}

#[test]
fn moving_into_a_household_is_refused_with_its_reasons() {
    let Two { mut world, home, wife, other, widow, .. } = two();
    let refused = |world: &mut World, command: MovePermanent, codes: &[&str]| {
        world.when_by(PHUC_XA_OFFICE, Command::MovePermanent(command)).then_refused(codes);
    };
    refused(&mut world, into(home, vec![of(wife, Spouse)], TODAY), &["already_in_household"]);
    refused(&mut world, into(home, vec![of(widow, Head)], TODAY), &["head_exists"]);
    refused(&mut world, into(home, Vec::new(), TODAY), &["empty_list"]);
    refused(&mut world, into(home, vec![of(widow, NotKin), of(widow, NotKin)], TODAY), &["named_twice"]);
    refused(&mut world, into(home, vec![of(widow, NotKin)], "2021-07-31"), &["later_facts_exist"]);
    let elsewhere = into(other, vec![of(wife, Child), of(PersonId(99), Child)], "2022-03-16");
    refused(&mut world, elsewhere.clone(), &["not_competent"]);
    world.when(Command::MovePermanent(elsewhere)).then_refused(&["date_in_future", "unknown_person"]);
    world.given(Command::MovePermanent(into(home, vec![of(widow, NotKin)], TODAY)));
    let ended = into(other, vec![of(widow, Head)], TODAY);
    refused(&mut world, ended.clone(), &["not_competent"]);
    world.when(Command::MovePermanent(ended)).then_refused(&["household_ended"]);
}

#[test]
fn persons_of_two_households_move_into_one_of_their_own() {
    let Two { mut world, wife, widow, .. } = two();
    let command = to_new(QUAN_TOAN, vec![of(widow, Head), of(wife, Child)], "2022-03-01");
    let then = world.when_by(HAI_PHONG_OFFICE, Command::MovePermanent(command));
    expect![[r#"
        2022-03-01 MemberLeft { household: H2, person: P3, membership: Permanent, reason: Moved }
        2022-03-01 HouseholdEnded { household: H2, reason: LastMemberLeft, into: None }
        2022-03-01 MemberLeft { household: H1, person: P2, membership: Permanent, reason: Moved }
        2022-03-01 HouseholdFormed { household: H3, kind: Family, place: Domestic(DomesticPlace { unit: U7, dwelling: None, address: None }), file_number: None, split_from: None }
        2022-03-01 PermanentResidenceRegistered { person: P3, place: Domestic(DomesticPlace { unit: U7, dwelling: None, address: None }) }
        2022-03-01 MemberJoined { household: H3, person: P3, membership: Permanent, relationship: Head }
        2022-03-01 PermanentResidenceRegistered { person: P2, place: Domestic(DomesticPlace { unit: U7, dwelling: None, address: None }) }
        2022-03-01 MemberJoined { household: H3, person: P2, membership: Permanent, relationship: Child }
        2022-03-01 HeadAppointed { household: H3, head: P3 }"#]].assert_eq(&then.told());
}

#[test]
fn a_new_household_of_movers_needs_one_capable_head() {
    let Two { mut world, wife, .. } = two();
    let command =
        |relationship| Command::MovePermanent(to_new(QUAN_TOAN, vec![of(wife, relationship)], TODAY));
    world.when(command(NotKin)).then_refused(&["head_required"]);
    world.when(command(Head)).accepted();
    let decided = world.by_court(&["head_required"], command(NotKin));
    world.when_envelope(COURT, decided).then_refused(&["not_competent"]);
    let nobody = Command::MovePermanent(to_new(QUAN_TOAN, vec![of(PersonId(99), Head)], TODAY));
    world.when(nobody).then_refused(&["unknown_person", "head_required"]);
}

#[test]
fn a_person_without_a_household_moves_too() {
    let mut world = World::new();
    let single = world.person(man("1980-01-01"));
    world.resident(single, TRUC_BACH, "2021-08-01");
    let then = world.when(Command::MovePermanent(to_new(PHUC_XA, vec![of(single, Head)], "2022-03-01")));
    assert_eq!(then.world.registry.person(single).unwrap().unit, unit(PHUC_XA).0);
}

#[test]
fn whoever_moves_where_he_stays_ends_the_stay_once() {
    let Two { mut world, home, other, widow, .. } = two();
    let guest = world.person(man("1995-01-01"));
    world.stay(guest, TRUC_BACH, "2022-01-01", "2022-12-31", Some(other));
    // The widow's household ends with her; her guest goes with her to Trúc Bạch of all places.
    let command = to_new(TRUC_BACH, vec![of(widow, Head), of(guest, NotKin)], "2022-03-01");
    let then = world.when(Command::MovePermanent(command));
    let left = then.told().matches("membership: Temporary").count();
    assert_eq!(left, 1, "{}", then.told());
    assert_eq!(then.world.registry.temporary(guest).unwrap().unit, 0);
    assert_eq!(then.world.registry.household(home).unwrap().members.len(), 2);
}

#[test]
fn a_stay_outside_the_commune_is_registered_with_its_host() {
    let Two { mut world, wife, other, .. } = two();
    let command = stay_with(other, NotKin, stay(wife, TRUC_BACH, "2022-03-01", "2022-12-31"));
    let then = world.when_by(TRUC_BACH_OFFICE, command);
    expect![[r#"
        2022-03-01 TemporaryResidenceRegistered { person: P2, place: Domestic(DomesticPlace { unit: U4, dwelling: None, address: None }), until: 2022-12-31 }
        2022-03-01 MemberJoined { household: H2, person: P2, membership: Temporary, relationship: NotKin }"#]].assert_eq(&then.told());
}

#[test]
fn a_stay_lasts_thirty_days_to_two_years() {
    let Two { mut world, wife, .. } = two();
    let until = |until| alone(stay(wife, TRUC_BACH, "2022-03-01", until));
    world.when(until("2022-03-29")).then_refused(&["stay_too_short"]);
    world.when(until("2022-03-30")).accepted();
    world.when(until("2024-02-29")).accepted();
    world.when(until("2024-03-01")).then_refused(&["stay_too_long"]);
    world.when(until("2021-03-01")).then_refused(&["stay_too_short"]);
}

#[test]
fn a_stay_is_refused_with_its_reasons() {
    let Two { mut world, home, wife, other, .. } = two();
    let refused = |world: &mut World, command: Command, codes: &[&str]| {
        world.when_by(TRUC_BACH_OFFICE, command).then_refused(codes);
    };
    let year = |at| stay(wife, at, "2022-03-01", "2022-12-31");
    refused(&mut world, alone(year(PHUC_XA)), &["not_competent"]);
    world.when(alone(year(PHUC_XA))).then_refused(&["stay_at_permanent_place"]);
    refused(&mut world, alone(stay(wife, TRUC_BACH, "2022-03-16", "2022-12-31")), &["date_in_future"]);
    refused(&mut world, stay_with(home, NotKin, year(TRUC_BACH)), &["household_not_there"]);
    refused(&mut world, stay_with(other, Head, year(TRUC_BACH)), &["relationship_is_head"]);
    refused(&mut world, stay_with(HouseholdId(9), NotKin, year(TRUC_BACH)), &["unknown_household"]);
    let early = stay(wife, TRUC_BACH, "2021-07-15", "2022-12-31");
    refused(&mut world, stay_with(other, NotKin, early), &["later_facts_exist"]);
    let nobody = stay(PersonId(99), "99999", "2022-03-01", "2022-12-31");
    let host = HouseholdId(9);
    let codes = ["unknown_person", "unknown_unit", "unknown_household"];
    world.when(stay_with(host, NotKin, nobody)).then_refused(&codes);
}

#[test]
fn a_new_stay_replaces_the_one_that_holds() {
    let Two { mut world, wife, other, .. } = two();
    world.given(stay_with(other, NotKin, stay(wife, TRUC_BACH, "2022-01-01", "2022-12-31")));
    let then = world.when_by(HAI_PHONG_OFFICE, alone(stay(wife, QUAN_TOAN, "2022-03-01", "2022-12-31")));
    expect![[r#"
        2022-03-01 TemporaryResidenceEnded { person: P2, reason: Replaced }
        2022-03-01 MemberLeft { household: H2, person: P2, membership: Temporary, reason: StayEnded }
        2022-03-01 TemporaryResidenceRegistered { person: P2, place: Domestic(DomesticPlace { unit: U7, dwelling: None, address: None }), until: 2022-12-31 }"#]].assert_eq(&then.told());
}

#[test]
fn a_stay_that_is_over_is_registered_late_and_is_not_the_current_one() {
    let Two { mut world, wife, other, .. } = two();
    let command = stay_with(other, NotKin, stay(wife, TRUC_BACH, "2021-09-01", "2021-12-31"));
    let then = world.when(command);
    expect![[r#"
        2021-09-01 TemporaryResidenceRegistered { person: P2, place: Domestic(DomesticPlace { unit: U4, dwelling: None, address: None }), until: 2021-12-31 }
        2021-09-01 MemberJoined { household: H2, person: P2, membership: Temporary, relationship: NotKin }
        2022-01-01 TemporaryResidenceEnded { person: P2, reason: Expired }
        2022-01-01 MemberLeft { household: H2, person: P2, membership: Temporary, reason: StayEnded }"#]].assert_eq(&then.told());
    assert_eq!(then.world.registry.temporary(wife).unwrap().unit, 0);
}

#[test]
fn a_late_stay_finds_its_place_between_the_others() {
    let Two { mut world, wife, .. } = two();
    world.given(alone(stay(wife, QUAN_TOAN, "2022-01-01", "2022-12-31")));
    let current = world.registry.temporary(wife).cloned().unwrap();
    // Ends on the eve of the stay that holds now, which stays as it is.
    let accepted = world.given(alone(stay(wife, TRUC_BACH, "2021-11-01", "2021-12-31")));
    assert_eq!(accepted.changes.events.len(), 1, "the next stay ends it");
    let stream = StreamRef { row: RowRef::Person(wife), aspect: Aspect::TemporaryResidence };
    assert_eq!(accepted.changes.restatements[0].stream, stream);
    // Leaves a gap before the next one.
    let accepted = world.given(alone(stay(wife, TRUC_BACH, "2021-08-01", "2021-09-30")));
    assert_eq!(accepted.changes.events.len(), 2, "it expires");
    assert_eq!(accepted.changes.restatements[0].timeline.len(), 4);
    let row = world.registry.temporary(wife).unwrap();
    assert_eq!((row.unit, row.until, row.since), (current.unit, current.until, current.since));
}

#[test]
fn a_late_stay_that_overlaps_another_is_refused() {
    let Two { mut world, wife, other, .. } = two();
    world.given(alone(stay(wife, QUAN_TOAN, "2022-01-01", "2022-12-31")));
    let overlapping = alone(stay(wife, TRUC_BACH, "2021-11-01", "2022-01-01"));
    world.when(overlapping).then_refused(&["temporary_residence_exists"]);
    let inside = alone(stay(wife, TRUC_BACH, "2022-01-02", "2022-02-28"));
    world.when(inside).then_refused(&["temporary_residence_exists"]);
    let with_host = stay_with(other, NotKin, stay(wife, TRUC_BACH, "2021-09-01", "2021-12-01"));
    world.when(with_host).then_refused(&["later_facts_exist"]);
    world.history.broken = true;
    let unreadable = alone(stay(wife, TRUC_BACH, "2021-09-01", "2021-12-01"));
    world.when(unreadable).then_refused(&["history_unavailable"]);
}

#[test]
fn a_late_stay_is_judged_by_the_residence_of_its_own_days() {
    let Two { mut world, home, wife, .. } = two();
    world.given(whole(home, TRUC_BACH, "2022-02-01"));
    world.given(alone(stay(wife, TRUC_BACH, "2021-09-01", "2021-10-31")));
    let at_home = alone(stay(wife, PHUC_XA, "2021-11-01", "2021-12-31"));
    world.when(at_home).then_refused(&["stay_at_permanent_place"]);
    let into_the_move = alone(stay(wife, TRUC_BACH, "2021-12-01", "2022-02-01"));
    world.when(into_the_move).then_refused(&["stay_at_permanent_place"]);
    world.given(alone(stay(wife, TRUC_BACH, "2021-12-01", "2022-01-31")));
    world.history.broken = true;
    let unreadable = alone(stay(wife, QUAN_TOAN, "2021-11-01", "2021-11-30"));
    world.when(unreadable).then_refused(&["history_unavailable"]);
}

#[test]
fn a_stay_ends_before_its_last_day_and_its_host_is_left() {
    let Two { mut world, wife, other, .. } = two();
    world.given(stay_with(other, Sibling, stay(wife, TRUC_BACH, "2022-01-01", "2022-12-31")));
    let then = world.when_by(TRUC_BACH_OFFICE, end(wife, "2022-03-01"));
    expect![[r#"
        2022-03-01 TemporaryResidenceEnded { person: P2, reason: LeftEarly }
        2022-03-01 MemberLeft { household: H2, person: P2, membership: Temporary, reason: StayEnded }"#]]
    .assert_eq(&then.told());
    world.when_by(PHUC_XA_OFFICE, end(wife, "2022-03-16")).then_refused(&["not_competent"]);
    world.when(end(wife, "2022-03-16")).then_refused(&["date_in_future"]);
    world.when(end(wife, "2021-12-31")).then_refused(&["later_facts_exist"]);
    world.given(end(wife, TODAY));
    world.when(end(wife, TODAY)).then_refused(&["no_temporary_residence"]);
    world.when(end(PersonId(99), TODAY)).then_refused(&["unknown_person"]);
}

#[test]
fn a_stay_lapses_with_the_day_after_its_last() {
    let Two { mut world, wife, other, .. } = two();
    world.given(stay_with(other, NotKin, stay(wife, TRUC_BACH, "2022-03-01", "2022-03-30")));
    world.open_day("2022-03-30");
    assert_eq!(world.registry.temporary(wife).unwrap().unit, unit(TRUC_BACH).0);
    world.open_day("2022-03-31");
    assert_eq!(world.registry.temporary(wife).unwrap().unit, 0);
    assert_eq!(world.registry.household(other).unwrap().temporary_members().count(), 0);
    world.check();
}
