//! When is a change served?
//!
//! When every connected gateway has answered for a revision at least as new. A gateway whose slice
//! the change does not touch is there without an answer, because what it holds is already right.

use std::sync::Arc;
use std::time::Duration;

use chassis::Clock;

use super::gateways::{GatewayRow, Gateways};
use crate::store::Revision;

/// How the wait ended.
#[derive(Clone, Debug)]
pub struct Waited {
    /// Whether every gateway has applied it.
    pub applied: bool,
    /// How far they were.
    pub gateways: Vec<GatewayRow>,
}

/// Waits until every connected gateway has applied `revision` of `epoch`, at most for `limit`.
pub async fn wait(
    gateways: &Arc<Gateways>,
    clock: &Clock,
    epoch: &str,
    revision: Revision,
    limit: Duration,
) -> Waited {
    let there =
        |row: &GatewayRow| !row.connected || (*row.epoch == *epoch && row.applied >= revision);
    let mut changes = gateways.changes();
    let reached = async {
        while !gateways.rows().iter().all(there) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    let applied = clock.timeout(limit, reached).await.is_ok();
    Waited { applied, gateways: gateways.rows() }
}
