//! What is said of methods of gRPC that are operations as they are?

use http::Method;
use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Value, json};

use super::described::{Described, words};
use super::parameters::{NAME, json_body, path, query, span};
use crate::edge::rest::calls::{self, Call, Form};
use crate::edge::rest::comments::{comment, is_required};
use crate::edge::rest::schemas::Schemas;

pub(super) fn of_call(call: &Call, schemas: &mut Schemas) -> Described {
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
        body = Some(json_body(&schema));
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
        Kind::Message(of) if of.full_name() == "google.protobuf.Timestamp" => json!({
            "anyOf": [{ "type": "string", "format": "date-time" }, span()],
        }),
        Kind::Message(_) => span(),
        _ => schemas.field(field),
    };
    let mut one = query(name, said, &schema);
    if let (Some(members), true) = (one.as_object_mut(), is_required(said)) {
        members.insert("required".to_owned(), true.into());
    }
    one
}
