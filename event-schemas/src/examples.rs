//! One valid example of every command and every event. The people, offices and numbers in them are invented; the units are
//! those of the national list.
//!
//! Offices see them through `dancu example`; the golden files and the JSON Schema are tested on them.

mod commands;
mod events;

use crate::basis::{Basis, BasisKind};
use crate::command::{Command, CommandEnvelope};
use crate::event::Event;
use crate::guarded::Confidentiality;
use crate::ids::{CommandId, KeyId};
use crate::person::{Names, PersonRef};
use crate::pin::Pin;
use crate::place::UnitCode;
use crate::text::Text;
use crate::time::{Date, PartialDate, TimeOfDay};
use std::str::FromStr;

/// A command of the kind with this stable name, see [`Command::KINDS`].
pub fn example(kind: &str) -> Option<CommandEnvelope> {
    let command = commands::example(kind)?;
    Some(CommandEnvelope {
        command_id: CommandId(FIRST_COMMAND_ID + u128::from(command.kind())),
        expected_versions: Vec::new(),
        answer_by: None,
        dry_run: false,
        procedure: None,
        basis: basis_of(&command),
        overrides: Vec::new(),
        command,
    })
}

/// An event of the kind with this stable name, see [`crate::event::EventBody::KINDS`].
pub fn example_event(kind: &str) -> Option<Event> {
    Some(Event {
        effective_on: PartialDate::of_day(date("2021-03-15")),
        basis: 0,
        class: Confidentiality::Basic,
        key_id: KeyId::NONE,
        body: events::example(kind)?,
    })
}

/// A UUIDv7 of 2021; the examples count from here.
const FIRST_COMMAND_ID: u128 = 0x0178_3442_7400_7000_8000_0000_0000_0000;

fn basis_of(command: &Command) -> Basis {
    match command {
        Command::EstablishUnits(_) => Basis {
            authority: Some(text("Thủ tướng Chính phủ")),
            number: Some(text("124/2004/QĐ-TTg")),
            date: Some(date("2004-07-08")),
            ..Basis::of(BasisKind::Agency)
        },
        Command::RegisterOffice(_) | Command::ChangeOfficeArea(_) | Command::ClearDefect(_) => {
            Basis::of(BasisKind::Agency)
        }
        Command::CancelPin(_)
        | Command::ReestablishPin(_)
        | Command::OpenOperation(_)
        | Command::StageOperation(_)
        | Command::ApproveOperation(_)
        | Command::CommitOperation(_)
        | Command::AbandonOperation(_)
        | Command::Correct(_)
        | Command::ProposeCorrection(_)
        | Command::StageCorrections(_)
        | Command::ApproveCorrection(_) => Basis {
            authority: Some(text("Cục Cảnh sát quản lý hành chính về trật tự xã hội")),
            number: Some(text("215/QĐ-C06")),
            date: Some(date("2021-03-12")),
            ..Basis::of(BasisKind::Agency)
        },
        Command::EnrolPerson(_) | Command::EnrolHousehold(_) => Basis {
            number: Some(text("DC01-000017")),
            date: Some(date("2021-03-10")),
            ..Basis::of(BasisKind::Form)
        },
        Command::HoldCard(_) | Command::ReturnCard(_) => {
            Basis { authority: Some(text("Công an quận Ba Đình")), ..Basis::of(BasisKind::Agency) }
        }
        Command::RegisterDivorce(_) => Basis {
            authority: Some(text("Tòa án nhân dân quận Ba Đình")),
            number: Some(text("27/2021/QĐST-HNGĐ")),
            date: Some(date("2021-03-12")),
            ..Basis::of(BasisKind::Court)
        },
        _ => Basis {
            authority: Some(text("Trần Thị Hoa")),
            date: Some(date("2021-03-15")),
            ..Basis::of(BasisKind::Declaration)
        },
    }
}

/// Phúc Xá ward in Ba Đình, Hà Nội.
const WARD: &str = "00001";

fn parse<T: FromStr>(value: &str) -> T {
    value.parse().ok().expect("the examples' values are valid, and tested to be")
}

fn text<const MAX: usize>(value: &str) -> Text<MAX> {
    parse(value)
}

fn date(value: &str) -> Date {
    parse(value)
}

fn partial(value: &str) -> PartialDate {
    parse(value)
}

fn time(value: &str) -> Option<TimeOfDay> {
    Some(parse(value))
}

fn unit(value: &str) -> UnitCode {
    parse(value)
}

fn pin(value: &str) -> Pin {
    parse(value)
}

fn by_pin(value: &str) -> PersonRef {
    PersonRef::Pin(pin(value))
}

fn names(surname: &str, middle: &str, given: &str) -> Names {
    Names { surname: Some(text(surname)), middle: Some(text(middle)), given: text(given), other: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventBody;
    use crate::record::{decode_command_bytes, decode_event_bytes, encode_command, encode_event_bytes};

    #[test]
    fn every_kind_of_command_has_an_example_that_survives_json_and_bytes() {
        for (kind, name) in Command::KINDS {
            let envelope = example(name).unwrap_or_else(|| panic!("no example of {name}"));
            assert_eq!((envelope.command.kind(), envelope.command.name()), (*kind, *name));
            let json = serde_json::to_string(&envelope).unwrap();
            assert_eq!(serde_json::from_str::<CommandEnvelope>(&json).unwrap(), envelope, "{json}");
            let mut bytes = Vec::new();
            encode_command(&envelope, &mut bytes).unwrap();
            assert_eq!(decode_command_bytes(&bytes).unwrap(), envelope, "{name}");
        }
        assert_eq!(example("no_such_kind"), None);
    }

    #[test]
    fn every_kind_of_event_has_an_example_that_survives_json_and_bytes() {
        for (kind, name) in EventBody::KINDS {
            let event = example_event(name).unwrap_or_else(|| panic!("no example of {name}"));
            assert_eq!((event.body.kind(), event.body.name()), (*kind, *name));
            let json = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event, "{json}");
            assert_eq!(decode_event_bytes(&encode_event_bytes(&event).unwrap()).unwrap(), event, "{name}");
        }
        assert_eq!(example_event("no_such_kind"), None);
    }

    #[test]
    fn the_names_in_json_are_the_stable_names() {
        for (_, name) in Command::KINDS {
            let json = serde_json::to_value(example(name).unwrap().command).unwrap();
            assert!(json.get(name).is_some(), "{name}");
        }
        for (_, name) in EventBody::KINDS {
            let json = serde_json::to_value(example_event(name).unwrap().body).unwrap();
            assert!(json.get(name).is_some(), "{name}");
        }
    }
}
