//! How does what was noticed reach the analytics collector?
//!
//! In batches, each sent again until it is taken: a signal names itself, so a repeat does no harm.
//! While the collector is away signals wait in the queue; beyond its bound they are dropped, counted
//! and told of with the next batch.

use std::sync::atomic::Ordering;

use chassis::clock::Clock;
use chassis::{Backoff, Shutdown};
use prost_types::Timestamp;
use tonic::Code;
use tonic::transport::Channel;
use turnpike_proto::usage::v1 as proto;
use turnpike_proto::usage::v1::signals_client::SignalsClient;

use crate::fraud::{Severity, Signal, Signals};

/// The most signals of one request.
const BATCH: usize = 100;

/// Hands signals on until shutdown. Without a collector they are taken and forgotten: they stand in
/// the log.
pub async fn deliver(
    mut signals: Signals,
    collector: Option<Channel>,
    clock: Clock,
    shutdown: Shutdown,
) {
    let mut batch = Vec::new();
    loop {
        let taken = tokio::select! {
            taken = signals.queue.recv_many(&mut batch, BATCH) => taken,
            () = shutdown.wait() => return,
        };
        if taken == 0 {
            return;
        }
        if let Some(collector) = &collector {
            let dropped = signals.dropped.swap(0, Ordering::Relaxed);
            let request = proto::ReportSignalsRequest {
                signals: batch.drain(..).map(to_proto).collect(),
                dropped,
            };
            tokio::select! {
                () = send(collector, request, &clock) => {}
                () = shutdown.wait() => return,
            }
        }
        batch.clear();
    }
}

async fn send(collector: &Channel, request: proto::ReportSignalsRequest, clock: &Clock) {
    let mut backoff = Backoff::default();
    loop {
        match SignalsClient::new(collector.clone()).report(request.clone()).await {
            Ok(_) => return,
            Err(status) if is_final(status.code()) => {
                let lost = request.signals.len();
                tracing::error!(%status, lost, "the collector refuses signals for good");
                return;
            }
            Err(status) => tracing::debug!(%status, "the collector is away, signals wait"),
        }
        clock.sleep(backoff.next()).await;
    }
}

/// Whether the same request will be refused again.
const fn is_final(code: Code) -> bool {
    matches!(code, Code::InvalidArgument | Code::Unimplemented | Code::PermissionDenied)
}

fn to_proto(signal: Signal) -> proto::Signal {
    let severity = match signal.severity {
        Severity::Severe => proto::alert::Severity::Severe,
        Severity::Moderate => proto::alert::Severity::Moderate,
    };
    let evidence = signal.evidence.into_iter();
    proto::Signal {
        id: signal.id,
        r#type: signal.kind.to_owned(),
        severity: severity.into(),
        at: Some(Timestamp { seconds: signal.at, nanos: 0 }),
        message: signal.message,
        evidence: evidence.map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}
