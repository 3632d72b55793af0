//! Why was it not done?

use plan::{Kind, Problem, ResourceKey};

use crate::history::{HistoryError, JournalError};
use crate::people::Denied;
use crate::store::{Note, RecordError, Revision, StoreError};

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// The resources are not right; each problem says where and why.
    #[error("{}", summary(.0))]
    Refused(Vec<Problem>),
    /// Others refer to what should go.
    #[error("{}", summary(.0))]
    InUse(Vec<Problem>),
    /// It cannot be done as things stand now.
    #[error("{}", summary(.0))]
    OutOfTurn(Vec<Problem>),
    /// There is no such resource.
    #[error("there is no {0}")]
    NotFound(ResourceKey),
    /// There is no such token, or none that whoever asks may see.
    #[error("there is no token `{0}`")]
    NoToken(String),
    /// Whoever asks may not, and may know it.
    #[error("{0}")]
    Forbidden(String),
    /// The writer has read another revision than the stored one.
    #[error("{key} is at revision {found}, and not at {expected}: {}", how_to_go_on(changed.as_ref()))]
    Stale {
        /// Which resource.
        key: ResourceKey,
        /// What the writer has read.
        expected: Revision,
        /// What is stored; 0: nothing.
        found: Revision,
        /// The transaction that changed it since; none: it is not known.
        changed: Option<Note>,
    },
    /// Something was changed while it was looked at.
    #[error("revision {found} is in force by now, and not {expected}: try again")]
    Moved {
        /// What was looked at.
        expected: Revision,
        /// What is in force.
        found: Revision,
    },
    /// A page token that was not made here.
    #[error("the page token is not one of this list")]
    PageToken,
    /// A filter of a list that says nothing about resources of this kind.
    #[error("{kind} has no {filter} to filter by")]
    Filter {
        /// Which kind.
        kind: Kind,
        /// Which filter.
        filter: &'static str,
    },
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
    /// The past.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The trace that a change leaves.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Admission panicked; the request is refused and the process goes on.
    #[error("the change could not be checked")]
    Broken,
}

impl ManageError {
    /// Whether the request was refused, and not just failed.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::InUse(_)
                | Self::NotFound(_)
                | Self::NoToken(_)
                | Self::Forbidden(_)
                | Self::Stale { .. }
        )
    }
}

fn how_to_go_on(changed: Option<&Note>) -> String {
    let Some(Note { committed_at_us, by, reason, .. }) = changed else {
        return "read it again".to_owned();
    };
    let seconds = committed_at_us.div_euclid(1_000_000);
    let at = prost_types::Timestamp { seconds, nanos: 0 };
    let by = if by.is_empty() { "somebody" } else { by };
    let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    format!(
        "{by} changed it at {at}{reason}; read it again and make the change there, or leave \
         metadata.revision out to write over it"
    )
}

impl From<Denied> for ManageError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Hidden(key) => Self::NotFound(key),
            Denied::Forbidden(why) => Self::Forbidden(why),
            Denied::Refused(problems) => Self::Refused(problems),
        }
    }
}

fn summary(problems: &[Problem]) -> String {
    let first = problems.first().map(plan::describe).unwrap_or_default();
    match problems.len() {
        0 | 1 => first,
        more => format!("{first} (and {} more)", more - 1),
    }
}
