//! What do key managers get to know of third-party providers?
//!
//! Every `KeyManager` but the resident one, with the secrets it names: gateways get neither those
//! secrets nor ask a provider themselves.

use std::pin::Pin;
use std::sync::Arc;

use chassis::Shutdown;
use plan::{Kind, Objects};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};
use turnpike_proto::config::v1::providers_server::Providers as Service;
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{
    KeyManager, KeyManagerSpec, Provider, ProviderSet, WatchProvidersRequest,
};

use super::secrets;
use crate::catalog::Catalog;

/// The service that key managers watch.
#[derive(Debug)]
pub struct Providers {
    catalog: Arc<Catalog>,
    shutdown: Shutdown,
}

impl Providers {
    /// Says what is in `catalog`.
    pub fn new(catalog: Arc<Catalog>, shutdown: Shutdown) -> Self {
        Self { catalog, shutdown }
    }
}

type Sets = Pin<Box<dyn Stream<Item = Result<ProviderSet, Status>> + Send>>;

#[tonic::async_trait]
impl Service for Providers {
    type WatchStream = Sets;

    async fn watch(&self, _: Request<WatchProvidersRequest>) -> Result<Response<Sets>, Status> {
        let states = tokio_stream::wrappers::WatchStream::new(self.catalog.subscribe());
        let mut said: Option<ProviderSet> = None;
        // Nothing is better than a guess: before the resources are loaded, nothing is said.
        let sets = states.filter_map(move |state| {
            let set = set(&state?.objects);
            if said.as_ref() == Some(&set) {
                return None;
            }
            said = Some(set.clone());
            Some(Ok(set))
        });
        Ok(Response::new(Box::pin(self.shutdown.ends(sets))))
    }
}

fn set(objects: &Objects) -> ProviderSet {
    let read = |object: Arc<plan::Object>| match object.resource()?.into_owned().resource? {
        Any::KeyManager(one) => Some(one),
        _ => None,
    };
    let third =
        objects.of_kind(Kind::KeyManager).filter(|object| object.key().name() != "resident");
    let providers = third.filter_map(read).map(|one| provider(objects, one));
    ProviderSet { providers: providers.collect() }
}

fn provider(objects: &Objects, key_manager: KeyManager) -> Provider {
    let named = key_manager.spec.as_ref().map(secrets_of).unwrap_or_default();
    let secrets = secrets::values(objects, named);
    Provider { key_manager: Some(key_manager), secrets }
}

/// The names of the secrets that it names.
fn secrets_of(spec: &KeyManagerSpec) -> Vec<&str> {
    let introspection = spec.introspection.as_ref().and_then(|it| it.client.as_ref());
    let login = spec.login.as_ref().and_then(|it| it.client.as_ref());
    let registration = spec.registration.as_ref().map(|it| it.token_secret.as_str());
    let clients = introspection.into_iter().chain(login).map(|client| client.secret.as_str());
    clients.chain(registration).filter(|name| !name.is_empty()).collect()
}
