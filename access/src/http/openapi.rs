//! OpenAPI 3.1 of route tables.

use crate::caller::Scope;
use crate::http::guard::PURPOSE_HEADER;
use crate::http::problem::ProblemBody;
use crate::http::route::{Access, Route};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// A document in the making.
pub struct OpenApi {
    title: &'static str,
    version: &'static str,
    description: &'static str,
    paths: Map<String, Value>,
    generator: SchemaGenerator,
}

impl OpenApi {
    /// Without paths yet.
    pub fn new(title: &'static str, version: &'static str, description: &'static str) -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self { title, version, description, paths: Map::new(), generator: settings.into_generator() }
    }

    /// The whole document.
    pub fn finish(mut self) -> Value {
        self.generator.subschema_for::<ProblemBody>();
        let schemas = self.generator.take_definitions(true);
        let scopes: Map<String, Value> =
            Scope::ALL.iter().map(|scope| (scope.name().into(), scope.meaning().into())).collect();
        json!({
            "openapi": "3.1.0",
            "info": { "title": self.title, "version": self.version, "description": self.description },
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
            },
            "x-scopes": scopes,
        })
    }

    pub(crate) fn add<S>(&mut self, route: &Route<S>) {
        let mut parameters = path_parameters(route.path);
        if let Some(query) = route.query {
            let schema = query(&mut self.generator).to_value();
            parameters.extend(query_parameters(&schema));
        }
        if let Access::Personal(_) = route.access {
            parameters.push(json!({
                "name": PURPOSE_HEADER, "in": "header", "required": true,
                "description": "Why the data is read; recorded with the read.",
                "schema": { "type": "string", "minLength": 3, "maxLength": 200 },
            }));
        }
        let answer = match route.answer {
            Some(answer) => json!({
                "description": "The answer.",
                "content": { "application/json": { "schema": answer(&mut self.generator) } },
            }),
            None => json!({ "description": "The answer." }),
        };
        let problem = json!({
            "description": "A problem.",
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        });
        let mut operation = json!({
            "summary": route.summary,
            "operationId": operation_id(route),
            "parameters": parameters,
            "responses": { "200": answer, "default": problem },
        });
        if let Some((media_type, body)) = route.body {
            let schema = body(&mut self.generator);
            operation["requestBody"] =
                json!({ "required": true, "content": { media_type: { "schema": schema } } });
        }
        match route.access {
            Access::Public { because } => {
                operation["security"] = json!([]);
                operation["description"] = json!(format!("Open to anybody: {because}"));
            }
            Access::Scope(scope) | Access::Personal(scope) => {
                operation["security"] = json!([{ "bearer": [scope.name()] }]);
                operation["description"] = json!(format!("Needs the scope `{scope}`: {}", scope.meaning()));
            }
        }
        let path = self.paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
}

/// Such as `get_v1_persons_id`.
fn operation_id<S>(route: &Route<S>) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let method = route.method.as_str().to_ascii_lowercase();
    words.fold(method, |id, word| id + "_" + word)
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect()
}

fn query_parameters(schema: &Value) -> Vec<Value> {
    let required = |name: &str| {
        let listed = schema["required"].as_array();
        listed.is_some_and(|listed| listed.iter().any(|entry| entry == name))
    };
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, property)| {
            json!({
                "name": name, "in": "query", "required": required(name),
                "description": property["description"], "schema": property,
            })
        })
        .collect()
}
