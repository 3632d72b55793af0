//! What do the engines say of the calls that were stored?
//!
//! Batches come after they are durable, and nobody waits for this: when more are waiting than there is room
//! for, further ones are counted and not watched. Alerts about calls that were stored in the last moments
//! before a kill may be missing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chassis::clock::Clock;
use chassis::shutdown::Shutdown;
use detect::span::{DAY_US, MINUTE_US};
use detect::{Alarm as Kind, Call, Finding, Rules, Watch};
use tokio::sync::mpsc;

use super::history::{Alert, Severity};
use super::look::look;
use super::raise::identify;
use super::respond::{Found, Responses};
use super::sources::Sources;
use super::state::Kept;
use crate::event::{Row, Tally};
use crate::guard::lock;
use crate::metrics::Metrics;
use crate::store::Batch;

/// Bytes of the frames of batches that may wait. As rows they are about four times as large.
const MOST_BYTES: usize = 24 << 20;
/// Batches that may wait.
const QUEUE: usize = 1024;
const MINUTE: Duration = Duration::from_mins(1);
/// What was learnt is kept so often.
const KEEP_MINUTES: u32 = 5;
/// While no source is known, time goes on by the clock so much later: sources may be on their way.
const LATE_US: i64 = 10 * MINUTE_US;
/// The longest text of a finding that goes into an alert, in bytes.
const LONGEST: usize = 512;

/// A batch that waits.
#[derive(Debug)]
struct Waiting {
    source: String,
    calls: Arc<Vec<Row>>,
    /// Of the whole batch.
    bytes: usize,
}

/// Where batches are handed in; cheap to clone.
#[derive(Clone, Debug)]
pub struct Lookout {
    queue: mpsc::Sender<Waiting>,
    waiting: Arc<AtomicUsize>,
    watch: Arc<Mutex<Watch>>,
    responses: Arc<Responses>,
    sources: Arc<Sources>,
    metrics: Metrics,
    clock: Clock,
}

/// The work behind a lookout.
#[derive(Debug)]
pub struct Watching {
    queue: mpsc::Receiver<Waiting>,
    waiting: Arc<AtomicUsize>,
    sources: Arc<Sources>,
    eye: Eye,
    clock: Clock,
    shutdown: Shutdown,
}

/// What looks at batches, on a thread for it.
#[derive(Clone, Debug)]
struct Eye {
    watch: Arc<Mutex<Watch>>,
    responses: Arc<Responses>,
    kept: Kept,
}

impl Lookout {
    /// A lookout, and its work.
    pub fn new(
        watch: Watch,
        kept: Kept,
        responses: Arc<Responses>,
        sources: Arc<Sources>,
        metrics: Metrics,
        clock: Clock,
        shutdown: Shutdown,
    ) -> (Self, Watching) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let (waiting, watch) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(watch)));
        let eye = Eye { watch: Arc::clone(&watch), responses: Arc::clone(&responses), kept };
        let watching = Watching {
            queue: receiver,
            waiting: Arc::clone(&waiting),
            sources: Arc::clone(&sources),
            eye,
            clock: clock.clone(),
            shutdown,
        };
        (Self { queue, waiting, watch, responses, sources, metrics, clock }, watching)
    }

    /// A batch was stored. Never waits.
    pub fn see(&self, batch: &Batch) {
        let bytes = batch.frame.len();
        let rows = batch.calls.len() as u64;
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let room = before.saturating_add(bytes) <= MOST_BYTES;
        let (source, calls) = (batch.source.clone(), Arc::clone(&batch.calls));
        // Before the work can be done with it.
        self.sources.wait(&source, self.clock.unix_us());
        if !room || self.queue.try_send(Waiting { source, calls, bytes }).is_err() {
            self.sources.looked(&batch.source, 0, self.clock.unix_us());
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.metrics.unwatched.inc_by(rows);
        }
    }

    /// Goes on where an earlier life of this process was: what it told is not told again, and what counts
    /// exactly counts from what is stored. Blocks for the disk.
    pub fn recall(&self, told: &[Arc<Alert>], stored: &[Tally]) {
        let now_us = self.clock.unix_us();
        let mut watch = lock(&self.watch);
        for alert in told.iter().filter(|alert| alert.raised_at_us > now_us.saturating_sub(DAY_US))
        {
            if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == alert.kind) {
                let at_us = alert.minute.saturating_mul(MINUTE_US);
                watch.was_told(kind, at_us, about(kind, alert));
            }
        }
        let found = stored.iter().flat_map(|tally| watch.recall(&call_of(tally), tally.calls));
        let found: Vec<_> = found.map(|it| (it, String::new())).collect();
        drop(watch);
        raise(&self.responses, found, now_us);
    }

    /// The rules that hold.
    pub fn rules(&self) -> Rules {
        lock(&self.watch).rules().clone()
    }

    /// From now on these hold. What was learnt stays.
    pub fn put_rules(&self, rules: Rules) {
        lock(&self.watch).put_rules(rules);
    }

    /// How bad an alert of a kind is, where neither API nor application has a rule of its own.
    pub fn severity(&self, kind: Kind) -> Severity {
        self.responses.usual(kind).severity.unwrap_or_else(|| severity(kind))
    }

    /// Of how many things something is known, by the kind of alert.
    pub fn series(&self) -> BTreeMap<Kind, usize> {
        lock(&self.watch).series()
    }
}

