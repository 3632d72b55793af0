//! What does the description of the REST API say?
//!
//! Paths come from the routes, schemas and words from the messages and services themselves, so that it
//! cannot say what is not so.
//!
//! `of_kinds`, `of_calls` and `of_own` say what the operations are, in the words of `described` and with
//! its `parameters`.

mod described;
mod of_calls;
mod of_kinds;
mod of_own;
mod parameters;

use std::sync::LazyLock;

use http::Method;
use serde_json::{Map, Value, json};

use self::described::written;
use self::of_calls::of_call;
use self::of_kinds::of_kind;
use self::of_own::of_own;
use super::comments::comment;
use super::kinds::{Plural, plurals, services};
use super::route::{Operation, routes};
use super::schemas::Schemas;
use crate::edge::authorize::{Who, of_operation};

/// The document, `OpenAPI` 3.1.
pub(super) fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(write);
    &DOCUMENT
}

fn write() -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for (method, template, operation) in routes() {
        if matches!(operation, Operation::Console | Operation::DevPortal | Operation::Carbon) {
            continue;
        }
        if !template.contains("{kind}") {
            let mut said = described(operation, None, &mut schemas);
            // What Apis and products have in common is one method under two paths.
            let id =
                said.get("operationId").and_then(Value::as_str).map(|id| format!("{id}.Product"));
            if let (Some(members), Some(id)) = (said.as_object_mut(), id)
                && template.starts_with("/api/v1/api-products/")
            {
                members.insert("operationId".to_owned(), id.into());
            }
            enter(&mut paths, template, method, said);
            continue;
        }
        for plural in plurals() {
            let path = template.replace("{kind}", &plural.name);
            enter(&mut paths, &path, method, described(operation, Some(plural), &mut schemas));
        }
    }
    schemas.add("turnpike.config.v1.Problem");
    let mut all = schemas.written;
    all.insert("Error".to_owned(), error());
    let tags: Vec<Value> = services()
        .map(|service| {
            let file = service.parent_file();
            let said = comment(file.name(), service.path());
            json!({ "name": service.name(), "description": said })
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Turnpike control plane",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "JSON is the proto3 JSON form of the messages; a member that is null is \
                            absent. Every error is a problem (RFC 9457).",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": all,
            "responses": { "Problem": {
                "description": "Why there is no good answer.",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Error" },
                } },
            } },
            "securitySchemes": { "admin": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn enter(paths: &mut Map<String, Value>, path: &str, method: &Method, operation: Value) {
    let item = paths.entry(path).or_insert_with(|| json!({}));
    if let Value::Object(item) = item {
        item.insert(method.as_str().to_ascii_lowercase(), operation);
    }
}

fn described(operation: Operation, plural: Option<&Plural>, schemas: &mut Schemas) -> Value {
    let mut said = match (operation, plural) {
        (Operation::Call(call), _) => of_call(call, schemas),
        (_, Some(plural)) => of_kind(operation, plural, schemas),
        _ => of_own(operation, schemas),
    };
    let guarded = of_operation(operation, plural.map(|plural| plural.kind)) != Who::Anyone;
    if guarded {
        said.problems.extend(["401", "403"]);
    }
    said.problems.extend(["406", "503"]);
    if said.body.is_some() {
        said.problems.extend(["413", "415"]);
    }
    written(said, guarded)
}

/// Problem details (RFC 9457).
fn error() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "problems"],
        "properties": {
            "type": { "type": "string", "description": "`urn:turnpike:problem:` and the code." },
            "title": { "type": "string", "description": "What the status means." },
            "status": { "type": "integer", "description": "The status of the answer." },
            "detail": { "type": "string", "description": "What is wrong, for people." },
            "code": { "type": "string", "description": "Stable, for programs." },
            "problems": {
                "type": "array",
                "description": "What is wrong with which field of which resource.",
                "items": { "$ref": "#/components/schemas/turnpike.config.v1.Problem" },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::kinds::of_collector;
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        let text = document().to_string();
        let schemas = document()["components"]["schemas"].as_object().unwrap();
        for after in text.split("#/components/schemas/").skip(1) {
            let name = after.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
    }

    #[test]
    fn every_operation_says_what_it_does_under_a_name_of_its_own() {
        let paths = document()["paths"].as_object().unwrap();
        let mut ids = std::collections::BTreeSet::new();
        for (path, item) in paths {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{id} stands twice");
                assert!(!operation["summary"].as_str().unwrap().is_empty(), "{method} {path}");
            }
        }
    }

    #[test]
    fn every_method_of_every_service_is_there_but_for_streams_of_administration() {
        let text = document().to_string();
        for service in services() {
            for method in service.methods() {
                let id = format!("\"{}.{}\"", service.name(), method.name());
                let streams = method.is_server_streaming() || method.is_client_streaming();
                let expected = !streams || of_collector(&service);
                assert_eq!(text.contains(&id), expected, "{id}");
            }
        }
    }

    #[test]
    fn the_paths_are_those_that_are_served() {
        let paths = document()["paths"].as_object().unwrap();
        for (path, item) in paths {
            let path = path.replace("{name}", "a:1").replace(['{', '}'], "");
            for method in item.as_object().unwrap().keys() {
                let method = method.to_ascii_uppercase().parse().unwrap();
                assert!(super::super::route::find(&method, &path).is_ok(), "{method} {path}");
            }
        }
    }
}
