//! Strategies that make values and commands for property tests. Only with the feature `arbitrary`.
//!
//! Commands are valid in shape; whether a registry accepts them is for the rules.

use crate::basis::{Basis, BasisKind, Evidence, LegacyEntry};
use crate::command::{Command, CommandEnvelope, ExpectedVersion};
use crate::correction::Edit;
use crate::document::{IdentityDocument, IdentityDocumentKind};
use crate::event::EventBody;
use crate::examples;
use crate::ids::{CommandId, DwellingId, OfficeId, PersonId, Version};
use crate::kin::{DescribedPerson, KinRef};
use crate::person::{Identification, Identity, Names, Nationality, PersonRef, Sex};
use crate::pin::Pin;
use crate::place::{CountryCode, DomesticPlace, ForeignPlace, Place, UnitCode, UnitLevel};
use crate::row::RowRef;
use crate::text::Text;
use crate::time::{Date, MAX_YEAR, MIN_YEAR, PartialDate, TimeOfDay, Timestamp};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

/// Any day that a fact may name.
pub fn dates() -> impl Strategy<Value = Date> {
    let first = Date::new(MIN_YEAR, 1, 1).expect("1 January exists");
    let last = Date::new(MAX_YEAR, 12, 31).expect("31 December exists");
    (first.0..=last.0).prop_map(Date)
}

/// Any partial date: year, month and day in turn.
pub fn partial_dates() -> impl Strategy<Value = PartialDate> {
    prop_oneof![
        (MIN_YEAR..=MAX_YEAR).prop_map(|year| PartialDate::of_year(year).expect("in range")),
        (MIN_YEAR..=MAX_YEAR, 1i8..=12)
            .prop_map(|(year, month)| PartialDate::of_month(year, month).expect("in range")),
        dates().prop_map(PartialDate::of_day),
    ]
}

/// Any minute of a day.
pub fn times_of_day() -> impl Strategy<Value = TimeOfDay> {
    (0u16..24, 0u16..60).prop_map(|(hour, minute)| TimeOfDay::new(hour, minute).expect("in range"))
}

/// Any instant of the years 1970 to 2399, to the microsecond.
pub fn timestamps() -> impl Strategy<Value = Timestamp> {
    (0i64..13_569_465_600_000_000).prop_map(Timestamp)
}

/// Text that its type allows: Vietnamese letters, composed or not, and what else people write.
pub fn texts<const MAX: usize>() -> impl Strategy<Value = Text<MAX>> {
    let parts = prop_oneof![
        Just("Nguyễn"),
        Just("Đặng"),
        Just("ư"),
        Just("ợ"),
        Just("e\u{302}\u{323}"),
        Just("A"),
        Just("z"),
        Just("7"),
        Just("'"),
        Just("-"),
        Just("/"),
        Just(" "),
        Just("ß"),
        Just("𠀀"),
        Just("\""),
        Just("\\"),
    ];
    vec(parts, 1..=MAX.min(24)).prop_map(|parts| {
        let all: String = parts.concat();
        let fits: String = all.trim().chars().take(MAX).collect();
        Text::new(&fits).unwrap_or_else(|_| Text::new("x").expect("one letter fits every text"))
    })
}

/// Any names.
pub fn names() -> impl Strategy<Value = Names> {
    (option::of(texts()), option::of(texts()), texts(), vec(texts(), 0..3))
        .prop_map(|(surname, middle, given, other)| Names { surname, middle, given, other })
}

/// Any sex.
pub fn sexes() -> impl Strategy<Value = Sex> {
    prop_oneof![Just(Sex::Unknown), Just(Sex::Male), Just(Sex::Female)]
}

/// Any two capital letters.
pub fn countries() -> impl Strategy<Value = CountryCode> {
    "[A-Z]{2}".prop_map(|letters| letters.parse().expect("two capital letters"))
}

/// Any nationality.
pub fn nationalities() -> impl Strategy<Value = Nationality> {
    prop_oneof![
        4 => Just(Nationality::vietnamese()),
        2 => btree_set(countries(), 1..4).prop_map(Nationality::Countries),
        1 => Just(Nationality::Stateless),
        1 => Just(Nationality::Undetermined),
    ]
}

