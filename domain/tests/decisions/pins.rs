//! PINs cancelled and established anew, notices of them, and keys that are renewed.

use domain::registry::rows::FLAG_NOTICE_DUE;
use domain::testing::*;
use event_schemas::CommandEnvelope;
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::command::{CancelPin, ChangeName, Command, IssuePin, RecordPinNotices, ReestablishPin};
use event_schemas::event::{EventBody, PinIssued};
use event_schemas::ids::PersonId;
use event_schemas::person::{Names, PersonRef};
use event_schemas::pin::{Pin, PinGround};

fn issue(person: PersonId) -> Command {
    Command::IssuePin(IssuePin { person: id(person), birth_registered_at: None })
}

fn cancel(person: PersonId, ground: PinGround) -> Command {
    Command::CancelPin(CancelPin { person: id(person), ground, explanation: text("entered wrongly") })
}

fn reestablish(person: PersonId, ground: PinGround) -> Command {
    let explanation = text("entered wrongly");
    Command::ReestablishPin(ReestablishPin {
        person: id(person),
        ground,
        birth_registered_at: None,
        explanation,
    })
}

fn notices(on: &str, persons: &[PersonId]) -> Command {
    let persons = persons.iter().map(|person| id(*person)).collect();
    Command::RecordPinNotices(RecordPinNotices { handed_over_on: date(on), persons })
}

fn decided(world: &mut World, command: Command) -> CommandEnvelope {
    CommandEnvelope { basis: Basis::of(BasisKind::Agency), ..world.envelope(command) }
}

fn number_of(world: &World, person: PersonId) -> Option<Pin> {
    let number = world.registry.person(person).unwrap().pin.get();
    Pin::from_number(number).filter(|_| number != 0)
}

fn is_notice_due(world: &World, person: PersonId) -> bool {
    world.registry.person(person).unwrap().flags & FLAG_NOTICE_DUE != 0
}

/// Born in Hà Nội, with an accepted number of Hải Phòng.
fn with_wrong_place(world: &mut World) -> (PersonId, Pin) {
    let pin = "031090000001";
    let person = world.person(NewPersonOf { pin: Some(pin), ..man("1990-05-05") });
    (person, pin.parse().unwrap())
}

#[test]
fn an_old_number_leads_to_the_person_for_ever_and_is_never_given_again() {
    let mut world = World::new();
    let (person, old) = with_wrong_place(&mut world);
    let envelope = decided(&mut world, reestablish(person, PinGround::WrongPlace));
    world.given_envelope(NATIONAL_OFFICE, envelope);
    let new = number_of(&world, person).unwrap();
    assert_eq!((old.cell().place, new.cell().place), (31, 1));
    for pin in [old, new] {
        assert_eq!(world.registry.person_by_pin(pin), Some(person));
    }
    let names = Names { surname: None, middle: None, given: text("Bình"), other: Vec::new() };
    let by_old = Command::ChangeName(ChangeName {
        person: PersonRef::Pin(old),
        names,
        reason: text("at the person's wish"),
        effective_on: date(TODAY),
    });
    let told = world.when(by_old);
    let codes: Vec<_> = told.accepted().notes.iter().map(|note| note.code.as_str()).collect();
    assert_eq!(codes, ["cancelled_pin"]);
    let other = world.person(man("1990-05-06"));
    let taken = event_schemas::command::AcceptPin { person: id(other), pin: old };
    world.when(Command::AcceptPin(taken)).then_refused(&["pin_taken"]);
}

