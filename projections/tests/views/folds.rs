//! Given these events, then this row.
use crate::common::town::{WARDS, identity, names, place, registered};
use crate::common::{Scribe, date, event, folded};
use event_schemas::basis::{RegisterEntry, RegisterKind};
use event_schemas::card::{ApplicationReason, CardStatus, DocumentKind, DossierStatus, HoldReason};
use event_schemas::defect::DefectKind;
use event_schemas::event::*;
use event_schemas::examples::example_event;
use event_schemas::household::{HouseholdKind, LeaveReason, Membership, Relationship};
use event_schemas::ids::{CardId, DossierId, EventAddress, HouseholdId, Lsn, OfficeId, PersonId};
use event_schemas::kin::{
    DescribedPerson, KinRef, MarriageEndReason, ParentKind, ParentLink, ParentRole, Period,
};
use event_schemas::person::{MaritalStatus, Sex};
use event_schemas::pin::PinOccasion;
use event_schemas::place::Place;
use event_schemas::row::RowRef;
use projections::answers::Acceptance;
use projections::rows::{CardRow, Fact, HouseholdRow, PersonRow, Row};
use projections::{Projector, Reading};

const AN: PersonId = PersonId(1);
const BA: PersonId = PersonId(2);

/// Folds one record per list of (date, event).
fn given(records: Vec<Vec<(&str, EventBody)>>) -> Projector {
    let mut scribe = Scribe::new();
    for record in records {
        scribe.record(record.into_iter().map(|(on, body)| event(date(on), body)).collect());
    }
    folded(&scribe.log)
}

fn person(reading: &Reading<'_>, id: PersonId) -> PersonRow {
    reading.person(id).unwrap().unwrap()
}

fn named(given: &str) -> EventBody {
    EventBody::NameChanged(NameChanged {
        person: AN,
        names: names(given),
        reason: "at own wish".parse().unwrap(),
    })
}

fn born(id: PersonId) -> EventBody {
    registered(id, "An", Sex::Female)
}

#[test]
fn a_cancelled_pin_stays_with_the_address_of_its_event() {
    let pin = |text: &str| text.parse().unwrap();
    let issued = PinIssued {
        person: AN,
        pin: pin("001190000001"),
        draw: 0,
        key_version: 1,
        occasion: PinOccasion::Birth,
    };
    let accepted = PinAccepted { person: AN, pin: pin("001190000002") };
    let projector = given(vec![
        vec![("2021-07-01", born(AN)), ("2021-07-01", EventBody::PinIssued(issued))],
        vec![("2021-07-02", EventBody::PinAccepted(accepted))],
    ]);
    let reading = projector.view().read();
    let row = person(&reading, AN);
    assert_eq!(row.pin(), Some(pin("001190000002")));
    let addresses: Vec<_> = row.pins.iter().map(|entry| (entry.by, entry.accepted)).collect();
    let at = |lsn, index| EventAddress { lsn: Lsn(lsn), index };
    assert_eq!(addresses, [(at(3, 1), false), (at(4, 0), true)]);
    assert_eq!(reading.by_pin(pin("001190000001")).unwrap(), Some((AN, false)));
    assert_eq!(reading.by_pin(pin("001190000002")).unwrap(), Some((AN, true)));
}

#[test]
fn a_late_change_of_name_takes_its_place_in_time_and_leaves_other_aspects_alone() {
    let projector = given(vec![
        vec![("2020-01-01", born(AN))],
        vec![("2021-05-01", named("Dung"))],
        vec![(
            "2021-06-01",
            EventBody::DefectNoted(DefectNoted {
                row: RowRef::Person(AN),
                defect: DefectKind::ParentsMissing,
            }),
        )],
        vec![("2021-02-01", named("Châu"))],
    ]);
    let row = person(&projector.view().read(), AN);
    assert_eq!(
        row.display_name(),
        "Nguyễn Dung",
        "the later name in valid time rules, whenever it was recorded"
    );
    let former: Vec<_> =
        row.former_names.iter().map(|former| (former.names.to_string(), former.until.to_string())).collect();
    assert_eq!(
        former,
        [
            ("Nguyễn An".to_owned(), "2021-02-01".to_owned()),
            ("Nguyễn Châu".to_owned(), "2021-05-01".to_owned())
        ]
    );
    assert_eq!(row.defects.len(), 1);
    assert_eq!((row.stamp.version.0, row.stamp.last_lsn), (4, Lsn(6)));
}

