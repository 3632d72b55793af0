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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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

impl Config {
    /// One that says neither where nor, beyond the defaults, what.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            webhook: String::new(),
            secret: Secret::default(),
            smtp: String::new(),
            security: Security::default(),
            user: String::new(),
            password: Secret::default(),
            from: String::new(),
            to: Vec::new(),
            severity: mild(),
            types: Vec::new(),
            apis: Vec::new(),
            quiet: String::new(),
            gather: gather(),
        }
    }
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

/// What a channel has not sent yet, and where more comes from.
#[derive(Debug)]
pub struct Backlog {
    alerts: broadcast::Receiver<Arc<Alert>>,
    gathered: Vec<Arc<Alert>>,
    waiting: VecDeque<Message>,
}

impl Backlog {
    /// Nothing yet.
    pub fn new(alerts: broadcast::Receiver<Arc<Alert>>) -> Self {
        Self { alerts, gathered: Vec::new(), waiting: VecDeque::new() }
    }
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
    pub async fn run(self, alerts: broadcast::Receiver<Arc<Alert>>) {
        self.work(&mut Backlog::new(alerts)).await;
    }

    /// The same. Whoever drops it has in the backlog what is not sent yet, the message included that is
    /// on its way.
    pub async fn work(&self, backlog: &mut Backlog) {
        let mut backoff = Backoff::between(FIRST, LAST);
        let mut tries = 0;
        loop {
            let Some(message) = backlog.waiting.front() else {
                if self.gather(backlog).await.is_none() {
                    return;
                }
                self.queue(backlog);
                continue;
            };
            match self.send(message).await {
                Ok(()) => {
                    (tries, backoff) = (0, Backoff::between(FIRST, LAST));
                    backlog.waiting.pop_front();
                }
                Err(is_final) if is_final || tries + 1 >= TRIES => {
                    self.lost(message.alerts.len());
                    (tries, backoff) = (0, Backoff::between(FIRST, LAST));
                    backlog.waiting.pop_front();
                }
                Err(_) => {
                    tries += 1;
                    let pause = self.clock.sleep(backoff.next());
                    if self.gather_until(backlog, pause).await.is_none() {
                        return;
                    }
                    self.queue(backlog);
                }
            }
        }
    }

    /// What is left will not be sent.
    pub fn give_up(&self, backlog: &Backlog) {
        let waiting = backlog.waiting.iter().map(|message| message.alerts.len()).sum::<usize>();
        self.lost(waiting.saturating_add(backlog.gathered.len()));
    }

    /// Takes the alerts of the next moment in which there are some; none: no more will come.
    async fn gather(&self, backlog: &mut Backlog) -> Option<()> {
        if backlog.gathered.is_empty() {
            let first = self.next(&mut backlog.alerts).await?;
            backlog.gathered.extend(first);
        }
        let over = self.clock.sleep(self.config.gather);
        self.gather_until(backlog, over).await
    }

    async fn gather_until(
        &self,
        backlog: &mut Backlog,
        over: impl Future<Output = ()>,
    ) -> Option<()> {
        let mut over = std::pin::pin!(over);
        loop {
            tokio::select! {
                biased;
                next = self.next(&mut backlog.alerts) => match next? {
                    Some(_) if backlog.gathered.len() >= MOST_ALERTS => self.lost(1),
                    next => backlog.gathered.extend(next),
                },
                () = &mut over => return Some(()),
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

    fn queue(&self, backlog: &mut Backlog) {
        for message in group(std::mem::take(&mut backlog.gathered)) {
            if backlog.waiting.len() >= MOST {
                self.lost(message.alerts.len());
            } else {
                backlog.waiting.push_back(message);
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
