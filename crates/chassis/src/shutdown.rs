//! Has somebody asked this process to stop?
//!
//! Readiness turns red first, then everything that waits here is told, so that a load balancer
//! that looks at the right moment never sees a ready process that no longer accepts.

use futures_util::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;

use crate::readiness::Readiness;

/// The request to stop; cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown {
    token: CancellationToken,
    ready: Readiness,
}

impl Shutdown {
    /// Nobody has asked yet; `ready` turns red when somebody does.
    pub fn new(ready: Readiness) -> Self {
        Self { token: CancellationToken::new(), ready }
    }

    /// Asks for the stop. Asking twice is asking once.
    pub fn request(&self) {
        self.ready.drain();
        self.token.cancel();
    }

    /// Whether the stop has been asked for.
    pub fn requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Returns once the stop has been asked for.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// Ends `stream` once the stop has been asked for, so that it does not hold up the drain.
    pub fn ends<S: Stream>(&self, stream: S) -> impl Stream<Item = S::Item> + use<S> {
        stream.take_until(self.wait_owned())
    }

    /// The same, as a future that owns what it needs.
    pub fn wait_owned(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        self.token.clone().cancelled_owned()
    }
}
