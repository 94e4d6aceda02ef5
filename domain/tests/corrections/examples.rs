//! What operators correct.

use super::*;
use event_schemas::card::{ApplicationReason, CardStatus, DocumentKind};
use event_schemas::command::household::LeaveGround;
use event_schemas::command::{
    ApplicationDecision, ApplyForCard, Birth, BirthResidence, Death, DecideCardApplication, HandOverCard,
    LeaveHousehold, MovePermanent, Newborn, Parentage, PermanentMove, ProduceCard,
};
use event_schemas::event::MemberJoined;
use event_schemas::household::Membership;
use event_schemas::household::Relationship::{Child, Head, Spouse};
use event_schemas::ids::{CardId, DossierId};
use event_schemas::kin::{KinRef, ParentKind, ParentLink, ParentRole, Period};
use event_schemas::person::{MaritalStatus, Nationality, Sex};
use event_schemas::pin::Pin;

/// All events of a record, annulled.
pub fn whole(world: &World, lsn: Lsn) -> Vec<Edit> {
    world.history.events().filter(|(at, _)| at.lsn == lsn).map(|(at, _)| annul(at)).collect()
}

/// A student is struck off, though she only stays elsewhere for her studies.
#[test]
fn the_student_wrongly_struck_off() {
    let mut world = World::new();
    let (mother, student) = (world.person(woman("1975-01-01")), world.person(woman("2003-01-01")));
    let home = world.household(PHUC_XA, "2010-01-01", &[(mother, Head), (student, Child)]);
    let rows = [RowRef::Person(student), RowRef::Household(home)];
    let before = rows.map(|row| believed(&world, row));
    world.given(Command::LeaveHousehold(LeaveHousehold {
        person: id(student),
        ground: LeaveGround::RegistrationEnded,
        effective_on: date("2021-10-01"),
        succession: None,
    }));
    let struck_off = world.registry.head().lsn;
    assert_eq!((row(&world, student).unit, household_of(&world, student)), (0, HouseholdId::NONE));
    // To take back one half of it is refused with the other.
    let half = whole(&world, struck_off).split_off(1);
    refused(&mut world, half, &["correction_not_covered"]);
    let all = whole(&world, struck_off);
    corrected(&mut world, all);
    assert_eq!(rows.map(|row| believed(&world, row)), before);
    // The registry goes on as if nothing had been: she may move on any day since she moved in.
    world.given(Command::MovePermanent(MovePermanent {
        effective_on: date("2021-09-15"),
        movement: PermanentMove::NewHousehold {
            kind: Default::default(),
            to: place(TRUC_BACH),
            file_number: None,
            persons: vec![event_schemas::command::PersonInHousehold {
                person: id(student),
                relationship: Head,
            }],
        },
        successions: Vec::new(),
    }));
}

