//! How do rules and channels that somebody applies come into force?

use std::sync::Arc;

use super::answers::Answers;
use super::channel::Switchboard;
use super::channel::deliver;
use super::lookout::Lookout;
use super::respond::Responses;
use super::rules::{Applied, Configured};

/// Puts them in force.
#[derive(Debug)]
pub struct Controls {
    /// What the configuration says.
    pub configured: Configured,
    /// Looks at calls.
    pub lookout: Lookout,
    /// Knows what follows.
    pub responses: Arc<Responses>,
    /// Sends.
    pub switchboard: Switchboard,
}

impl Controls {
    /// From now on these hold beside the configuration, and no others that were put before.
    pub fn put(&self, rules: &[Applied], channels: Vec<deliver::Config>) {
        match self.configured.rules(rules) {
            Ok(held) => self.lookout.put_rules(held),
            // The start was refused, were it so.
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the configured rules cannot be; those of before hold");
            }
        }
        self.responses.put(Answers::new(rules));
        tracing::info!(rules = rules.len(), channels = channels.len(), "alerts as applied");
        self.switchboard.put(channels);
    }
}
