//! How does the gateway learn of changes, and how does it say what became of them?
//!
//! One `ConfigSync/Sync` call at a time. Parts of one transaction are put together here, so that
//! nobody behind this file sees half of one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chassis::pki::Signature;
use plan::Known;
use prost::Message as _;
use rustls_pki_types::CertificateDer;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use turnpike_proto::STATE_FILE;
use turnpike_proto::config::v1::config_sync_client::ConfigSyncClient;
use turnpike_proto::config::v1::{
    ApiReport, Applied, CallSpan, Digests, Hello, KnownType, Rejected, Report, StateSignature,
    SyncRequest, SyncResponse, Transaction, sync_request, sync_response,
};

use super::error::RpcError;
use crate::cells::Vitals;

const SERVICE: &str = "control plane";
/// All parts together: the state of some 500,000 routes.
const TRANSACTION_BYTES: usize = 1 << 30;
/// Answers that may wait to be sent: there is one transaction at a time.
const ANSWERS: usize = 4;

/// A state of the configuration, by name and by content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The epoch of the store; empty: there is no state.
    pub epoch: String,
    /// The revision within the epoch.
    pub revision: u64,
    /// The hash over all objects; empty: there is no state.
    pub hash: Vec<u8>,
    /// The word of the control plane for it, as it came; none: it gave none.
    pub signature: Option<Signature>,
}

/// Who this gateway is.
#[derive(Clone, Debug)]
pub struct Node {
    /// Stable over restarts.
    pub name: String,
    /// For the selectors of gateway groups.
    pub labels: BTreeMap<String, String>,
}

/// What the control plane says.
#[derive(Debug)]
pub enum Offer {
    /// What this gateway holds is in force.
    Current(Position),
    /// A change, whole.
    Change(Change),
    /// It wants to hear how calls are, so often; zero: no more. Those of these APIs apart.
    AskReports(Duration, Vec<String>),
    /// It does not know the state that is held: it wants the digests of its buckets.
    AskDigests,
}

/// A change that becomes visible at once.
#[derive(Debug)]
pub struct Change {
    /// The state after it.
    pub position: Position,
    /// What is held is replaced, not changed.
    pub full: bool,
    /// New and changed objects.
    pub upserts: Vec<(String, Bytes)>,
    /// Keys of objects that are gone.
    pub deletes: Vec<String>,
    /// Buckets of which `upserts` are all.
    pub buckets: Vec<u32>,
    /// When the store committed it, in microseconds since the Unix epoch.
    pub committed_us: Option<i64>,
    /// Trace context of the call that made it; empty: none.
    pub traceparent: String,
}

/// The control plane, as this gateway speaks to it: any of several that stand on one store.
#[derive(Debug)]
pub struct ControlPlane {
    channels: Vec<Channel>,
    /// The one that is asked.
    at: AtomicUsize,
    node: Node,
}

/// One `Sync` call.
#[derive(Debug)]
pub struct Session {
    answers: mpsc::Sender<SyncRequest>,
    offers: Streaming<SyncResponse>,
}

impl ControlPlane {
    /// Speaks over one of `channels`, which is not empty, as `node`. Gateways begin at different
    /// ones, so that each has its share of them.
    pub fn new(channels: Vec<Channel>, node: Node) -> Self {
        let at = chassis::random::below(channels.len() as u64);
        Self { channels, at: AtomicUsize::new(usize::try_from(at).unwrap_or_default()), node }
    }

    /// Who this gateway is.
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Asks the next one from now on, where there are several.
    pub fn ask_another(&self) {
        self.at.fetch_add(1, Ordering::Relaxed);
    }

    fn channel(&self) -> Result<Channel, RpcError> {
        let place = self.at.load(Ordering::Relaxed).checked_rem(self.channels.len());
        let channel = place.and_then(|place| self.channels.get(place)).cloned();
        channel.ok_or(RpcError::Ended { service: SERVICE })
    }

