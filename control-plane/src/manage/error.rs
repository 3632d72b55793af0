//! Why was it not done?

use plan::{Problem, ResourceKey};

use crate::store::{RecordError, Revision, StoreError};

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// The resources are not right; each problem says where and why.
    #[error("{}", summary(.0))]
    Refused(Vec<Problem>),
    /// Others refer to what should go.
    #[error("{}", summary(.0))]
    InUse(Vec<Problem>),
    /// There is no such resource.
    #[error("there is no {0}")]
    NotFound(ResourceKey),
    /// The writer has read another revision than the stored one.
    #[error("{key} is at revision {found}, and not at {expected}: read it again")]
    Stale {
        /// Which resource.
        key: ResourceKey,
        /// What the writer has read.
        expected: Revision,
        /// What is stored; 0: nothing.
        found: Revision,
    },
    /// A page token that was not made here.
    #[error("the page token is not one of this list")]
    PageToken,
    /// Too many writes wait already.
    #[error("too many changes are waiting; try again")]
    Busy,
    /// Nothing was read from the store since the start.
    #[error("the resources are not loaded yet")]
    NotLoaded,
    /// The store.
    #[error("the change could not be stored")]
    Store(#[source] StoreError),
    /// A resource could not be given its stored form.
    #[error("the change could not be prepared")]
    Record(#[source] RecordError),
    /// The key manager.
    #[error("the key manager did not do its part")]
    KeyManager(#[source] super::application_keys::ClientsError),
    /// Admission panicked; the request is refused and the process goes on.
    #[error("the change could not be checked")]
    Broken,
}

fn summary(problems: &[Problem]) -> String {
    let first = problems.first().map(plan::describe).unwrap_or_default();
    match problems.len() {
        0 | 1 => first,
        more => format!("{first} (and {} more)", more - 1),
    }
}
