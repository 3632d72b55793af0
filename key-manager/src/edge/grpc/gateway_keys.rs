//! The keys by which gateways tell backends who calls: who enrols them, and who hears of them?

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chassis::Shutdown;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::watch;
use tonic::{Request, Status};
use turnpike_proto::identity::v1::{EnrolGatewayKeysRequest, GatewayKeys};

use super::{caller, status};
use crate::audit::Event;
use crate::endpoint::Authority;
use crate::issue::{ROOM, gateway_keys, kept};
use crate::store::Ledger;

/// How often it is looked whether keys have expired.
const LOOK_EVERY: Duration = Duration::from_mins(1);

pub(super) type Sets = Pin<Box<dyn Stream<Item = Result<GatewayKeys, Status>> + Send>>;

/// Keeps the keys of the gateway that asks.
pub(super) async fn enrol(
    authority: &Authority,
    request: Request<EnrolGatewayKeysRequest>,
) -> Result<(), Status> {
    let by = caller(&request);
    let instance = chassis::rpc::peer(&request).map(|peer| peer.instance.clone());
    let instance = instance.ok_or_else(|| Status::unauthenticated("a certificate names nobody"))?;
    let EnrolGatewayKeysRequest { jwks, keep_seconds } = request.into_inner();
    let unfit = |error: crate::issue::Unfit| Status::invalid_argument(error.to_string());
    let (keys, keep) = (gateway_keys(&jwks).map_err(unfit)?, kept(keep_seconds).map_err(unfit)?);
    let now = authority.clock.unix_seconds();
    let known = authority.store.gateway_keys(now).await;
    let known = known.map_err(|error| status::of_store(&error))?;
    let new: Vec<&str> =
        keys.iter().filter(|key| !known.contains(key)).map(|key| key.kid.as_str()).collect();
    // Only what is new is worth a line: gateways say every hour what they have.
    let event = Event::of("gateway_keys.enrolled").by(&by).with("keys", &new.join(", "));
    let store =
        if new.is_empty() { Arc::clone(&authority.store) } else { authority.audit.noting(event) };
    let until = now.saturating_add(keep);
    let enrolled = store.enrol_gateway_keys(&instance, &keys, now, until, ROOM).await;
    if !enrolled.map_err(|error| status::of_store(&error))? {
        return Err(Status::resource_exhausted("there are too many keys of gateways"));
    }
    authority.log.follower().nudge();
    if !new.is_empty() {
        tracing::info!(by, keys = new.len(), "keys of a gateway enrolled");
    }
    Ok(())
}

/// All keys now, and whenever they change.
pub(super) fn watch(authority: Authority, shutdown: &Shutdown) -> Sets {
    let mut ledgers = authority.log.follower().watch();
    ledgers.mark_changed();
    let watcher = Watcher { authority, ledgers, version: None, said: None };
    let sets = stream::unfold(Some(watcher), |watcher| async move {
        let mut watcher = watcher?;
        match watcher.next().await? {
            Ok(set) => Some((Ok(set), Some(watcher))),
            // It has failed and says so.
            Err(status) => Some((Err(status), None)),
        }
    });
    shutdown.ends(sets).boxed()
}

/// One open stream.
struct Watcher {
    authority: Authority,
    ledgers: watch::Receiver<Arc<Ledger>>,
    /// Of the keys as they were read last.
    version: Option<u64>,
    said: Option<GatewayKeys>,
}

impl Watcher {
    /// The next set that is another one; `None`: nobody follows the store any more.
    async fn next(&mut self) -> Option<Result<GatewayKeys, Status>> {
        loop {
            let clock = self.authority.clock.clone();
            let expiring = tokio::select! {
                changed = self.ledgers.changed() => {
                    changed.ok()?;
                    false
                }
                () = clock.sleep(LOOK_EVERY) => true,
            };
            let version = self.ledgers.borrow_and_update().gateway_key_version;
            if !expiring && self.version == Some(version) {
                continue;
            }
            match self.read().await {
                Err(status) => return Some(Err(status)),
                Ok(set) => {
                    self.version = Some(version);
                    if self.said.as_ref() != Some(&set) {
                        self.said = Some(set.clone());
                        return Some(Ok(set));
                    }
                }
            }
        }
    }

    async fn read(&self) -> Result<GatewayKeys, Status> {
        let now = self.authority.clock.unix_seconds();
        let keys = self.authority.store.gateway_keys(now).await;
        let keys = keys.map_err(|error| status::of_store(&error))?;
        Ok(GatewayKeys { jwks: keys.into_iter().map(|key| key.jwk).collect() })
    }
}
