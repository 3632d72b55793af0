//! What does a message look like to a program that reads JSON?
//!
//! The proto3 JSON form, with two liberties that its readers are glad of: 64-bit numbers are
//! numbers, and fields that are 0 or empty are there.

use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;
use turnpike_proto::POOL;

/// The JSON form of a message; `name` is its full name, `turnpike.usage.v1.UsageResponse`.
pub(crate) fn of_message(name: &str, message: &impl Message) -> Value {
    POOL.get_message_by_name(name)
        .and_then(|descriptor| decode(descriptor, &message.encode_to_vec()))
        .map_or(Value::Null, |message| of_dynamic(&message))
}

fn decode(descriptor: MessageDescriptor, bytes: &[u8]) -> Option<DynamicMessage> {
    DynamicMessage::decode(descriptor, bytes).ok()
}

fn of_dynamic(message: &DynamicMessage) -> Value {
    let options =
        SerializeOptions::new().stringify_64_bit_integers(false).skip_default_fields(false);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnpike_proto::admin::v1::{Change, change};

    use super::*;

    #[test]
    fn numbers_are_numbers_and_empty_fields_are_there() {
        let action = change::Action::Created.into();
        let message = Change { action, ..Change::default() };
        assert_eq!(
            of_message("turnpike.admin.v1.Change", &message),
            json!({ "key": "", "action": "created", "fields": [] })
        );
        let message = turnpike_proto::admin::v1::ListGatewaysResponse {
            revision: 1 << 60,
            gateways: Vec::new(),
        };
        let value = of_message("turnpike.admin.v1.ListGatewaysResponse", &message);
        assert_eq!(value, json!({ "gateways": [], "revision": 1_152_921_504_606_846_976_u64 }));
    }
}
