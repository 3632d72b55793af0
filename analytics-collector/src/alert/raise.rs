//! How does an excess become an alert that people see once?
//!
//! Called with every stored batch, once: the alert is in the history before anybody is told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use chassis::clock::Clock;
use detect::span::MINUTE_US;
use sha2::{Digest as _, Sha256};
use tokio::sync::broadcast;

use super::history::{Alert, History, Severity, Wanted};
use super::rate::{Excess, Rate};
use crate::event::{Subject, Tally};
use crate::guard::lock;
use crate::metrics::Metrics;

/// Alerts that a watcher may lag behind.
const LAG: usize = 256;
const ABNORMAL_REQUESTS: &str = "AbnormalRequestsPerMin";

/// Raises alerts.
#[derive(Debug)]
pub struct Alarm {
    rate: Mutex<Rate>,
    history: Mutex<History>,
    watchers: broadcast::Sender<Arc<Alert>>,
    metrics: Metrics,
    clock: Clock,
}

impl Alarm {
    /// Continues where the history ends.
    pub fn new(mut rate: Rate, history: History, metrics: Metrics, clock: Clock) -> Self {
        for alert in history.list(&Wanted { since_us: i64::MIN, ..Wanted::default() }, usize::MAX) {
            let Alert { kind, api, api_version, application, minute, .. } = alert.as_ref().clone();
            if kind != ABNORMAL_REQUESTS {
                continue;
            }
            rate.remember(Subject { api, api_version, application }, minute);
        }
        let (watchers, _) = broadcast::channel(LAG);
        Self { rate: Mutex::new(rate), history: Mutex::new(history), watchers, metrics, clock }
    }

    /// Looks at calls that were stored.
    pub fn observe(&self, tallies: &[Tally]) {
        let now_us = self.clock.unix_us();
        let observed = lock(&self.rate).observe(tallies, now_us.div_euclid(MINUTE_US));
        self.metrics.unwatched.inc_by(observed.unwatched);
        if observed.excesses.is_empty() {
            return;
        }
        let alerts: Vec<_> =
            observed.excesses.iter().map(|excess| Arc::new(describe(excess, now_us))).collect();
        keep(&mut lock(&self.history), &alerts);
        self.tell(alerts);
    }

    /// Raises what somebody else noticed, unless the history has it already.
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

fn describe(excess: &Excess, now_us: i64) -> Alert {
    let Excess { subject: Subject { api, api_version, application }, minute, calls, threshold } =
        excess.clone();
    let who = if application.is_empty() { "Callers without an application" } else { &application };
    let began = minute_text(minute);
    Alert {
        id: identify(&[ABNORMAL_REQUESTS, &api, &api_version, &application, &minute.to_string()]),
        kind: ABNORMAL_REQUESTS.to_owned(),
        severity: Severity::Moderate,
        raised_at_us: now_us,
        minute,
        message: format!(
            "{who} made more than {threshold} calls to {api}:{api_version} in the minute from {began}."
        ),
        evidence: BTreeMap::from([
            ("calls".to_owned(), calls.to_string()),
            ("threshold".to_owned(), threshold.to_string()),
            ("minute".to_owned(), began),
        ]),
        cause: format!("application/{application}"),
        api,
        api_version,
        application,
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

/// A minute since the Unix epoch as RFC 3339.
fn minute_text(minute: i64) -> String {
    let timestamp = prost_types::Timestamp { seconds: minute.saturating_mul(60), nanos: 0 };
    timestamp.to_string()
}
