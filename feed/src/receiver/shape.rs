//! Shapes of events: which fields there are, picking some of them out of a value, narrowing a schema to them.

use event_schemas::schema;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Deepest nesting of references that is followed; the contract's own is far below.
const MAX_DEPTH: usize = 32;
const REFERENCE: &str = "#/$defs/";

/// The schema of one kind of event.
pub(super) struct Contract {
    definitions: Map<String, Value>,
    body: Value,
}

impl Contract {
    pub fn of(event: &str) -> Option<Self> {
        let mut root = schema::event_of_kind(event)?.to_value();
        let definitions = match root["$defs"].take() {
            Value::Object(definitions) => definitions,
            _ => Map::new(),
        };
        let variant = root["properties"]["body"]["properties"][event].take();
        let body = resolved(&definitions, &variant).clone();
        Some(Self { definitions, body })
    }

    pub fn definitions(&self) -> &Map<String, Value> {
        &self.definitions
    }

    /// The schema of the event's own fields.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// Whether there is a field of this name, such as `identity.names`; if not, the names at the place where it goes wrong.
    pub fn check(&self, name: &str) -> Result<(), Vec<String>> {
        let mut at = vec![&self.body];
        for part in name.split('.') {
            let mut members = BTreeMap::new();
            for schema in &at {
                self.members(schema, 0, &mut members);
            }
            match members.remove(part) {
                Some(found) => at = found,
                None => return Err(members.into_keys().map(str::to_owned).collect()),
            }
        }
        Ok(())
    }

    /// Members of the objects that a schema allows, whatever stands around them.
    fn members<'a>(&'a self, schema: &'a Value, depth: usize, found: &mut BTreeMap<&'a str, Vec<&'a Value>>) {
        if depth > MAX_DEPTH {
            return;
        }
        let schema = resolved(&self.definitions, schema);
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            found.entry(name).or_default().push(member);
        }
        for inner in alternatives(schema) {
            self.members(inner, depth + 1, found);
        }
    }
}

/// What a schema is made of beside its own members: its variants, and the items of a list.
fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    let variants =
        ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|word| schema[word].as_array()).flatten();
    let items = [&schema["items"]].into_iter().filter(|items| items.is_object());
    let prefix = schema["prefixItems"].as_array().into_iter().flatten();
    variants.chain(items).chain(prefix)
}

fn resolved<'a>(definitions: &'a Map<String, Value>, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"].as_str().and_then(|target| target.strip_prefix(REFERENCE));
    name.and_then(|name| definitions.get(name)).unwrap_or(schema)
}

/// Fields that may be seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fields {
    All,
    Some(BTreeMap<String, Fields>),
}

impl Fields {
    pub fn none() -> Self {
        Self::Some(BTreeMap::new())
    }

    /// Lets the field of this name be seen, with all that is in it.
    pub fn add(&mut self, name: &str) {
        let Self::Some(fields) = self else { return };
        match name.split_once('.') {
            None => {
                fields.insert(name.to_owned(), Self::All);
            }
            Some((first, rest)) => fields.entry(first.to_owned()).or_insert_with(Self::none).add(rest),
        }
    }

    /// What may be seen of a value. Only members of objects have names; where a value is no object, it is the whole field.
    pub fn pick(&self, value: &Value) -> Value {
        match (self, value) {
            (Self::All, _) => value.clone(),
            (Self::Some(fields), Value::Object(members)) => {
                let seen = members
                    .iter()
                    .filter_map(|(name, member)| Some((name.clone(), fields.get(name)?.pick(member))));
                Value::Object(seen.collect())
            }
            (_, Value::Array(items)) => items.iter().map(|item| self.pick(item)).collect(),
            _ => value.clone(),
        }
    }

    /// The schema of what [`Self::pick`] leaves of values of a schema.
    pub fn narrow(&self, contract: &Contract, schema: &Value) -> Value {
        let Self::Some(fields) = self else { return schema.clone() };
        let mut narrowed = resolved(&contract.definitions, schema).clone();
        let Some(members) = narrowed.as_object_mut() else { return narrowed };
        if let Some(Value::Object(properties)) = members.get_mut("properties") {
            properties.retain(|name, _| fields.contains_key(name));
            for (name, property) in properties.iter_mut() {
                *property = fields[name].narrow(contract, property);
            }
        }
        if let Some(Value::Array(required)) = members.get_mut("required") {
            required.retain(|name| name.as_str().is_some_and(|name| fields.contains_key(name)));
        }
        if let Some(items) = members.get_mut("items") {
            *items = self.narrow(contract, items);
        }
        // With less in them, variants are not told apart any more: a value may be of several.
        for word in ["anyOf", "oneOf"] {
            if let Some(Value::Array(variants)) = members.remove(word) {
                let narrowed = variants.iter().map(|variant| self.narrow(contract, variant)).collect();
                members.insert("anyOf".to_owned(), narrowed);
            }
        }
        narrowed
    }
}

/// Drops definitions that the document does not lead to.
pub(super) fn keep_used(definitions: &mut Map<String, Value>, document: &Value) {
    let (mut used, mut found) = (BTreeSet::new(), Vec::new());
    references(document, &mut found);
    while let Some(name) = found.pop() {
        if let Some(definition) = definitions.get(&name)
            && used.insert(name)
        {
            references(definition, &mut found);
        }
    }
    definitions.retain(|name, _| used.contains(name));
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let target = members.get("$ref").and_then(Value::as_str);
            found.extend(target.and_then(|target| target.strip_prefix(REFERENCE)).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
