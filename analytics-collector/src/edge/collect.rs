//! How does a stream of batches become a stream of acknowledgements?
//!
//! Batches are checked and handed to the store in the order of the stream, several at a time; an
//! acknowledgement leaves when its batch, and every one before it, is durable. The first batch
//! that is refused ends the stream, so the source begins again with exactly that one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use chassis::clock::Clock;
use chassis::shutdown::Shutdown;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, Stream, StreamExt as _};
use prometheus_client::metrics::gauge::Gauge;
use prost::Message as _;
use tonic::{Request, Response, Status, Streaming};
use turnpike_proto::usage::v1::collector_server::Collector;
use turnpike_proto::usage::v1::{CollectRequest, CollectResponse};

use super::from_event::Desk;
use crate::alert::{Connected, Sources};
use crate::metrics::Metrics;
use crate::store::{Intake, Refusal};

/// Batches of one stream that may wait for their acknowledgement; further ones are not read.
const IN_FLIGHT: usize = 64;

/// Takes batches; cheap to clone.
#[derive(Clone)]
pub struct CollectorService {
    /// Checks and enriches.
    pub desk: Arc<Desk>,
    /// Stores.
    pub intake: Intake,
    /// Knows who is connected.
    pub sources: Arc<Sources>,
    /// Counts.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// Ends the streams.
    pub shutdown: Shutdown,
}

impl fmt::Debug for CollectorService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectorService").finish_non_exhaustive()
    }
}

/// An acknowledgement to come.
type Pending = BoxFuture<'static, Result<CollectResponse, Status>>;

/// Where a stream of batches is.
struct Course<S> {
    service: CollectorService,
    requests: S,
    /// The batch before: its source, epoch and sequence.
    last: Option<(String, String, u64)>,
    /// Whose batches come; a stream has those of one source.
    source: Option<Connected>,
    over: bool,
    _open: Open,
}

#[tonic::async_trait]
impl Collector for CollectorService {
    type CollectStream = Pin<Box<dyn Stream<Item = Result<CollectResponse, Status>> + Send>>;

    async fn collect(
        &self,
        request: Request<Streaming<CollectRequest>>,
    ) -> Result<Response<Self::CollectStream>, Status> {
        let acknowledgements = self.acknowledge(request.into_inner());
        Ok(Response::new(Box::pin(self.shutdown.ends(acknowledgements))))
    }
}

impl CollectorService {
    /// The acknowledgements of a stream of batches, in its order.
    pub fn acknowledge(
        &self,
        requests: impl Stream<Item = Result<CollectRequest, Status>> + Send + Unpin + 'static,
    ) -> impl Stream<Item = Result<CollectResponse, Status>> + Send + 'static {
        let open = Open::new(&self.metrics.streams);
        let course = Course {
            service: self.clone(),
            requests,
            last: None,
            source: None,
            over: false,
            _open: open,
        };
        stream::unfold(course, Course::next).buffered(IN_FLIGHT)
    }

    /// Checks a batch and hands it to the store.
    async fn submit(&self, request: CollectRequest, after: Option<u64>) -> Result<Pending, Status> {
        let (epoch, sequence) = (request.epoch.clone(), request.sequence);
        let room = self.intake.room(request.encoded_len()).await.map_err(refused)?;
        let (desk, now_us) = (Arc::clone(&self.desk), self.clock.unix_us());
        let checked = tokio::task::spawn_blocking(move || desk.batch_of(request, after, now_us));
        let batch = checked.await.map_err(|_| Status::internal("a batch could not be checked"))?;
        let batch = batch.map_err(|malformed| {
            self.metrics.malformed.inc();
            Status::invalid_argument(malformed.to_string())
        })?;
        let answer = self.intake.submit(batch, room).await.map_err(refused)?;
        let pending = async move {
            match answer.await {
                Ok(Ok(_)) => Ok(CollectResponse { epoch, sequence }),
                Ok(Err(refusal)) => Err(refused(refusal)),
                Err(_) => Err(refused(Refusal::Stopping)),
            }
        };
        Ok(pending.boxed())
    }
}

impl<S> Course<S>
where
    S: Stream<Item = Result<CollectRequest, Status>> + Send + Unpin,
{
    async fn next(mut self) -> Option<(Pending, Self)> {
        if self.over {
            return None;
        }
        let pending = match self.requests.next().await? {
            Ok(request) => {
                let after = self.after(&request);
                let source = request.source.clone();
                let submitted = self.service.submit(request, after).await;
                if submitted.is_ok() {
                    self.connect(&source);
                }
                submitted
            }
            Err(status) => Err(status),
        };
        let pending = pending.unwrap_or_else(|status| {
            self.over = true;
            futures_util::future::ready(Err(status)).boxed()
        });
        Some((pending, self))
    }

    fn connect(&mut self, source: &str) {
        if self.source.as_ref().is_none_or(|connected| connected.name() != source) {
            let CollectorService { sources, clock, .. } = &self.service;
            self.source = Some(sources.connect(source, clock.unix_us()));
        }
    }

    /// The sequence before this batch in its spool, if this stream has seen one.
    fn after(&mut self, request: &CollectRequest) -> Option<u64> {
        let CollectRequest { source, epoch, sequence, .. } = request;
        let last = self.last.replace((source.clone(), epoch.clone(), *sequence));
        last.filter(|last| (&last.0, &last.1) == (source, epoch)).map(|last| last.2)
    }
}

fn refused(refusal: Refusal) -> Status {
    Status::unavailable(refusal.to_string())
}

/// Counts a stream for as long as it is open.
struct Open(Gauge);

impl Open {
    fn new(streams: &Gauge) -> Self {
        streams.inc();
        Self(streams.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
