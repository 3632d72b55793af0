//! What does the description of the REST API say?
//!
//! Paths come from the routes and schemas from the messages themselves, so that it cannot say
//! what is not so.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use http::Method;
use plan::Kind;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind as FieldKind, MessageDescriptor};
use serde_json::{Map, Value, json};
use turnpike_proto::POOL;

use super::history;
use super::route::{Operation, PLURALS, ROUTES};
use crate::edge::authorize::{Who, of_operation};

/// The document, `OpenAPI` 3.1.
pub(super) fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(write);
    &DOCUMENT
}

fn write() -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for (method, template, operation) in ROUTES {
        match operation {
            Operation::Console | Operation::DevPortal | Operation::Carbon => {}
            _ if template.contains("{kind}") => {
                for (kind, plural) in PLURALS {
                    let path = template.replace("{kind}", plural);
                    enter(
                        &mut paths,
                        &path,
                        method,
                        described(*operation, Some(kind), &mut schemas),
                    );
                }
            }
            _ => enter(&mut paths, template, method, described(*operation, None, &mut schemas)),
        }
    }
    schemas.add("turnpike.config.v1.Problem");
    let mut all = schemas.written;
    all.insert("Error".to_owned(), error());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Turnpike control plane",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "JSON is the proto3 JSON form of the messages. Every error is an Error.",
        },
        "paths": paths,
        "components": {
            "schemas": all,
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

fn described(operation: Operation, kind: Option<Kind>, schemas: &mut Schemas) -> Value {
    let one = |schemas: &mut Schemas| {
        let kind = kind.map_or("", Kind::name);
        schemas.add(&format!("turnpike.config.v1.{kind}"))
    };
    let mut parameters = Vec::new();
    let (summary, body, answer) = match operation {
        Operation::List => {
            parameters = vec![query("labels"), query("pageSize"), query("pageToken")];
            let items = one(schemas);
            let page = json!({ "type": "object", "properties": {
                "items": { "type": "array", "items": items },
                "nextPageToken": { "type": "string" },
                "revision": { "type": "string" },
            } });
            ("A page of them, without texts.", None, page)
        }
        Operation::Get => ("One of them.", None, one(schemas)),
        Operation::Put => ("Creates or replaces one.", Some(one(schemas)), one(schemas)),
        Operation::Delete => {
            let answer = json!({ "type": "object", "properties": {
                "revision": { "type": "string" },
            } });
            ("Removes one that nobody refers to.", None, answer)
        }
        Operation::Apply => {
            parameters = ["dryRun", "wait", "timeout", "reason", "fields"].map(query).to_vec();
            let any = PLURALS
                .map(|(kind, _)| schemas.add(&format!("turnpike.config.v1.{}", kind.name())));
            let answer = schemas.add("turnpike.admin.v1.ApplyResponse");
            (
                "Applies all resources of a YAML or JSON document, or none.",
                Some(json!({ "oneOf": any })),
                answer,
            )
        }
        Operation::History => {
            parameters = history::LIST.iter().map(|name| query(name)).collect();
            let answer = schemas.add("turnpike.admin.v1.ListHistoryResponse");
            ("Transactions, newest first.", None, answer)
        }
        Operation::AsOf => {
            parameters = history::AS_OF.iter().map(|name| query(name)).collect();
            let any = PLURALS
                .map(|(kind, _)| schemas.add(&format!("turnpike.config.v1.{}", kind.name())));
            let answer = json!({ "type": "object", "properties": {
                "resources": { "type": "array", "items": { "oneOf": any } },
                "nextPageToken": { "type": "string" },
            } });
            ("A resource, or all of them, as they were at a revision.", None, answer)
        }
        Operation::Diff => {
            parameters = history::DIFF.iter().map(|name| query(name)).collect();
            let answer = schemas.add("turnpike.admin.v1.DiffResponse");
            ("What differs between two revisions.", None, answer)
        }
        Operation::Rollback => {
            let body = schemas.add("turnpike.admin.v1.RollbackRequest");
            let answer = schemas.add("turnpike.admin.v1.RollbackResponse");
            ("Puts a resource, or all of them, back to a revision.", Some(body), answer)
        }
        Operation::Audit => {
            parameters = history::AUDIT.iter().map(|name| query(name)).collect();
            let answer = schemas.add("turnpike.identity.v1.ListAuditResponse");
            ("Changes and refused attempts, oldest first.", None, answer)
        }
        Operation::Gateways => {
            let answer = schemas.add("turnpike.admin.v1.ListGatewaysResponse");
            ("How far each gateway is.", None, answer)
        }
        Operation::GenerateKey => {
            let body = schemas.add("turnpike.admin.v1.GenerateKeyRequest");
            let answer = schemas.add("turnpike.admin.v1.GenerateKeyResponse");
            ("Registers a client for the application.", Some(body), answer)
        }
        Operation::Lifecycle => {
            let answer = schemas.add("turnpike.admin.v1.LifecycleStatus");
            ("Where it is in its life, and what may be done.", None, answer)
        }
        Operation::ChangeLifecycle => {
            let body = schemas.add("turnpike.admin.v1.ChangeLifecycleRequest");
            let answer = schemas.add("turnpike.admin.v1.ChangeLifecycleResponse");
            ("Takes a step in its life, or asks for it.", Some(body), answer)
        }
        Operation::NewVersion => {
            let body = schemas.add("turnpike.admin.v1.NewVersionRequest");
            let answer = schemas.add("turnpike.admin.v1.NewVersionResponse");
            ("Makes a new version out of it.", Some(body), answer)
        }
        Operation::Requests => {
            parameters = vec![query("all"), query("pageSize"), query("pageToken")];
            let answer = schemas.add("turnpike.admin.v1.ListWorkflowResponse");
            ("A page of what waits for a decision.", None, answer)
        }
        Operation::Request => {
            let answer = schemas.add("turnpike.config.v1.WorkflowRequest");
            ("A request, and how it stands.", None, answer)
        }
        Operation::Approve => {
            let body = schemas.add("turnpike.admin.v1.DecideWorkflowRequest");
            let answer = schemas.add("turnpike.config.v1.WorkflowRequest");
            ("Carries out what waits.", Some(body), answer)
        }
        Operation::Reject => {
            let body = schemas.add("turnpike.admin.v1.DecideWorkflowRequest");
            let answer = schemas.add("turnpike.config.v1.WorkflowRequest");
            ("Refuses what waits.", Some(body), answer)
        }
        Operation::Limits => {
            parameters = vec![query("api"), query("user"), query("timeout")];
            let answer = schemas.add("turnpike.admin.v1.LimitUsageResponse");
            ("How much of its limits the application has used.", None, answer)
        }
        Operation::ResetLimits => {
            let body = schemas.add("turnpike.admin.v1.LimitResetRequest");
            let answer = schemas.add("turnpike.admin.v1.LimitResetResponse");
            ("Lets the limits of the application begin afresh.", Some(body), answer)
        }
        _ => ("This document.", None, json!({ "type": "object" })),
    };
    if matches!(
        operation,
        Operation::Get
            | Operation::Put
            | Operation::Delete
            | Operation::GenerateKey
            | Operation::Lifecycle
            | Operation::ChangeLifecycle
            | Operation::NewVersion
            | Operation::Request
            | Operation::Approve
            | Operation::Reject
            | Operation::Limits
            | Operation::ResetLimits
    ) {
        parameters.push(json!({
            "name": "name", "in": "path", "required": true, "schema": { "type": "string" },
            "description": "`name`, for an Api or ApiProduct `name:version`; of what waits its identifier.",
        }));
    }
    let (good, error) =
        (content(&answer), content(&json!({ "$ref": "#/components/schemas/Error" })));
    let creates = matches!(operation, Operation::GenerateKey | Operation::NewVersion);
    let success = if creates { "201" } else { "200" };
    let mut described = json!({
        "summary": summary,
        "parameters": parameters,
        "responses": {
            success: { "description": "Done.", "content": good },
            "default": { "description": "Refused.", "content": error },
        },
    });
    if let Value::Object(described) = &mut described {
        if let Some(body) = body {
            described.insert("requestBody".to_owned(), json!({ "content": content(&body) }));
        }
        if of_operation(operation) == Who::Admin {
            described.insert("security".to_owned(), json!([{ "admin": [] }]));
        }
    }
    described
}

fn content(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn query(name: &str) -> Value {
    json!({ "name": name, "in": "query", "schema": { "type": "string" } })
}

fn error() -> Value {
    json!({
        "type": "object",
        "required": ["code", "message", "problems"],
        "properties": {
            "code": { "type": "string", "description": "Stable, for programs." },
            "message": { "type": "string", "description": "For people." },
            "problems": {
                "type": "array",
                "items": { "$ref": "#/components/schemas/turnpike.config.v1.Problem" },
            },
        },
    })
}

/// The schemas that are referred to.
#[derive(Default)]
struct Schemas {
    written: Map<String, Value>,
    begun: BTreeSet<String>,
}

impl Schemas {
    /// Writes the schema of a message, and of those in it; answers a reference to it.
    fn add(&mut self, name: &str) -> Value {
        if let Some(message) = POOL.get_message_by_name(name)
            && self.begun.insert(name.to_owned())
        {
            let schema = self.message(&message);
            self.written.insert(name.to_owned(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    fn message(&mut self, message: &MessageDescriptor) -> Value {
        let members: Map<String, Value> = message
            .fields()
            .map(|field| (field.json_name().to_owned(), self.field(&field)))
            .collect();
        json!({ "type": "object", "properties": members })
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        if field.is_map()
            && let FieldKind::Message(entry) = field.kind()
        {
            let value = self.value(&entry.map_entry_value_field().kind());
            return json!({ "type": "object", "additionalProperties": value });
        }
        let value = self.value(&field.kind());
        if field.is_list() { json!({ "type": "array", "items": value }) } else { value }
    }

    fn value(&mut self, kind: &FieldKind) -> Value {
        match kind {
            FieldKind::Bool => json!({ "type": "boolean" }),
            FieldKind::Double | FieldKind::Float => json!({ "type": "number" }),
            FieldKind::Int32
            | FieldKind::Sint32
            | FieldKind::Sfixed32
            | FieldKind::Uint32
            | FieldKind::Fixed32 => json!({ "type": "integer", "format": "int32" }),
            // 64-bit numbers are texts in proto3 JSON.
            FieldKind::Int64
            | FieldKind::Sint64
            | FieldKind::Sfixed64
            | FieldKind::Uint64
            | FieldKind::Fixed64 => json!({ "type": "string", "format": "int64" }),
            FieldKind::String => json!({ "type": "string" }),
            FieldKind::Bytes => json!({ "type": "string", "format": "byte" }),
            FieldKind::Enum(of) => json!({ "type": "string", "enum": names(of) }),
            FieldKind::Message(of) => match of.full_name() {
                "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
                "google.protobuf.Duration" => {
                    json!({ "type": "string", "description": "A span of time, like 30s." })
                }
                name => self.add(name),
            },
        }
    }
}

fn names(of: &EnumDescriptor) -> Vec<String> {
    of.values().map(|value| value.name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
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
    fn the_paths_are_those_that_are_served() {
        let paths = document()["paths"].as_object().unwrap();
        let lines: Vec<String> = paths
            .iter()
            .map(|(path, item)| {
                let methods = item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
                format!("{path} {}", methods.join(" "))
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
