//! Which limits has an application?
//!
//! Its own, and those of its subscriptions: gateways know them by the names of both.

use plan::{Kind, ResourceKey};
use turnpike_proto::config::v1::resource::Resource as Any;

use super::error::ManageError;
use super::view::seen;
use crate::catalog::{Catalog, State};
use crate::people::Caller;

/// So many subscriptions are looked at in one go.
const MOST: usize = 1_000;

/// The APIs and products (`name:version`) whose subscriptions an application has, in order and the first
/// thousand of them; only `api`, where that names one.
pub fn limited(
    by: &Caller,
    catalog: &Catalog,
    application: &str,
    api: &str,
) -> Result<Vec<String>, ManageError> {
    let state = catalog.current().ok_or(ManageError::NotLoaded)?;
    let key = ResourceKey::of_id(Kind::Application, application);
    if seen(by, &state, &key).is_none() {
        return Err(ManageError::NotFound(key));
    }
    let subscribed =
        state.objects.referrers(&key).filter_map(|referrer| target(&state, &referrer, application));
    let mut apis: Vec<_> = subscribed.filter(|id| api.is_empty() || id == api).collect();
    apis.sort();
    apis.dedup();
    apis.truncate(MOST);
    if apis.is_empty() && !api.is_empty() {
        let subscription = format!("{application} to {api}");
        return Err(ManageError::NotFound(ResourceKey::of_id(Kind::Subscription, &subscription)));
    }
    Ok(apis)
}

/// What a subscription of the application is to.
fn target(state: &State, key: &ResourceKey, application: &str) -> Option<String> {
    let object = state.objects.get(key)?;
    let resource = object.resource()?;
    let Some(Any::Subscription(subscription)) = &resource.resource else { return None };
    let spec = subscription.spec.as_ref().filter(|spec| spec.application == application)?;
    Some(if spec.api_product.is_empty() { &spec.api } else { &spec.api_product }.clone())
}