#[test]
fn a_number_is_cancelled_only_on_a_decision_and_where_the_data_show_the_ground() {
    let mut world = World::new();
    let (person, old) = with_wrong_place(&mut world);
    world.when(reestablish(person, PinGround::WrongPlace)).then_refused(&["pin_decision_required"]);
    for ground in [
        PinGround::SexRedetermined,
        PinGround::BirthYearCorrected,
        PinGround::WrongBirthYear,
        PinGround::WrongSex,
    ] {
        for command in [reestablish(person, ground), cancel(person, ground)] {
            let envelope = decided(&mut world, command);
            world.when_envelope(NATIONAL_OFFICE, envelope).then_refused(&["pin_ground_not_shown"]);
        }
    }
    let envelope = decided(&mut world, reestablish(person, PinGround::WrongPlace));
    world.when_envelope(PHUC_XA_OFFICE, envelope).then_refused(&["operator_only"]);
    let envelope = decided(&mut world, cancel(person, PinGround::WrongNumber));
    world.given_envelope(NATIONAL_OFFICE, envelope);
    assert_eq!((number_of(&world, person), world.registry.person_by_pin(old)), (None, Some(person)));
    for command in [cancel(person, PinGround::WrongNumber), reestablish(person, PinGround::WrongNumber)] {
        let envelope = decided(&mut world, command);
        world.when_envelope(NATIONAL_OFFICE, envelope).then_refused(&["no_pin"]);
    }
    world.given(issue(person));
    assert!(number_of(&world, person).is_some_and(|new| new != old));
    let dead = world.person(NewPersonOf { pin: Some("001070000009"), ..man("1970-01-01") });
    world.given_events("2022-03-01", [death_of(dead)]);
    let envelope = decided(&mut world, cancel(dead, PinGround::WrongNumber));
    world.when_envelope(NATIONAL_OFFICE, envelope).then_refused(&["person_dead"]);
}

#[test]
fn a_notice_is_due_to_whoever_gets_a_number_after_the_birth_and_is_handed_over_once() {
    let mut world = World::new();
    let [first, second] = [1, 2].map(|day| world.person(man(&format!("1990-05-0{day}"))));
    for person in [first, second] {
        world.resident(person, PHUC_XA, "2021-08-01");
        world.given(issue(person));
        assert!(is_notice_due(&world, person));
    }
    world.when(notices(TODAY, &[])).then_refused(&["empty_list"]);
    world.when(notices(TODAY, &[first, first])).then_refused(&["named_twice"]);
    world.when(notices("2022-03-16", &[first])).then_refused(&["date_in_future"]);
    world.when_by(HAI_PHONG_OFFICE, notices(TODAY, &[first])).then_refused(&["not_competent"]);
    world.given_by(PHUC_XA_OFFICE, notices(TODAY, &[first, second]));
    assert!(!is_notice_due(&world, first) && !is_notice_due(&world, second));
    world.when(notices(TODAY, &[first])).then_refused(&["no_notice_due"]);
    let (accepted, _) = with_wrong_place(&mut world);
    assert!(!is_notice_due(&world, accepted), "an accepted number is known to its holder");
    let envelope = decided(&mut world, reestablish(accepted, PinGround::WrongPlace));
    world.given_envelope(NATIONAL_OFFICE, envelope);
    assert!(is_notice_due(&world, accepted));
}

#[test]
fn a_new_key_draws_from_the_beginning_and_changes_no_recorded_number() {
    let mut world = World::new();
    let persons: Vec<_> = (0..6).map(|_| world.person(man("1990-05-05"))).collect();
    let issued = |world: &mut World, person: PersonId| match world.given(issue(person)).changes.events[0].body
    {
        EventBody::PinIssued(PinIssued { pin, draw, key_version, .. }) => (pin, draw, key_version),
        ref other => panic!("{other:?}"),
    };
    let before: Vec<_> = persons[..3].iter().map(|person| issued(&mut world, *person)).collect();
    assert_eq!(
        before.iter().map(|(_, draw, version)| (*draw, *version)).collect::<Vec<_>>(),
        [(0, 1), (1, 1), (2, 1)]
    );
    // The same permutation under another version meets every number that is in use.
    world.pins.version = 2;
    assert_eq!(issued(&mut world, persons[3]).1, 3, "numbers in use are passed over");
    world.pins.version = 3;
    world.pins.multiplier = 7;
    let (pin, draw, version) = issued(&mut world, persons[4]);
    assert_eq!((draw, version), (1, 3), "the first draw of every key is serial 17, which is in use");
    assert_eq!(pin.serial(), 24);
    for (place, (pin, ..)) in before.iter().enumerate() {
        assert_eq!(number_of(&world, persons[place]), Some(*pin));
    }
}
