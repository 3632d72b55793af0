//! Which kind of resource does a word mean, and which service keeps it?
//!
//! Nothing here lists the kinds: a kind is a field of `turnpike.config.v1.Resource`, and its service
//! is the one in `turnpike.admin.v1` that puts it. A new kind is known as soon as it is in the
//! `.proto` files.

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, ServiceDescriptor, Value};
use turnpike_proto::POOL;
use turnpike_proto::config::v1::Resource;

/// One kind of resource.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    field: FieldDescriptor,
    message: MessageDescriptor,
    service: ServiceDescriptor,
}

/// A word that names no kind.
#[derive(Debug, thiserror::Error)]
#[error("`{word}` is no kind of resource; {hint}")]
pub(crate) struct UnknownKind {
    word: String,
    hint: String,
}

impl Kind {
    /// `Api`, `api`, `apis`; `KeyManager`, `key-managers`, `key_manager`.
    pub(crate) fn parse(word: &str) -> Result<Self, UnknownKind> {
        let kinds = Self::all();
        let wanted = plain(word);
        let meant = |kind: &&Self| {
            let name = plain(kind.name());
            let plural = match name.strip_suffix('y') {
                Some(stem) => format!("{stem}ies"),
                None => format!("{name}s"),
            };
            wanted == name || wanted == plural
        };
        if let Some(kind) = kinds.iter().find(meant) {
            return Ok(kind.clone());
        }
        let names: Vec<&str> = kinds.iter().map(Self::name).collect();
        let hint = chassis::config::nearest(word, names.iter().copied()).map_or_else(
            || format!("kinds are {}", names.join(", ")),
            |near| format!("did you mean {near}?"),
        );
        Err(UnknownKind { word: word.to_owned(), hint })
    }

    /// As it stands in a file: `Api`.
    pub(crate) fn name(&self) -> &str {
        self.message.name()
    }

    /// Whether its resources have versions; `Api` and `ApiProduct` do.
    pub(crate) fn has_versions(&self) -> bool {
        matches!(self.name(), "Api" | "ApiProduct")
    }

    pub(super) fn service(&self) -> &ServiceDescriptor {
        &self.service
    }

    /// The resource that a message of this kind is.
    pub(super) fn resource(&self, message: DynamicMessage) -> Option<Resource> {
        let mut resource = DynamicMessage::new(self.field.parent_message().clone());
        resource.set_field(&self.field, Value::Message(message));
        resource.transcode_to().ok()
    }

    /// Every kind.
    pub(crate) fn all() -> Vec<Self> {
        let Some(resource) = POOL.get_message_by_name("turnpike.config.v1.Resource") else {
            return Vec::new();
        };
        resource
            .fields()
            .filter_map(|field| {
                let kind = field.kind();
                let message = kind.as_message()?.clone();
                let service = POOL.services().find(|service| puts(service, &message))?;
                Some(Self { field, message, service })
            })
            .collect()
    }
}

fn puts(service: &ServiceDescriptor, message: &MessageDescriptor) -> bool {
    service.methods().any(|method| method.name() == "Put" && method.input() == *message)
}

fn plain(word: &str) -> String {
    word.chars().filter(|one| !matches!(one, '-' | '_')).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, kind: &str) {
        let said = Kind::parse(word)
            .map_or_else(|unknown| unknown.to_string(), |kind| kind.service().name().to_owned());
        assert_eq!(said, kind);
    }

    #[test]
    fn a_kind_is_known_by_each_way_of_writing_it() {
        check("Api", "Apis");
        check("apis", "Apis");
        check("key-managers", "KeyManagers");
        check("api-products", "ApiProducts");
        check("gatewaygroup", "GatewayGroups");
        check("SECRET", "Secrets");
        check("deny-policies", "DenyPolicies");
        check("denypolicy", "DenyPolicies");
        check("custom-throttles", "CustomThrottles");
        check("xacml-policy-sets", "XacmlPolicySets");
    }

    #[test]
    fn an_unknown_kind_is_refused_with_the_nearest_name() {
        check("Aplication", "`Aplication` is no kind of resource; did you mean Application?");
    }
}
