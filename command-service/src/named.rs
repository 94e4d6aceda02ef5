//! Which registered rows a command names.
//!
//! A command is looked through in its JSON, where a reference always stands under the same names, so that a command that is
//! added later is looked through as well.

use domain::Registry;
use event_schemas::CommandEnvelope;
use event_schemas::document::cmnd_number;
use event_schemas::ids::{
    CardId, DossierId, DwellingId, HouseholdId, Lsn, OfficeId, OperationId, PersonId, Version,
};
use event_schemas::row::{RowRef, RowTouch};
use serde_json::{Map, Value};

/// Every person, household, card, dossier, dwelling, office and operation that the command names in whatever way and that is registered,
/// in order, each once. Also whoever has a number that the command gives to somebody else.
pub fn rows_named(envelope: &CommandEnvelope, registry: &Registry) -> Vec<RowRef> {
    let command = serde_json::to_value(&envelope.command).expect("a command is plain data that came as JSON");
    let mut named: Vec<RowRef> = envelope.expected_versions.iter().map(|expected| expected.row).collect();
    look_through(&command, registry, &mut named);
    named.retain(|row| registry.version(*row).0 != Version::NONE);
    named.sort_unstable();
    named.dedup();
    named
}

/// A dry run leaves no trace of its own but the rows that its command names, so it tells of no others: those, what it would
/// create, and units, which name nobody.
pub fn is_shown_in_dry_run(touch: &RowTouch, named: &[RowRef]) -> bool {
    matches!(touch.row, RowRef::Unit(_))
        || touch.previous == Lsn::ZERO
        || named.binary_search(&touch.row).is_ok()
}

fn look_through(value: &Value, registry: &Registry, named: &mut Vec<RowRef>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| look_through(item, registry, named)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::Number(number) => {
                        let id = number.as_u64().and_then(|id| u32::try_from(id).ok());
                        named.extend(id.and_then(|id| row_of_id(name, id)));
                    }
                    Value::String(text) => {
                        let person = person_of_number(name, text, members, registry);
                        named.extend(person.map(RowRef::Person));
                    }
                    other => look_through(other, registry, named),
                }
            }
        }
        _ => {}
    }
}

fn row_of_id(name: &str, id: u32) -> Option<RowRef> {
    Some(match name {
        "person" | "person_id" => RowRef::Person(PersonId(id)),
        // As a fact names them that a correction states.
        "child" | "registered" | "head" | "former" | "spouse" | "representative" | "up_to" | "looked_at" => {
            RowRef::Person(PersonId(id))
        }
        "household" | "facility" | "from" | "into" | "split_from" => RowRef::Household(HouseholdId(id)),
        "card" | "replaces" | "by" => RowRef::Card(CardId(id)),
        "dossier" => RowRef::Dossier(DossierId(id)),
        "dwelling" => RowRef::Dwelling(DwellingId(id)),
        "office" => RowRef::Office(OfficeId(id)),
        "operation" | "reverses" => RowRef::Operation(OperationId(id)),
        _ => return None,
    })
}

/// Whoever has this PIN or old card number. In a person's papers it is the number of a document of that kind.
fn person_of_number(
    name: &str,
    text: &str,
    beside: &Map<String, Value>,
    registry: &Registry,
) -> Option<PersonId> {
    let lookups = registry.lookups();
    match name {
        "pin" => registry.person_by_pin(text.parse().ok()?),
        "cmnd" => lookups.person_by_cmnd(cmnd_number(text)?),
        "number" if beside.get("kind").is_some_and(|kind| kind == "cmnd") => {
            lookups.person_by_cmnd(cmnd_number(text)?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every member of a command that holds such an id, with the id's type, and every list of ids.
    fn ids_in(schema: &Value, name: &str, found: &mut Vec<(String, String)>) {
        match schema {
            Value::Array(items) => items.iter().for_each(|item| ids_in(item, name, found)),
            Value::Object(members) => {
                for (key, member) in members {
                    match (key.as_str(), member) {
                        ("$ref", Value::String(target)) => {
                            let target = target.rsplit('/').next().unwrap_or_default();
                            found.push((name.to_owned(), target.to_owned()));
                        }
                        ("properties" | "$defs", Value::Object(properties)) => {
                            properties.iter().for_each(|(name, schema)| ids_in(schema, name, found));
                        }
                        _ => ids_in(member, name, found),
                    }
                }
            }
            _ => {}
        }
    }

    #[test]
    fn every_id_that_a_command_can_hold_stands_under_a_name_that_is_looked_for() {
        let schema = serde_json::to_value(schemars::schema_for!(CommandEnvelope)).unwrap();
        let mut found = Vec::new();
        ids_in(&schema, "", &mut found);
        let mut seen = 0;
        for (name, id) in found {
            let expected = match id.as_str() {
                "PersonId" => RowRef::Person(PersonId(7)),
                "HouseholdId" => RowRef::Household(HouseholdId(7)),
                "CardId" => RowRef::Card(CardId(7)),
                "DossierId" => RowRef::Dossier(DossierId(7)),
                "DwellingId" => RowRef::Dwelling(DwellingId(7)),
                "OfficeId" => RowRef::Office(OfficeId(7)),
                "OperationId" => RowRef::Operation(OperationId(7)),
                "Pin" => {
                    assert_eq!(name, "pin");
                    continue;
                }
                _ => continue,
            };
            assert_eq!(row_of_id(&name, 7), Some(expected), "{id} as {name}");
            seen += 1;
        }
        assert!(seen > 15, "{seen}");
    }
}
