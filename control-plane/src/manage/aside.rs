//! How is something stored that is no resource?
//!
//! In transactions of the same line, so that whoever watches the store hears of it in the same order;
//! no admission, and nothing that gateways get.

use super::change::{ATTEMPTS, Manager, nothing};
use super::error::ManageError;
use super::read::current;
use crate::catalog::State;
use crate::people::Caller;
use crate::store::{Change, Revision};

impl Manager {
    /// Stores what `decide` says, which is asked again when somebody else was first; nothing: nothing is
    /// stored.
    pub(super) async fn keep(
        &self,
        by: &Caller,
        reason: &str,
        decide: impl Fn(&State) -> Result<Vec<Change>, ManageError>,
    ) -> Result<Revision, ManageError> {
        let _place = self.waiting.try_acquire().map_err(|_| ManageError::Busy)?;
        let _turn = self.turn.lock().await;
        let mut last = ManageError::Busy;
        for _ in 0..ATTEMPTS {
            let state = current(&self.catalog)?;
            let changes = decide(&state)?;
            if changes.is_empty() {
                return Ok(state.revision);
            }
            let mut transaction = self.transaction(by, reason, &state, &nothing(&state))?;
            transaction.changes = changes;
            match self.commit(by, &state, transaction, &[]).await? {
                Ok(revision) => {
                    self.in_force(&state, revision).await;
                    return Ok(revision);
                }
                Err(overtaken) => last = overtaken,
            }
        }
        Err(last)
    }
}
