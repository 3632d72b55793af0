//! Is a resource, of whichever kind, right by itself?

use prost::Message as _;
use turnpike_proto::config::v1::Resource;
use turnpike_proto::config::v1::resource::Resource as Any;

use super::alert::{check_channel, check_rule};
use super::api::compile_api;
use super::certificate::compile_certificate;
use super::counters::USUAL_SUBJECTS;
use super::custom::compile_custom;
use super::deny::compile_deny;
use super::head::{check_head, required};
use super::host::compile_group;
use super::key_manager::compile_key_manager;
use super::named::Named;
use super::policies::compile_policy;
use super::policy_set::compile_policy_set;
use super::product::check_product;
use super::subscriber::{compile_application, compile_subscription};
use super::tier::compile_tier;
use super::workflow::compile_workflow;
use crate::problem::{At, Problems};
use crate::resource::key;

/// The largest resource besides the text of its definition, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The largest secret value, in bytes.
const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Everything that can be said about a resource without knowing any other.
pub(crate) fn compile_resource(resource: &Resource, problems: &mut Problems) {
    check_head(resource, problems);
    check_size(resource, problems);
    let (Some(any), Some(key)) = (resource.resource.as_ref(), key(resource)) else { return };
    if !problems.is_empty() {
        // Compiling still tells what else is wrong, but only of what is no monster.
        if resource.encoded_len() > 2 * MAX_BYTES {
            return;
        }
    }
    match any {
        Any::Api(one) => drop(compile_api(&key, one, Named::NONE, problems)),
        Any::ApiProduct(one) => check_product(one, problems),
        Any::Application(one) => drop(compile_application(one, problems)),
        Any::Subscription(one) => drop(compile_subscription(one, problems)),
        Any::Tier(one) => drop(compile_tier(key.name(), one, problems)),
        Any::KeyManager(one) => drop(compile_key_manager(key.name(), one, problems)),
        Any::GatewayGroup(one) => drop(compile_group(key.name(), one, problems)),
        Any::Certificate(one) => drop(compile_certificate(one, problems)),
        Any::DenyPolicy(one) => drop(compile_deny(key.name(), one, problems)),
        Any::CustomThrottle(one) => {
            drop(compile_custom(key.name(), one, USUAL_SUBJECTS, problems));
        }
        Any::Policy(one) => drop(compile_policy(one, problems)),
        Any::XacmlPolicySet(one) => {
            drop(compile_policy_set(key.name(), one, Named::NONE, problems));
        }
        Any::Workflow(one) => compile_workflow(one, problems),
        // Only the control plane writes it.
        Any::WorkflowRequest(one) => drop(required(one.spec.as_ref(), problems)),
        Any::AlertRule(one) => check_rule(one, problems),
        Any::NotificationChannel(one) => check_channel(one, problems),
        Any::Secret(one) => {
            let at = At::ROOT;
            let at = at.name("spec");
            let at = at.name("value");
            match required(one.spec.as_ref(), problems).map(|spec| spec.value.len()) {
                Some(0) => problems.add(&at, "a value is missing", ""),
                Some(size) if size > MAX_SECRET_BYTES => {
                    let reason = format!("it has {size} bytes, at most {MAX_SECRET_BYTES}");
                    problems.add(&at, reason, "");
                }
                _ => {}
            }
        }
    }
}

fn check_size(resource: &Resource, problems: &mut Problems) {
    let definition = match resource.resource.as_ref() {
        Some(Any::Api(api)) => api.spec.as_ref().and_then(|spec| spec.definition.as_ref()),
        _ => None,
    };
    let text = definition.map_or(0, |definition| definition.text.len());
    let size = resource.encoded_len().saturating_sub(text);
    if size > MAX_BYTES {
        let reason = format!("the resource has {size} bytes, at most {MAX_BYTES}");
        problems.add(&At::ROOT, reason, "");
    }
}

#[cfg(test)]
#[path = "resource_tests.rs"]
mod tests;