impl Watching {
    /// Looks at batches until the process stops, and keeps what was learnt.
    pub async fn run(mut self) {
        let began_us = self.clock.unix_us();
        let mut minutes = 0_u32;
        let clock = self.clock.clone();
        let mut minute = Box::pin(clock.sleep(MINUTE));
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.wait() => break,
                () = &mut minute => {
                    minute = Box::pin(clock.sleep(MINUTE));
                    minutes = minutes.wrapping_add(1);
                    let now_us = self.clock.unix_us();
                    let at_us = self.told_us(began_us, now_us);
                    let keep = minutes.is_multiple_of(KEEP_MINUTES);
                    self.blocking(move |eye| eye.minute(at_us, now_us, keep)).await;
                }
                next = self.queue.recv() => {
                    let Some(Waiting { source, calls, bytes }) = next else { break };
                    let now_us = self.clock.unix_us();
                    let last_us = self.blocking(move |eye| eye.batch(&calls, now_us)).await;
                    self.waiting.fetch_sub(bytes, Ordering::Relaxed);
                    self.sources.looked(&source, last_us.unwrap_or(0), self.clock.unix_us());
                }
            }
        }
        self.blocking(|eye| eye.kept.save(&lock(&eye.watch))).await;
    }

    /// Up to when everything was told that will be: before, who made no call was silent.
    fn told_us(&self, began_us: i64, now_us: i64) -> i64 {
        let by_clock = || {
            let late_us = now_us.saturating_sub(LATE_US);
            if late_us > began_us { late_us } else { 0 }
        };
        let told_us = self.sources.told_us(now_us);
        told_us.map_or_else(by_clock, |told_us| told_us.saturating_sub(MINUTE_US))
    }

    /// A panic is logged elsewhere, and the next batch is looked at all the same.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Eye) -> T + Send + 'static,
    ) -> Option<T> {
        let eye = self.eye.clone();
        tokio::task::spawn_blocking(move || work(&eye)).await.ok()
    }
}

impl Eye {
    /// The time of the newest call; 0: there was none.
    fn batch(&self, rows: &[Row], now_us: i64) -> i64 {
        let (mut found, mut watch) = (Vec::new(), lock(&self.watch));
        look(&mut watch, rows, |row, it| found.push((it, row.api.clone())));
        drop(watch);
        raise(&self.responses, found, now_us);
        rows.iter().filter(|row| row.is_call()).map(|row| row.at_us).max().unwrap_or(0)
    }

    fn minute(&self, at_us: i64, now_us: i64, keep: bool) {
        let mut watch = lock(&self.watch);
        let found = if at_us > 0 { watch.pass(at_us) } else { Vec::new() };
        // Nothing was called: the finding says itself which API it is about.
        let found = found.into_iter().map(|it| (it, String::new())).collect();
        if keep {
            self.kept.save(&watch);
        }
        drop(watch);
        raise(&self.responses, found, now_us);
    }
}

/// Findings, each with the API that was called; empty: the one that it is about.
fn raise(responses: &Responses, found: Vec<(Finding, String)>, now_us: i64) {
    if !found.is_empty() {
        let found = found.into_iter().map(|(it, api)| {
            let (kind, alert) = (it.alarm, alert(it, now_us));
            let api = if api.is_empty() { alert.api.clone() } else { api };
            Found { alert, kind, api }
        });
        responses.raise(found.collect());
    }
}

fn call_of(tally: &Tally) -> Call<'_> {
    let subject = &tally.subject;
    Call {
        at_us: tally.minute.saturating_mul(MINUTE_US),
        api: &subject.api,
        api_version: &subject.api_version,
        application: &subject.application,
        client: &subject.client,
        ..Call::default()
    }
}

