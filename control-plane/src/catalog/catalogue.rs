//! Where does everybody find the state in force, and hear of the next one?

use std::sync::Arc;

use tokio::sync::watch::{Receiver, Sender};

use super::state::State;
use crate::store::Revision;

/// The state in force.
#[derive(Debug)]
pub struct Catalog {
    states: Sender<Option<Arc<State>>>,
}

impl Default for Catalog {
    fn default() -> Self {
        Self { states: Sender::new(None) }
    }
}

impl Catalog {
    /// None: the store has not answered yet.
    pub fn current(&self) -> Option<Arc<State>> {
        self.states.borrow().clone()
    }

    /// Hears of each new state, or of the newest when it is slow.
    pub fn subscribe(&self) -> Receiver<Option<Arc<State>>> {
        self.states.subscribe()
    }

    /// Waits until another state than `seen` is in force.
    pub async fn moved_from(&self, seen: &State) {
        let differs = |state: &Option<Arc<State>>| {
            state
                .as_ref()
                .is_some_and(|now| now.revision != seen.revision || now.epoch != seen.epoch)
        };
        // The sender is ours: waiting cannot fail.
        let _ = self.subscribe().wait_for(differs).await;
    }

    /// Waits for a state of at least this revision; a new epoch ends the wait too.
    pub async fn reached(&self, epoch: &str, revision: Revision) -> Option<Arc<State>> {
        let there = |state: &Option<Arc<State>>| {
            state.as_ref().is_some_and(|now| now.revision >= revision || *now.epoch != *epoch)
        };
        self.subscribe().wait_for(there).await.ok()?.clone()
    }

    pub(super) fn set(&self, state: State) {
        self.states.send_replace(Some(Arc::new(state)));
    }
}
