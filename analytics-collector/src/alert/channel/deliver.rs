//! When is what sent on a channel, and what if it cannot be sent?
//!
//! Alerts gather for a moment, so that those with one cause are one message. A message is sent until it is
//! taken, is refused for good, or has been tried often enough; meanwhile further ones wait, within a bound,
//! and what does not fit is counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chassis::Secret;
use chassis::backoff::Backoff;
use chassis::clock::Clock;
use chassis::config::duration;
use chassis::outbound::Client;
use detect::Alarm as Kind;
use serde::Deserialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use url::Url;

use super::mail::{Mail, MailError, Security, Server};
use super::message::{Message, group};
use super::webhook::{Webhook, WebhookError};
use crate::alert::history::{Alert, Severity};
use crate::metrics::{self, Metrics};

/// Messages that wait.
const MOST: usize = 256;
/// Alerts of one message, and of one moment.
const MOST_ALERTS: usize = 256;
/// How often one is tried.
const TRIES: u32 = 12;
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_mins(5);
const DAY_S: i64 = 86_400;

/// `[[alerts.channels]]`: where alerts are sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its name, for logs and counts.
    pub name: String,
    /// A URL that is told by POST; empty: none.
    #[serde(default)]
    pub webhook: String,
    /// What its signature is made with.
    #[serde(default)]
    pub secret: Secret,
    /// `HOST:PORT` of a mail server; empty: none.
    #[serde(default)]
    pub smtp: String,
    /// How it is spoken to.
    #[serde(default)]
    pub security: Security,
    /// Who signs in there; empty: nobody.
    #[serde(default)]
    pub user: String,
    /// Of the user.
    #[serde(default)]
    pub password: Secret,
    /// Whom mails are from.
    #[serde(default)]
    pub from: String,
    /// Whom they go to.
    #[serde(default)]
    pub to: Vec<String>,
    /// Only alerts that are as bad or worse.
    #[serde(default = "mild")]
    pub severity: Severity,
    /// Only alerts of these kinds; empty: all.
    #[serde(default)]
    pub types: Vec<String>,
    /// Only alerts about these APIs; empty: all.
    #[serde(default)]
    pub apis: Vec<String>,
    /// `HH:MM-HH:MM` in UTC, in which only severe alerts are sent; empty: never.
    #[serde(default)]
    pub quiet: String,
    /// How long alerts gather before they are sent.
    #[serde(default = "gather", with = "duration")]
    pub gather: Duration,
}

const fn mild() -> Severity {
    Severity::Mild
}

const fn gather() -> Duration {
    Duration::from_secs(10)
}

