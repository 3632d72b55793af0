//! How does whoever answers for an API get to try it out?
//!
//! The key manager signs; here it is looked at whether the APIs are there, so that no key waits for one
//! that somebody makes later under the same name.

use plan::{Kind, ResourceKey};

use super::application_keys::{Clients, NewTestKey, TestKey};
use super::change::Manager;
use super::error::ManageError;
use crate::people::Caller;

/// Has a test key made for APIs that are there.
pub async fn generate_test_key(
    by: &Caller,
    manager: &Manager,
    clients: &dyn Clients,
    wanted: NewTestKey,
) -> Result<TestKey, ManageError> {
    if wanted.apis.is_empty() && !by.may_everything() {
        return Err(manager.forbidden(by, "test key", "name the APIs that the key is for"));
    }
    for id in &wanted.apis {
        let api = ResourceKey::of_id(Kind::Api, id);
        if let Err(missing) = manager.get_to_change(by, &api) {
            let product = ResourceKey::of_id(Kind::ApiProduct, id);
            manager.get_to_change(by, &product).map_err(|_| missing)?;
        }
    }
    let apis = wanted.apis.join(" ");
    let made = clients.test_key(by, wanted).await.map_err(ManageError::KeyManager)?;
    tracing::info!(%by, apis, expires_at = made.expires_at, "test key made");
    Ok(made)
}
