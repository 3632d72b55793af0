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
use tonic::{Request, Status, Streaming};
use turnpike_proto::usage::v1::{CollectRequest, CollectResponse};

use super::error::RpcError;

const SERVICE: &str = "analytics collector";
const COLLECT: &str = "/turnpike.usage.v1.Collector/Collect";

/// A batch to send.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Names the spool.
    pub epoch: String,
    /// Its number in the spool.
    pub sequence: u64,
    /// Events that were dropped before it.
    pub dropped: u64,
    /// Its events, each as an `events` field of `CollectRequest`.
    pub events: Bytes,
}

/// The collector, as this gateway speaks to it.
#[derive(Clone, Debug)]
pub struct Collector {
    channel: Channel,
    source: String,
}

/// What the collector says to the batches of one call.
#[derive(Debug)]
pub struct Acknowledgements(Streaming<CollectResponse>);

impl Collector {
    /// Speaks over `channel` in the name of the gateway `source`.
    pub const fn new(channel: Channel, source: String) -> Self {
        Self { channel, source }
    }

    /// Starts a call that sends `batches` as they come.
    pub async fn open(&self, batches: mpsc::Receiver<Batch>) -> Result<Acknowledgements, RpcError> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client
            .ready()
            .await
            .map_err(|source| RpcError::Away { service: SERVICE, source: Box::new(source) })?;
        let codec = Prepared { source: self.source.clone() };
        let path = PathAndQuery::from_static(COLLECT);
        let request = Request::new(ReceiverStream::new(batches));
        let answered = client.streaming(request, path, codec).await;
        answered.map(|response| Acknowledgements(response.into_inner())).map_err(refused)
    }
}

impl Acknowledgements {
    /// The next sequence up to which everything is durable; `None`: the call has ended.
    pub async fn next(&mut self) -> Result<Option<u64>, RpcError> {
        let answer = self.0.message().await.map_err(refused)?;
        Ok(answer.map(|response| response.sequence))
    }
}

fn refused(status: Status) -> RpcError {
    RpcError::from_status(SERVICE, status)
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
