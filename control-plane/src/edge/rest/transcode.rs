//! How does a REST request become a gRPC call, and its answer JSON?

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind as FieldKind, SerializeOptions};
use serde_json::{Map, Value};

use super::calls::Call;
use super::fault::Fault;
use super::input::{Query, json_object};
use super::reply::{Reply, reply};
use crate::edge::inside::Inside;

/// Calls the method with what the path, the query and the body say.
pub(super) async fn call(
    inside: &Inside,
    call: &Call,
    parameters: &[(String, String)],
    query: Query,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Reply, Fault> {
    let mut members = if call.by_query() {
        of_query(call, query)?
    } else {
        query.done(&[])?;
        json_object(headers, body)?
    };
    for (name, value) in parameters {
        let given = members.insert(name.clone(), Value::String(value.clone()));
        if given.is_some_and(|given| given != Value::String(value.clone())) {
            return Err(Fault::Request(format!(
                "the path says `{value}` for {name}, and the body otherwise"
            )));
        }
    }
    let message = plan::message_from_json(&call.rpc.input(), Value::Object(members));
    let message = message.map_err(Fault::Problems)?.encode_to_vec();
    let answer = inside.call(&call.full_name(), headers.get(AUTHORIZATION), message).await;
    let answer = answer.map_err(Fault::Status)?;
    let answer = DynamicMessage::decode(call.rpc.output(), answer);
    let value = answer.ok().and_then(|answer| shown(&answer)).ok_or(Fault::Broken)?;
    Ok(reply(if call.creates { StatusCode::CREATED } else { StatusCode::OK }, &value))
}

fn shown(answer: &DynamicMessage) -> Option<Value> {
    let options = SerializeOptions::new().skip_default_fields(false);
    answer.serialize_with_options(serde_json::value::Serializer, &options).ok()
}

/// The fields of the request that a query says.
fn of_query(call: &Call, mut query: Query) -> Result<Map<String, Value>, Fault> {
    let mut members = Map::new();
    let fields: Vec<FieldDescriptor> = call.rpc.input().fields().collect();
    let in_path: Vec<&str> = call.in_path().collect();
    for field in &fields {
        let name = field.json_name();
        if in_path.contains(&name) {
            continue;
        }
        let mut given = query.take_all(name).into_iter();
        if field.is_list() {
            let list: Vec<Value> = given.map(|text| value(field, text)).collect();
            if !list.is_empty() {
                members.insert(name.to_owned(), Value::Array(list));
            }
        } else if let Some(text) = given.next() {
            if given.next().is_some() {
                return Err(Fault::Request(format!("{name} is given twice")));
            }
            members.insert(name.to_owned(), value(field, text));
        }
    }
    let known: Vec<&str> = fields.iter().map(FieldDescriptor::json_name).collect();
    query.done(&known)?;
    Ok(members)
}

/// What a text of a query is in JSON; one that does not fit its field is refused with the others.
fn value(field: &FieldDescriptor, text: String) -> Value {
    match field.kind() {
        FieldKind::Bool => match text.as_str() {
            "true" | "" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => Value::String(text),
        },
        FieldKind::Double | FieldKind::Float => {
            text.parse::<serde_json::Number>().map_or(Value::String(text), Value::Number)
        }
        _ => Value::String(text),
    }
}
