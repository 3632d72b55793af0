//! What do SIGTERM, SIGINT and SIGHUP mean?

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::shutdown::Shutdown;

/// The signals that a service listens to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// SIGHUP reloads certificates; the first SIGTERM or SIGINT drains; returns on the second one.
    pub(super) async fn obey(mut self, shutdown: Shutdown, hangups: watch::Sender<u64>) {
        loop {
            let name = tokio::select! {
                _ = self.hangup.recv() => {
                    hangups.send_modify(|count| *count += 1);
                    continue;
                }
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
            };
            if shutdown.requested() {
                tracing::warn!(signal = name, "asked again: not waiting for the drain");
                return;
            }
            tracing::info!(signal = name, "draining");
            shutdown.request();
        }
    }
}
