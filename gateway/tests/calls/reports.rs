//! Who takes the events of calls: the analytics collector, as far as gateways know it.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chassis::Host;
use chassis::rpc::{Allow, Services};
use spool::{Bounds, Collector, Origin, Reporting};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};
use turnpike_proto::usage::v1::collector_server::{self, CollectorServer};
use turnpike_proto::usage::v1::{CollectRequest, CollectResponse, Event};

/// The events that came, in their order.
#[derive(Clone, Default)]
pub(crate) struct Reports(Arc<Mutex<Vec<Event>>>);

impl Reports {
    /// Takes the events that have come once there are `count` of them.
    pub(crate) async fn take(&self, host: &Host, count: usize) -> Vec<Event> {
        let there = async {
            while self.0.lock().unwrap().len() < count {
                host.clock.sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = host.clock.timeout(Duration::from_secs(20), there).await;
        let events = std::mem::take(&mut *self.0.lock().unwrap());
        assert!(waited.is_ok(), "{count} events were expected, and these came: {events:?}");
        events
    }

    /// Listens in the name of the collector, with certificates from `folder`; the way to it.
    pub(crate) async fn serve(self, gateway: &Host, folder: &Path) -> Reporting {
        let host = Host::development("analytics-collector", folder).unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = chassis::rpc::Config { listen, connections: 4 };
        let services = Services::new(turnpike_proto::DESCRIPTORS);
        let services = services.add(Allow::only(&["gateway"]), CollectorServer::new(self));
        let address = chassis::rpc::serve(&host, &config, services).await.unwrap();
        let to = format!("https://{address}");
        let channel = chassis::rpc::channel(&gateway.tls, &to, "analytics-collector").unwrap();
        let collector = Collector::new(channel, "gw-1".to_owned());
        let origin = Origin { gateway: "gw-1".to_owned(), region: "eu-1".to_owned() };
        let bounds = Bounds::of(64 << 20);
        Reporting::start(folder, false, bounds, origin, collector, gateway).await.unwrap()
    }
}

#[tonic::async_trait]
impl collector_server::Collector for Reports {
    type CollectStream = Pin<Box<dyn Stream<Item = Result<CollectResponse, Status>> + Send>>;

    async fn collect(
        &self,
        request: Request<Streaming<CollectRequest>>,
    ) -> Result<Response<Self::CollectStream>, Status> {
        let reports = self.clone();
        let answers = request.into_inner().map(move |batch| {
            let CollectRequest { epoch, sequence, events, .. } = batch?;
            reports.0.lock().unwrap().extend(events);
            Ok(CollectResponse { epoch, sequence })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}
