//! How is a decision point asked that speaks as Envoy's do?
//!
//! `envoy.service.auth.v3.Authorization/Check`: one message each way over gRPC, each behind five
//! bytes that say how long it is, and a status behind the answer.

use std::collections::BTreeMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode};
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Value as Json};
use turnpike_proto::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use turnpike_proto::envoy::config::core::v3::{
    Address, HeaderValueOption, Metadata, SocketAddress, address, socket_address,
};
use turnpike_proto::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use turnpike_proto::envoy::service::auth::v3::check_response::HttpResponse;
use turnpike_proto::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
};

use super::answer::{Change, Decision, How, Obligations, Undecided, few, worded};
use super::json;
use super::question::{Attribute, Question, Value};
use crate::upstream::Heard;

/// The bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// The most bytes of parameters that are added to a query.
const MOST_QUERY: usize = 8 * 1024;
/// Under which name the gateway says what it knows.
const NAMESPACE: &str = "turnpike";

/// The body of the question.
pub(super) fn body(question: &Question<'_>) -> Bytes {
    let message = check(question);
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    // A question is made of a head, whose size is bounded far below this.
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode_raw(&mut frame);
    frame.freeze()
}

fn check(question: &Question<'_>) -> CheckRequest {
    let Question { subject, action, resource, environment, context } = question;
    let anonymous = text(subject, "type") == "anonymous";
    let address = match find(environment, "client_address") {
        Some(Value::Address(address)) => Some(address.to_string()),
        _ => None,
    };
    let seconds = match find(environment, "time") {
        Some(Value::Instant(unix)) => *unix,
        _ => 0,
    };
    let (path, query) = (text(resource, "id"), text(resource, "query"));
    let path = if query.is_empty() { path } else { format!("{path}?{query}") };
    let http = HttpRequest {
        id: text(environment, "request_id"),
        method: text(action, "name"),
        headers: match find(environment, "headers") {
            Some(Value::Fields(fields)) => {
                fields.iter().map(|(name, said)| ((*name).to_owned(), said.clone())).collect()
            }
            _ => BTreeMap::new(),
        },
        path,
        host: text(resource, "host"),
        scheme: text(environment, "scheme"),
        size: -1,
        protocol: text(environment, "protocol"),
        ..HttpRequest::default()
    };
    let own = ["api", "version", "operation"].map(|name| (name.to_owned(), text(resource, name)));
    let said = context.iter().map(|(name, said)| (name.to_string(), said.to_string()));
    let known = structure(json::whole(question));
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer {
                address: address.map(socket),
                principal: if anonymous { String::new() } else { text(subject, "id") },
                ..Peer::default()
            }),
            destination: Some(Peer { service: text(resource, "api"), ..Peer::default() }),
            request: Some(Request {
                time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
                http: Some(http),
            }),
            context_extensions: said.chain(own).collect(),
            metadata_context: Some(Metadata {
                filter_metadata: BTreeMap::from([(NAMESPACE.to_owned(), known)]),
            }),
        }),
    }
}

fn find<'q, 'a>(attributes: &'q [Attribute<'a>], name: &str) -> Option<&'q Value<'a>> {
    attributes.iter().find(|one| one.name == name).map(|one| &one.value)
}

