//! Why can the past not be told?

use crate::store::{Revision, StoreError};

/// Why a question about the past has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It was not kept, or not any more.
    #[error("revision {asked} is not kept any more: the history begins at revision {begins}")]
    Gone {
        /// What was asked for.
        asked: Revision,
        /// From there on everything is known.
        begins: Revision,
    },
    /// It has not happened yet.
    #[error("there is no revision {asked} yet: {now} is in force")]
    Future {
        /// What was asked for.
        asked: Revision,
        /// What is in force.
        now: Revision,
    },
    /// More than one answer may hold.
    #[error("what has changed since revision {asked} takes more memory than one answer may")]
    TooMuch {
        /// What was asked for.
        asked: Revision,
    },
    /// What is kept cannot be read.
    #[error("the history at {key} cannot be read")]
    Damaged {
        /// Where.
        key: String,
    },
    /// The store.
    #[error("the history cannot be read")]
    Store(#[from] StoreError),
}
