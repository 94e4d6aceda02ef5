//! Examples fit the exported JSON Schema, and what the parser refuses by shape the schema refuses too.

use boon::{Compiler, SchemaIndex, Schemas};
use event_schemas::event::EventBody;
use event_schemas::examples::{example, example_event};
use event_schemas::outcome::{Acceptance, Created, Fault, Outcome, Refusal};
use event_schemas::{Command, CommandEnvelope, schema};
use serde_json::{Value, json};

struct Checker {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Checker {
    fn new(schema: impl Into<Value>) -> Self {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.enable_format_assertions();
        compiler.add_resource("mem:///schema.json", schema.into()).unwrap();
        let index =
            compiler.compile("mem:///schema.json", &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        Self { schemas, index }
    }

    fn faults(&self, value: &Value) -> Option<String> {
        self.schemas.validate(value, self.index).err().map(|error| format!("{error:#}"))
    }
}

fn json_of(kind: &str) -> Value {
    serde_json::to_value(example(kind).unwrap()).unwrap()
}

#[test]
fn every_example_command_fits_the_envelope_and_the_schema_of_its_kind_only() {
    let any = Checker::new(schema::command_envelope());
    for (_, kind) in Command::KINDS {
        let value = json_of(kind);
        assert_eq!(any.faults(&value), None, "{kind}");
        let own = Checker::new(schema::command_of_kind(kind).unwrap());
        assert_eq!(own.faults(&value), None, "{kind}");
        let other = if *kind == "birth" { "death" } else { "birth" };
        assert!(own.faults(&json_of(other)).is_some(), "{kind} takes {other}");
    }
    assert!(schema::command_of_kind("no_such_kind").is_none());
}

#[test]
fn every_example_event_fits_the_schema_of_its_kind() {
    let any = Checker::new(schema::event());
    for (_, kind) in EventBody::KINDS {
        let value = serde_json::to_value(example_event(kind).unwrap()).unwrap();
        assert_eq!(any.faults(&value), None, "{kind}");
        let own = Checker::new(schema::event_of_kind(kind).unwrap());
        assert_eq!(own.faults(&value), None, "{kind}");
    }
}

#[test]
fn answers_fit_their_schema() {
    let checker = Checker::new(schema::outcome());
    let command_id = example("birth").unwrap().command_id;
    let fault = Fault {
        code: "unknown_unit".into(),
        field: Some("command.birth.registered_at".into()),
        vi: "Không có đơn vị hành chính này.".into(),
        en: "There is no such unit.".into(),
        rows: Vec::new(),
        events: Vec::new(),
        overridable: false,
    };
    let accepted = Outcome::Accepted(Acceptance {
        command_id,
        log_id: Default::default(),
        lsn: event_schemas::ids::Lsn(7),
        recorded_at: Default::default(),
        repeated: false,
        dry_run: false,
        created: Created::by(&[example_event("person_registered").unwrap()]),
        rows: Vec::new(),
        notes: vec![fault.clone()],
        correction: None,
    });
    let refused = Outcome::Refused(Refusal {
        command_id,
        log_id: Default::default(),
        lsn: event_schemas::ids::Lsn(7),
        faults: vec![fault],
    });
    for outcome in [accepted, refused] {
        assert_eq!(checker.faults(&serde_json::to_value(outcome).unwrap()), None);
    }
}

#[test]
fn what_has_the_wrong_shape_fits_neither_the_schema_nor_the_parser() {
    let checker = Checker::new(schema::command_envelope());
    let wrong: &[(&str, Value)] = &[
        ("/command_id", json!("not-a-uuid-at-all")),
        ("/surprise", json!(1)),
        ("/command/birth/surprise", json!(1)),
        ("/command/birth/registered_at", json!("1234")),
        ("/command/birth/registered_at", Value::Null),
        ("/command/birth/child/birth", json!("27.02.2021")),
        ("/command/birth/child/sex", json!("m")),
        ("/command/birth/child/names/given", json!("")),
        ("/command/birth/child/names/given", json!("x".repeat(81))),
        ("/command/birth/child/weight_g", json!(-1)),
        ("/command/birth/child/nationality", json!({ "countries": ["vn"] })),
        ("/command/birth/residence", json!("mother")),
    ];
    for (path, value) in wrong {
        let mut json = json_of("birth");
        let (parent, field) = path.rsplit_once('/').unwrap();
        json.pointer_mut(parent).unwrap()[field] = value.clone();
        assert!(checker.faults(&json).is_some(), "the schema takes {path} = {value}");
        assert!(
            serde_json::from_value::<CommandEnvelope>(json).is_err(),
            "the parser takes {path} = {value}"
        );
    }
}

#[test]
fn the_contract_lists_every_kind_and_refers_to_nothing_outside() {
    let contract = schema::contract();
    for (_, kind) in Command::KINDS {
        let schema = &contract["commands"][kind];
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["title"], *kind);
    }
    assert_eq!(contract["events"].as_object().unwrap().len(), EventBody::KINDS.len());
}
