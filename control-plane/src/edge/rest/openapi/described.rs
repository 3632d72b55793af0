//! How is one operation of the REST API written down?

use prost_reflect::MethodDescriptor;
use serde_json::{Map, Value, json};

use crate::edge::rest::comments::comment;

/// What an operation is, before it is written down.
#[derive(Default)]
pub(super) struct Described {
    pub(super) id: String,
    pub(super) tag: String,
    pub(super) summary: String,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    /// Statuses of good answers, with their schemas.
    pub(super) answers: Vec<(&'static str, Value)>,
    /// Statuses of other answers.
    pub(super) problems: Vec<&'static str>,
    /// Whether a good answer has a tag.
    pub(super) tagged: bool,
    /// Whether a good answer may say where the next page is.
    pub(super) paged: bool,
    /// Of good answers; none: `application/json`.
    pub(super) media_types: &'static [&'static str],
}

pub(super) fn written(said: Described, guarded: bool) -> Value {
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
pub(super) fn words(rpc: &MethodDescriptor) -> &'static str {
    comment(rpc.parent_service().parent_file().name(), rpc.path())
}
