//! How does the catalog stay true to the store?
//!
//! List, then watch from there. A watch that broke goes on by itself; history that is gone, or a
//! store that was restored, means to list again, which changes only what really differs.

use std::error::Error;
use std::sync::Arc;

use chassis::readiness::Condition;
use chassis::{Backoff, Host};

use super::catalogue::Catalog;
use super::state::{State, StateError};
use crate::store::{MasterKey, OBJECTS, Store, StoreError, Watch};

/// What keeps a catalog from being loaded.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    State(#[from] StateError),
}

/// Keeps the catalog until the process drains. `loaded` turns green with the first state and
/// stays so: what is in memory goes on being served while the store is away.
pub async fn follow(
    host: Host,
    store: Arc<dyn Store>,
    master: Arc<MasterKey>,
    catalog: Arc<Catalog>,
    loaded: Condition,
) {
    let work = async {
        let mut backoff = Backoff::new();
        loop {
            match load(&*store, &master, &catalog).await {
                Ok(watch) => {
                    loaded.green();
                    backoff.reset();
                    replay(watch, &master, &catalog).await;
                }
                Err(error) => {
                    let reason = chain(&error);
                    tracing::warn!(reason, "resources cannot be loaded");
                    if catalog.current().is_none() {
                        loaded.red(reason);
                    }
                    host.clock.sleep(backoff.next()).await;
                }
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = host.shutdown.wait() => {}
    }
}

async fn load(
    store: &dyn Store,
    master: &MasterKey,
    catalog: &Catalog,
) -> Result<Box<dyn Watch>, LoadError> {
    let listing = store.list(OBJECTS).await?;
    let position = listing.position;
    let before = catalog.current();
    let state = State::listed(listing, before.as_deref(), master)?;
    let watch = store.watch(position).await?;
    let (revision, objects) = (state.revision, state.objects.len());
    tracing::info!(epoch = &*state.epoch, revision, objects, "resources loaded");
    catalog.set(state);
    Ok(watch)
}

/// Takes transactions over until the watch cannot go on.
async fn replay(mut watch: Box<dyn Watch>, master: &MasterKey, catalog: &Catalog) {
    let mut answers = true;
    loop {
        match watch.next().await {
            Ok(batch) => {
                answers = true;
                let Some(before) = catalog.current() else { return };
                let (state, errors) = before.after(batch, master);
                for error in errors {
                    tracing::error!(reason = chain(&error), "a stored resource is left as it was");
                }
                catalog.set(state);
            }
            Err(error) if error.is_retryable() => {
                // Once per outage: the watch retries every few seconds at most.
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
