//! How does what a gateway should hold get into a file?
//!
//! As everything that would be sent to it, signed: a gateway that starts from the file believes it for
//! the same reason.

use std::pin::Pin;
use std::sync::Arc;

use chassis::Host;
use plan::StateHash;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};
use turnpike_proto::admin::v1::states_server::States;
use turnpike_proto::admin::v1::{ExportStateRequest, ExportStateResponse};
use turnpike_proto::config::v1::SyncResponse;
use turnpike_proto::config::v1::sync_response::Message;

use super::outgoing::addressed;
use super::sign::Signer;
use super::slices::Slices;

/// More than any gateway has.
const MOST_LABELS: usize = 64;

/// Says what gateways should hold, for files.
#[derive(Debug)]
pub struct Export {
    host: Host,
    slices: Arc<Slices>,
    signer: Arc<Signer>,
}

impl Export {
    /// Says what `slices` has, with the word of `signer`.
    pub const fn new(host: Host, slices: Arc<Slices>, signer: Arc<Signer>) -> Self {
        Self { host, slices, signer }
    }
}

type Parts = Pin<Box<dyn Stream<Item = Result<ExportStateResponse, Status>> + Send>>;

#[tonic::async_trait]
impl States for Export {
    type ExportStream = Parts;

    async fn export(
        &self,
        request: Request<ExportStateRequest>,
    ) -> Result<Response<Parts>, Status> {
        let labels = request.into_inner().labels;
        if labels.len() > MOST_LABELS {
            return Err(Status::invalid_argument("a gateway has at most 64 labels"));
        }
        let (slices, signer) = (self.slices.clone(), self.signer.clone());
        let made = self.host.tasks.blocking(move || {
            let slice = slices.of(&labels)?;
            // A change that is rolled out is in force when it is everywhere.
            let now = slice.now();
            let outgoing = slice.outgoing(StateHash::default(), &now.rest, true);
            Some((outgoing, signer.vouch(&labels, &now.rest)))
        });
        let made = made.await.map_err(|_| Status::internal("the state was not made"))?;
        let made = made.ok_or_else(|| Status::unavailable("the resources are not loaded yet"))?;
        let (outgoing, signature) = (made.0, made.1.map_err(|_| unsigned())?);
        let parts = (0..outgoing.parts.len()).filter_map(move |number| {
            let part = outgoing.parts.get(number)?.clone();
            part_of(addressed(part, 0, &signature)).map(Ok)
        });
        Ok(Response::new(Box::pin(self.host.shutdown.ends(tokio_stream::iter(parts)))))
    }
}

fn part_of(response: SyncResponse) -> Option<ExportStateResponse> {
    match response.message {
        Some(Message::Transaction(part)) => Some(ExportStateResponse { part: Some(part) }),
        _ => None,
    }
}

fn unsigned() -> Status {
    Status::internal("the state cannot be signed")
}