    /// Opens a call and says what this gateway holds.
    pub async fn sync(&self, held: Position, rejected: Vec<Rejected>) -> Result<Session, RpcError> {
        let hello = Hello {
            node: self.node.name.clone(),
            labels: self.node.labels.clone(),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            epoch: held.epoch,
            revision: held.revision,
            state_hash: held.hash,
            rejected,
            reports: true,
            known: known(),
            repairs: true,
        };
        let (answers, sent) = mpsc::channel(ANSWERS);
        let hello = SyncRequest { message: Some(sync_request::Message::Hello(hello)) };
        // The greeting goes with the call: neither side waits for the other to begin.
        answers.try_send(hello).map_err(|_| RpcError::Ended { service: SERVICE })?;
        let request = chassis::rpc::traced(Request::new(ReceiverStream::new(sent)));
        let client = ConfigSyncClient::new(self.channel()?);
        let offers =
            client.max_decoding_message_size(chassis::rpc::MESSAGE_BYTES).sync(request).await;
        let offers = offers.map_err(failed)?.into_inner();
        Ok(Session { answers, offers })
    }
}

/// The change that a file holds which `turnpike state export` wrote: one transaction, whole.
pub fn recorded(file: &[u8]) -> Result<Change, RpcError> {
    let mut rest = file.strip_prefix(STATE_FILE).ok_or_else(|| broken("it begins otherwise"))?;
    let mut change = None;
    loop {
        let part = Transaction::decode_length_delimited(&mut rest);
        let part = part.map_err(|_| broken("it is torn or altered"))?;
        let more = part.more;
        let joined = join(change.take(), part)?;
        match (more, rest.is_empty()) {
            (true, false) => change = Some(joined),
            (false, true) if joined.full => return Ok(joined),
            _ => return Err(broken("it is not one whole state")),
        }
    }
}

impl Session {
    /// The next offer; a transaction of several parts is one.
    pub async fn next(&mut self) -> Result<Offer, RpcError> {
        let mut change: Option<Change> = None;
        let mut bytes = 0;
        loop {
            match self.message().await? {
                sync_response::Message::Current(current) if change.is_none() => {
                    return Ok(Offer::Current(Position {
                        epoch: current.epoch,
                        revision: current.revision,
                        hash: current.state_hash,
                        signature: current.signature.and_then(signature),
                    }));
                }
                // It says nothing about the transaction around it.
                sync_response::Message::AskReports(ask) if change.is_none() => {
                    let every = Duration::from_millis(ask.every_ms.into());
                    return Ok(Offer::AskReports(every, ask.apis));
                }
                sync_response::Message::AskDigests(_) if change.is_none() => {
                    return Ok(Offer::AskDigests);
                }
                sync_response::Message::AskReports(_)
                | sync_response::Message::AskDigests(_)
                | sync_response::Message::Current(_) => {
                    return Err(broken("a transaction without its last part"));
                }
                sync_response::Message::Transaction(part) => {
                    let more = part.more;
                    bytes += size(&part);
                    if bytes > TRANSACTION_BYTES {
                        return Err(broken("a transaction beyond 1 GiB"));
                    }
                    let joined = join(change.take(), part)?;
                    if !more {
                        return Ok(Offer::Change(joined));
                    }
                    change = Some(joined);
                }
            }
        }
    }

    /// Says what this gateway holds, bucket by bucket.
    pub async fn digests(&self, digests: &plan::Digests) -> Result<(), RpcError> {
        let digests = Digests { buckets: digests.to_bytes() };
        let answer = SyncRequest { message: Some(sync_request::Message::Digests(digests)) };
        self.answers.send(answer).await.map_err(|_| RpcError::Ended { service: SERVICE })
    }

    /// Says what this gateway holds after a transaction, and what of it cannot be served.
    pub async fn applied(&self, held: Position, rejected: Vec<Rejected>) -> Result<(), RpcError> {
        self.refused(held, rejected, String::new()).await
    }

    /// Says that nothing of a transaction is put in force, and why; empty: it is.
    pub async fn refused(
        &self,
        held: Position,
        rejected: Vec<Rejected>,
        refused: String,
    ) -> Result<(), RpcError> {
        let Position { epoch, revision, hash: state_hash, .. } = held;
        let applied = Applied { epoch, revision, state_hash, rejected, refused };
        let answer = SyncRequest { message: Some(sync_request::Message::Applied(applied)) };
        self.answers.send(answer).await.map_err(|_| RpcError::Ended { service: SERVICE })
    }

