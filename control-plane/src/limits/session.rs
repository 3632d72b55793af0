//! How does the conversation with one gateway go?

use std::sync::Arc;

use tokio::sync::watch;
use tonic::{Status, Streaming};
use turnpike_proto::config::v1::ShareRequest;
use turnpike_proto::config::v1::share_request::Message;

use super::members::{Out, Stream};
use super::sharing::Sharing;

/// One gateway's stream; it leaves the fleet when this drops.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) sharing: Arc<Sharing>,
    pub(super) stream: Stream,
    pub(super) incoming: Streaming<ShareRequest>,
    pub(super) out: Out,
    /// Closed when the gateway has been taken out of the fleet.
    pub(super) ends: watch::Receiver<()>,
}

impl Session {
    /// Until the gateway goes, or something is wrong with it.
    pub(super) async fn hold(mut self) {
        if let Err(status) = self.listen().await {
            tracing::info!(reason = status.message(), "limit stream ended");
            // The gateway may be gone already, or not reading: then nobody is told.
            let _ = self.out.try_send(Err(status));
        }
    }

    async fn listen(&mut self) -> Result<(), Status> {
        loop {
            let message = tokio::select! {
                message = self.incoming.message() => message?,
                _ = self.ends.changed() => {
                    return Err(Status::unavailable("limits are shared on another stream"));
                }
            };
            let Some(request) = message else { return Ok(()) };
            match request.message {
                Some(Message::Hello(_)) => {
                    return Err(Status::invalid_argument("`hello` is said once"));
                }
                Some(Message::Asks(asks)) => self.sharing.asked(self.stream, asks),
                Some(Message::Returns(returns)) => {
                    self.sharing.returned(self.stream, &returns);
                }
                Some(Message::Reports(reports)) => self.sharing.reported(self.stream, reports),
                Some(Message::State(state)) => self.sharing.changed(self.stream, state),
                Some(Message::States(states)) => self.sharing.told(self.stream, states),
                // Of a later version.
                None => {}
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sharing.leave(self.stream);
    }
}