/// Any unit code.
pub fn unit_codes() -> impl Strategy<Value = UnitCode> {
    prop_oneof![
        (0u32..100).prop_map(|number| (UnitLevel::Province, number)),
        (0u32..1_000).prop_map(|number| (UnitLevel::District, number)),
        (0u32..100_000).prop_map(|number| (UnitLevel::Ward, number)),
    ]
    .prop_map(|(level, number)| UnitCode::new(level, number).expect("in range"))
}

/// Any place.
pub fn places() -> impl Strategy<Value = Place<UnitCode>> {
    prop_oneof![
        (unit_codes(), option::of((1u32..1_000).prop_map(DwellingId)), option::of(texts()))
            .prop_map(|(unit, dwelling, address)| Place::Domestic(DomesticPlace { unit, dwelling, address })),
        (countries(), option::of(texts()))
            .prop_map(|(country, address)| Place::Abroad(ForeignPlace { country, address })),
    ]
}

/// Any 12 digits.
pub fn pins() -> impl Strategy<Value = Pin> {
    (0u64..1_000_000_000_000).prop_map(|number| Pin::from_number(number).expect("in range"))
}

/// Any way to name a registered person.
pub fn person_refs() -> impl Strategy<Value = PersonRef> {
    prop_oneof![
        any::<u32>().prop_map(|number| PersonRef::PersonId(PersonId(number))),
        pins().prop_map(PersonRef::Pin),
        "[0-9]{9}".prop_map(|digits| PersonRef::Cmnd(Text::new(&digits).expect("nine digits"))),
    ]
}

/// Any identity.
pub fn identities() -> impl Strategy<Value = Identity<UnitCode>> {
    let identification = prop_oneof![
        Just(Identification::Verified),
        Just(Identification::Claimed),
        Just(Identification::Unknown)
    ];
    (
        names(),
        sexes(),
        partial_dates(),
        option::of(times_of_day()),
        option::of(places()),
        nationalities(),
        identification,
    )
        .prop_map(|(names, sex, birth, birth_time, birth_place, nationality, identification)| Identity {
            names,
            sex,
            birth,
            birth_time,
            birth_place,
            nationality,
            identification,
        })
}

/// Any identity document.
pub fn documents() -> impl Strategy<Value = IdentityDocument> {
    let kind = prop_oneof![
        Just(IdentityDocumentKind::Cmnd),
        Just(IdentityDocumentKind::Passport),
        Just(IdentityDocumentKind::Other)
    ];
    let dates = (option::of(partial_dates()), option::of(partial_dates()));
    (kind, texts(), option::of(countries()), option::of(texts()), dates).prop_map(
        |(kind, number, country, issued_by, (issued_on, expires_on))| IdentityDocument {
            kind,
            number,
            country,
            issued_by,
            issued_on,
            expires_on,
        },
    )
}

/// Any ground.
pub fn bases() -> impl Strategy<Value = Basis> {
    let kind = prop_oneof![
        Just(BasisKind::Declaration),
        Just(BasisKind::Court),
        Just(BasisKind::Agency),
        Just(BasisKind::Form),
        Just(BasisKind::Witness)
    ];
    let evidence = (texts(), texts()).prop_map(|(sha256, uri)| Evidence { sha256, uri });
    let particulars = (option::of(texts()), option::of(texts()), option::of(dates()));
    (kind, particulars, vec(evidence, 0..3)).prop_map(|(kind, (authority, number, date), evidence)| Basis {
        kind,
        authority,
        number,
        date,
        evidence,
    })
}

/// A command of any kind: its example with the values varied that matter most, in an envelope with everything set that may
/// stand in a record.
pub fn commands() -> impl Strategy<Value = CommandEnvelope> {
    let expected = (1u32..1_000, 1u32..9).prop_map(|(person, version)| ExpectedVersion {
        row: RowRef::Person(PersonId(person)),
        version: Version(version),
    });
    let envelope =
        (any::<u128>(), vec(expected, 0..3), option::of(texts()), bases(), vec(texts(), 0..3), values());
    (proptest::sample::select(Command::KINDS), envelope).prop_map(
        |((_, kind), (command_id, expected_versions, procedure, basis, overrides, values))| {
            let example = examples::example(kind).expect("every kind has an example");
            CommandEnvelope {
                command_id: CommandId(command_id),
                expected_versions,
                procedure,
                basis,
                overrides,
                command: varied(example.command, values),
                ..example
            }
        },
    )
}

