//! How does the catalog stay true to the store?
//!
//! List, then watch from there. A watch that broke goes on by itself; history that is gone, or a
//! store that was restored, means to list again, which changes only what really differs.

use std::error::Error;
use std::sync::Arc;

use chassis::readiness::Condition;
use chassis::{Backoff, Host};

use super::catalogue::Catalog;
use super::figures::Figures;
use super::rollout::ROLLOUTS;
use super::state::{State, StateError};
use crate::store::{Batch, Keyring, KeyringError, OBJECTS, PEOPLE, Store, StoreError, Watch};

/// What keeps a catalog from being loaded.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Keys(#[from] KeyringError),
}

/// What follows the store.
#[derive(Debug)]
pub struct Follower {
    /// Clock and shutdown.
    pub host: Host,
    /// What is followed.
    pub store: Arc<dyn Store>,
    /// Opens secrets.
    pub keys: Arc<Keyring>,
    /// What is kept true.
    pub catalog: Arc<Catalog>,
    /// Turns green with the first state and stays so: what is in memory goes on being served
    /// while the store is away.
    pub loaded: Condition,
    /// How it goes.
    pub figures: Figures,
}

impl Follower {
    /// Until the process drains.
    pub async fn run(self) {
        tokio::select! {
            () = self.follow() => {}
            () = self.host.shutdown.wait() => {}
        }
    }

    async fn follow(&self) {
        let mut backoff = Backoff::new();
        loop {
            match self.load().await {
                Ok(watch) => {
                    self.loaded.green();
                    backoff.reset();
                    self.replay(watch).await;
                }
                Err(error) => {
                    let reason = chain(&error);
                    tracing::warn!(reason, "resources cannot be loaded");
                    self.figures.answers(false);
                    if self.catalog.current().is_none() {
                        self.loaded.red(reason);
                    }
                    self.host.clock.sleep(backoff.next()).await;
                }
            }
        }
    }

    async fn load(&self) -> Result<Box<dyn Watch>, LoadError> {
        self.keys.settle(&*self.store).await?;
        // The second may be of a later revision; the watch goes on from the first, and what it brings
        // once more is the same.
        let listing = self.store.list(OBJECTS).await?;
        let people = self.store.list(PEOPLE).await?.entries;
        let position = listing.position;
        let before = self.catalog.current();
        let state = State::listed(listing, people, before.as_deref(), &self.keys)?;
        let mut watch = self.store.watch(position).await?;
        let rollouts = self.store.list(ROLLOUTS).await?;
        let from = rollouts.revision;
        let mut state = state.with_rollouts(rollouts, &self.keys)?;
        // Both listings are of one revision before anybody sees them: a rollout that has just ended
        // must not be gone before its change is there.
        while state.revision < from {
            state = self.after(&state, watch.next().await?);
        }
        let (revision, objects) = (state.revision, state.objects.len());
        tracing::info!(epoch = &*state.epoch, revision, objects, "resources loaded");
        self.figures.loaded();
        self.catalog.set(state);
        Ok(watch)
    }

    fn after(&self, before: &State, batch: Batch) -> State {
        let (state, errors) = before.after(batch, &self.keys);
        for error in errors {
            let reason = chain(&error);
            tracing::error!(reason, "a stored resource is left as it was");
        }
        state
    }

    /// Takes transactions over until the watch cannot go on.
    async fn replay(&self, mut watch: Box<dyn Watch>) {
        let mut answers = true;
        loop {
            match watch.next().await {
                Ok(batch) => {
                    answers = true;
                    if !State::concerns(&batch) {
                        self.figures.answers(answers);
                        continue;
                    }
                    let Some(before) = self.catalog.current() else { return };
                    self.catalog.set(self.after(&before, batch));
                }
                Err(error) if error.is_retryable() => {
                    // Said once per outage: the watch tries again for as long as it lasts.
                    if answers {
                        tracing::warn!(reason = chain(&error), "the store does not answer");
                    }
                    answers = false;
                }
                Err(error) => {
                    tracing::info!(reason = chain(&error), "resources are listed again");
                    return;
                }
            }
            self.figures.answers(answers);
        }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        // Transparent wrappers repeat themselves.
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}