/// A text of this name; empty where there is none.
fn text(attributes: &[Attribute<'_>], name: &str) -> String {
    match find(attributes, name) {
        Some(Value::Text(text)) => text.to_string(),
        _ => String::new(),
    }
}

/// The port is the kernel's choice and nobody's concern.
fn socket(address: String) -> Address {
    let port_specifier = Some(socket_address::PortSpecifier::PortValue(0));
    let socket = SocketAddress { address, port_specifier };
    Address { address: Some(address::Address::SocketAddress(socket)) }
}

fn structure(members: Map<String, Json>) -> Struct {
    Struct { fields: members.into_iter().map(|(name, value)| (name, dynamic(value))).collect() }
}

fn dynamic(value: Json) -> prost_types::Value {
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(flag) => Kind::BoolValue(flag),
        // The protocol has no other numbers.
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(values) => {
            Kind::ListValue(ListValue { values: values.into_iter().map(dynamic).collect() })
        }
        Json::Object(members) => Kind::StructValue(structure(members)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// What comes of the answer.
pub(super) fn read(heard: &Heard) -> Result<Decision, Undecided> {
    if heard.status != StatusCode::OK {
        return Err(Undecided::Status(heard.status.as_u16()));
    }
    // Where there is no message, the status may stand in the head.
    let said = |name: &str| heard.trailers.get(name).or_else(|| heard.headers.get(name));
    let status = said("grpc-status").ok_or(Undecided::Missing)?;
    if status != "0" {
        let of = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let message = said("grpc-message").map(of).unwrap_or_default();
        return Err(Undecided::GrpcStatus(format!("{} {message}", of(status))));
    }
    let message = message(&heard.body)?;
    let answer =
        CheckResponse::decode(message).map_err(|error| Undecided::Unreadable(Box::new(error)))?;
    decision(answer)
}

/// The one message of an answer.
fn message(body: &Bytes) -> Result<Bytes, Undecided> {
    let unreadable = |why: &str| Undecided::Unreadable(why.to_owned().into());
    let prefix = body.first_chunk::<PREFIX>().ok_or(Undecided::Missing)?;
    let [compressed, length @ ..] = *prefix;
    let message = body.slice(PREFIX..);
    if compressed != 0 {
        return Err(unreadable("the message is compressed, which was not asked for"));
    }
    if usize::try_from(u32::from_be_bytes(length)) != Ok(message.len()) {
        return Err(unreadable("there is not exactly one message"));
    }
    Ok(message)
}

/// What is contradictory permits nothing.
fn decision(answer: CheckResponse) -> Result<Decision, Undecided> {
    let good = answer.status.map(|status| status.code == 0);
    match (good, answer.http_response) {
        (Some(true) | None, Some(HttpResponse::OkResponse(ok))) => {
            Ok(Decision::Permit(Box::new(obligations(ok)?)))
        }
        (Some(true), None) => Ok(Decision::Permit(Box::default())),
        (_, Some(HttpResponse::DeniedResponse(denied))) => denied_read(denied),
        (Some(false), _) => Ok(Decision::Deny(None)),
        (None, None) => Err(Undecided::Missing),
    }
}

fn obligations(ok: OkHttpResponse) -> Result<Obligations, Undecided> {
    let removed = [ok.headers_to_remove.len(), ok.query_parameters_to_remove.len()];
    let counts = removed.into_iter().chain([ok.query_parameters_to_set.len()]);
    counts.into_iter().try_for_each(few)?;
    let said = ok.query_parameters_to_set.iter().map(|one| one.key.len() + one.value.len());
    if said.sum::<usize>() > MOST_QUERY {
        return Err(Undecided::Unreadable("the parameters are too long".into()));
    }
    let name = |text: &String| HeaderName::from_bytes(text.as_bytes());
    let drops: Result<Vec<_>, _> = ok.headers_to_remove.iter().map(name).collect();
    let parameters = ok.query_parameters_to_set.into_iter();
    Ok(Obligations {
        request: changes(ok.headers, How::Replace)?,
        drops: drops.map_err(|error| Undecided::Unreadable(Box::new(error)))?,
        parameters: parameters.map(|one| (one.key, one.value)).collect(),
        drops_parameters: ok.query_parameters_to_remove,
        answer: changes(ok.response_headers_to_add, How::Add)?,
    })
}

fn denied_read(denied: DeniedHttpResponse) -> Result<Decision, Undecided> {
    let status = denied.status.and_then(|status| u16::try_from(status.code).ok());
    let changes = changes(denied.headers, How::Add)?;
    Ok(Decision::Deny(Some(Box::new(worded(status, &changes, denied.body.into())))))
}

/// What header fields shall become; `usual`: where it is not said what becomes of those there are.
fn changes(options: Vec<HeaderValueOption>, usual: How) -> Result<Vec<Change>, Undecided> {
    few(options.len())?;
    let mut changes = Vec::with_capacity(options.len());
    for option in options {
        let action = HeaderAppendAction::try_from(option.append_action)
            .map_err(|error| Undecided::Unreadable(Box::new(error)))?;
        let header = option.header.unwrap_or_default();
        let value =
            if header.raw_value.is_empty() { header.value.into_bytes() } else { header.raw_value };
        if value.is_empty() && !option.keep_empty_value {
            continue;
        }
        let name = HeaderName::from_bytes(header.key.as_bytes())
            .map_err(|error| Undecided::Unreadable(Box::new(error)))?;
        let value = HeaderValue::from_maybe_shared(Bytes::from(value))
            .map_err(|error| Undecided::Unreadable(Box::new(error)))?;
        let how = match (option.append, action) {
            (Some(true), _) => How::Add,
            (Some(false), _) | (None, HeaderAppendAction::OverwriteIfExistsOrAdd) => How::Replace,
            (None, HeaderAppendAction::AppendIfExistsOrAdd) => usual,
            (None, HeaderAppendAction::AddIfAbsent) => How::AddIfAbsent,
            (None, HeaderAppendAction::OverwriteIfExists) => How::ReplaceIfPresent,
        };
        changes.push(Change { name, value, how });
    }
    Ok(changes)
}
