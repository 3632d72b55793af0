//! How does a REST request become a gRPC call, and its answer JSON?

use std::time::SystemTime;

use bytes::Bytes;
use chassis::config::duration;
use chassis::shutdown::Shutdown;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use plan::Problem;
use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind as FieldKind, MessageDescriptor, SerializeOptions,
};
use serde_json::{Map, Value};
use tonic::{Code, Status};

use super::calls::{Call, Form, Parameter, parameters};
use super::fault::Fault;
use super::input::{Query, json_object, wants_events};
use super::reply::{Reply, reply};
use super::stream::{self, Written};
use crate::edge::inside::Inside;

/// What a request says.
pub(super) struct Asked<'r> {
    /// Of its path.
    pub(super) parameters: &'r [(String, String)],
    pub(super) query: Query,
    pub(super) headers: &'r HeaderMap,
    pub(super) body: &'r Bytes,
    /// When it came.
    pub(super) now: SystemTime,
}

/// Calls the method with what the path, the query and the body say. What is answered as it comes ends
/// with the process.
pub(super) async fn call(
    inside: &Inside,
    call: &Call,
    asked: Asked<'_>,
    shutdown: &Shutdown,
) -> Result<Reply, Fault> {
    let (headers, message) = (asked.headers, message(call, asked)?);
    let (method, authorization) = (call.full_name(), headers.get(AUTHORIZATION));
    if call.form == Form::Once {
        let answer = inside.call(&method, authorization, message).await;
        let answer = answer.map_err(|status| meaning(call, status))?;
        let value = shown(&call.rpc.output(), answer).ok_or(Fault::Broken)?;
        return Ok(reply(if call.creates { StatusCode::CREATED } else { StatusCode::OK }, &value));
    }
    let answers = inside.stream(&method, authorization, message).await;
    let answers = answers.map_err(|status| meaning(call, status))?;
    if call.form == Form::File {
        return stream::file(answers).await;
    }
    let form = if wants_events(headers) { Written::Event } else { Written::Line };
    let output = call.rpc.output();
    let written = move |answer| shown(&output, answer).unwrap_or(Value::Null);
    Ok(stream::lines(answers, form, written, shutdown))
}

/// The request, encoded.
fn message(call: &Call, asked: Asked<'_>) -> Result<Vec<u8>, Fault> {
    let Asked { parameters, query, headers, body, now } = asked;
    let mut members = if call.by_query() {
        of_query(call, query, now)?
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
    let message = message.map_err(|mut problems| {
        for problem in &mut problems {
            problem.field = said(call, &problem.field);
        }
        Fault::Problems(problems)
    })?;
    Ok(message.encode_to_vec())
}

/// The JSON form of an encoded answer.
fn shown(of: &MessageDescriptor, answer: Bytes) -> Option<Value> {
    let answer = DynamicMessage::decode(of.clone(), answer).ok()?;
    let options = SerializeOptions::new().skip_default_fields(false);
    answer.serialize_with_options(serde_json::value::Serializer, &options).ok()
}

/// What a refusal says over REST. The collector begins it with the field that is wrong.
fn meaning(call: &Call, status: Status) -> Fault {
    let refused = call.of_collector() && status.code() == Code::InvalidArgument;
    let wrong = status.message().split_once(' ').filter(|(field, _)| {
        let first = field.split(['.', '[']).next().unwrap_or_default();
        refused && has_field(&call.rpc.input(), first)
    });
    match wrong {
        Some((field, reason)) => {
            let (field, reason) = (said(call, &in_json(field)), reason.to_owned());
            Fault::Problems(vec![Problem { field, reason, ..Problem::default() }])
        }
        None => Fault::Status(status),
    }
}

/// Whether a message, or one that lies in it, has this field.
fn has_field(message: &MessageDescriptor, name: &str) -> bool {
    message.fields().any(|field| {
        let inner = match field.kind() {
            FieldKind::Message(inner) if !field.is_list() => has_field(&inner, name),
            _ => false,
        };
        inner || field.name() == name
    })
}

/// A field as whoever asks has said it: parameters of a query lie in nothing.
fn said(call: &Call, field: &str) -> String {
    let mut said = field;
    if call.by_query() {
        for nested in ["query.", "filter."] {
            said = said.strip_prefix(nested).unwrap_or(said);
        }
    }
    said.to_owned()
}

/// `page_size` as `pageSize`.
fn in_json(name: &str) -> String {
    let mut json = String::with_capacity(name.len());
    let mut raised = false;
    for c in name.chars() {
        if c == '_' {
            raised = true;
        } else {
            json.push(if raised { c.to_ascii_uppercase() } else { c });
            raised = false;
        }
    }
    json
}

/// The fields of the request that a query says.
fn of_query(call: &Call, mut query: Query, now: SystemTime) -> Result<Map<String, Value>, Fault> {
    let mut members = Map::new();
    let (parameters, _) = parameters(&call.rpc.input());
    let in_path: Vec<&str> = call.in_path().collect();
    let parameters: Vec<&Parameter> =
        parameters.iter().filter(|one| !in_path.contains(&one.name.as_str())).collect();
    for Parameter { name, path } in &parameters {
        let Some((field, outer)) = path.split_last() else { continue };
        let mut given = query.take_all(name).into_iter();
        let said = if field.is_list() {
            let list: Vec<Value> = given.map(|text| value(field, text, now)).collect();
            (!list.is_empty()).then_some(Value::Array(list))
        } else if let Some(text) = given.next() {
            if given.next().is_some() {
                return Err(Fault::Request(format!("{name} is given twice")));
            }
            Some(value(field, text, now))
        } else {
            None
        };
        if let Some(said) = said {
            enter(&mut members, outer, name, said);
        }
    }
    let known: Vec<&str> = parameters.iter().map(|one| one.name.as_str()).collect();
    query.done(&known)?;
    Ok(members)
}

/// Puts a value where its field is.
fn enter(members: &mut Map<String, Value>, outer: &[FieldDescriptor], name: &str, said: Value) {
    let Some((first, rest)) = outer.split_first() else {
        members.insert(name.to_owned(), said);
        return;
    };
    let inner = members.entry(first.json_name()).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        enter(inner, rest, name, said);
    }
}

/// What a text of a query is in JSON: times may be a span back from now, and spans have units. One that does not fit its field is refused with the others.
fn value(field: &FieldDescriptor, text: String, now: SystemTime) -> Value {
    match field.kind() {
        FieldKind::Message(of) => {
            let Ok(span) = duration::parse(&text) else { return Value::String(text) };
            Value::String(match of.full_name() {
                "google.protobuf.Timestamp" => match now.checked_sub(span) {
                    Some(then) => prost_types::Timestamp::from(then).to_string(),
                    None => text,
                },
                _ => format!("{}.{:03}s", span.as_secs(), span.subsec_millis()),
            })
        }
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
