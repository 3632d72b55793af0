//! How does a service open its gRPC port?

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::accept::accept;
use super::allow::Allow;
use super::error::Error;
use super::services::Services;
use crate::host::Host;
use crate::pki::ClientAuth;
use crate::web::Door;

const STREAMS: u32 = 1024;
const HEADER_BYTES: u32 = 64 * 1024;
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);
// Enough for a full message to be under way without waiting for window updates.
const WINDOW_BYTES: u32 = 1024 * 1024;

/// The section `[rpc]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// How many connections there may be at a time.
    #[serde(default = "connections")]
    pub connections: usize,
}

const fn connections() -> usize {
    1024
}

/// Opens the port and serves it until the process drains; returns where it listens.
///
/// Health and reflection are offered to everyone with a certificate of our authority. A stream that
/// a service keeps open must end when `host.shutdown` says so (`Shutdown::ends`): the drain waits
/// for it otherwise, up to its limit.
pub async fn serve(host: &Host, config: &Config, services: Services) -> Result<SocketAddr, Error> {
    let listen = config.listen;
    // Whoever has none gets no further than to the services that let them.
    let auth = if services.open { ClientAuth::Optional } else { ClientAuth::Required };
    let tls = host.tls.server_config(auth, &["h2"])?;
    let door = Door::open(listen, config.connections, host.clock.clone()).await;
    let door = door.map_err(|source| Error::Listen { listen, source })?;
    let address = door.address().map_err(|source| Error::Listen { listen, source })?;
    let health = HealthReporter::new();
    let names = services.names.clone();
    let services = with_standard_services(services, &health)?;
    services.register(&host.metrics);

    let (into, accepted) = mpsc::channel(16);
    host.tasks.spawn("rpc accept", accept(host.clone(), door, TlsAcceptor::from(tls), into));
    host.tasks.spawn("rpc health", report(host.clone(), health, names));
    let served = Server::builder()
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEADER_BYTES)
        .http2_keepalive_interval(Some(PING_EVERY))
        .http2_keepalive_timeout(Some(PONG_WITHIN))
        .add_routes(services.routes.routes())
        .serve_with_incoming_shutdown(ReceiverStream::new(accepted), host.shutdown.wait_owned());
    host.tasks.spawn("rpc", async move {
        if let Err(error) = served.await {
            tracing::error!(error = &error as &dyn std::error::Error, "rpc server ended");
        }
    });
    tracing::info!(%address, "rpc listen");
    Ok(address)
}

fn with_standard_services(
    services: Services,
    reporter: &HealthReporter,
) -> Result<Services, Error> {
    use tonic_health::pb::health_server::HealthServer;
    use tonic_health::server::HealthService;
    let mut builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(services.descriptors)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    for name in &services.names {
        builder = builder.with_service_name(*name);
    }
    let reflection = builder
        .with_service_name("grpc.health.v1.Health")
        .build_v1()
        .map_err(|error| Error::Reflection(Box::new(error)))?;
    let health = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
    Ok(services.add(Allow::anyone(), health).add(Allow::anyone(), reflection))
}

/// Says what readiness says, for the process and for each service; ends the watches on drain.
async fn report(host: Host, mut health: HealthReporter, mut names: Vec<&'static str>) {
    names.push("");
    loop {
        let ready = host.ready.is_ready();
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in &names {
            health.set_service_status(name, status).await;
        }
        if host.shutdown.requested() {
            break;
        }
        tokio::select! {
            () = host.ready.changed_from(ready) => {}
            () = host.shutdown.wait() => {}
        }
    }
    for name in &names {
        health.clear_service_status(name).await;
    }
}
