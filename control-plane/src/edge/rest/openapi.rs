//! What does the description of the REST API say?
//!
//! Paths come from the routes, schemas and words from the messages and services themselves, so that it
//! cannot say what is not so.

use std::sync::LazyLock;

use http::Method;
use plan::Kind;
use prost_reflect::{FieldDescriptor, Kind as FieldKind, MethodDescriptor};
use serde_json::{Map, Value, json};

use super::calls::{self, Call, Form};
use super::comments::{comment, is_required};
use super::examples::{example, examples};
use super::kinds::{Plural, plurals, services};
use super::route::{Operation, routes};
use super::schemas::Schemas;
use crate::edge::authorize::{Who, of_operation};

/// How names, and names with versions, are written.
const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$";
const NAME_AND_VERSION: &str =
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}:[A-Za-z0-9][A-Za-z0-9._-]{0,127}$";

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

/// What an operation is, before it is written down.
#[derive(Default)]
struct Described {
    id: String,
    tag: String,
    summary: String,
    parameters: Vec<Value>,
    body: Option<Value>,
    /// Statuses of good answers, with their schemas.
    answers: Vec<(&'static str, Value)>,
    /// Statuses of other answers.
    problems: Vec<&'static str>,
    /// Whether a good answer has a tag.
    tagged: bool,
    /// Whether a good answer may say where the next page is.
    paged: bool,
    /// Of good answers; none: `application/json`.
    media_types: &'static [&'static str],
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

fn written(said: Described, guarded: bool) -> Value {
    let mut responses = Map::new();
    for (status, schema) in &said.answers {
        let mut headers = Map::new();
        if said.tagged {
            let described = "The revision, for If-Match and If-None-Match.";
            headers.insert("ETag".to_owned(), header(described));
        }
        if said.paged {
            headers.insert("Link".to_owned(), header("Where the next page is (RFC 8288)."));
        }
        let mut answer = json!({ "description": "Done.", "headers": headers });
        if let (Some(answer), false) = (answer.as_object_mut(), schema.is_null()) {
            let types: &[&str] = match said.media_types {
                [] => &["application/json"],
                some => some,
            };
            let content: Map<String, Value> = types
                .iter()
                .map(|media_type| ((*media_type).to_owned(), json!({ "schema": schema })))
                .collect();
            answer.insert("content".to_owned(), content.into());
        }
        responses.insert((*status).to_owned(), answer);
    }
    for status in &said.problems {
        let answer = json!({ "$ref": "#/components/responses/Problem" });
        responses.insert((*status).to_owned(), answer);
    }
    let mut operation = json!({
        "operationId": said.id,
        "tags": [said.tag],
        "summary": said.summary,
        "parameters": said.parameters,
        "responses": responses,
    });
    if let Value::Object(operation) = &mut operation {
        if let Some(body) = said.body {
            operation.insert("requestBody".to_owned(), body);
        }
        if guarded {
            operation.insert("security".to_owned(), json!([{ "admin": [] }]));
        }
    }
    operation
}

fn header(description: &str) -> Value {
    json!({ "description": description, "schema": { "type": "string" } })
}

/// What a service's `.proto` file says of a method.
fn words(rpc: &MethodDescriptor) -> &'static str {
    comment(rpc.parent_service().parent_file().name(), rpc.path())
}

