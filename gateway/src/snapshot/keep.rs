//! When is something written that changes often?
//!
//! Soon after a change, at most one writing at a time, the newest value wins, and where a writing
//! takes long the next one waits longer, so that a disk is not kept busy by churn. The last value
//! is written in any case.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use chassis::task::Tasks;
use tokio::sync::watch;

use super::shelf::{Shelf, ShelfError};

/// The next change is on its way to the disk after at most this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Writing takes at most a fifth of the time, where the bound above allows it.
const REST: u32 = 4;

/// What is kept, and how.
#[derive(Debug)]
pub struct Keeping<T> {
    /// Where.
    pub shelf: Shelf,
    /// How it is written.
    pub write: fn(&mut Shelf, &T) -> Result<(), ShelfError>,
    /// Between two writings, at least.
    pub pause: Duration,
    /// For logs.
    pub name: &'static str,
}

impl<T: Send + Sync + 'static> Keeping<T> {
    /// Keeps what `values` shows until its sender is gone.
    pub async fn run(self, mut values: watch::Receiver<Arc<T>>, clock: Clock, tasks: Tasks) {
        let Self { mut shelf, write, pause, name } = self;
        while values.changed().await.is_ok() {
            let value = Arc::clone(&values.borrow_and_update());
            let begun = clock.instant();
            let written = tasks.blocking(move || {
                let result = write(&mut shelf, &value);
                (shelf, result)
            });
            // No answer comes back only when the thread panicked or the runtime is gone.
            let Ok((same, result)) = written.await else { return };
            shelf = same;
            if let Err(error) = result {
                let error = &error as &dyn Error;
                tracing::error!(name, error, "not on disk, a restart would not have it");
            }
            let took = clock.instant().duration_since(begun);
            let rest = took.saturating_mul(REST).min(LONGEST_PAUSE).max(pause);
            tokio::select! {
                () = clock.sleep(rest) => {}
                () = closed(&values) => {}
            }
        }
    }
}

/// Returns when no further value can come.
async fn closed<T>(values: &watch::Receiver<T>) {
    let mut watching = values.clone();
    while watching.changed().await.is_ok() {}
}
