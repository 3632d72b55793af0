//! What does a gateway get in place of an object that says more than it understands?
//!
//! The same without what has no effect at run time; otherwise nothing that could let a call through:
//! an API that answers 503, or no object. Where its absence would let calls through, the gateway gets
//! no state at all and serves on what it has.

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind as FieldKind, MapKey, ReflectMessage as _, Value,
};
use turnpike_proto::config::v1::lifecycle::State as Lifecycle;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{
    Api, ApiProduct, ApiProductSpec, ApiSpec, Endpoint, Endpoints, Metadata, ProductApi, Resource,
};

use super::known::Known;
use crate::objects::Object;
use crate::resource::Kind;

/// Fields without an effect on any call, as `Message.field`: they may be left out. Everything that
/// does not stand here is taken for something that protects.
const WITHOUT_EFFECT: [&str; 9] = [
    "Metadata.labels",
    "Metadata.owner",
    "Metadata.revision",
    "Metadata.created_at",
    "Metadata.updated_at",
    "Metadata.status",
    "ApiSpec.description",
    "ApiProductSpec.description",
    "Definition.text",
];
/// So many fields of one object are named.
const MOST_NAMED: usize = 8;
/// Where everything begins that a resource may say.
const RESOURCE: &str = "turnpike.config.v1.Resource";
/// Nobody calls it: the API is blocked.
const NOWHERE: &str = "http://blocked.invalid";

/// What becomes of an object.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It has nothing that the gateway does not have.
    Same,
    /// What was left out has no effect on calls.
    Without(Object, Vec<String>),
    /// An API that is there and answers 503.
    Blocked(Object, Vec<String>),
    /// It is not there; what names it is not served either.
    Absent(Vec<String>),
    /// Without it the gateway would let calls through.
    Needed(Vec<String>),
}

/// What a gateway that has `known` gets of `object`.
pub(super) fn narrow(object: &Object, known: &Known) -> Outcome {
    let descriptor = turnpike_proto::POOL.get_message_by_name(RESOURCE);
    let message = descriptor
        .and_then(|resource| DynamicMessage::decode(resource, object.bytes().clone()).ok());
    // Whoever cannot read it here cannot say what a gateway would make of it.
    let Some(mut message) = message else { return Outcome::Absent(vec![String::new()]) };
    let mut missing = Missing { known, paths: Vec::new(), protects: false };
    missing.look_through(&message, "");
    let Missing { paths, protects, .. } = missing;
    if paths.is_empty() {
        return Outcome::Same;
    }
    if !protects {
        strip(&mut message, known);
        let bytes = prost::Message::encode_to_vec(&message).into();
        return Outcome::Without(Object::from_wire(object.key().clone(), bytes), paths);
    }
    match object.key().kind() {
        Some(Kind::Api | Kind::ApiProduct) => match blocked(object) {
            Some(blocked) => Outcome::Blocked(blocked, paths),
            None => Outcome::Absent(paths),
        },
        Some(Kind::DenyPolicy | Kind::CustomThrottle | Kind::GatewayGroup) => {
            Outcome::Needed(paths)
        }
        // In its place the built-in one would count.
        Some(Kind::KeyManager) if object.key().name() == "resident" => Outcome::Needed(paths),
        _ => Outcome::Absent(paths),
    }
}

/// What a gateway does not have of one object.
struct Missing<'k> {
    known: &'k Known,
    paths: Vec<String>,
    /// Whether one of them may be there to protect.
    protects: bool,
}

