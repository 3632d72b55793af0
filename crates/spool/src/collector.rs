//! How does a batch of usage events travel to the analytics collector?
//!
//! The events of a batch are already encoded when they get here, so the messages of
//! `Collector/Collect` are put together from bytes instead of being built as structs and encoded a
//! second time.

use bytes::{BufMut as _, Bytes};
use http::uri::PathAndQuery;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use turnpike_proto::usage::v1::{CollectRequest, CollectResponse};

const COLLECT: &str = "/turnpike.usage.v1.Collector/Collect";

/// Why the collector does not take batches.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectorError {
    /// No connection, or none that can be used now.
    #[error("the analytics collector cannot be reached")]
    Away(#[source] tonic::transport::Error),
    /// It answered with a gRPC status.
    #[error("the analytics collector does not take them")]
    Refused(#[source] Box<Status>),
}

impl CollectorError {
    /// Whether the same request will never be taken: it was understood to be wrong.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code() == Code::InvalidArgument)
    }
}

/// A batch to send.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Names the spool.
    pub(crate) epoch: String,
    /// Its number in the spool.
    pub(crate) sequence: u64,
    /// Events that were dropped before it.
    pub(crate) dropped: u64,
    /// Its events, each as an `events` field of `CollectRequest`.
    pub(crate) events: Bytes,
}

/// The collector, as this process speaks to it.
#[derive(Clone, Debug)]
pub struct Collector {
    channel: Channel,
    source: String,
}

/// What the collector says to the batches of one call.
#[derive(Debug)]
pub(crate) struct Acknowledgements(Streaming<CollectResponse>);

impl Collector {
    /// Speaks over `channel` in the name of `source`.
    pub const fn new(channel: Channel, source: String) -> Self {
        Self { channel, source }
    }

    /// Starts a call that sends `batches` as they come.
    pub(crate) async fn open(
        &self,
        batches: mpsc::Receiver<Batch>,
    ) -> Result<Acknowledgements, CollectorError> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.map_err(CollectorError::Away)?;
        let codec = Prepared { source: self.source.clone() };
        let path = PathAndQuery::from_static(COLLECT);
        let request = Request::new(ReceiverStream::new(batches));
        let answered = client.streaming(request, path, codec).await;
        answered.map(|response| Acknowledgements(response.into_inner())).map_err(refused)
    }
}

impl Acknowledgements {
    /// The next sequence up to which everything is durable; `None`: the call has ended.
    pub(crate) async fn next(&mut self) -> Result<Option<u64>, CollectorError> {
        let answer = self.0.message().await.map_err(refused)?;
        Ok(answer.map(|response| response.sequence))
    }
}

fn refused(status: Status) -> CollectorError {
    CollectorError::Refused(Box::new(status))
}

/// Writes batches whose events are encoded already.
#[derive(Clone, Debug)]
struct Prepared {
    source: String,
}

impl Codec for Prepared {
    type Encode = Batch;
    type Decode = CollectResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Prepared {
    type Item = Batch;
    type Error = Status;

    fn encode(&mut self, batch: Batch, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let Batch { epoch, sequence, dropped, events } = batch;
        let source = self.source.clone();
        let head = CollectRequest { source, epoch, sequence, events: Vec::new(), dropped };
        out.reserve(head.encoded_len() + events.len());
        head.encode(out).map_err(|error| Status::internal(error.to_string()))?;
        // The fields of a message may stand in any order: the events follow the head.
        out.put(events);
        Ok(())
    }
}

impl Decoder for Prepared {
    type Item = CollectResponse;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<CollectResponse>, Status> {
        let answer = CollectResponse::decode(from);
        answer.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
