//! How is a resource shown?
//!
//! In the proto3 JSON form, with 64-bit numbers as numbers because people read it. Secret values
//! are left out: they can be written and never read back.

use prost_reflect::{DynamicMessage, SerializeOptions, Value as Field};
use serde_json::Value;
use turnpike_proto::config::v1::Resource;
use turnpike_proto::config::v1::resource::Resource as Any;

use super::any::normalise;

/// The JSON form; `null` for an empty resource. Output fields of the metadata are kept.
pub fn to_json(resource: &Resource) -> Value {
    let kept = super::any::metadata(resource).cloned();
    let mut shown = normalise(resource.clone());
    if let (Some(kept), Some(metadata)) = (kept, super::any::metadata_mut(&mut shown)) {
        *metadata = kept;
    }
    if let Some(Any::Secret(secret)) = shown.resource.as_mut()
        && let Some(spec) = secret.spec.as_mut()
    {
        spec.value.clear();
    }
    serialize(&shown).unwrap_or(Value::Null)
}

/// The JSON form written as YAML.
pub fn to_yaml(resource: &Resource) -> String {
    serde_norway::to_string(&to_json(resource)).unwrap_or_default()
}

fn serialize(resource: &Resource) -> Option<Value> {
    let descriptor = turnpike_proto::POOL.get_message_by_name("turnpike.config.v1.Resource")?;
    let mut message = DynamicMessage::new(descriptor);
    message.transcode_from(resource).ok()?;
    let (_, inner) = message.take_fields().next()?;
    let Field::Message(inner) = inner else { return None };
    let options = SerializeOptions::new().stringify_64_bit_integers(false);
    inner.serialize_with_options(serde_json::value::Serializer, &options).ok()
}
