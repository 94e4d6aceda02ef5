use super::*;
use event_schemas::examples::example_event;

fn receiver(events: Value) -> Result<Receiver, ReceiverError> {
    Receiver::read(&json!({ "receiver": "thử nghiệm", "events": events }).to_string())
}

fn said(events: Value) -> String {
    receiver(events).unwrap_err().to_string()
}

#[test]
fn a_receiver_sees_the_fields_that_it_may_and_no_others() {
    let events =
        json!({ "person_registered": ["person", "identity.names", "identity.birth", "data.documents.kind"] });
    let receiver = receiver(events).unwrap();
    let mut registered = serde_json::to_value(example_event("person_registered").unwrap()).unwrap();
    registered["body"]["person_registered"]["data"]["documents"] = json!([
        { "kind": "cmnd", "number": "012345678", "country": "VN", "issued_by": null, "issued_on": null, "expires_on": null }
    ]);
    let registered: Event = serde_json::from_value(registered).unwrap();
    let whole = serde_json::to_value(&registered.body).unwrap()["person_registered"].clone();
    let seen = receiver.view(&registered).unwrap();
    assert_eq!(seen["effective_on"], json!(registered.effective_on));
    assert_eq!(seen["event"]["identity"]["names"], whole["identity"]["names"]);
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&seen["event"]), ["data", "identity", "person"]);
    assert_eq!(names(&seen["event"]["identity"]), ["birth", "names"]);
    assert_eq!(names(&seen["event"]["data"]), ["documents"]);
    assert_eq!(seen["event"]["data"]["documents"], json!([{ "kind": "cmnd" }]));
    assert!(receiver.view(&example_event("name_changed").unwrap()).is_none(), "it does not get it");
}

#[test]
fn of_a_sealed_event_it_sees_that_it_is_there() {
    let receiver = receiver(json!({ "name_changed": ["*"] })).unwrap();
    let mut event = example_event("name_changed").unwrap();
    assert_eq!(receiver.view(&event).unwrap()["event"]["person"], json!(3));
    event.class = Confidentiality::Sealed;
    let seen = receiver.view(&event).unwrap();
    assert_eq!(seen, json!({ "effective_on": event.effective_on, "sealed": true }));
}

#[test]
fn names_that_do_not_exist_are_told_with_those_that_do() {
    assert!(said(json!({ "person_borned": ["*"] })).contains("person_registered"));
    assert!(said(json!({ "name_changed": ["person", "surname"] })).contains("names, person, reason"));
    assert!(said(json!({ "name_changed": ["names.middel"] })).contains("given"));
    assert!(said(json!({ "name_changed": ["person.x"] })).contains("no field"));
    assert!(said(json!({ "operation_part": ["*"] })).contains("never published"));
    assert!(said(json!({ "name_changed": [] })).contains("names no field"));
    assert!(said(json!({})).contains("no event"));
    let unknown = Receiver::read(r#"{"receiver": "x", "events": {"name_changed": ["*"]}, "key": 1}"#);
    assert!(unknown.unwrap_err().to_string().contains("unknown field"));
}

#[test]
fn every_kind_has_a_schema_with_the_fields_that_are_seen_and_nothing_that_leads_nowhere() {
    for (_, kind) in EventBody::KINDS.iter().filter(|(_, kind)| !NEVER_PUBLISHED.contains(kind)) {
        let whole = receiver(json!({ *kind: ["*"] })).unwrap().schema(kind).unwrap();
        let properties = whole["properties"]["event"]["properties"].as_object().unwrap();
        for field in properties.keys() {
            let narrowed = receiver(json!({ *kind: [field] })).unwrap().schema(kind).unwrap();
            let left = narrowed["properties"]["event"]["properties"].as_object().unwrap();
            assert_eq!(left.keys().collect::<Vec<_>>(), [field], "{kind}");
            let (text, definitions) = (narrowed.to_string(), narrowed["$defs"].as_object().unwrap());
            for part in text.split("\"#/$defs/").skip(1) {
                assert!(definitions.contains_key(part.split('"').next().unwrap()), "{kind}.{field}");
            }
            assert!(
                definitions.keys().all(|name| text.contains(&format!("\"#/$defs/{name}\""))),
                "{kind}.{field}"
            );
        }
    }
}
