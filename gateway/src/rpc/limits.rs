//! How does the gateway speak with its control plane about limits that it shares with others?
//!
//! One `LimitSync/Share` call at a time. `Line` keeps it: it comes back by itself after 10 ms to 2 s, and
//! what is said while there is none is lost, which whoever says it is told. Of several control planes one
//! counts, and the others send away: each try goes to the next one, so the one that counts is found.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::{Host, Outage};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use turnpike_proto::config::v1::limit_sync_client::LimitSyncClient;
use turnpike_proto::config::v1::{
    ShareHello, ShareRequest, ShareResponse, ShareState, share_request, share_response,
};

use super::control_plane::Node;
use super::error::RpcError;

const SERVICE: &str = "control plane";
/// Messages that may wait for the connection to take them.
const UNDER_WAY: usize = 256;
/// Messages that may wait for whoever hears them.
const UNHEARD: usize = 256;
/// The shortest and the longest wait before the next try: calls depend on it.
const TRIES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(2));
/// A call that lasted so long was a good one.
const LASTED: Duration = Duration::from_secs(5);

/// What is heard from the control plane.
#[derive(Debug)]
pub enum Heard {
    /// It can be spoken to.
    Open,
    /// It says something.
    Message(share_response::Message),
    /// It cannot be spoken to any more; what it was not heard to answer is not answered.
    Closed,
}

/// Says things to the control plane; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<Mutex<Way>>);

#[derive(Debug, Default)]
struct Way {
    open: Option<mpsc::Sender<ShareRequest>>,
    /// Nothing more will be said.
    is_done: bool,
}

/// Nobody listens, or not fast enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the control plane cannot be told now")]
pub struct Unheard;

impl Handle {
    /// Says something on the call that is open. What was said before a call ends may not have arrived.
    pub fn tell(&self, message: share_request::Message) -> Result<(), Unheard> {
        let request = ShareRequest { message: Some(message) };
        let way = self.way();
        way.open.as_ref().ok_or(Unheard)?.try_send(request).map_err(|_| Unheard)
    }

    /// Whether there is a call on which something can be said.
    pub fn is_open(&self) -> bool {
        self.way().open.is_some()
    }

    /// Says no more: the call ends when all that was said has arrived, and there is no other one.
    pub fn finish(&self) {
        *self.way() = Way { open: None, is_done: true };
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Handle {
    /// A call whose other end is the test's.
    pub fn to(open: mpsc::Sender<ShareRequest>) -> Self {
        Self(Arc::new(Mutex::new(Way { open: Some(open), is_done: false })))
    }
}

/// Keeps the call open for as long as it is run.
#[derive(Debug)]
pub struct Line {
    channels: Vec<Channel>,
    node: Node,
    handle: Handle,
    heard: mpsc::Sender<Heard>,
    host: Host,
}

impl Line {
    /// A line over one of `channels` as `node`; what is heard on it comes out of the receiver.
    pub fn new(
        channels: Vec<Channel>,
        node: Node,
        host: Host,
    ) -> (Self, Handle, mpsc::Receiver<Heard>) {
        let (heard, hears) = mpsc::channel(UNHEARD);
        let handle = Handle::default();
        (Self { channels, node, handle: handle.clone(), heard, host }, handle, hears)
    }

    /// Runs until all is said, or nobody hears any more. `state` says by which configuration this gateway
    /// asks.
    pub async fn run(self, state: impl Fn() -> ShareState + Send) {
        tokio::select! {
            () = self.keep(state) => {}
            () = self.heard.closed() => {}
        }
    }

    async fn keep(&self, state: impl Fn() -> ShareState) {
        let mut backoff = Backoff::between(TRIES.0, TRIES.1);
        let mut outage = Outage::of("control plane", "limits that it counts follow `onFailure`");
        for channel in self.channels.iter().cycle() {
            let opened = self.host.clock.instant();
            let ended = match self.open(channel, state()).await {
                Ok(answers) => self.listen(answers, &mut outage).await,
                Err(error) => error,
            };
            let is_done = {
                let mut way = self.handle.way();
                way.open = None;
                way.is_done
            };
            // Another gateway may have come in this one's place: it is not to be driven out.
            let is_over = is_done || self.host.shutdown.requested();
            if self.heard.send(Heard::Closed).await.is_err() || is_over {
                return;
            }
            outage.failed(&ended);
            // Two of one name that drive each other out do so at leisure.
            if self.host.clock.instant().saturating_duration_since(opened) > LASTED {
                backoff.reset();
            }
            self.host.clock.sleep(backoff.next()).await;
        }
    }

    /// Opens a call and says who this gateway is.
    async fn open(
        &self,
        channel: &Channel,
        state: ShareState,
    ) -> Result<Streaming<ShareResponse>, RpcError> {
        let hello = ShareHello {
            node: self.node.name.clone(),
            labels: self.node.labels.clone(),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            state: Some(state),
        };
        let (out, sent) = mpsc::channel(UNDER_WAY);
        let hello = ShareRequest { message: Some(share_request::Message::Hello(hello)) };
        // The greeting goes with the call: neither side waits for the other to begin.
        out.try_send(hello).map_err(|_| RpcError::Ended { service: SERVICE })?;
        let request = chassis::rpc::traced(Request::new(ReceiverStream::new(sent)));
        let client = LimitSyncClient::new(channel.clone());
        let answers =
            client.max_decoding_message_size(chassis::rpc::MESSAGE_BYTES).share(request).await;
        let answers = answers.map_err(failed)?.into_inner();
        let mut way = self.handle.way();
        if way.is_done {
            return Err(RpcError::Ended { service: SERVICE });
        }
        way.open = Some(out);
        Ok(answers)
    }

    /// Hears what is said, until the call ends; says how it ended.
    async fn listen(&self, mut answers: Streaming<ShareResponse>, outage: &mut Outage) -> RpcError {
        let unheard = || RpcError::Protocol { service: SERVICE, what: "more than can be heard" };
        if self.heard.send(Heard::Open).await.is_err() {
            return unheard();
        }
        loop {
            let message = match answers.message().await {
                Ok(Some(ShareResponse { message: Some(message) })) => message,
                // Of a later version.
                Ok(Some(ShareResponse { message: None })) => continue,
                Ok(None) => return RpcError::Ended { service: SERVICE },
                Err(status) => return failed(status),
            };
            outage.over();
            if self.heard.send(Heard::Message(message)).await.is_err() {
                return unheard();
            }
        }
    }
}

fn failed(status: Status) -> RpcError {
    RpcError::from_status(SERVICE, status)
}