    /// A second way to speak, for what is said unasked.
    pub fn reporter(&self) -> Reporter {
        Reporter { answers: self.answers.clone() }
    }

    async fn message(&mut self) -> Result<sync_response::Message, RpcError> {
        let response = self.offers.message().await.map_err(failed)?;
        let response = response.ok_or(RpcError::Ended { service: SERVICE })?;
        response.message.ok_or_else(|| broken("a message that this version does not know"))
    }
}

/// Tells the control plane how calls are.
#[derive(Debug)]
pub struct Reporter {
    answers: mpsc::Sender<SyncRequest>,
}

impl Reporter {
    /// Says how they were so far.
    pub async fn report(&self, vitals: Vitals) -> Result<(), RpcError> {
        let Vitals { calls, server_errors, spans, apis } = vitals;
        let apis = apis.into_iter().map(|(api, vitals)| {
            let Vitals { calls, server_errors, spans, .. } = vitals;
            ApiReport { api, calls, server_errors, spans: on_wire(spans) }
        });
        let (spans, apis) = (on_wire(spans), apis.collect());
        let report = Report { calls, server_errors, spans, apis };
        let message = Some(sync_request::Message::Report(report));
        let sent = self.answers.send(SyncRequest { message }).await;
        sent.map_err(|_| RpcError::Ended { service: SERVICE })
    }
}

fn on_wire(spans: Vec<(u64, u64)>) -> Vec<CallSpan> {
    spans.into_iter().map(|(up_to_us, calls)| CallSpan { up_to_us, calls }).collect()
}

/// Adds a part to the parts before it. What describes the transaction counts as the last part has
/// it: the commit marker comes last.
fn join(before: Option<Change>, part: Transaction) -> Result<Change, RpcError> {
    let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
    let (mut full, buckets) = (part.full, part.buckets);
    if let Some(before) = before {
        if (&before.position.epoch, before.position.revision) != (&part.epoch, part.revision) {
            return Err(broken("parts of two transactions in one"));
        }
        full |= before.full;
        (upserts, deletes) = (before.upserts, before.deletes);
    }
    // A copy of its own: the bytes of a message would keep the whole message in memory.
    let object = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
    upserts.extend(part.upserts.into_iter().map(|o| (o.key, object(&o.resource))));
    deletes.extend(part.deletes);
    let committed_us = part
        .committed_at
        .map(|at| at.seconds.saturating_mul(1_000_000).saturating_add(i64::from(at.nanos / 1_000)));
    Ok(Change {
        position: Position {
            epoch: part.epoch,
            revision: part.revision,
            hash: part.state_hash,
            signature: part.signature.and_then(signature),
        },
        full,
        upserts,
        deletes,
        buckets,
        committed_us,
        traceparent: part.traceparent,
    })
}

/// What this build understands.
fn known() -> Vec<KnownType> {
    let own = Known::own();
    own.types().map(|(name, numbers)| KnownType { name: name.to_owned(), numbers }).collect()
}

/// The word of a control plane; none: it is not said in a way that can be one.
fn signature(said: StateSignature) -> Option<Signature> {
    let chain = said.chain.into_iter().map(CertificateDer::from).collect();
    let (scheme, signed_at) = (u16::try_from(said.scheme).ok()?, said.signed_at);
    Some(Signature { scheme, bytes: said.signature, chain, signed_at })
}

fn size(part: &Transaction) -> usize {
    let upserts = part.upserts.iter().map(|object| object.key.len() + object.resource.len());
    upserts.sum::<usize>() + part.deletes.iter().map(String::len).sum::<usize>()
}

fn failed(status: Status) -> RpcError {
    RpcError::from_status(SERVICE, status)
}

const fn broken(what: &'static str) -> RpcError {
    RpcError::Protocol { service: SERVICE, what }
}
