//! How often is an outage told? Once when it begins and once when it is over, not once per try.

use std::error::Error;

/// Whether a service is known to be away.
#[derive(Debug)]
pub struct Outage {
    service: &'static str,
    /// What is done meanwhile.
    meanwhile: &'static str,
    told: bool,
}

impl Outage {
    /// Nothing is wrong yet.
    pub const fn of(service: &'static str, meanwhile: &'static str) -> Self {
        Self { service, meanwhile, told: false }
    }

    /// A try failed.
    pub fn failed(&mut self, error: &(dyn Error + 'static)) {
        let Self { service, meanwhile, .. } = *self;
        if std::mem::replace(&mut self.told, true) {
            tracing::debug!(service, error, "still away");
        } else {
            tracing::warn!(service, meanwhile, error, "away");
        }
    }

    /// A try succeeded.
    pub fn over(&mut self) {
        if std::mem::take(&mut self.told) {
            tracing::info!(service = self.service, "back");
        }
    }
}
