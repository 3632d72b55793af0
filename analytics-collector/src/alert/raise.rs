//! How is an alert seen by people, and seen once?
//!
//! It is in the history before anybody is told.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};
use tokio::sync::broadcast;

use super::history::{Alert, History, Wanted};
use crate::guard::lock;
use crate::metrics::Metrics;

/// Alerts that a watcher may lag behind.
const LAG: usize = 256;

/// Raises alerts.
#[derive(Debug)]
pub struct Alarm {
    history: Mutex<History>,
    watchers: broadcast::Sender<Arc<Alert>>,
    metrics: Metrics,
}

impl Alarm {
    /// Continues where the history ends.
    pub fn new(history: History, metrics: Metrics) -> Self {
        let (watchers, _) = broadcast::channel(LAG);
        Self { history: Mutex::new(history), watchers, metrics }
    }

    /// Raises what the history does not have yet.
    pub fn raise(&self, alerts: Vec<Alert>) {
        let mut history = lock(&self.history);
        let mut new: Vec<Arc<Alert>> = Vec::new();
        for alert in alerts {
            if !history.holds(&alert.id) && new.iter().all(|other| other.id != alert.id) {
                new.push(Arc::new(alert));
            }
        }
        if new.is_empty() {
            return;
        }
        keep(&mut history, &new);
        drop(history);
        self.tell(new);
    }

    /// Whether the history has it.
    pub fn holds(&self, id: &str) -> bool {
        lock(&self.history).holds(id)
    }

    fn tell(&self, alerts: Vec<Arc<Alert>>) {
        for alert in alerts {
            tracing::warn!(kind = %alert.kind, id = %alert.id, message = %alert.message, "alert");
            self.metrics.alerts.inc();
            // Nobody may be watching.
            let _ = self.watchers.send(alert);
        }
    }

    /// Past alerts, newest first.
    pub fn list(&self, wanted: &Wanted, limit: usize) -> Vec<Arc<Alert>> {
        lock(&self.history).list(wanted, limit)
    }

    /// New alerts from now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<Alert>> {
        self.watchers.subscribe()
    }
}

/// In memory they are kept in any case.
fn keep(history: &mut History, alerts: &[Arc<Alert>]) {
    if let Err(error) = history.add(alerts) {
        tracing::error!(error = &error as &dyn std::error::Error, "alerts are not kept on disk");
    }
}

/// The same alert has the same identity, also when it is found again after a restart.
pub(super) fn identify(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().iter().take(8).fold(String::new(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}
