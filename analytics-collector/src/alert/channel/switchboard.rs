//! Which channels run, of those that somebody applies?
//!
//! One that stays as it is runs on. One that changes goes on with what the old one had not sent. What a
//! removed one had not sent is counted as lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chassis::outbound::Client;
use chassis::{Host, Secret};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::deliver::{Backlog, Channel, Config};
use super::mail::Security;
use crate::alert::raise::Alarm;
use crate::guard::lock;
use crate::metrics::Metrics;

/// `[alerts.mail]`: the mail server of channels that are applied.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailServer {
    /// `HOST:PORT`; empty: none.
    pub smtp: String,
    /// How it is spoken to.
    pub security: Security,
    /// Who signs in there; empty: nobody.
    pub user: String,
    /// Of the user.
    pub password: Secret,
    /// Whom mails are from.
    pub from: String,
}

/// Starts and stops channels.
#[derive(Debug)]
pub struct Switchboard {
    alarm: Arc<Alarm>,
    client: Client,
    mail: MailServer,
    metrics: Metrics,
    host: Host,
    lines: Mutex<BTreeMap<String, Line>>,
}

/// A channel that runs.
#[derive(Debug)]
struct Line {
    config: Config,
    stop: oneshot::Sender<()>,
    left: oneshot::Receiver<Backlog>,
}

impl Switchboard {
    /// Nothing runs yet.
    pub fn new(
        alarm: Arc<Alarm>,
        client: Client,
        mail: MailServer,
        metrics: Metrics,
        host: Host,
    ) -> Self {
        Self { alarm, client, mail, metrics, host, lines: Mutex::default() }
    }

    /// From now on these run, and no others that were put before. Needs a running tokio runtime.
    pub fn put(&self, configs: Vec<Config>) {
        let mut lines = lock(&self.lines);
        let mut before = std::mem::take(&mut *lines);
        for config in configs {
            let config = self.with_mail(config);
            let name = config.name.clone();
            let old = before.remove(&name);
            if let Some(line) = old {
                if line.config == config {
                    lines.insert(name, line);
                    continue;
                }
                lines.extend(self.start(config, Some(line)).map(|line| (name, line)));
            } else {
                lines.extend(self.start(config, None).map(|line| (name, line)));
            }
        }
        for line in before.into_values() {
            // It has ended by itself where nobody hears it.
            let _ = line.stop.send(());
        }
    }

    fn with_mail(&self, config: Config) -> Config {
        if !config.webhook.is_empty() {
            return config;
        }
        let MailServer { smtp, security, user, password, from } = self.mail.clone();
        Config { smtp, security, user, password, from, ..config }
    }

    fn start(&self, config: Config, old: Option<Line>) -> Option<Line> {
        let before = old.map(|line| {
            let _ = line.stop.send(());
            line.left
        });
        let (client, clock) = (&self.client, self.host.clock.clone());
        let made = Channel::new(config.clone(), client, clock, self.metrics.clone());
        let channel = match made {
            Ok(channel) => channel,
            Err(error) => {
                let (channel, error) = (&config.name, &error as &dyn std::error::Error);
                tracing::error!(
                    channel,
                    error,
                    "a NotificationChannel is left out; for mail, [alerts.mail] has to name a server"
                );
                return None;
            }
        };
        let ((stop, stopped), (leave, left)) = (oneshot::channel(), oneshot::channel());
        let (alerts, shutdown) = (self.alarm.watch(), self.host.shutdown.clone());
        self.host.tasks.spawn("channel", async move {
            let before = match before {
                Some(before) => before.await.ok(),
                None => None,
            };
            let mut backlog = before.unwrap_or_else(|| Backlog::new(alerts));
            tokio::select! {
                biased;
                () = shutdown.wait() => return,
                _ = stopped => {}
                () = channel.work(&mut backlog) => {}
            }
            if let Err(backlog) = leave.send(backlog) {
                channel.give_up(&backlog);
            }
        });
        Some(Line { config, stop, left })
    }
}

#[cfg(test)]
#[path = "switchboard_tests.rs"]
mod tests;
