//! Who knows tokens that say nothing by themselves: the key manager, as far as gateways ask it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chassis::Host;
use chassis::rpc::{Allow, Services};
use gateway::rpc::introspection::Handle;
use serde_json::Value;
use tonic::{Request, Response, Status};
use turnpike_proto::identity::v1::introspection_server::{Introspection, IntrospectionServer};
use turnpike_proto::identity::v1::{IntrospectRequest, IntrospectResponse};

/// Tokens and what is said of them; of any other token nothing is.
#[derive(Default)]
pub(crate) struct Introspector {
    known: HashMap<String, Value>,
    asked: Arc<AtomicUsize>,
}

impl Introspector {
    #[must_use]
    pub(crate) fn with(mut self, token: &str, claims: Value) -> Self {
        self.known.insert(token.to_owned(), claims);
        self
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.asked)
    }

    /// Listens in the name of the key manager, with certificates from `folder`; the way to it.
    pub(crate) async fn serve(self, gateway: &Host, folder: &Path) -> Handle {
        let host = Host::development("key-manager", folder).unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = chassis::rpc::Config { listen, connections: 4 };
        let services = Services::new(turnpike_proto::DESCRIPTORS);
        let services = services.add(Allow::only(&["gateway"]), IntrospectionServer::new(self));
        let address = chassis::rpc::serve(&host, &config, services).await.unwrap();
        let to = format!("https://{address}");
        let channel = chassis::rpc::channel(&gateway.tls, &to, "key-manager").unwrap();
        Handle::start(channel, gateway.clock.clone(), &gateway.tasks)
    }
}

#[tonic::async_trait]
impl Introspection for Introspector {
    async fn introspect(
        &self,
        request: Request<IntrospectRequest>,
    ) -> Result<Response<IntrospectResponse>, Status> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let found = self.known.get(&request.into_inner().token);
        Ok(Response::new(IntrospectResponse {
            active: found.is_some(),
            claims: found.map(Value::to_string).unwrap_or_default(),
            ..IntrospectResponse::default()
        }))
    }
}
