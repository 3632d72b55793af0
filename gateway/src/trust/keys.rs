//! With which keys are tokens of our own key manager verified?
//!
//! With those that it streamed last. They are kept on disk, so that a gateway that starts while the
//! key manager is away verifies tokens all the same.

use std::error::Error;
use std::io;
use std::sync::Arc;

use chassis::backoff::Backoff;
use chassis::readiness::Condition;
use chassis::{Host, Outage};
use prost::Message as _;
use turnpike_proto::identity::v1::KeySet;

use crate::generation::ResidentKeys;
use crate::rpc::RpcError;
use crate::rpc::key_manager::KeyManager;
use crate::snapshot::{Publisher, Shelf};

/// The condition of readiness that the key manager has said its keys, or is known to be away while
/// there are some on disk.
pub const KEYS: &str = "keys of the key manager";

/// Why kept bytes are no key set.
#[derive(Debug, thiserror::Error)]
enum NoKeys {
    #[error("cannot be read")]
    Read(#[from] io::Error),
    #[error("no key set")]
    Message(#[from] prost::DecodeError),
    #[error("no JWK set")]
    Keys(#[from] jose::KeySetError),
}

/// Follows the keys for as long as it is run.
#[derive(Debug)]
pub struct KeyFollower {
    pub key_manager: KeyManager,
    pub publisher: Arc<Publisher>,
    pub shelf: Shelf,
    pub host: Host,
    /// What is in force; a stream that starts again says the same again.
    pub in_force: Option<KeySet>,
}

impl KeyFollower {
    /// Puts the kept keys in force, if there are any.
    pub fn restore(&mut self) {
        let kept = self.shelf.read(|from| {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes)?;
            let set = KeySet::decode(bytes.as_slice())?;
            Ok::<_, NoKeys>((parse(&set)?, set))
        });
        if let Some((keys, set)) = kept {
            tracing::info!(issuer = keys.issuer, "keys from disk are in force");
            self.publisher.put_keys(keys);
            self.in_force = Some(set);
        }
    }

    /// Runs until the process is asked to stop.
    pub async fn run(mut self) {
        let shutdown = self.host.shutdown.clone();
        tokio::select! {
            () = shutdown.wait() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        let mut backoff = Backoff::new();
        let mut outage = Outage::of("key manager (keys)", "the keys in force stay");
        let heard = self.host.ready.condition(KEYS);
        loop {
            let Err(error) = self.watch(&mut backoff, &mut outage, &heard).await;
            outage.failed(&error);
            // Who has no keys yet is no gateway yet: at the start of everything the key manager may
            // only be the slower one.
            if self.in_force.is_some() {
                heard.green();
            }
            self.host.clock.sleep(backoff.next()).await;
        }
    }

    async fn watch(
        &mut self,
        backoff: &mut Backoff,
        outage: &mut Outage,
        heard: &Condition,
    ) -> Result<std::convert::Infallible, RpcError> {
        let mut sets = self.key_manager.keys().await?;
        loop {
            let set = sets.next().await?;
            backoff.reset();
            outage.over();
            if self.in_force.as_ref() != Some(&set) {
                self.take(set);
            }
            heard.green();
        }
    }

    fn take(&mut self, set: KeySet) {
        match parse(&set) {
            Ok(keys) => {
                tracing::info!(issuer = keys.issuer, "keys are in force");
                self.publisher.put_keys(keys);
                self.keep(&set);
                self.in_force = Some(set);
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "key set refused");
            }
        }
    }

    /// Rotations are rare and the file is small: it is written where it is.
    fn keep(&mut self, set: &KeySet) {
        let written = self.shelf.write(|to| to.write_all(&set.encode_to_vec()));
        if let Err(error) = written {
            tracing::error!(error = &error as &dyn Error, "keys are not on disk");
        }
    }
}

fn parse(set: &KeySet) -> Result<ResidentKeys, NoKeys> {
    let keys = jose::KeySet::parse(&set.jwks)?;
    Ok(ResidentKeys { issuer: set.issuer.clone(), keys: Arc::new(keys) })
}
