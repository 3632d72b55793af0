//! What happens between a good configuration and the end of the process?
//!
//! Telemetry, certificates, signals; then the service; then the drain: readiness is red, servers
//! no longer accept, work in flight ends within `service.drain`.

use std::process::ExitCode;

use crate::clock::Clock;
use crate::config::ServiceConfig;
use crate::host::Host;
use crate::pki::{self, Identity};
use crate::telemetry::{self, Telemetry};

use super::signals::Signals;
use super::start::{Common, complain};

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
            Self::Telemetry(_) | Self::Identity(_) => 2,
            Self::Data { .. } | Self::System(_) => 1,
        }
    }
}

/// Runs the service to its end.
pub(super) fn live<C, F, Fut>(name: &'static str, config: C, common: Common, start: F) -> ExitCode
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
            let (host, telemetry) = begin(name, &common)?;
            let code = serve(&host, start(config, host.clone())).await?;
            host.ended.request();
            // Blocks for at most two seconds, when nothing else is left to do.
            tokio::task::block_in_place(|| telemetry.finish());
            Ok(code)
        });
        // What still runs on a blocking thread must not hold up the end.
        runtime.shutdown_background();
        code
    });
    lived.unwrap_or_else(|error: Error| {
        complain(name, &error);
        ExitCode::from(error.code())
    })
}

fn begin(name: &'static str, common: &Common) -> Result<(Host, Telemetry), Error> {
    let ServiceConfig { data, id, drain } = &common.service;
    let instance = if id.is_empty() { pki::host_name() } else { id.clone() };
    let telemetry = Telemetry::install(&common.telemetry, name, &instance)?;
    std::fs::create_dir_all(data).map_err(|source| Error::Data { path: data.clone(), source })?;
    let tls = Identity::open(&common.pki, name, &instance)?;
    let mut host = Host::new(name, &instance, data, Clock::system(), tls.clone());
    host.drain = *drain;
    host.keep_fresh(tls);
    tracing::info!(service = name, instance, version = env!("CARGO_PKG_VERSION"), "starting");
    Ok((host, telemetry))
}

/// The service itself, then its drain.
async fn serve<Fut>(host: &Host, service: Fut) -> Result<ExitCode, Error>
where
    Fut: Future<Output = anyhow::Result<()>>,
{
    let signals = Signals::listen().map_err(Error::System)?;
    let mut obeyed = std::pin::pin!(signals.obey(host.shutdown.clone(), host.hangup.clone()));
    let work = async {
        let ended = tokio::select! {
            ended = service => ended,
            () = late(host) => {
                tracing::warn!("the service did not end in time");
                Ok(())
            }
        };
        host.shutdown.request();
        if host.tasks.finished(&host.clock, host.drain).await.is_err() {
            let running = host.tasks.running();
            tracing::warn!(running, "drain took too long; what still runs is cut off");
        }
        ended
    };
    Ok(tokio::select! {
        ended = work => match ended {
            Ok(()) => {
                tracing::info!("ended");
                ExitCode::SUCCESS
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "failed");
                ExitCode::FAILURE
            }
        },
        () = obeyed.as_mut() => ExitCode::FAILURE,
    })
}

async fn late(host: &Host) {
    host.shutdown.wait().await;
    host.clock.sleep(host.drain).await;
}