#[test]
fn kinship_shows_on_both_rows_and_a_described_parent_can_be_found_later() {
    let described = DescribedPerson { names: names("Ba"), birth: None, nationality: None, document: None };
    let linked = |parent| {
        let (role, kind, period) = (ParentRole::Father, ParentKind::Biological, Period::default());
        EventBody::ParentLinked(ParentLinked { child: AN, link: ParentLink { role, kind, parent, period } })
    };
    let projector = given(vec![
        vec![("2020-01-01", born(AN)), ("2020-01-01", linked(KinRef::Described(Box::new(described))))],
        vec![("2020-01-01", born(BA))],
        vec![("2021-01-01", linked(KinRef::Registered(BA)))],
    ]);
    let reading = projector.view().read();
    let (child, father) = (person(&reading, AN), person(&reading, BA));
    assert_eq!(child.parents.len(), 1);
    assert_eq!(child.parents[0].link.parent, KinRef::Registered(BA));
    assert_eq!(father.children.iter().map(|child| child.child).collect::<Vec<_>>(), [AN]);
    assert_eq!(father.stamp.version.0, 2, "the link is a record of the parent too");
    assert!(father.parents.is_empty());
}

#[test]
fn a_household_keeps_its_members_in_order_and_its_head_by_appointment() {
    let household = HouseholdId(1);
    let joined = |person, relationship| {
        let membership = Membership::Permanent;
        EventBody::MemberJoined(MemberJoined { household, person, membership, relationship })
    };
    let formed = HouseholdFormed {
        household,
        kind: HouseholdKind::Family,
        place: place(WARDS[0]),
        file_number: Some("HS-17".parse().unwrap()),
        split_from: Some(HouseholdId(9)),
    };
    let left =
        MemberLeft { household, person: AN, membership: Membership::Permanent, reason: LeaveReason::Moved };
    let day = "2021-01-01";
    let first = vec![
        (day, born(AN)),
        (day, born(BA)),
        (day, EventBody::HouseholdFormed(formed)),
        (day, joined(AN, Relationship::Head)),
        (day, joined(BA, Relationship::Spouse)),
        (day, EventBody::HeadAppointed(HeadAppointed { household, head: AN })),
    ];
    let moved = HouseholdMoved { household, place: place(WARDS[1]) };
    let projector = given(vec![
        first,
        vec![("2021-02-01", EventBody::MemberLeft(left))],
        vec![("2021-02-01", EventBody::HeadAppointed(HeadAppointed { household, head: BA }))],
        vec![("2021-03-01", EventBody::HouseholdMoved(moved))],
    ]);
    let reading = projector.view().read();
    let row: HouseholdRow = reading.household(household).unwrap().unwrap();
    assert_eq!(row.head, Some(BA));
    let members: Vec<_> = row.members.iter().map(|member| (member.person, member.relationship)).collect();
    assert_eq!(members, [(BA, Relationship::Head)]);
    assert_eq!((row.unit(), row.stamp.version.0), (Some(WARDS[1]), 4));
    assert_eq!(row.formed.as_ref().unwrap().split_from, Some(HouseholdId(9)));
    assert_eq!(person(&reading, AN).household, None);
    assert_eq!(person(&reading, BA).household.unwrap().relationship, Relationship::Head);
    assert_eq!(reading.households(WARDS[0], HouseholdId(0), 9).unwrap().items, []);
    assert_eq!(reading.households(WARDS[1], HouseholdId(0), 9).unwrap().items, [household]);
}