fn dies(person: PersonId, died: &str) -> Command {
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

/// Of two brothers the wrong one was registered as dead. He heads a household, is married and has a card.
#[test]
fn the_death_registered_for_the_wrong_twin() {
    let mut world = World::new();
    let living = world.person(NewPersonOf { pin: Some("001080000001"), ..man("1980-05-01") });
    let dead = world.person(NewPersonOf { pin: Some("001080000002"), ..man("1980-05-01") });
    let wife = world.person(woman("1982-01-01"));
    let home = world.household(PHUC_XA, "2010-01-01", &[(living, Head), (wife, Spouse), (dead, Child)]);
    world.given(Command::RegisterMarriage(event_schemas::command::RegisterMarriage {
        partners: [KinRef::Registered(id(living)), KinRef::Registered(id(wife))],
        married_on: date("2009-01-01"),
        legacy_entry: None,
    }));
    let card = card_of(&mut world, living);
    let rows =
        [living, wife].map(RowRef::Person).into_iter().chain([RowRef::Household(home), RowRef::Card(card)]);
    let rows: Vec<RowRef> = rows.collect();
    let before: Vec<RowImage> = rows.iter().map(|row| believed(&world, *row)).collect();
    world.given(dies(living, "2022-02-01"));
    let wrong = world.registry.head().lsn;
    assert_eq!(row(&world, wife).marital().status, MaritalStatus::Widowed);
    // The death alone is not the whole of it: marriage, residence, membership, headship, card ended with it.
    let faults = refused(&mut world, vec![annul(at(wrong, 0))], &["correction_not_covered"]);
    assert!(faults[0].events.len() >= 4, "{faults:#?}");
    let all = whole(&world, wrong);
    corrected(&mut world, all);
    let after: Vec<RowImage> = rows.iter().map(|row| believed(&world, *row)).collect();
    assert_eq!(after, before);
    let status = world.registry.card(card).map(|card| card.status);
    assert_eq!(status, Some(CardStatus::Active as u8));
    world.given(dies(dead, "2022-02-01"));
    assert_ne!(row(&world, dead).died, 0);
}

fn card_of(world: &mut World, person: PersonId) -> CardId {
    let (dossier, card) = (world.registry.head().dossiers.next(), world.registry.head().cards.next());
    for step in papers(person, dossier, card) {
        world.given(step);
    }
    card
}

fn papers(person: PersonId, dossier: DossierId, card: CardId) -> [Command; 4] {
    let serial = text(&format!("A{:06}", card.0));
    [
        Command::ApplyForCard(ApplyForCard {
            person: id(person),
            document: DocumentKind::Cccd2021,
            reason: ApplicationReason::FirstIssue,
            representative: None,
            received_at: code(PHUC_XA),
            received_on: date("2021-09-01"),
        }),
        Command::DecideCardApplication(DecideCardApplication {
            dossier,
            decision: ApplicationDecision::Approve,
            decided_on: date("2021-09-03"),
        }),
        Command::ProduceCard(ProduceCard { dossier, serial, issued_on: date("2021-09-10") }),
        Command::HandOverCard(HandOverCard { card, handed_over_on: date("2021-09-15") }),
    ]
}

pub fn registered(world: &World, person: PersonId) -> (EventAddress, event_schemas::event::PersonRegistered) {
    let at = world.address_of(|body| matches!(body, EventBody::PersonRegistered(e) if e.person == person));
    match world.history.event(at).expect("the history can be read").map(|event| event.body) {
        Some(EventBody::PersonRegistered(registered)) => (at, registered),
        other => panic!("{other:?}"),
    }
}

/// The year of birth is found wrong five years after the card: another number is established, and the card is to be exchanged.
#[test]
fn a_birth_year_corrected_after_a_card_was_issued() {
    let mut world = World::new();
    let person = world.enrolled(NewPersonOf { pin: Some("001080000001"), ..man("1980-05-01") }, "2016-01-01");
    world.resident(person, PHUC_XA, "2016-01-01");
    let card = card_of(&mut world, person);
    let (address, mut right) = registered(&world, person);
    right.identity.birth = partial("1982-05-01");
    let edit = amend(address, "2016-01-01", EventBody::PersonRegistered(right));
    let envelope = world.proposal(vec![edit.clone()]);
    let shown = world.when_envelope(NATIONAL_OFFICE, envelope).accepted().correction.clone().expect("told");
    let consequences: Vec<&str> = shown.consequences.iter().map(|fact| fact.body.name()).collect();
    assert_eq!(consequences, ["pin_cancelled", "pin_issued"]);
    let lsn = corrected(&mut world, vec![edit]);
    let old: Pin = "001080000001".parse().unwrap();
    let now = row(&world, person);
    let new = Pin::from_number(now.pin.get()).unwrap();
    assert_eq!((new.birth_year(), new.sex()), (1982, Sex::Male));
    assert_eq!(world.registry.person_by_pin(old), Some(person), "the old number still leads to the person");
    assert!(!world.registry.card(card).unwrap().carries_number_of(now), "the card is to be exchanged");
    // Taken back, the number that was cancelled stays cancelled: a third one is drawn.
    corrected(&mut world, vec![annul(at(lsn, 1))]);
    let third = Pin::from_number(row(&world, person).pin.get()).unwrap();
    assert_eq!(third.birth_year(), 1980);
    assert!(![old, new].contains(&third));
}

#[test]
fn a_corrected_sex_that_a_marriage_stands_against_is_refused_with_the_marriage() {
    let mut world = World::new();
    let (one, other) = (world.person(man("1980-05-01")), world.person(woman("1981-05-01")));
    world.given(Command::RegisterMarriage(event_schemas::command::RegisterMarriage {
        partners: [KinRef::Registered(id(one)), KinRef::Registered(id(other))],
        married_on: date("2009-01-01"),
        legacy_entry: None,
    }));
    let married = world.address_of(|body| matches!(body, EventBody::MarriageRegistered(_)));
    let (address, mut right) = registered(&world, one);
    right.identity.sex = Sex::Female;
    let edit = amend(address, "1980-05-01", EventBody::PersonRegistered(right));
    let faults = refused(&mut world, vec![edit.clone()], &["correction_not_covered"]);
    assert_eq!(faults[0].events, [married]);
    corrected(&mut world, vec![edit, annul(married)]);
    assert_eq!(row(&world, other).marital().spouse, None);
}

/// A child is registered late, when the household has moved; that it lived with the household before is recorded by a correction.
#[test]
fn a_child_inserted_before_the_household_moved() {
    let mut world = World::new();
    let mother = world.person(woman("1985-01-01"));
    let home = world.household(PHUC_XA, "2015-01-01", &[(mother, Head)]);
    let movement = PermanentMove::WholeHousehold { household: home, to: place(TRUC_BACH) };
    let effective_on = date("2020-06-01");
    world.given(Command::MovePermanent(MovePermanent { effective_on, movement, successions: Vec::new() }));
    let moved = world.address_of(|body| matches!(body, EventBody::HouseholdMoved(_)));
    world.given(born(mother, "2018-03-01"));
    let born_lsn = world.registry.head().lsn;
    let child = world.registry.head().persons;
    let lived = world
        .address_of(|body| matches!(body, EventBody::PermanentResidenceRegistered(e) if e.person == child));
    let joined = world.address_of(|body| matches!(body, EventBody::MemberJoined(e) if e.person == child));
    assert_eq!((lived.lsn, joined.lsn), (born_lsn, born_lsn));
    let membership = Membership::Permanent;
    let joins = EventBody::MemberJoined(MemberJoined {
        household: home,
        person: child,
        membership,
        relationship: Child,
    });
    let mut edits =
        vec![amend(lived, "2018-03-01", lives(child, PHUC_XA)), amend(joined, "2018-03-01", joins)];
    // From the household's move on the child would live elsewhere: the move is what the correction leaves open.
    let faults = refused(&mut world, edits.clone(), &["correction_not_covered"]);
    assert_eq!(faults[0].events, [moved]);
    edits.push(insert("2020-06-01", lives(child, TRUC_BACH)));
    corrected(&mut world, edits);
    let now = row(&world, child);
    assert_eq!((now.unit, now.household), (unit(TRUC_BACH).0, home.0));
}

pub fn born(mother: PersonId, on: &str) -> Command {
    let parent = ParentLink {
        role: ParentRole::Mother,
        kind: ParentKind::Biological,
        parent: KinRef::Registered(id(mother)),
        period: Period::default(),
    };
    Command::Birth(Birth {
        child: Newborn {
            names: names("Mai"),
            sex: Sex::Female,
            birth: partial(on),
            birth_time: None,
            birth_place: None,
            hometown: None,
            ethnicity: None,
            nationality: Nationality::vietnamese(),
            weight_g: None,
            birth_order: None,
            multiple: None,
        },
        parentage: Parentage::Parents(vec![parent]),
        residence: BirthResidence::Mother(Child),
        registered_at: code(PHUC_XA),
        legacy_entry: None,
    })
}
