//! What do resources of every kind have in common?

use std::fmt::Write as _;

use bytes::Bytes;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{Definition, Metadata, Resource};
use zeroize::Zeroizing;

use super::key::{Kind, ResourceKey};

/// The one version of the resource format.
pub(crate) const API_VERSION: &str = "turnpike/v1";

/// Which kind a resource is; `None` when it is empty or of a kind that is not known here.
pub fn kind(resource: &Resource) -> Option<Kind> {
    Some(match resource.resource.as_ref()? {
        Any::Api(_) => Kind::Api,
        Any::ApiProduct(_) => Kind::ApiProduct,
        Any::Application(_) => Kind::Application,
        Any::Subscription(_) => Kind::Subscription,
        Any::Tier(_) => Kind::Tier,
        Any::KeyManager(_) => Kind::KeyManager,
        Any::GatewayGroup(_) => Kind::GatewayGroup,
        Any::Certificate(_) => Kind::Certificate,
        Any::Secret(_) => Kind::Secret,
        Any::DenyPolicy(_) => Kind::DenyPolicy,
        Any::CustomThrottle(_) => Kind::CustomThrottle,
        Any::Policy(_) => Kind::Policy,
        Any::XacmlPolicySet(_) => Kind::XacmlPolicySet,
        Any::Workflow(_) => Kind::Workflow,
        Any::WorkflowRequest(_) => Kind::WorkflowRequest,
        Any::AlertRule(_) => Kind::AlertRule,
        Any::NotificationChannel(_) => Kind::NotificationChannel,
    })
}

/// The metadata of a resource, where it has some.
pub fn metadata(resource: &Resource) -> Option<&Metadata> {
    match resource.resource.as_ref()? {
        Any::Api(one) => one.metadata.as_ref(),
        Any::ApiProduct(one) => one.metadata.as_ref(),
        Any::Application(one) => one.metadata.as_ref(),
        Any::Subscription(one) => one.metadata.as_ref(),
        Any::Tier(one) => one.metadata.as_ref(),
        Any::KeyManager(one) => one.metadata.as_ref(),
        Any::GatewayGroup(one) => one.metadata.as_ref(),
        Any::Certificate(one) => one.metadata.as_ref(),
        Any::Secret(one) => one.metadata.as_ref(),
        Any::DenyPolicy(one) => one.metadata.as_ref(),
        Any::CustomThrottle(one) => one.metadata.as_ref(),
        Any::Policy(one) => one.metadata.as_ref(),
        Any::XacmlPolicySet(one) => one.metadata.as_ref(),
        Any::Workflow(one) => one.metadata.as_ref(),
        Any::WorkflowRequest(one) => one.metadata.as_ref(),
        Any::AlertRule(one) => one.metadata.as_ref(),
        Any::NotificationChannel(one) => one.metadata.as_ref(),
    }
}

/// The metadata of a resource, to be changed; made when absent.
pub fn metadata_mut(resource: &mut Resource) -> Option<&mut Metadata> {
    Some(head(resource)?.2.get_or_insert_default())
}

/// `apiVersion`, `kind` and `metadata`, to be changed.
fn head(resource: &mut Resource) -> Option<(&mut String, &mut String, &mut Option<Metadata>)> {
    Some(match resource.resource.as_mut()? {
        Any::Api(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::ApiProduct(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::Application(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::Subscription(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::Tier(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::KeyManager(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::GatewayGroup(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::Certificate(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::Secret(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::DenyPolicy(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::CustomThrottle(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::Policy(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::XacmlPolicySet(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::Workflow(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::WorkflowRequest(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::AlertRule(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
        Any::NotificationChannel(one) => (&mut one.api_version, &mut one.kind, &mut one.metadata),
    })
}

/// `apiVersion` and `kind` as they were given.
pub(crate) fn stated(resource: &Resource) -> Option<(&str, &str)> {
    Some(match resource.resource.as_ref()? {
        Any::Api(one) => (&one.api_version, &one.kind),
        Any::ApiProduct(one) => (&one.api_version, &one.kind),
        Any::Application(one) => (&one.api_version, &one.kind),
        Any::Subscription(one) => (&one.api_version, &one.kind),
        Any::Tier(one) => (&one.api_version, &one.kind),
        Any::KeyManager(one) => (&one.api_version, &one.kind),
        Any::GatewayGroup(one) => (&one.api_version, &one.kind),
        Any::Certificate(one) => (&one.api_version, &one.kind),
        Any::Secret(one) => (&one.api_version, &one.kind),
        Any::DenyPolicy(one) => (&one.api_version, &one.kind),
        Any::CustomThrottle(one) => (&one.api_version, &one.kind),
        Any::Policy(one) => (&one.api_version, &one.kind),
        Any::XacmlPolicySet(one) => (&one.api_version, &one.kind),
        Any::Workflow(one) => (&one.api_version, &one.kind),
        Any::WorkflowRequest(one) => (&one.api_version, &one.kind),
        Any::AlertRule(one) => (&one.api_version, &one.kind),
        Any::NotificationChannel(one) => (&one.api_version, &one.kind),
    })
}

/// The key of a resource; `None` while it has no kind or no name.
pub fn key(resource: &Resource) -> Option<ResourceKey> {
    let (kind, metadata) = (kind(resource)?, metadata(resource)?);
    if metadata.name.is_empty() || (kind.has_versions() && metadata.version.is_empty()) {
        return None;
    }
    let version = kind.has_versions().then_some(metadata.version.as_str());
    Some(ResourceKey::new(kind, &metadata.name, version))
}

/// A resource as it is stored, hashed and sent. What holds the value of a secret is overwritten when the
/// last part of it goes.
pub fn encode(resource: &Resource) -> Bytes {
    let bytes = resource.encode_to_vec();
    match kind(resource) {
        Some(Kind::Secret) => Bytes::from_owner(Zeroizing::new(bytes)),
        _ => bytes.into(),
    }
}

/// A resource from its stored form.
pub fn decode(bytes: &[u8]) -> Result<Resource, prost::DecodeError> {
    Resource::decode(bytes)
}

/// One form for one meaning: what is implied is written out and what only the store knows is left
/// out, so that equal resources have equal bytes.
pub(crate) fn normalise(mut resource: Resource) -> Resource {
    if let Some(kind) = kind(&resource)
        && let Some((api_version, stated_kind, metadata)) = head(&mut resource)
    {
        API_VERSION.clone_into(api_version);
        kind.name().clone_into(stated_kind);
        if let Some(metadata) = metadata {
            metadata.revision = 0;
            metadata.created_at = None;
            metadata.updated_at = None;
            metadata.status = None;
        }
    }
    match resource.resource.as_mut() {
        Some(Any::Api(api)) => {
            if let Some(definition) = api.spec.as_mut().and_then(|spec| spec.definition.as_mut()) {
                fill_definition(definition);
            }
        }
        Some(Any::XacmlPolicySet(set)) => {
            let documents = set.spec.as_mut().map(|spec| &mut spec.documents);
            documents.into_iter().flatten().for_each(fill_definition);
        }
        Some(Any::Secret(secret)) => {
            if let Some(spec) = secret.spec.as_mut()
                && !spec.value.is_empty()
            {
                spec.sha256 = sha256_hex(&spec.value);
            }
        }
        _ => {}
    }
    resource
}

fn fill_definition(definition: &mut Definition) {
    if !definition.text.is_empty() {
        definition.sha256 = sha256_hex(&definition.text);
    }
}

fn sha256_hex(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