#[test]
fn a_card_is_accepted_only_while_its_holder_has_it_and_its_last_day_has_not_passed() {
    let (card, dossier, document) = (CardId(1), DossierId(1), DocumentKind::Cccd2021);
    let received = DossierReceived {
        dossier,
        person: AN,
        document,
        reason: ApplicationReason::FirstIssue,
        replaces: None,
        representative: None,
        received_at: WARDS[0],
    };
    let produced = CardProduced {
        card,
        dossier,
        person: AN,
        document,
        serial: "S1".parse().unwrap(),
        pin: "001190000001".parse().unwrap(),
        expires_on: Some(date("2031-05-01")),
    };
    let issued = |number: &str| {
        EventBody::PinIssued(PinIssued {
            person: AN,
            pin: number.parse().unwrap(),
            draw: 0,
            key_version: 1,
            occasion: PinOccasion::Birth,
        })
    };
    let mut records = vec![
        vec![("2021-01-01", born(AN)), ("2021-01-01", issued("001190000001"))],
        vec![("2021-01-01", EventBody::DossierReceived(received))],
        vec![("2021-01-02", EventBody::DossierApproved(DossierApproved { dossier, person: AN }))],
        vec![("2021-01-03", EventBody::CardProduced(produced))],
    ];
    let check = |records: &[Vec<(&str, EventBody)>], on: &str| -> (CardRow, Acceptance) {
        let projector = given(records.to_vec());
        let row = projector.view().read().card(card).unwrap().unwrap();
        let pin = person(&projector.view().read(), AN).pin();
        let acceptance = Acceptance::of(&row, pin, Some(date(on)));
        (row, acceptance)
    };
    let reason = |records: &[Vec<(&str, EventBody)>], on: &str| {
        let (_, acceptance) = check(records, on);
        (acceptance.accepted, acceptance.reason)
    };
    assert_eq!(reason(&records, "2021-02-01"), (false, "not_handed_over".into()));
    records.push(vec![("2021-01-10", EventBody::CardHandedOver(CardHandedOver { card, person: AN }))]);
    assert_eq!(reason(&records, "2031-05-01"), (true, "valid".into()));
    assert_eq!(reason(&records, "2031-05-02"), (false, "expired".into()));
    let also = |body: EventBody| {
        let mut records = records.clone();
        records.push(vec![("2021-03-01", body)]);
        records
    };
    let held = also(EventBody::CardHeld(CardHeld { card, person: AN, reason: HoldReason::Prison }));
    assert_eq!(reason(&held, "2021-03-01"), (false, "held".into()));
    assert_eq!(check(&held, "2021-03-01").0.held_for, Some(HoldReason::Prison));
    let mut returned = held;
    returned.push(vec![("2021-03-02", EventBody::CardReturned(CardReturned { card, person: AN }))]);
    assert_eq!(reason(&returned, "2021-03-02"), (true, "valid".into()));
    assert_eq!(check(&returned, "2021-03-02").0.held_for, None);
    let damaged = EventBody::CardReportedDamaged(CardReportedDamaged { card, person: AN });
    assert_eq!(reason(&also(damaged), "2021-03-01"), (false, "damaged".into()));
    assert_eq!(reason(&also(issued("001190000002")), "2021-03-01"), (false, "number_cancelled".into()));
    records.push(vec![("2021-04-01", EventBody::CardReportedLost(CardReportedLost { card, person: AN }))]);
    assert_eq!(reason(&records, "2021-04-02"), (false, "reported_lost".into()));
    let mut found = records.clone();
    found.push(vec![("2021-04-03", EventBody::CardFound(CardFound { card, person: AN }))]);
    assert_eq!(reason(&found, "2021-04-03"), (true, "valid".into()));
    // A hand-over that was registered late does not undo the loss.
    records.push(vec![("2021-02-01", EventBody::CardHandedOver(CardHandedOver { card, person: AN }))]);
    let (row, _) = check(&records, "2021-04-02");
    assert_eq!(row.current_status(), CardStatus::ReportedLost);
    assert_eq!(row.since, Some(date("2021-04-01").into()));
    let projector = given(records);
    let reading = projector.view().read();
    assert_eq!(reading.dossier(dossier).unwrap().unwrap().current_status(), DossierStatus::Produced);
    assert_eq!(person(&reading, AN).cards, [card]);
}