fn of_kind(operation: Operation, plural: &Plural, schemas: &mut Schemas) -> Described {
    let kind = plural.kind;
    let one = schemas.add(&format!("turnpike.config.v1.{}", kind.name()));
    let mut name = if kind.has_versions() {
        path("name", "`name:version`", NAME_AND_VERSION)
    } else {
        path("name", "Its name.", NAME)
    };
    // That of the example of a body: both have to say the same.
    let known = examples().iter().filter_map(plan::key).find(|key| key.kind() == Some(kind));
    if let (Some(members), Some(key)) = (name.as_object_mut(), known) {
        members.insert("examples".to_owned(), json!({ "one": { "value": key.id() } }));
    }
    let (method, rest) = match operation {
        Operation::List => ("List", listed(&one, kind)),
        Operation::Get => (
            "Get",
            Described {
                parameters: vec![name, if_none_match()],
                answers: vec![("200", one), ("304", Value::Null)],
                problems: vec!["400", "404"],
                tagged: true,
                ..Described::default()
            },
        ),
        Operation::Put => (
            "Put",
            Described {
                parameters: vec![name, if_match(), absent()],
                body: Some(document_of(&one, example(kind))),
                answers: vec![("200", one.clone()), ("201", one)],
                problems: vec!["400", "404", "409", "412"],
                tagged: true,
                ..Described::default()
            },
        ),
        _ => (
            "Delete",
            Described {
                parameters: vec![name, if_match()],
                answers: vec![("200", schemas.add("turnpike.admin.v1.DeleteResponse"))],
                problems: vec!["400", "404", "409", "412"],
                ..Described::default()
            },
        ),
    };
    let service = plural.service.name();
    let rpc = plural.service.methods().find(|rpc| rpc.name() == method);
    Described {
        id: format!("{service}.{method}"),
        tag: service.to_owned(),
        summary: rpc.map(|rpc| words(&rpc).to_owned()).unwrap_or_default(),
        ..rest
    }
}

fn listed(one: &Value, kind: Kind) -> Described {
    let text = |name: &str, said: &str| query(name, said, &json!({ "type": "string" }));
    let mut parameters = vec![
        query(
            "label",
            "Only those with all these labels, each written name=value.",
            &json!({ "type": "array", "items": { "type": "string", "pattern": "^[^=,]+=[^,]*$" } }),
        ),
        text("owner", "Only those of this owner."),
        text("name", "Only those whose name starts so."),
        query(
            "pageSize",
            "At most so many; more than 1000 means 1000.",
            &json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX, "default": 100 }),
        ),
        query(
            "pageToken",
            "`nextPageToken` of the page before.",
            &json!({ "type": "string", "pattern": "^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?$" }),
        ),
        if_none_match(),
    ];
    if matches!(kind, Kind::Api | Kind::ApiProduct) {
        let states = ["CREATED", "PROTOTYPED", "PUBLISHED", "BLOCKED", "DEPRECATED", "RETIRED"];
        parameters.push(text("context", "Only those with this context."));
        parameters.push(query(
            "lifecycle",
            "Only those in one of these states.",
            &json!({ "type": "array", "items": { "type": "string", "enum": states } }),
        ));
    }
    let page = json!({
        "type": "object",
        "required": ["items", "nextPageToken", "revision"],
        "properties": {
            "items": {
                "type": "array",
                "items": one,
                "description": "Ordered by name and then by version, as bytes. Definition texts are left out.",
            },
            "nextPageToken": { "type": "string", "description": "Empty on the last page." },
            "next": { "type": "string", "description": "Where the next page is. Absent: this is the last." },
            "revision": { "type": "string", "description": "The store revision that the page shows." },
        },
    });
    Described {
        parameters,
        answers: vec![("200", page), ("304", Value::Null)],
        problems: vec!["400"],
        tagged: true,
        paged: true,
        ..Described::default()
    }
}

