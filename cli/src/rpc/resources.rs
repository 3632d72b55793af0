//! Reading and removing resources of any kind.
//!
//! One codec speaks for all kinds: what comes back is decoded by the descriptor of the kind, so
//! that no kind needs code of its own.

use bytes::Buf as _;
use http::uri::PathAndQuery;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};
use turnpike_proto::config::v1::Resource;

use super::call::CallError;
use super::connection::Wire;
use super::kind::Kind;

/// Pages of this size are asked for; the most that a server gives.
const PAGE: u32 = 1_000;

/// The name of a resource within its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) name: String,
    /// Empty where the kind has no versions.
    pub(crate) version: String,
}

impl Name {
    /// `orders:1.0.0` where the kind has versions, `shop` otherwise.
    pub(crate) fn parse(kind: &Kind, text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some((name, version)) if kind.has_versions() && !version.is_empty() => {
                Some(Self { name: name.to_owned(), version: version.to_owned() })
            }
            None if !kind.has_versions() => {
                Some(Self { name: text.to_owned(), version: String::new() })
            }
            _ => None,
        }
    }
}

/// One resource with everything that it has; `None`: there is no such one.
pub(crate) async fn get(
    wire: &Wire,
    kind: &Kind,
    name: &Name,
) -> Result<Option<Resource>, CallError> {
    let request = ask(kind, "Get", &[("name", &name.name), ("version", &name.version)]);
    match call(wire, kind, "Get", request).await {
        Ok(message) => Ok(kind.resource(message)),
        Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
        Err(status) => Err(wire.error(status)),
    }
}

/// All resources of a kind, ordered by key.
pub(crate) async fn list(wire: &Wire, kind: &Kind) -> Result<Vec<Resource>, CallError> {
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let mut request = ask(kind, "List", &[("page_token", &page_token)]);
        if let Some(request) = &mut request {
            request.set_field_by_name("page_size", Value::U32(PAGE));
        }
        let page = call(wire, kind, "List", request).await.map_err(|status| wire.error(status))?;
        if let Some(Value::List(items)) = page.get_field_by_name("items").as_deref() {
            let messages = items.iter().filter_map(|item| item.as_message().cloned());
            found.extend(messages.filter_map(|message| kind.resource(message)));
        }
        let next = page.get_field_by_name("next_page_token");
        match next.as_deref().and_then(Value::as_str) {
            // The same token again would be a server that turns in a circle.
            Some(next) if !next.is_empty() && next != page_token => {
                next.clone_into(&mut page_token);
            }
            _ => return Ok(found),
        }
    }
}

/// What became of a resource that somebody wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deleted {
    /// It is gone.
    Gone,
    /// Somebody has to decide about it first; the identifier of the request.
    Waits(String),
    /// There was no such one.
    Missing,
}

/// Removes one resource.
pub(crate) async fn delete(wire: &Wire, kind: &Kind, name: &Name) -> Result<Deleted, CallError> {
    let request = ask(kind, "Delete", &[("name", &name.name), ("version", &name.version)]);
    match call(wire, kind, "Delete", request).await {
        Ok(answer) => {
            let waiting = answer.get_field_by_name("waiting");
            let waiting = waiting.as_deref().and_then(Value::as_str).unwrap_or_default();
            let waits = || Deleted::Waits(waiting.to_owned());
            Ok(if waiting.is_empty() { Deleted::Gone } else { waits() })
        }
        Err(status) if status.code() == tonic::Code::NotFound => Ok(Deleted::Missing),
        Err(status) => Err(wire.error(status)),
    }
}

fn ask(kind: &Kind, method: &str, fields: &[(&str, &str)]) -> Option<DynamicMessage> {
    let method = kind.service().methods().find(|one| one.name() == method)?;
    let mut request = DynamicMessage::new(method.input());
    for (name, value) in fields {
        request.set_field_by_name(name, Value::String((*value).to_owned()));
    }
    Some(request)
}

async fn call(
    wire: &Wire,
    kind: &Kind,
    method: &str,
    request: Option<DynamicMessage>,
) -> Result<DynamicMessage, Status> {
    let unknown = || Status::unimplemented(format!("{} has no {method}", kind.service().name()));
    let method = kind.service().methods().find(|one| one.name() == method).ok_or_else(unknown)?;
    let path = format!("/{}/{}", kind.service().full_name(), method.name());
    let path = PathAndQuery::try_from(path).map_err(|error| Status::internal(error.to_string()))?;
    let mut client = tonic::client::Grpc::new(wire.channel())
        .max_decoding_message_size(chassis::rpc::MESSAGE_BYTES);
    client.ready().await.map_err(|error| Status::from_error(error.into()))?;
    let request = Request::new(request.ok_or_else(unknown)?);
    let codec = AnyMessage { answer: method.output() };
    Ok(client.unary(request, path, codec).await?.into_inner())
}

/// Encodes any message and decodes answers of one type.
#[derive(Clone, Debug)]
struct AnyMessage {
    answer: MessageDescriptor,
}

impl Codec for AnyMessage {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for AnyMessage {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(into).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for AnyMessage {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        DynamicMessage::decode(self.answer.clone(), bytes)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
