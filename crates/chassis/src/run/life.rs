//! What happens between a good configuration and the end of the process?
//!
//! Telemetry, certificates, signals; then the service; then the drain: readiness is red, servers
//! no longer accept, work in flight ends within `service.drain`.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::ServiceConfig;
use crate::host::Host;
use crate::pki::{self, Identity};
use crate::telemetry::{self, Sender, Telemetry};

use super::signals::Signals;
use super::start::{Common, DONE, FAILED, REFUSED, complain};

/// After the last spans.
const LAST_METRICS_WITHIN: Duration = Duration::from_secs(1);

/// Why a process could not begin its life; the exit code tells who has to act.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the configuration cannot be used")]
    Telemetry(#[from] telemetry::Error),
    #[error("the certificates cannot be used")]
    Identity(#[from] pki::Error),
    #[error("cannot make the folder {} (service.data)", path.display())]
    Data {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the operating system refuses")]
    System(#[source] std::io::Error),
}

impl Error {
    const fn code(&self) -> u8 {
        match self {
            Self::Telemetry(_) | Self::Identity(_) => REFUSED,
            Self::Data { .. } | Self::System(_) => FAILED,
        }
    }
}

/// Runs the service to its end.
pub(super) fn live<C, F, Fut>(name: &'static str, config: C, common: &Common, start: F) -> u8
where
    F: FnOnce(C, Host) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name(name)
        .build()
        .map_err(Error::System);
    let lived = runtime.and_then(|runtime| {
        let code = runtime.block_on(async {
            // First of all: a signal that comes during the start must not kill the process.
            let signals = Signals::listen().map_err(Error::System)?;
            let (host, telemetry, metrics) = begin(name, common)?;
            let code = serve(&host, signals, start(config, host.clone())).await;
            host.ended.request();
            // Blocks for at most two seconds, when nothing else is left to do.
            tokio::task::block_in_place(|| telemetry.finish());
            if let Some(sending) = metrics {
                // A receiver that does not take them holds nobody up.
                let _ = host.clock.timeout(LAST_METRICS_WITHIN, sending).await;
            }
            Ok(code)
        });
        // What still runs on a blocking thread must not hold up the end.
        runtime.shutdown_background();
        code
    });
    lived.unwrap_or_else(|error: Error| {
        complain(name, &error);
        error.code()
    })
}

/// The task is there where metrics are sent to somebody; it ends when the host has.
fn begin(
    name: &'static str,
    common: &Common,
) -> Result<(Host, Telemetry, Option<JoinHandle<()>>), Error> {
    // Libraries that bring no provider of their own take this one; a second start finds it set.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let ServiceConfig { data, id, drain } = &common.service;
    let instance = if id.is_empty() { pki::host_name() } else { id.clone() };
    let telemetry = Telemetry::install(&common.telemetry, name, &instance)?;
    std::fs::create_dir_all(data).map_err(|source| Error::Data { path: data.clone(), source })?;
    let tls = Identity::open(&common.pki, name, &instance)?;
    let mut host = Host::new(name, &instance, data, Clock::system(), tls.clone());
    host.drain = *drain;
    host.keep_fresh(tls);
    let (metrics, clock) = (host.metrics.clone(), host.clock.clone());
    let sender = Sender::new(&common.telemetry, (name, &instance), metrics, clock)?;
    let sending =
        sender.map(|sender| host.background.spawn("metrics", sender.run(host.ended.clone())));
    tracing::info!(service = name, instance, version = env!("CARGO_PKG_VERSION"), "starting");
    Ok((host, telemetry, sending))
}

/// The service itself, then its drain; both must end within `service.drain` of the request.
async fn serve<Fut>(host: &Host, signals: Signals, service: Fut) -> u8
where
    Fut: Future<Output = anyhow::Result<()>>,
{
    let mut obeyed = std::pin::pin!(signals.obey(host.shutdown.clone(), host.hangups.clone()));
    let work = async {
        let ended = service.await;
        host.shutdown.request();
        host.tasks.finished().await;
        ended
    };
    tokio::select! {
        ended = work => match ended {
            Ok(()) => {
                tracing::info!("ended");
                DONE
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "failed");
                FAILED
            }
        },
        () = too_late(host) => {
            let running = host.tasks.running();
            tracing::warn!(running, "drain took too long; what still runs is cut off");
            DONE
        }
        () = obeyed.as_mut() => FAILED,
    }
}

async fn too_late(host: &Host) {
    host.shutdown.wait().await;
    host.clock.sleep(host.drain).await;
}