fn of_call(call: &Call, schemas: &mut Schemas) -> Described {
    let service = call.rpc.parent_service();
    let input = call.rpc.input();
    let in_path: Vec<&str> = call.in_path().collect();
    let mut parameters: Vec<Value> =
        in_path.iter().map(|name| path(name, "As the request says it.", NAME)).collect();
    let mut body = None;
    if call.by_query() {
        let (all, _) = calls::parameters(&input);
        for one in all.iter().filter(|one| !in_path.contains(&one.name.as_str())) {
            parameters.extend(one.field().map(|field| of_query(&one.name, field, schemas)));
        }
    } else {
        let schema = schemas.without(&input, &in_path);
        body = Some(json!({ "content": { "application/json": { "schema": schema } } }));
    }
    let mut id = format!("{}.{}", service.name(), call.rpc.name());
    let mut problems = vec!["400", "404", "409", "429"];
    if call.of_collector() {
        problems.push("504");
        // Beside the GET of the same method.
        if call.verb == Method::POST {
            id.push_str(".Post");
        }
    }
    let (media_types, answer): (&'static [&'static str], Value) = match call.form {
        Form::Once => (&[], schemas.add(call.rpc.output().full_name())),
        Form::Lines => (
            &["application/x-ndjson", "text/event-stream"],
            schemas.add(call.rpc.output().full_name()),
        ),
        Form::File => (&["text/csv", "application/json", "application/pdf"], json!({})),
    };
    Described {
        id,
        tag: service.name().to_owned(),
        summary: words(&call.rpc).to_owned(),
        parameters,
        body,
        answers: vec![(if call.creates { "201" } else { "200" }, answer)],
        problems,
        media_types,
        ..Described::default()
    }
}

/// A parameter that says a field. Times may be spans back from now there, and spans have units.
fn of_query(name: &str, field: &FieldDescriptor, schemas: &mut Schemas) -> Value {
    let said = comment(field.parent_message().parent_file().name(), field.path());
    let schema = match field.kind() {
        FieldKind::Message(of) if of.full_name() == "google.protobuf.Timestamp" => json!({
            "anyOf": [{ "type": "string", "format": "date-time" }, span()],
        }),
        FieldKind::Message(_) => span(),
        _ => schemas.field(field),
    };
    let mut one = query(name, said, &schema);
    if let (Some(members), true) = (one.as_object_mut(), is_required(said)) {
        members.insert("required".to_owned(), true.into());
    }
    one
}

/// Those that have code of their own.
fn of_own(operation: Operation, schemas: &mut Schemas) -> Described {
    let own = |id: &str| -> Described {
        let (service, method) = id.split_once('.').unwrap_or((id, ""));
        let rpc = services()
            .find(|one| one.name() == service)
            .and_then(|one| one.methods().find(|rpc| rpc.name() == method));
        Described {
            id: id.to_owned(),
            tag: service.to_owned(),
            summary: rpc.map(|rpc| words(&rpc).to_owned()).unwrap_or_default(),
            ..Described::default()
        }
    };
    let application = || path("name", "Name of the Application.", NAME);
    if let Some(told) = of_past_and_life(operation, &own, schemas) {
        return told;
    }
    match operation {
        Operation::Apply => applied(own("Apply.Apply"), schemas),
        Operation::Gateways => Described {
            answers: vec![("200", schemas.add("turnpike.admin.v1.ListGatewaysResponse"))],
            problems: vec!["400"],
            ..own("Gateways.List")
        },
        Operation::WhoAmI => Described {
            answers: vec![("200", schemas.add("turnpike.admin.v1.WhoAmIResponse"))],
            problems: vec!["400"],
            ..own("People.WhoAmI")
        },
        Operation::GenerateKey => Described {
            parameters: vec![application()],
            body: Some(json_of(schemas, "turnpike.admin.v1.GenerateKeyRequest")),
            answers: vec![("201", schemas.add("turnpike.admin.v1.GenerateKeyResponse"))],
            problems: vec!["400", "404", "409"],
            ..own("ApplicationKeys.Generate")
        },
        Operation::Limits => Described {
            parameters: vec![
                application(),
                query(
                    "api",
                    "`name:version` of an Api or ApiProduct. Absent: all.",
                    &json!({ "type": "string" }),
                ),
                query("user", "Limits of this user, too.", &json!({ "type": "string" })),
                query("timeout", "How long gateways may take.", &span()),
            ],
            answers: vec![("200", schemas.add("turnpike.admin.v1.LimitUsageResponse"))],
            problems: vec!["400", "404"],
            ..own("Limits.Usage")
        },
        Operation::ResetLimits => Described {
            parameters: vec![application()],
            body: Some(json_of(schemas, "turnpike.admin.v1.LimitResetRequest")),
            answers: vec![("200", schemas.add("turnpike.admin.v1.LimitResetResponse"))],
            problems: vec!["400", "404"],
            ..own("Limits.Reset")
        },
        _ => Described {
            id: "OpenApi.Get".to_owned(),
            tag: "OpenApi".to_owned(),
            summary: "This document.".to_owned(),
            answers: vec![("200", json!({ "type": "object" }))],
            problems: vec!["400"],
            ..Described::default()
        },
    }
}

