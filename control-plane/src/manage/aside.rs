//! How is something stored that is no resource?
//!
//! In transactions of the same line, so that whoever watches the store hears of it in the same order;
//! no admission, and nothing that gateways get.

use super::change::{ATTEMPTS, CATCH_UP, Manager};
use super::error::ManageError;
use super::read::current;
use crate::catalog::State;
use crate::people::Caller;
use crate::store::{Change, Note, Revision, StoreError, Transaction};

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
            let note = Note {
                committed_at_us: self.clock.unix_us(),
                by: by.name().to_owned(),
                reason: reason.to_owned(),
                ..Note::default()
            };
            let (id, base, guards) = (chassis::random::bytes(), state.revision, Vec::new());
            let expected = Vec::new();
            let mut transaction = Transaction { id, base, guards, expected, changes, note };
            let entered = self.journal.enter(&mut transaction, &[]).await?;
            match self.store.commit(&transaction).await {
                Ok(revision) => {
                    self.journal.made(entered).await;
                    self.in_force(&state, revision).await;
                    return Ok(revision);
                }
                Err(error @ StoreError::Conflict { .. }) => {
                    let log_alone = self.journal.missed(&error).await;
                    last = ManageError::Store(error);
                    let moved = self.catalog.moved_from(&state);
                    if !log_alone && self.clock.timeout(CATCH_UP, moved).await.is_err() {
                        return Err(last);
                    }
                }
                Err(error) => {
                    self.journal.missed(&error).await;
                    return Err(ManageError::Store(error));
                }
            }
        }
        Err(last)
    }
}
