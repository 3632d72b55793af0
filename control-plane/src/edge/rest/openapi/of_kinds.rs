//! What is said of the operations on resources?

use plan::Kind;
use serde_json::{Value, json};

use super::described::{Described, words};
use super::parameters::{
    NAME, NAME_AND_VERSION, absent, document_of, if_match, if_none_match, path, query,
};
use crate::edge::rest::examples::{example, examples};
use crate::edge::rest::kinds::Plural;
use crate::edge::rest::route::Operation;
use crate::edge::rest::schemas::Schemas;

pub(super) fn of_kind(operation: Operation, plural: &Plural, schemas: &mut Schemas) -> Described {
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
                answers: vec![
                    ("200", schemas.add("turnpike.admin.v1.DeleteResponse")),
                    ("202", schemas.add("turnpike.admin.v1.DeleteResponse")),
                ],
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