/// What is put into an example to vary it.
#[derive(Clone, Debug)]
struct Values {
    person: PersonRef,
    identity: Identity<UnitCode>,
    document: IdentityDocument,
    place: Place<UnitCode>,
    unit: UnitCode,
    date: Date,
    legacy: Option<LegacyEntry>,
}

fn values() -> impl Strategy<Value = Values> {
    let legacy = (any::<u32>(), MIN_YEAR..=MAX_YEAR, any::<u32>())
        .prop_map(|(office, year, number)| LegacyEntry { office: OfficeId(office), year, number });
    let values =
        (person_refs(), identities(), documents(), places(), unit_codes(), dates(), option::of(legacy));
    values.prop_map(|(person, identity, document, place, unit, date, legacy)| Values {
        person,
        identity,
        document,
        place,
        unit,
        date,
        legacy,
    })
}

fn varied(command: Command, values: Values) -> Command {
    use crate::command::PermanentMove;
    let mut command = command;
    match &mut command {
        Command::EnrolPerson(enrol) => {
            enrol.person.identity = values.identity;
            enrol.person.data.documents = vec![values.document];
            enrol.effective_on = values.date;
        }
        Command::EnrolHousehold(enrol) => {
            enrol.members[0].person.identity = values.identity;
            enrol.place = values.place;
            enrol.effective_on = values.date;
        }
        Command::Birth(birth) => {
            birth.child.names = values.identity.names;
            birth.child.sex = values.identity.sex;
            birth.child.birth = values.identity.birth;
            birth.child.birth_place = Some(values.place);
            birth.registered_at = values.unit;
            birth.legacy_entry = values.legacy;
        }
        Command::Death(death) => {
            death.person = values.person;
            death.died = values.identity.birth;
            death.place = Some(values.place);
            death.registered_at = values.unit;
            death.legacy_entry = values.legacy;
        }
        Command::RegisterMarriage(marriage) => {
            let described = DescribedPerson {
                names: values.identity.names,
                birth: Some(values.identity.birth),
                nationality: Some(values.identity.nationality),
                document: Some(values.document),
            };
            marriage.partners = [KinRef::Registered(values.person), KinRef::Described(Box::new(described))];
            marriage.married_on = values.date;
            marriage.legacy_entry = values.legacy;
        }
        Command::RegisterDivorce(divorce) => {
            divorce.person = values.person;
            divorce.effective_on = values.date;
        }
        Command::ChangeName(change) => {
            change.person = values.person;
            change.names = values.identity.names;
            change.effective_on = values.date;
        }
        Command::MovePermanent(movement) => {
            movement.effective_on = values.date;
            if let PermanentMove::NewHousehold { to, persons, .. } = &mut movement.movement {
                *to = values.place;
                persons[0].person = values.person;
            }
        }
        Command::RegisterTemporaryResidence(stay) => {
            stay.person = values.person;
            stay.place = values.place;
            stay.until = values.date;
        }
        Command::JoinHousehold(join) => join.person = values.person,
        Command::LeaveHousehold(leave) => leave.person = values.person,
        Command::IssuePin(issue) => issue.birth_registered_at = Some(values.unit),
        Command::AcceptPin(accept) => accept.person = values.person,
        Command::ReestablishPin(reestablish) => {
            reestablish.person = values.person;
            reestablish.birth_registered_at = Some(values.unit);
        }
        Command::Correct(correct) => {
            if let Some(Edit::Amend { to, .. }) = correct.edits.first_mut() {
                to.effective_on = values.identity.birth;
                if let EventBody::NameChanged(changed) = &mut to.body {
                    changed.names = values.identity.names;
                }
            }
        }
        Command::ApplyForCard(apply) => {
            apply.person = values.person;
            apply.received_at = values.unit;
        }
        _ => {}
    }
    command
}