/// Those about the past, lives and what waits: what they ask for is what their methods ask for.
fn of_past_and_life(
    operation: Operation,
    own: &dyn Fn(&str) -> Described,
    schemas: &mut Schemas,
) -> Option<Described> {
    let versioned = || path("name", "`name:version`", NAME_AND_VERSION);
    let waiting = || path("name", "The identifier of what waits.", NAME);
    let (id, named, status) = match operation {
        Operation::History => ("History.List", None, "200"),
        Operation::AsOf => ("History.Get", None, "200"),
        Operation::Diff => ("History.Diff", None, "200"),
        Operation::Rollback => ("History.Rollback", None, "200"),
        Operation::Audit => ("Audit.List", None, "200"),
        Operation::Lifecycle => ("Lifecycle.Get", Some(versioned()), "200"),
        Operation::ChangeLifecycle => ("Lifecycle.Change", Some(versioned()), "200"),
        Operation::NewVersion => ("Lifecycle.NewVersion", Some(versioned()), "201"),
        Operation::Requests => ("WorkflowRequests.List", None, "200"),
        Operation::Request => ("WorkflowRequests.Get", Some(waiting()), "200"),
        Operation::Approve => ("WorkflowRequests.Approve", Some(waiting()), "200"),
        Operation::Reject => ("WorkflowRequests.Reject", Some(waiting()), "200"),
        _ => return None,
    };
    let (service, method) = id.split_once('.')?;
    let service = services().find(|one| one.name() == service)?;
    let rpc = service.methods().find(|rpc| rpc.name() == method)?;
    let by_query = matches!(
        operation,
        Operation::History
            | Operation::AsOf
            | Operation::Diff
            | Operation::Audit
            | Operation::Lifecycle
            | Operation::Requests
            | Operation::Request
    );
    let said_by_path: &[&str] = if named.is_some() { &["name", "version", "id"] } else { &[] };
    let input = rpc.input();
    let mut parameters: Vec<Value> = named.into_iter().collect();
    let mut body = None;
    if by_query {
        for field in input.fields().filter(|it| !said_by_path.contains(&it.json_name())) {
            let said = comment(input.parent_file().name(), field.path());
            parameters.push(query(field.json_name(), said, &schemas.field(&field)));
        }
    } else {
        let schema = schemas.without(&input, said_by_path);
        body = Some(json!({ "content": { "application/json": { "schema": schema } } }));
    }
    let answer = match operation {
        // The resources stand there as they stand in files.
        Operation::AsOf => past(schemas),
        _ => schemas.add(rpc.output().full_name()),
    };
    let mut answers = vec![(status, answer.clone())];
    if operation == Operation::ChangeLifecycle {
        answers.push(("202", answer));
    }
    let summary = words(&rpc).to_owned();
    let problems = vec!["400", "404", "409", "429"];
    Some(Described { summary, parameters, body, answers, problems, ..own(id) })
}

fn past(schemas: &mut Schemas) -> Value {
    let kinds = plurals().iter();
    let any: Vec<Value> =
        kinds.map(|one| schemas.add(&format!("turnpike.config.v1.{}", one.kind.name()))).collect();
    json!({ "type": "object", "properties": {
        "resources": { "type": "array", "items": { "anyOf": any } },
        "nextPageToken": { "type": "string" },
    } })
}