#[test]
fn residence_abroad_belongs_to_no_unit_and_a_death_takes_from_every_count_but_the_dead() {
    let abroad =
        Place::Abroad(event_schemas::place::ForeignPlace { country: "FR".parse().unwrap(), address: None });
    let settled = |place| PermanentResidenceRegistered { person: AN, place };
    let mut records = vec![
        vec![
            ("2021-01-01", born(AN)),
            ("2021-01-01", EventBody::PermanentResidenceRegistered(settled(place(WARDS[0])))),
        ],
        vec![("2021-02-01", EventBody::PermanentResidenceRegistered(settled(abroad)))],
    ];
    let none = event_schemas::ids::UnitId::NONE;
    let counted = |records: &[Vec<(&str, EventBody)>]| {
        let projector = given(records.to_vec());
        let reading = projector.view().read();
        let of = |unit| reading.counts(unit).unwrap().permanent.all();
        (of(WARDS[0]), of(none), reading.dead().unwrap().all())
    };
    assert_eq!(counted(&records[..1]), (1, 0, 0));
    assert_eq!(counted(&records), (0, 1, 0));
    let Some(mut died) = example_event("death_registered") else { panic!("every event has an example") };
    if let EventBody::DeathRegistered(death) = &mut died.body {
        death.person = AN;
    }
    records.push(vec![("2021-03-01", died.body)]);
    assert_eq!(counted(&records), (0, 0, 1));
}

fn enrolled(id: PersonId, status: Option<MaritalStatus>) -> EventBody {
    let EventBody::PersonRegistered(mut registered) = born(id) else { panic!("a person is registered") };
    registered.data.marital_status = status;
    EventBody::PersonRegistered(registered)
}

fn married(spouse: KinRef<PersonId>, number: u32) -> EventBody {
    let entry = RegisterEntry { office: OfficeId(2), register: RegisterKind::Marriage, year: 2021, number };
    let partners = [KinRef::Registered(AN), spouse];
    EventBody::MarriageRegistered(MarriageRegistered { partners, entry, legacy: None })
}

fn ended(person: PersonId, spouse: Option<PersonId>, reason: MarriageEndReason) -> EventBody {
    EventBody::MarriageEnded(MarriageEnded { person, spouse, reason })
}

/// Status, since when, and the spouse.
fn marital(reading: &Reading<'_>, id: PersonId) -> Option<(MaritalStatus, String, Option<PersonId>)> {
    let row = person(reading, id);
    let open = row.marriages.iter().find(|marriage| marriage.end.is_none());
    let spouse = open.and_then(|marriage| match marriage.spouse {
        KinRef::Registered(spouse) => Some(spouse),
        KinRef::Described(_) => None,
    });
    row.marital.map(|now| (now.status, now.since.to_string(), spouse))
}

