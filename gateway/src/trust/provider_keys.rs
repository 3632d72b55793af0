//! With which keys are tokens of third-party providers verified?
//!
//! Our own key manager reads them there and streams them here; nobody here asks a provider. They are
//! kept on disk like its own. A set that cannot be read leaves the one before in force.

use std::error::Error;
use std::io;
use std::sync::Arc;

use chassis::backoff::Backoff;
use chassis::{Host, Outage};
use prost::Message as _;
use turnpike_proto::identity::v1 as wire;

use crate::generation::{ProviderKeys, ResidentKeys};
use crate::rpc::RpcError;
use crate::rpc::key_manager::KeyManager;
use crate::snapshot::{Publisher, Shelf};

/// Why kept bytes are no key sets.
#[derive(Debug, thiserror::Error)]
enum NoKeys {
    #[error("cannot be read")]
    Read(#[from] io::Error),
    #[error("no key sets")]
    Message(#[from] prost::DecodeError),
}

/// Follows the keys of providers for as long as it is run.
#[derive(Debug)]
pub struct ProviderKeyFollower {
    key_manager: KeyManager,
    publisher: Arc<Publisher>,
    shelf: Shelf,
    host: Host,
    /// What is in force, as it came.
    said: wire::ProviderKeys,
    in_force: ProviderKeys,
}

impl ProviderKeyFollower {
    /// Puts the kept keys in force, if there are any.
    pub fn restore(
        key_manager: KeyManager,
        publisher: Arc<Publisher>,
        shelf: Shelf,
        host: Host,
    ) -> Self {
        let kept = shelf.read(|from| {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes)?;
            Ok::<_, NoKeys>(wire::ProviderKeys::decode(bytes.as_slice())?)
        });
        let (said, in_force) = Default::default();
        let mut follower = Self { key_manager, publisher, shelf, host, said, in_force };
        if let Some(kept) = kept {
            follower.put(kept);
        }
        follower
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
        let mut outage = Outage::of("key manager (keys of providers)", "the keys in force stay");
        loop {
            let Err(error) = self.watch(&mut backoff, &mut outage).await;
            outage.failed(&error);
            self.host.clock.sleep(backoff.next()).await;
        }
    }

    async fn watch(
        &mut self,
        backoff: &mut Backoff,
        outage: &mut Outage,
    ) -> Result<std::convert::Infallible, RpcError> {
        let mut sets = self.key_manager.provider_keys().await?;
        loop {
            let said = sets.next().await?;
            backoff.reset();
            outage.over();
            if said != self.said {
                let written = self.shelf.write(|to| to.write_all(&said.encode_to_vec()));
                if let Err(error) = written {
                    tracing::error!(error = &error as &dyn Error, "keys are not on disk");
                }
                self.put(said);
            }
        }
    }

    fn put(&mut self, said: wire::ProviderKeys) {
        let mut next = ProviderKeys::with_capacity(said.providers.len());
        for one in &said.providers {
            let Some(set) = &one.keys else { continue };
            let before = self.in_force.get(&one.key_manager);
            // What stays the same stays the same value: tokens need not be verified again.
            let keys = match before.filter(|_| self.holds(&one.key_manager, set)) {
                Some(before) => before.clone(),
                None => match jose::KeySet::parse(&set.jwks) {
                    Ok(keys) => ResidentKeys { issuer: set.issuer.clone(), keys: Arc::new(keys) },
                    Err(error) => {
                        let (name, error) = (&one.key_manager, &error as &dyn Error);
                        tracing::error!(name, error, "keys of a provider refused");
                        let Some(before) = before else { continue };
                        before.clone()
                    }
                },
            };
            next.insert(one.key_manager.clone(), keys);
        }
        tracing::info!(providers = next.len(), "keys of providers are in force");
        self.publisher.put_provider_keys(next.clone());
        self.in_force = next;
        self.said = said;
    }

    fn holds(&self, name: &str, set: &wire::KeySet) -> bool {
        let mut said = self.said.providers.iter();
        said.any(|one| one.key_manager == name && one.keys.as_ref() == Some(set))
    }
}
