//! What are the limits of one subject, and how full are they?
//!
//! A meter joins a quota and a rate, all or nothing: a call that one refuses takes no room from
//! the other. Several meters (application, subscription, …) are joined by whoever asks: collect
//! the holds, and drop them all when one meter is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::quota::Window;
use crate::rate::Pace;
use crate::{Quota, Rate};

/// The limits of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MeterConfig {
    /// The allowed pace. `None`: any.
    pub rate: Option<Rate>,
    /// The allowed number per window. `None`: any.
    pub quota: Option<Quota>,
    /// Whether a used-up quota refuses calls or lets them pass, marked by `Hold::over_quota`.
    pub stop_on_quota: bool,
}

impl MeterConfig {
    /// No limits.
    pub const UNLIMITED: Self = Self { rate: None, quota: None, stop_on_quota: true };
}

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// The pace.
    Rate,
    /// The number per window.
    Quota,
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{requests} requests per {window_us} us are used up for another {retry_after_us} us")]
pub struct Full {
    /// The limit that is used up.
    pub limit: LimitKind,
    /// When to come again.
    pub retry_after_us: u64,
    /// How many calls the limit allows.
    pub requests: u64,
    /// In which time.
    pub window_us: u64,
}

/// How full one limit is; what the `RateLimit` fields say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitState {
    /// How many calls the limit allows.
    pub limit: u64,
    /// How many still fit now.
    pub remaining: u64,
    /// Until all of `limit` fit again.
    pub reset_us: u64,
    /// In which time.
    pub window_us: u64,
}

/// How full the limits of a meter are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The quota, where there is one.
    pub quota: Option<LimitState>,
    /// The rate, where there is one.
    pub rate: Option<LimitState>,
}

/// The limits of one subject at work.
#[derive(Debug)]
pub struct Meter {
    pace: Option<Pace>,
    window: Option<Window>,
    stop_on_quota: bool,
    /// The latest time that somebody asked, for `reconfigured`.
    latest_us: AtomicU64,
}

impl Meter {
    /// An unused meter.
    pub fn new(config: MeterConfig) -> Self {
        Self {
            pace: config.rate.map(Pace::new),
            window: config.quota.map(Window::new),
            stop_on_quota: config.stop_on_quota,
            latest_us: AtomicU64::new(0),
        }
    }

    /// Its limits.
    pub fn config(&self) -> MeterConfig {
        MeterConfig {
            rate: self.pace.as_ref().map(Pace::rate),
            quota: self.window.as_ref().map(Window::quota),
            stop_on_quota: self.stop_on_quota,
        }
    }

    /// Whether there is no limit at all.
    pub fn is_unlimited(&self) -> bool {
        self.pace.is_none() && self.window.is_none()
    }

    /// Takes the room of one call, or says which limit has none.
    pub fn hold(self: &Arc<Self>, now_us: u64) -> Result<Hold, Full> {
        if self.is_unlimited() {
            return Ok(Hold { taken: None, over_quota: false });
        }
        // Only `reconfigured` reads it, to find the current window: a lost race costs nothing.
        if self.latest_us.load(Ordering::Relaxed) < now_us {
            self.latest_us.store(now_us, Ordering::Relaxed);
        }
        let (window, over_quota) = self.take_quota(now_us)?;
        if let Some(pace) = &self.pace
            && let Err(retry_after_us) = pace.take(now_us)
        {
            self.return_quota(window);
            let (requests, window_us) = (pace.rate().requests(), pace.rate().per_us());
            return Err(Full { limit: LimitKind::Rate, retry_after_us, requests, window_us });
        }
        Ok(Hold {
            taken: Some(Taken { meter: Arc::clone(self), window, at_us: now_us }),
            over_quota,
        })
    }

    fn take_quota(&self, now_us: u64) -> Result<(Option<u64>, bool), Full> {
        let Some(window) = &self.window else { return Ok((None, false)) };
        match window.take(now_us, !self.stop_on_quota) {
            Ok((number, over)) => Ok((Some(number), over)),
            Err(retry_after_us) => Err(Full {
                limit: LimitKind::Quota,
                retry_after_us,
                requests: window.quota().requests(),
                window_us: window.quota().per_us(),
            }),
        }
    }

    fn return_quota(&self, number: Option<u64>) {
        if let (Some(window), Some(number)) = (&self.window, number) {
            window.give_back(number);
        }
    }

    /// How full it is; takes nothing.
    pub fn state(&self, now_us: u64) -> State {
        let quota = self.window.as_ref().map(|window| {
            let (remaining, reset_us) = window.state(now_us);
            let quota = window.quota();
            LimitState { limit: quota.requests(), remaining, reset_us, window_us: quota.per_us() }
        });
        let rate = self.pace.as_ref().map(|pace| {
            let (remaining, reset_us) = pace.state(now_us);
            let rate = pace.rate();
            LimitState { limit: rate.requests(), remaining, reset_us, window_us: rate.per_us() }
        });
        State { quota, rate }
    }

    /// The meter for these limits that goes on counting: this one, where they are its own.
    #[must_use]
    pub fn under(self: &Arc<Self>, config: MeterConfig) -> Arc<Self> {
        if self.config() == config { Arc::clone(self) } else { Arc::new(self.reconfigured(config)) }
    }

    /// A meter with other limits that is as used as this one. Holds that are out stay with the
    /// old meter.
    #[must_use]
    pub fn reconfigured(&self, config: MeterConfig) -> Self {
        let latest_us = self.latest_us.load(Ordering::Relaxed);
        Self {
            pace: config.rate.map(|rate| match &self.pace {
                Some(pace) => pace.reconfigured(rate),
                None => Pace::new(rate),
            }),
            window: config.quota.map(|quota| match &self.window {
                Some(window) => window.reconfigured(quota, latest_us),
                None => Window::new(quota),
            }),
            stop_on_quota: config.stop_on_quota,
            latest_us: AtomicU64::new(latest_us),
        }
    }
}

#[derive(Debug)]
struct Taken {
    meter: Arc<Meter>,
    window: Option<u64>,
    at_us: u64,
}

/// The room of one call.
#[must_use = "a hold that is dropped unsettled gives its room back"]
#[derive(Debug)]
pub struct Hold {
    taken: Option<Taken>,
    over_quota: bool,
}

impl Hold {
    /// Makes the call count.
    pub fn settle(mut self) {
        self.taken = None;
    }

    /// Whether the quota was used up and the call passes all the same.
    pub const fn over_quota(&self) -> bool {
        self.over_quota
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Some(taken) = self.taken.take() else { return };
        if let Some(pace) = &taken.meter.pace {
            pace.give_back(taken.at_us);
        }
        taken.meter.return_quota(taken.window);
    }
}

#[cfg(test)]
#[path = "meter_tests.rs"]
mod tests;
