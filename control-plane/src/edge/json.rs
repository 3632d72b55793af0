//! What is a message in JSON? Its proto3 JSON form, the same that files are written in.

use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::Value;
use turnpike_proto::POOL;

/// `message`, whose full name is `name`. Fields at their default are left out, except numbers and
/// switches that a reader would miss.
pub(super) fn of(name: &str, message: &impl Message) -> Value {
    let Some(descriptor) = POOL.get_message_by_name(name) else { return Value::Null };
    let mut dynamic = DynamicMessage::new(descriptor);
    let options = SerializeOptions::new().skip_default_fields(false);
    match dynamic.transcode_from(message) {
        Ok(()) => dynamic
            .serialize_with_options(serde_json::value::Serializer, &options)
            .unwrap_or(Value::Null),
        Err(_) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use turnpike_proto::admin::v1::{ApplyResponse, Change, change};

    #[test]
    fn a_message_has_its_proto3_json_form() {
        let action = change::Action::Created.into();
        let change = Change { key: "Tier/a".to_owned(), action, ..Change::default() };
        let response = ApplyResponse { revision: 7, changes: vec![change], ..Default::default() };
        let json = super::of("turnpike.admin.v1.ApplyResponse", &response);
        insta::assert_snapshot!(json, @r#"{"applied":false,"changes":[{"action":"created","fields":[],"key":"Tier/a"}],"gateways":[],"problems":[],"revision":"7"}"#);
    }
}
