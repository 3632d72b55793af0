//! How does the key manager hear of keys of providers that are not known here?
//!
//! Nobody waits for that: the token is refused, and the next one may find the key. Few are told at a
//! time, and what does not find room is told by the next token.

use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use chassis::task::Tasks;
use tokio::sync::mpsc;
use tonic::Request;
use tonic::transport::Channel;
use turnpike_proto::identity::v1::MissingKeyRequest;
use turnpike_proto::identity::v1::keys_client::KeysClient;

/// Keys that may wait to be told of.
const LANE: usize = 16;
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Between two that are told.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest name of a key that is worth a word.
const MAX_KID_BYTES: usize = 256;

/// The worker's end of the lane.
#[derive(Clone, Debug)]
pub struct Handle {
    lane: Option<mpsc::Sender<(Arc<str>, String)>>,
}

impl Handle {
    /// Tells nobody: for a gateway without a key manager.
    pub const fn off() -> Self {
        Self { lane: None }
    }

    /// Tells `channel`, on the runtime that this is called on.
    pub fn start(channel: Channel, clock: Clock, tasks: &Tasks) -> Self {
        let (lane, told) = mpsc::channel(LANE);
        tasks.spawn("missing-keys", run(channel, clock, told));
        Self { lane: Some(lane) }
    }

    /// A token of `key_manager` names a key that is not known.
    pub fn tell(&self, key_manager: &Arc<str>, kid: &str) {
        let Some(lane) = &self.lane else { return };
        if kid.len() <= MAX_KID_BYTES {
            let _ = lane.try_send((Arc::clone(key_manager), kid.to_owned()));
        }
    }
}

/// Runs until the last worker has dropped its end of the lane.
async fn run(channel: Channel, clock: Clock, mut told: mpsc::Receiver<(Arc<str>, String)>) {
    while let Some((key_manager, kid)) = told.recv().await {
        let request = MissingKeyRequest { key_manager: key_manager.to_string(), kid };
        let mut client = KeysClient::new(channel.clone());
        match clock.timeout(ANSWER_WITHIN, client.missing(Request::new(request))).await {
            Ok(Ok(_)) => {}
            Ok(Err(status)) => tracing::debug!(%status, "a missing key was not told"),
            Err(late) => tracing::debug!(%late, "a missing key was not told"),
        }
        clock.sleep(PAUSE).await;
    }
}
