//! Why was a rollout not begun, or not changed?

use crate::manage::ManageError;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// As with any change.
    #[error(transparent)]
    Manage(#[from] ManageError),
    /// The plan makes no sense.
    #[error("{0}")]
    Plan(&'static str),
    /// There is one already.
    #[error("the rollout {0} is under way: wait for its end, or abort it")]
    UnderWay(String),
    /// Nobody would see it.
    #[error("no connected gateway would serve anything else: apply the change without a rollout")]
    NobodyConcerned,
    /// A Workflow asks somebody about it.
    #[error("somebody is to be asked about the change first: apply it without a rollout")]
    NeedsApproval,
    /// There is no such rollout.
    #[error("there is no rollout {0}")]
    NotFound(String),
    /// It is too late.
    #[error("the rollout {0} has ended")]
    Ended(String),
    /// It goes on by itself.
    #[error("the rollout {0} does not wait for anybody")]
    NotPaused(String),
    /// Another control plane was first.
    #[error("the rollout {0} has moved on meanwhile")]
    MovedOn(String),
}