/// Why a channel cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Neither, or both.
    #[error("it has to have either `webhook` or `smtp`")]
    Kind,
    /// Not a URL.
    #[error("webhook is no URL")]
    Url(#[from] url::ParseError),
    /// Nobody would know who sent it.
    #[error("a webhook needs a secret")]
    Secret,
    /// It cannot send mail.
    #[error("it cannot send mail")]
    Mail(#[from] MailError),
    /// Nobody gets it.
    #[error("`to` names nobody")]
    Nobody,
    /// No such kind of alert is raised.
    #[error("`{0}` is no type of alert")]
    Type(String),
    /// Not two times of the day.
    #[error("quiet is no HH:MM-HH:MM")]
    Quiet,
}

/// Where it goes.
#[derive(Clone, Debug)]
enum Way {
    Webhook(Webhook),
    Mail(Mail),
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the webhook was not told")]
    Webhook(#[from] WebhookError),
    #[error("the mail was not sent")]
    Mail(#[from] MailError),
}

/// A channel that is checked.
#[derive(Clone, Debug)]
pub struct Channel {
    config: Config,
    way: Way,
    /// Seconds of the day.
    quiet: Option<(i64, i64)>,
    clock: Clock,
    metrics: Metrics,
}

impl Channel {
    /// Reads what is configured.
    pub fn new(
        config: Config,
        client: &Client,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, ChannelError> {
        let way = match (config.webhook.as_str(), config.smtp.as_str()) {
            ("", "") => return Err(ChannelError::Kind),
            (url, "") => {
                if config.secret.is_empty() {
                    return Err(ChannelError::Secret);
                }
                let (url, secret) = (Url::parse(url)?, config.secret.clone());
                Way::Webhook(Webhook { url, secret, client: client.clone() })
            }
            ("", address) => {
                if config.to.is_empty() {
                    return Err(ChannelError::Nobody);
                }
                let Config { security, ref user, ref password, ref from, ref to, .. } = config;
                Way::Mail(Mail::new(&Server { address, security, user, password }, from, to)?)
            }
            _ => return Err(ChannelError::Kind),
        };
        let known = |name: &&String| Kind::ALL.iter().all(|kind| kind.name() != name.as_str());
        if let Some(unknown) = config.types.iter().find(known) {
            return Err(ChannelError::Type(unknown.clone()));
        }
        let quiet = quiet(&config.quiet)?;
        Ok(Self { config, way, quiet, clock, metrics })
    }

    /// Sends what is raised, until nothing can be raised any more.
    pub async fn run(self, mut alerts: broadcast::Receiver<Arc<Alert>>) {
        let mut waiting = VecDeque::new();
        let mut backoff = Backoff::between(FIRST, LAST);
        let mut tries = 0;
        loop {
            if waiting.is_empty() {
                let Some(more) = self.gather(&mut alerts).await else { return };
                self.queue(&mut waiting, more);
                continue;
            }
            let Some(message) = waiting.front() else { continue };
            match self.send(message).await {
                Ok(()) => {
                    (tries, backoff) = (0, Backoff::between(FIRST, LAST));
                    waiting.pop_front();
                }
                Err(is_final) if is_final || tries + 1 >= TRIES => {
                    self.lost(message.alerts.len());
                    (tries, backoff) = (0, Backoff::between(FIRST, LAST));
                    waiting.pop_front();
                }
                Err(_) => {
                    tries += 1;
                    let pause = self.clock.sleep(backoff.next());
                    let Some(more) = self.gather_until(&mut alerts, pause).await else { return };
                    self.queue(&mut waiting, more);
                }
            }
        }
    }

    /// Alerts of the next moment in which there are some; none: no more will come.
    async fn gather(
        &self,
        alerts: &mut broadcast::Receiver<Arc<Alert>>,
    ) -> Option<Vec<Arc<Alert>>> {
        let first = self.next(alerts).await?;
        let mut gathered = Vec::from_iter(first);
        let over = self.clock.sleep(self.config.gather);
        gathered.extend(self.gather_until(alerts, over).await?);
        Some(gathered)
    }

    async fn gather_until(
        &self,
        alerts: &mut broadcast::Receiver<Arc<Alert>>,
        over: impl Future<Output = ()>,
    ) -> Option<Vec<Arc<Alert>>> {
        let (mut gathered, mut over) = (Vec::new(), std::pin::pin!(over));
        loop {
            tokio::select! {
                biased;
                next = self.next(alerts) => match next? {
                    Some(_) if gathered.len() >= MOST_ALERTS => self.lost(1),
                    next => gathered.extend(next),
                },
                () = &mut over => return Some(gathered),
            }
        }
    }

    /// The next alert, if it is one for this channel; the outer none: no more will come.
    async fn next(
        &self,
        alerts: &mut broadcast::Receiver<Arc<Alert>>,
    ) -> Option<Option<Arc<Alert>>> {
        match alerts.recv().await {
            Ok(alert) => Some(Some(alert).filter(|alert| self.wants(alert))),
            Err(RecvError::Lagged(missed)) => {
                self.lost(usize::try_from(missed).unwrap_or(usize::MAX));
                Some(None)
            }
            Err(RecvError::Closed) => None,
        }
    }

    fn wants(&self, alert: &Alert) -> bool {
        let Config { severity, types, apis, .. } = &self.config;
        let listed = |list: &[String], is: &String| list.is_empty() || list.contains(is);
        let is_loud = alert.severity == Severity::Severe || !self.is_quiet();
        alert.severity <= *severity
            && listed(types, &alert.kind)
            && listed(apis, &alert.api)
            && is_loud
    }

    fn is_quiet(&self) -> bool {
        let now = self.clock.unix_seconds().rem_euclid(DAY_S);
        self.quiet.is_some_and(|(from, to)| {
            if from <= to { (from..to).contains(&now) } else { now >= from || now < to }
        })
    }

    fn queue(&self, waiting: &mut VecDeque<Message>, alerts: Vec<Arc<Alert>>) {
        for message in group(alerts) {
            if waiting.len() >= MOST {
                self.lost(message.alerts.len());
            } else {
                waiting.push_back(message);
            }
        }
    }

    /// The error says whether it is for good.
    async fn send(&self, message: &Message) -> Result<(), bool> {
        let (sent, is_retryable) = match &self.way {
            Way::Webhook(webhook) => {
                let sent = webhook.send(message, self.clock.unix_seconds()).await;
                let is_retryable = sent.as_ref().err().is_some_and(WebhookError::is_retryable);
                (sent.map_err(SendError::from), is_retryable)
            }
            Way::Mail(mail) => {
                let sent = mail.send(message).await;
                let is_retryable = sent.as_ref().err().is_some_and(MailError::is_retryable);
                (sent.map_err(SendError::from), is_retryable)
            }
        };
        sent.map_err(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(channel = %self.config.name, id = %message.id, is_retryable, error, "alerts are not sent");
            !is_retryable
        })
    }

    fn lost(&self, alerts: usize) {
        let channel = metrics::Channel { channel: self.config.name.clone() };
        self.metrics.undelivered.get_or_create(&channel).inc_by(alerts as u64);
    }
}

/// Seconds of the day, from and to.
fn quiet(text: &str) -> Result<Option<(i64, i64)>, ChannelError> {
    if text.is_empty() {
        return Ok(None);
    }
    let moment = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
        let fits = (0..24).contains(&hour) && (0..60).contains(&minute);
        fits.then_some(hour * 3600 + minute * 60)
    };
    let span = text.split_once('-').and_then(|(from, to)| Some((moment(from)?, moment(to)?)));
    span.map(Some).ok_or(ChannelError::Quiet)
}

#[cfg(test)]
#[path = "deliver_tests.rs"]
mod tests;