impl Missing<'_> {
    fn look_through(&mut self, message: &DynamicMessage, path: &str) {
        let descriptor = message.descriptor();
        let name = descriptor.full_name();
        for field in message.unknown_fields() {
            // Of a version after this one: nobody here knows what it is called.
            if !self.known.has(name, number(field.number())) {
                self.note(joined(path, &field.number().to_string()), true);
            }
        }
        for (field, value) in message.fields() {
            let at = joined(path, field.json_name());
            if !self.known.has(name, number(field.number())) {
                self.note(at, !is_without_effect(&field));
                continue;
            }
            match value {
                Value::List(values) => {
                    for (place, value) in values.iter().enumerate() {
                        self.look_at(&field, value, &format!("{at}[{place}]"));
                    }
                }
                Value::Map(values) => {
                    let FieldKind::Message(entry) = field.kind() else { continue };
                    for (key, value) in values {
                        let field = entry.map_entry_value_field();
                        self.look_at(&field, value, &joined(&at, &text(key)));
                    }
                }
                value => self.look_at(&field, value, &at),
            }
        }
    }

    fn look_at(&mut self, field: &FieldDescriptor, value: &Value, path: &str) {
        match (value, field.kind()) {
            (Value::Message(inner), _) => self.look_through(inner, path),
            (Value::EnumNumber(value), FieldKind::Enum(values))
                if !self.known.has(values.full_name(), *value) =>
            {
                self.note(path.to_owned(), true);
            }
            _ => {}
        }
    }

    fn note(&mut self, path: String, protects: bool) {
        self.protects |= protects;
        if self.paths.len() < MOST_NAMED {
            self.paths.push(path);
        }
    }
}

/// Takes out every field that the gateway does not have.
fn strip(message: &mut DynamicMessage, known: &Known) {
    let name = message.descriptor().full_name().to_owned();
    let fields: Vec<FieldDescriptor> = message.fields().map(|(field, _)| field).collect();
    for field in fields {
        if !known.has(&name, number(field.number())) {
            message.clear_field(&field);
            continue;
        }
        match message.get_field_mut(&field) {
            Value::Message(inner) => strip(inner, known),
            Value::List(values) => values.iter_mut().for_each(|value| strip_value(value, known)),
            Value::Map(values) => values.values_mut().for_each(|value| strip_value(value, known)),
            _ => {}
        }
    }
}

fn strip_value(value: &mut Value, known: &Known) {
    if let Value::Message(inner) = value {
        strip(inner, known);
    }
}

/// An API in the same place that answers every call with 503 (700700), in words that every version
/// has.
fn blocked(object: &Object) -> Option<Object> {
    let lifecycle = Lifecycle::Blocked.into();
    let any = match object.resource()?.into_owned().resource? {
        Any::Api(Api { api_version, kind, metadata, spec }) => {
            let spec = spec?;
            let production = Endpoint { urls: vec![NOWHERE.to_owned()], ..Endpoint::default() };
            let spec = ApiSpec {
                context: spec.context,
                default_version: spec.default_version,
                gateways: spec.gateways,
                endpoints: Some(Endpoints { production: Some(production), ..Endpoints::default() }),
                lifecycle,
                ..ApiSpec::default()
            };
            Any::Api(Api { api_version, kind, metadata: named(metadata), spec: Some(spec) })
        }
        Any::ApiProduct(ApiProduct { api_version, kind, metadata, spec }) => {
            let spec = spec?;
            let member = |api: ProductApi| ProductApi { operations: Vec::new(), ..api };
            let spec = ApiProductSpec {
                context: spec.context,
                default_version: spec.default_version,
                gateways: spec.gateways,
                apis: spec.apis.into_iter().map(member).collect(),
                lifecycle,
                ..ApiProductSpec::default()
            };
            let metadata = named(metadata);
            Any::ApiProduct(ApiProduct { api_version, kind, metadata, spec: Some(spec) })
        }
        _ => return None,
    };
    Object::new(Resource { resource: Some(any) })
}

fn named(metadata: Option<Metadata>) -> Option<Metadata> {
    metadata.map(|it| Metadata { name: it.name, version: it.version, ..Metadata::default() })
}

fn is_without_effect(field: &FieldDescriptor) -> bool {
    let message = field.parent_message();
    let name = format!("{}.{}", message.name(), field.name());
    WITHOUT_EFFECT.contains(&name.as_str())
}

fn joined(path: &str, name: &str) -> String {
    // The kind of a resource says itself.
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn text(key: &MapKey) -> String {
    match key {
        MapKey::String(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// Field numbers fit: protobuf allows 29 bits.
fn number(field: u32) -> i32 {
    i32::try_from(field).unwrap_or(i32::MAX)
}
