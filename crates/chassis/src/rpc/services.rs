//! Which gRPC services does a port offer, and to whom?

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tower_service::Service;

use super::allow::Allow;
use super::ear::Ear;
use super::guard::{Guard, Meters};
use crate::metrics::Metrics;

/// The services of one port.
#[derive(Debug, Default)]
pub struct Services {
    pub(super) routes: RoutesBuilder,
    pub(super) names: Vec<&'static str>,
    pub(super) descriptors: &'static [u8],
    /// Whether some service lets in who has no certificate.
    pub(super) open: bool,
    meters: Vec<(&'static str, Meters)>,
    ear: Option<Arc<dyn Ear>>,
}

impl Services {
    /// No services yet; `descriptors` is an encoded `FileDescriptorSet` for server reflection.
    pub fn new(descriptors: &'static [u8]) -> Self {
        Self { descriptors, ..Self::default() }
    }

    /// Has `ear` told of each call that services refuse which are added from now on.
    #[must_use]
    pub fn heard_by(self, ear: Arc<dyn Ear>) -> Self {
        Self { ear: Some(ear), ..self }
    }

    /// Offers `service` to those whom `allow` lets in.
    #[must_use]
    pub fn add<S>(mut self, allow: Allow, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let meters = Meters::default();
        self.open |= allow.needs_no_certificate();
        self.names.push(S::NAME);
        self.meters.push((S::NAME, meters.clone()));
        self.routes.add_service(Guard::new(service, allow, meters, self.ear.clone()));
        self
    }

    pub(super) fn register(&self, metrics: &Metrics) {
        use prometheus_client::registry::Registry;
        metrics.register(|registry: &mut Registry| {
            for (name, meters) in &self.meters {
                let label = ("service".into(), (*name).into());
                let registry = registry.sub_registry_with_label(label);
                registry.register("rpc_calls", "Calls received", meters.calls.clone());
                let refused = meters.refused.clone();
                registry.register("rpc_refused", "Calls of peers that may not call", refused);
            }
        });
    }
}
