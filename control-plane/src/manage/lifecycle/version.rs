//! How does a new version come into being?
//!
//! As a copy of one that is there, which serves nobody: in the state CREATED and at its own place. It
//! remembers what it was made from, for the day on which it is published.

use plan::{Problem, ResourceKey};
use turnpike_proto::config::v1::PreviousVersion;
use turnpike_proto::config::v1::lifecycle::State as Life;

use super::living::{key_of, living};
use crate::manage::change::{Manager, Wanted};
use crate::manage::error::ManageError;
use crate::manage::read::current;
use crate::manage::view::{revision, shown};
use crate::people::Caller;
use crate::store::Revision;

/// A version to make.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// Name of the API or product.
    pub name: String,
    /// The version that is copied.
    pub version: String,
    /// The version to make.
    pub new: String,
    /// It becomes the default version when it is published.
    pub becomes_default: bool,
    /// Subscriptions are not taken along then.
    pub require_resubscription: bool,
    /// Why, for the history.
    pub reason: String,
}

/// Makes a version.
pub async fn new_version(
    manager: &Manager,
    by: &Caller,
    wanted: NewVersion,
) -> Result<(ResourceKey, Revision), ManageError> {
    let state = current(manager.catalog())?;
    let from = key_of(&state, &wanted.name, &wanted.version)?;
    let missing = || ManageError::NotFound(from.clone());
    manager.get_to_change(by, &from)?;
    let kind = from.kind().ok_or_else(missing)?;
    let key = ResourceKey::new(kind, &wanted.name, Some(&wanted.new));
    if revision(&state, &key) != 0 {
        return Err(ManageError::Refused(vec![Problem {
            resource: key.to_string(),
            field: "newVersion".to_owned(),
            reason: "there is such a version already".to_owned(),
            suggestion: "choose another one".to_owned(),
            ..Problem::default()
        }]));
    }
    let mut resource = shown(&state, &from).ok_or_else(missing)?;
    if let Some(metadata) = plan::metadata_mut(&mut resource) {
        metadata.version.clone_from(&wanted.new);
        metadata.revision = 0;
    }
    let own = living(&mut resource).ok_or_else(missing)?;
    *own.lifecycle = Life::Created.into();
    *own.default_version = false;
    *own.previous = Some(PreviousVersion {
        version: wanted.version,
        require_resubscription: wanted.require_resubscription,
        becomes_default: wanted.becomes_default,
    });
    let reason = wanted.reason;
    let change = Wanted { upserts: vec![resource], create_only: true, reason, ..Wanted::default() };
    let changed = manager.change(by, change).await?;
    Ok((key, changed.revision))
}