/// What an alert was raised about, as [`alert`] has written it down.
fn about(kind: Kind, alert: &Alert) -> Vec<(&'static str, &str)> {
    let Alert { api, api_version, application, evidence, .. } = alert;
    let version = [("api", api), ("api_version", api_version), ("application", application)];
    let version = version.map(|(name, value)| (name, value.as_str()));
    // The address of a journey is no part of what it is about.
    let is_about = |name: &str| kind != Kind::ImpossibleTravel || name != "address";
    let named =
        ["operation", "user", "client", "address"].into_iter().filter(|name| is_about(name));
    let named = named.filter_map(|name| Some((name, evidence.get(name)?.as_str())));
    version.into_iter().chain(named).filter(|(_, value)| !value.is_empty()).collect()
}

/// The alert of a finding, raised at that time.
pub(super) fn alert(finding: Finding, now_us: i64) -> Alert {
    let Finding { alarm, at_us, about, message, evidence } = finding;
    let minute = at_us.div_euclid(MINUTE_US);
    let is = |name: &str| {
        let found = about.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let moment = moment(alarm, at_us, &evidence);
    let mut parts = vec![alarm.name(), &moment];
    parts.extend(about.iter().map(|(_, value)| value.as_str()));
    let of_minute =
        matches!(alarm, Kind::AbnormalRequestsPerMin).then(|| ("minute", minute_text(minute)));
    Alert {
        id: identify(&parts),
        kind: alarm.name().to_owned(),
        severity: severity(alarm),
        raised_at_us: now_us,
        minute,
        message: cut(message),
        cause: cause(alarm, is),
        api: is("api"),
        api_version: is("api_version"),
        application: is("application"),
        evidence: about
            .iter()
            .cloned()
            .chain(evidence)
            .chain(of_minute)
            .filter(|(name, _)| !matches!(*name, "api" | "api_version" | "application"))
            .map(|(name, value)| (name.to_owned(), cut(value)))
            .collect(),
    }
}

/// What tells an alert from others about the same. A minute with too many calls is the same minute, also
/// when it is found again after a restart, at another call.
fn moment(alarm: Kind, at_us: i64, evidence: &[(&str, String)]) -> String {
    if alarm != Kind::AbnormalRequestsPerMin {
        return at_us.to_string();
    }
    let direction = evidence.iter().find(|(name, _)| *name == "direction");
    let direction = direction.map_or("", |(_, value)| value);
    format!("{} {direction}", at_us.div_euclid(MINUTE_US))
}

/// A minute since the Unix epoch as RFC 3339.
fn minute_text(minute: i64) -> String {
    prost_types::Timestamp { seconds: minute.saturating_mul(60), nanos: 0 }.to_string()
}

/// What an alert is probably about: an API that is slow or fails, or who calls.
fn cause(kind: Kind, is: impl Fn(&str) -> String) -> String {
    let api = format!("api/{}:{}", is("api"), is("api_version"));
    match kind {
        Kind::AbnormalResponseTime
        | Kind::AbnormalBackendTime
        | Kind::AbnormalErrorRate
        | Kind::ApiHealthMonitor
        | Kind::ApiAvailability => api,
        Kind::AbnormalRequestsPerMin
        | Kind::RequestPatternChanged
        | Kind::UnusualIpAccess
        | Kind::ImpossibleTravel
        | Kind::AbnormalRefresh
        | Kind::AbnormalTierUsage
        | Kind::FrequentTierLimitHitting
        | Kind::ObjectEnumeration
        | Kind::KeySharing
        | Kind::BotDetection => {
            let names = ["application", "client", "user", "address"];
            let known = names.into_iter().map(|name| (name, is(name)));
            let mut known = known.filter(|(_, value)| !value.is_empty());
            known.next().map_or(api, |(name, value)| format!("{name}/{value}"))
        }
    }
}

/// How bad an alert of a kind is, where no rule says it.
fn severity(kind: Kind) -> Severity {
    match kind.severity() {
        detect::Severity::Severe => Severity::Severe,
        detect::Severity::Moderate => Severity::Moderate,
        detect::Severity::Mild => Severity::Mild,
    }
}

/// At most so much of a text that callers choose.
fn cut(text: String) -> String {
    if text.len() <= LONGEST {
        return text;
    }
    let end = text.floor_char_boundary(LONGEST);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
#[path = "lookout_tests.rs"]
mod tests;
