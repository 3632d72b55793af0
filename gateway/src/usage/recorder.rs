//! How does a worker report of a call what its API lets be known?

use plan::AnalyticsPlan;
use spool::{Call, Reporting};

use super::mask::{Digests, masked};

/// The way from the workers to the spool; one per gateway.
#[derive(Clone, Debug)]
pub struct Recording {
    to: spool::Recording,
    digests: Digests,
}

impl Recording {
    /// Events are not wanted: they are not even encoded.
    pub fn off() -> Self {
        Self { to: spool::Recording::off(), digests: Digests::of("") }
    }

    /// To this spool, with digests of users by this secret.
    pub fn to(reporting: &Reporting, mask_secret: &str) -> Self {
        Self { to: reporting.recording().clone(), digests: Digests::of(mask_secret) }
    }

    /// The recorder of one worker.
    pub fn recorder(&self) -> Recorder {
        Recorder { to: self.to.recorder(), digests: self.digests.clone() }
    }
}

/// Takes the calls of one worker; clones share its buffer.
#[derive(Clone, Debug)]
pub struct Recorder {
    to: spool::Recorder,
    digests: Digests,
}

impl Recorder {
    /// Whether anybody wants to know of calls.
    pub fn is_on(&self) -> bool {
        self.to.is_on()
    }

    /// Reports of a call what its API lets be known. Never waits and never fails.
    pub fn record_as(&self, call: &Call<'_>, plan: Option<&AnalyticsPlan>) {
        match plan {
            None => self.to.record(call),
            Some(plan) if self.is_on() => {
                masked(call, plan, &self.digests, |call| self.to.record(call));
            }
            Some(_) => {}
        }
    }

    /// Hands over what is buffered now.
    pub fn flush(&self) {
        self.to.flush();
    }

    /// Hands batches over in time; to be run beside the calls on the same worker. Never ends.
    pub async fn flushing(self) {
        self.to.flushing().await;
    }
}
