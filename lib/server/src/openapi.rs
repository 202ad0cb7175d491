//! The OpenAPI document: packed in the binary, unpacked for who asks; in tests made of the table of routes and the types.

use std::io::Read;

use hyper::StatusCode;

use crate::body::json_text;
use crate::problem::{Kind, Problem};
use crate::routes::{Answer, Work};

/// `openapi.json` as `build.rs` packed it.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.deflate"));

/// `GET /openapi.json`.
pub(crate) fn document(_: &Work) -> Answer {
    let mut text = String::new();
    match flate2::read::DeflateDecoder::new(PACKED).read_to_string(&mut text) {
        Ok(_) => Ok(json_text(StatusCode::OK, text)),
        Err(error) => Err(Problem::new(Kind::Internal, format!("failed to unpack the document: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schemars::generate::SchemaSettings;
    use serde_json::{Map, Value, json};

    use crate::routes::{ROUTES, Route};
    use crate::token::Scope;
    use crate::told::Shape;

    type Generator = schemars::SchemaGenerator;

    fn document() -> Value {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        let mut generator = settings.into_generator();
        let mut paths = Map::new();
        for route in ROUTES {
            let path = paths.entry(format!("/{}", route.path)).or_insert_with(|| json!({}));
            path[route.method.to_lowercase()] = operation(route, &mut generator);
        }
        let mut schemas = generator.take_definitions(true);
        let events: Value =
            serde_json::from_str(&schema::JSON_SCHEMA.replace("#/$defs/", "#/components/schemas/")).unwrap();
        let document = |schemas: &Map<String, Value>| {
            json!({
                "openapi": "3.1.0",
                "info": {
                    "title": "sandbox-agent",
                    "version": "1",
                    "description": "Any coding agent behind one API. Unknown fields of answers must be tolerated; unknown fields of bodies are refused.",
                    "license": { "name": "MIT", "identifier": "MIT" },
                },
                "security": [{ "token": [] }],
                "paths": paths,
                "components": {
                    "schemas": schemas,
                    "responses": { "problem": { "description": "What is wrong.", "content": { "application/problem+json": { "schema": {
                        "type": "object",
                        "required": ["type", "title", "status", "detail"],
                        "properties": {
                            "type": { "type": "string", "description": "`urn:sandbox-agent:error:` and one word." },
                            "title": { "type": "string" },
                            "status": { "type": "integer" },
                            "detail": { "type": "string" },
                            "code": { "type": "string", "description": "As on the command line." },
                            "exitCode": { "type": "integer", "description": "Likewise." },
                            "hint": { "type": "string", "description": "What to do next." },
                            "scope": { "type": "string", "description": "The scope that is needed." },
                        },
                    } } } } },
                    "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
                },
            })
        };
        // What is named is there, and what that names.
        loop {
            let text = document(&schemas).to_string();
            let missing: BTreeSet<&str> = text
                .split("\"#/components/schemas/")
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap())
                .filter(|name| !schemas.contains_key(*name))
                .collect();
            if missing.is_empty() {
                return document(&schemas);
            }
            for name in missing {
                schemas.insert(name.to_owned(), events["$defs"][name].clone());
            }
            schemas.sort_keys();
        }
    }

    fn operation(route: &Route, generator: &mut Generator) -> Value {
        let told = &route.told;
        let words = route.path.split('/').filter_map(|word| word.strip_prefix('{')?.strip_suffix('}'));
        let mut parameters: Vec<Value> = words
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
            .collect();
        for (name, shape) in told.query {
            parameters.push(json!({ "name": name, "in": "query", "schema": shape(generator) }));
        }
        let mut content = |shape: Shape| {
            let schema = shape(generator).to_value();
            match schema["contentMediaType"].as_str() {
                Some(media) => json!({ media: {} }),
                None => json!({ "application/json": { "schema": schema } }),
            }
        };
        let mut answer = json!({ "description": if told.status == 204 { "Done." } else { "It." } });
        if told.status != 204 {
            answer["content"] = content(told.gives);
        }
        let mut operation = json!({
            "operationId": id(route),
            "summary": told.summary,
            "tags": [route.path.strip_prefix("v1/").unwrap_or(route.path).split('/').next()],
            "parameters": parameters,
            "responses": { told.status.to_string(): answer, "default": { "$ref": "#/components/responses/problem" } },
            "security": if route.scope == Scope::Open { json!([]) } else { json!([{ "token": [route.scope.as_str()] }]) },
        });
        if let Some(takes) = told.takes {
            operation["requestBody"] = json!({ "required": true, "content": content(takes) });
        }
        operation
    }

    /// `getSessionsSessionEvents`: the method and the words of the path.
    fn id(route: &Route) -> String {
        let words = route.path.trim_start_matches("v1/").split(|letter: char| !letter.is_ascii_alphanumeric());
        let version = if route.path.starts_with("v1/") || route.path != "openapi.json" { "" } else { "Root" };
        let words = words.filter(|word| !word.is_empty()).map(|word| word[..1].to_uppercase() + &word[1..]);
        route.method.to_lowercase() + version + &words.collect::<String>()
    }

    #[test]
    fn the_committed_document_is_what_the_routes_say() {
        let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        #[expect(clippy::disallowed_methods, reason = "UPDATE=1 rewrites what is expected")]
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert!(std::fs::read_to_string(path).unwrap() == text, "UPDATE=1 cargo test -p server rewrites openapi.json");
        let ids: BTreeSet<String> = ROUTES.iter().map(id).collect();
        assert_eq!(ids.len(), ROUTES.len());
        assert!(super::PACKED.len() < 40 << 10, "{} bytes of the binary", super::PACKED.len());
    }
}