#[test]
fn a_marriage_and_its_end_show_on_both_rows_in_the_order_of_their_days() {
    use MaritalStatus::{Divorced, Married, Unmarried, Widowed};
    let described = DescribedPerson { names: names("Marie"), birth: None, nationality: None, document: None };
    let mut records = vec![
        vec![("2020-01-01", enrolled(AN, Some(Married)))],
        vec![("2020-01-01", enrolled(BA, Some(Unmarried)))],
        vec![("2020-01-01", enrolled(PersonId(3), None))],
    ];
    let told = |records: &[Vec<(&str, EventBody)>], id| {
        let projector = given(records.to_vec());
        marital(&projector.view().read(), id)
    };
    let is = |status, since: &str, spouse| Some((status, since.to_owned(), spouse));
    assert_eq!(told(&records, AN), is(Married, "2020-01-01", None), "and nobody knows to whom");
    assert_eq!(told(&records, BA), is(Unmarried, "2020-01-01", None));
    assert_eq!(told(&records, PersonId(3)), None);
    // Registered late, it is the marriage that was stated.
    records.push(vec![("2010-05-01", married(KinRef::Registered(BA), 1))]);
    assert_eq!(told(&records, AN), is(Married, "2010-05-01", Some(BA)));
    assert_eq!(told(&records, BA), is(Married, "2010-05-01", Some(AN)));
    let mut divorced = records.clone();
    divorced.push(vec![("2021-02-01", ended(BA, Some(AN), MarriageEndReason::Divorce))]);
    assert_eq!(told(&divorced, AN), is(Divorced, "2021-02-01", None));
    divorced.push(vec![("2021-03-01", married(KinRef::Described(Box::new(described)), 2))]);
    assert_eq!(told(&divorced, AN), is(Married, "2021-03-01", None));
    assert_eq!(told(&divorced, BA), is(Divorced, "2021-02-01", None));
    let projector = given(divorced);
    let marriages = person(&projector.view().read(), AN).marriages;
    assert_eq!(marriages.iter().map(|marriage| marriage.entry.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(marriages[0].end.map(|end| end.on), Some(date("2021-02-01").into()));
    assert!(matches!(marriages[1].spouse, KinRef::Described(_)) && marriages[1].end.is_none());
    // A death leaves the other widowed; an earlier divorce that comes late takes its place.
    records.push(vec![("2021-04-01", ended(BA, Some(AN), MarriageEndReason::Death))]);
    assert_eq!(told(&records, AN), is(Widowed, "2021-04-01", None));
    assert_eq!(told(&records, BA), is(Married, "2010-05-01", None), "the dead keep what they were");
    records.push(vec![("2021-01-01", ended(AN, Some(BA), MarriageEndReason::Divorce))]);
    assert_eq!(told(&records, AN), is(Divorced, "2021-01-01", None));
    assert_eq!(told(&records, BA), is(Divorced, "2021-01-01", None));
}

/// The contract: folding an event under an aspect that is not its own changes nothing, and resetting every aspect
/// leaves a row as if nothing had happened to it but its stamp.
#[test]
fn resetting_all_aspects_and_folding_again_gives_the_same_row() {
    use event_schemas::row::Aspect;
    let aspects = [
        Aspect::Existence,
        Aspect::Identity,
        Aspect::Life,
        Aspect::Kinship,
        Aspect::Number,
        Aspect::Documents,
        Aspect::PermanentResidence,
        Aspect::TemporaryResidence,
        Aspect::Membership,
        Aspect::TemporaryMembership,
        Aspect::Cards,
        Aspect::HouseholdPlace,
        Aspect::Composition,
        Aspect::Status,
        Aspect::Defects,
        Aspect::Marriage,
        Aspect::Notices,
    ];
    let mut folded_rows = 0;
    for (_, kind) in EventBody::KINDS {
        let event = example_event(kind).unwrap();
        let at = EventAddress { lsn: Lsn(5), index: 0 };
        let mut streams = Vec::new();
        event.body.for_each_stream(|row, aspect| streams.push((row, aspect)));
        for (row, _) in &streams {
            let mut value = Row::new(*row);
            for (touched, aspect) in &streams {
                if touched == row {
                    value.fold(*row, *aspect, Fact { at, event: &event });
                }
            }
            let once = value.clone();
            folded_rows += usize::from(once != Row::new(*row));
            for aspect in aspects {
                value.reset(aspect);
            }
            assert_eq!(value, Row::new(*row), "{kind}");
            for (touched, aspect) in &streams {
                if touched == row {
                    value.fold(*row, *aspect, Fact { at, event: &event });
                }
            }
            assert_eq!(value, once, "{kind}");
        }
    }
    assert!(folded_rows > 30, "most events leave something in a new row: {folded_rows}");
    assert_eq!(identity("An", Sex::Male).names, names("An"));
}