fn applied(own: Described, schemas: &mut Schemas) -> Described {
    let kinds = plurals().iter();
    let any: Vec<Value> =
        kinds.map(|one| schemas.add(&format!("turnpike.config.v1.{}", one.kind.name()))).collect();
    let list: Vec<Value> = examples().iter().filter_map(|one| example(plan::kind(one)?)).collect();
    let flag = json!({ "type": "boolean", "default": false });
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "number", "minimum": 0 }));
    Described {
        parameters: vec![
            query("dryRun", "Check only; nothing is stored.", &flag),
            query("partial", "Store what may be stored though others are refused.", &flag),
            query(
                "wait",
                "Which gateways to wait for.",
                &json!({ "enum": ["none", "all", "quorum"], "default": "none" }),
            ),
            query("timeout", "How long to wait.", &span()),
            query(
                "reason",
                "Why, for the history.",
                &json!({ "type": "string", "maxLength": 256 }),
            ),
            query("fields", "Whether the answer says which fields change.", &flag),
            query(
                "rollout",
                "Put it in force in waves of so many percent of the gateways, like 5,25,100; not with \
                 `partial` or `wait`.",
                &json!({ "type": "string", "pattern": "^[0-9]+(,[0-9]+)*$" }),
            ),
            query("group", "Waves are made of the gateways of this group.", &text),
            query("stepByStep", "Whether the rollout waits for `continue` after each step.", &flag),
            query("errorsPercent", "How many percent more 5xx take it back.", &number),
            query("latencyPercent", "By how many percent longer calls take it back.", &number),
            query("watch", "How long each step is watched.", &span()),
            query(
                "minimumCalls",
                "So many calls are needed to judge a step.",
                &json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
            ),
        ],
        body: Some(document_of(
            &json!({ "type": "array", "items": { "anyOf": any } }),
            Some(Value::Array(list)),
        )),
        answers: vec![("200", schemas.add("turnpike.admin.v1.ApplyResponse"))],
        problems: vec!["400", "409"],
        ..own
    }
}

/// The body of a message without what the path says.
fn json_of(schemas: &mut Schemas, name: &str) -> Value {
    let message = turnpike_proto::POOL.get_message_by_name(name);
    let schema = message.map(|message| schemas.without(&message, &["application"]));
    json!({ "content": { "application/json": { "schema": schema } } })
}

/// A document of resources.
fn document_of(schema: &Value, example: Option<Value>) -> Value {
    let mut json = json!({ "schema": schema });
    if let (Some(members), Some(example)) = (json.as_object_mut(), example) {
        members.insert("examples".to_owned(), json!({ "one": { "value": example } }));
    }
    let yaml = json!({ "schema": schema });
    json!({ "required": true, "content": { "application/json": json, "application/yaml": yaml } })
}

fn path(name: &str, description: &str, pattern: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "description": description,
        "schema": { "type": "string", "pattern": pattern },
    })
}

fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

fn span() -> Value {
    json!({ "type": "string", "pattern": "^[0-9]{1,6}(ms|s|m|h|d)$", "examples": ["30s"] })
}

fn condition(name: &str, description: &str, pattern: &str) -> Value {
    json!({
        "name": name, "in": "header", "description": description,
        "schema": { "type": "string", "pattern": pattern, "minLength": 1 },
    })
}

fn if_match() -> Value {
    let said = "The ETag that must be stored, or `*`: 412 otherwise.";
    condition("If-Match", said, r#"^(\*|"[0-9]{1,18}")$"#)
}

fn if_none_match() -> Value {
    let said = "An ETag that is known: 304 where it is still the one.";
    condition("If-None-Match", said, r#"^(\*|"[0-9]{1,18}")$"#)
}

fn absent() -> Value {
    condition("If-None-Match", "`*`: 412 where there is one already.", r"^\*$")
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
