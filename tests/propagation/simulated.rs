//! Many gateways in one process: each holds its stream and acknowledges what comes, as a real one does,
//! and compiles nothing.

use std::sync::{Arc, Mutex, PoisonError};

use prost::Message as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use turnpike_proto::config::v1::config_sync_client::ConfigSyncClient;
use turnpike_proto::config::v1::sync_request::Message as Ask;
use turnpike_proto::config::v1::sync_response::Message as Answer;
use turnpike_proto::config::v1::{Applied, Hello, SyncRequest};

use crate::ground::{Ground, now_us};

/// The many; they end when this is dropped.
pub(crate) struct Fleet {
    arrived: Arc<Mutex<Vec<Arrival>>>,
    tasks: Vec<JoinHandle<()>>,
}

/// A transaction that one of them has received whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) revision: u64,
    /// When, in microseconds since the Unix epoch.
    pub(crate) at_us: i64,
    /// On the wire, before TLS.
    pub(crate) bytes: usize,
    pub(crate) full: bool,
}

impl Fleet {
    /// So many, all connected and up to date.
    pub(crate) async fn connect(ground: &Ground, count: usize) -> Self {
        let arrived: Arc<Mutex<Vec<Arrival>>> = Arc::default();
        let (current, mut standing) = mpsc::channel(count.max(1));
        let tasks = (0..count).map(|number| {
            // A connection each, as between machines.
            let client = ConfigSyncClient::new(ground.channel("gateway"))
                .max_decoding_message_size(chassis::rpc::MESSAGE_BYTES);
            tokio::spawn(hold(
                client,
                format!("simulated-{number}"),
                arrived.clone(),
                current.clone(),
            ))
        });
        let tasks = tasks.collect();
        for _ in 0..count {
            standing.recv().await.expect("a gateway that stands");
        }
        Self { arrived, tasks }
    }

    /// What has arrived since this was said last.
    pub(crate) fn arrived(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many gateways have received `revision` or a later one, among what `arrived` would say.
    pub(crate) fn at(&self, revision: u64) -> usize {
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.iter().filter(|one| one.revision >= revision).count()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn hold(
    mut client: ConfigSyncClient<tonic::transport::Channel>,
    node: String,
    arrived: Arc<Mutex<Vec<Arrival>>>,
    standing: mpsc::Sender<()>,
) {
    let (out, requests) = mpsc::channel(4);
    let hello = Hello { node, build: env!("CARGO_PKG_VERSION").to_owned(), ..Hello::default() };
    let hello = SyncRequest { message: Some(Ask::Hello(hello)) };
    out.send(hello).await.expect("a stream");
    let answer = client.sync(ReceiverStream::new(requests)).await.expect("a stream");
    let (mut incoming, mut bytes, mut stands) = (answer.into_inner(), 0, false);
    while let Ok(Some(response)) = incoming.message().await {
        bytes += response.encoded_len();
        match response.message {
            Some(Answer::Transaction(part)) if !part.more => {
                let (revision, full, at_us) = (part.revision, part.full, now_us());
                let arrival = Arrival { revision, at_us, bytes, full };
                let applied = Applied {
                    epoch: part.epoch,
                    revision: part.revision,
                    state_hash: part.state_hash,
                    ..Applied::default()
                };
                let message = Some(Ask::Applied(applied));
                if out.send(SyncRequest { message }).await.is_err() {
                    return;
                }
                bytes = 0;
                if stands {
                    arrived.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
                }
            }
            Some(Answer::Transaction(_)) => continue,
            _ => bytes = 0,
        }
        if !stands {
            stands = true;
            standing.send(()).await.expect("somebody who waits");
        }
    }
}
