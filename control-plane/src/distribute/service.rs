//! How does a gateway enter?

use std::pin::Pin;
use std::sync::Arc;

use chassis::Host;
use plan::{Distance, Known, StateHash};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use turnpike_proto::config::v1::config_sync_server::ConfigSync;
use turnpike_proto::config::v1::sync_request::Message;
use turnpike_proto::config::v1::{Hello, SyncRequest, SyncResponse};

use super::gateways::Gateways;
use super::meters::Meters;
use super::repair::Repairs;
use super::session::Conversation;
use super::sign::Signer;
use super::slices::Slices;
use crate::greeting;

/// Parts of a transaction that wait for the connection to take them.
const UNDER_WAY: usize = 4;
/// Gateways that are sent everything, or large parts of it, at a time.
const LARGE: usize = 64;

/// The service that gateways connect to.
#[derive(Debug)]
pub struct Sync {
    host: Host,
    slices: Arc<Slices>,
    signer: Arc<Signer>,
    gateways: Arc<Gateways>,
    meters: Meters,
    repairs: Arc<Repairs>,
    large: Arc<Semaphore>,
}

impl Sync {
    /// Serves what `slices` says, with the word of `signer`, and writes into `gateways`.
    pub fn new(
        host: Host,
        slices: Arc<Slices>,
        signer: Arc<Signer>,
        gateways: Arc<Gateways>,
        meters: Meters,
    ) -> Self {
        Self {
            host,
            slices,
            signer,
            gateways,
            meters,
            repairs: Arc::default(),
            large: Arc::new(Semaphore::new(LARGE)),
        }
    }
}

fn hello(request: SyncRequest) -> Option<Hello> {
    match request.message {
        Some(Message::Hello(hello)) => Some(hello),
        _ => None,
    }
}

/// What the build of a gateway understands; none: everything that may be said here.
fn understood(hello: &Hello) -> Result<Option<Arc<Known>>, Status> {
    let distance = plan::distance(&hello.build, env!("CARGO_PKG_VERSION"));
    if distance != Distance::Fits {
        return Err(Status::failed_precondition(distance.to_string()));
    }
    if hello.known.is_empty() {
        return Ok(None);
    }
    let types = hello.known.iter().map(|known| (known.name.clone(), known.numbers.clone()));
    let known = Known::said(types).map_err(|error| Status::invalid_argument(error.to_string()))?;
    Ok((known.digest() != Known::own().digest()).then(|| Arc::new(known)))
}

type Answers = Pin<Box<dyn Stream<Item = Result<SyncResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ConfigSync for Sync {
    type SyncStream = Answers;

    async fn sync(
        &self,
        request: Request<Streaming<SyncRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let mut incoming = request.into_inner();
        let clock = &self.host.clock;
        let hello = greeting::hello(clock, &mut incoming, hello, |hello| &hello.node).await?;
        let known = understood(&hello)?;
        let (slices, labels) = (self.slices.clone(), hello.labels.clone());
        let slice = self.host.tasks.blocking(move || slices.of_known(&labels, known)).await;
        let slice = slice.map_err(|_| Status::internal("the slice was not made"))?;
        // Nothing is better than a guess: the gateway keeps what it has and comes back.
        let slice = slice.ok_or_else(|| Status::unavailable("the resources are not loaded yet"))?;
        let Hello {
            node,
            labels,
            build,
            epoch,
            revision,
            state_hash,
            rejected,
            reports,
            repairs,
            ..
        } = hello;
        let count = rejected.len();
        let session = self.gateways.connect(&node, labels, build, rejected);
        let session = session.ok_or_else(|| Status::resource_exhausted("too many gateways"))?;
        tracing::info!(node, epoch, revision, "gateway connected");
        let (out, answers) = mpsc::channel(UNDER_WAY);
        let conversation = Conversation {
            slice,
            signer: self.signer.clone(),
            renewals: self.signer.renewals(),
            session,
            incoming,
            out,
            clock: self.host.clock.clone(),
            meters: self.meters.clone(),
            held: StateHash::from_bytes(&state_hash).unwrap_or_default(),
            believes: (epoch, revision),
            greeted: false,
            since_us: self.host.clock.unix_us(),
            rejected: count,
            reports,
            compares: None,
            large: self.large.clone(),
            understands: true,
            repairs: repairs.then(|| self.repairs.clone()),
        };
        let shutdown = self.host.shutdown.clone();
        self.host.tasks.spawn("config stream", async move {
            tokio::select! {
                () = conversation.hold() => {}
                () = shutdown.wait() => {}
            }
        });
        let answers = self.host.shutdown.ends(ReceiverStream::new(answers));
        Ok(Response::new(Box::pin(answers)))
    }
}
