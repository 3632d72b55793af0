//! Is it worth while to ask who counts for all?
//!
//! A few failures in a row, and nobody is asked for a while: a call does not wait for an answer that does
//! not come. Whether there is one again is tried out by nobody's call, at intervals that grow.

use std::error::Error;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

const RELAXED: Ordering = Ordering::Relaxed;
/// So many failures in a row, and nobody is asked.
const IN_A_ROW: u32 = 3;
/// Failures within so long of each other are one: calls that waited for the same answer tell one thing.
const ONE_MS: u64 = 20;
/// How long nobody is asked the first time; each time in a row twice as long, up to eight times.
const PAUSE: Duration = Duration::from_millis(250);
const MOST_DOUBLINGS: u32 = 3;

/// What is told about those who count for all.
#[derive(Clone, Debug)]
pub struct Figures {
    up: Family<[(&'static str, &'static str); 1], Gauge>,
}

/// The breaker in front of one of them. All workers of a gateway share it.
#[derive(Debug)]
pub struct Breaker {
    authority: &'static str,
    up: Gauge,
    /// 0: closed.
    open_until_ms: AtomicU64,
    row: AtomicU32,
    /// When the latest of them was.
    failed_ms: AtomicU64,
    /// Tries in a row that failed since it opened.
    level: AtomicU32,
}

/// Whether somebody may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Yes.
    Ask,
    /// No.
    Skip,
    /// No; and whoever is told so tries meanwhile whether there is an answer again.
    Try,
}

impl Figures {
    /// Registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let figures = Self { up: Family::default() };
        let help = "1: who counts for all gateways answers; 0: limits follow `onFailure`";
        registry.register("limit_authority_up", help, figures.up.clone());
        figures
    }
}

impl Breaker {
    /// A closed one; `authority` names whom it is about.
    pub fn new(authority: &'static str, figures: &Figures) -> Self {
        let up = figures.up.get_or_create_owned(&[("authority", authority)]);
        up.set(1);
        let zero = || AtomicU64::new(0);
        let (open_until_ms, failed_ms) = (zero(), zero());
        let (row, level) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { authority, up, open_until_ms, row, failed_ms, level }
    }

    /// Whether somebody may be asked at `now_ms`, on a clock that never goes back.
    pub fn pass(&self, now_ms: u64) -> Pass {
        let until = self.open_until_ms.load(RELAXED);
        if until == 0 {
            return Pass::Ask;
        }
        if now_ms < until {
            return Pass::Skip;
        }
        // One of those who come at this moment tries, and if nothing is heard of it, the next one later.
        let next = now_ms.saturating_add(self.pause_ms());
        match self.open_until_ms.compare_exchange(until, next, RELAXED, RELAXED) {
            Ok(_) => Pass::Try,
            Err(_) => Pass::Skip,
        }
    }

    /// Whether nobody is asked at the moment.
    pub fn is_open(&self) -> bool {
        self.open_until_ms.load(RELAXED) != 0
    }

    /// There was an answer.
    pub fn answered(&self) {
        // Read first: where all is well nothing is written that workers share.
        if self.row.load(RELAXED) != 0 {
            self.row.store(0, RELAXED);
        }
        if self.open_until_ms.load(RELAXED) != 0 && self.open_until_ms.swap(0, RELAXED) != 0 {
            self.level.store(0, RELAXED);
            self.up.set(1);
            tracing::info!(authority = self.authority, "who counts for all gateways is back");
        }
    }

    /// There was none. Whether that opened it.
    pub fn failed(&self, now_ms: u64, error: &(dyn Error + 'static)) -> bool {
        if self.open_until_ms.load(RELAXED) != 0 {
            // Who asked before it opened tells nothing new.
            return false;
        }
        let latest = self.failed_ms.load(RELAXED);
        if self.row.load(RELAXED) > 0 && now_ms.saturating_sub(latest) < ONE_MS {
            return false;
        }
        self.failed_ms.store(now_ms, RELAXED);
        if self.row.fetch_add(1, RELAXED).saturating_add(1) < IN_A_ROW {
            return false;
        }
        let until = now_ms.saturating_add(self.pause_ms()).max(1);
        let opened = self.open_until_ms.compare_exchange(0, until, RELAXED, RELAXED).is_ok();
        if opened {
            self.up.set(0);
            let authority = self.authority;
            tracing::warn!(authority, error, "who counts for all gateways does not answer");
        }
        opened
    }

    /// The try that [`Pass::Try`] asked for found nobody.
    pub fn still_away(&self) {
        let _ = self
            .level
            .fetch_update(RELAXED, RELAXED, |level| (level < MOST_DOUBLINGS).then_some(level + 1));
    }

    fn pause_ms(&self) -> u64 {
        let pause = u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX);
        pause << self.level.load(RELAXED).min(MOST_DOUBLINGS)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// What happens, 100 ms after one another: `+` an answer, `-` none, `.` nothing. The answer shows what
    /// was said before each: `a` ask, `s` skip, `t` try; who is told to skip hears nothing.
    #[track_caller]
    fn check(happens: &str, said: &str) {
        let figures = Figures::new(&mut Registry::default());
        let breaker = Breaker::new("store", &figures);
        let (mut shown, mut now_ms) = (String::new(), 0);
        for what in happens.chars() {
            now_ms += 100;
            let pass = breaker.pass(now_ms);
            shown.push(match pass {
                Pass::Ask => 'a',
                Pass::Skip => 's',
                Pass::Try => 't',
            });
            match (pass, what) {
                (_, '.') | (Pass::Skip, _) => {}
                (_, '+') => breaker.answered(),
                (Pass::Try, _) => breaker.still_away(),
                (Pass::Ask, _) => {
                    breaker.failed(now_ms, &io::Error::other("no answer"));
                }
            }
        }
        let is_up = breaker.up.get() == 1;
        assert_eq!((shown.as_str(), is_up), (said, breaker.pass(now_ms) == Pass::Ask));
    }

    #[test]
    fn it_opens_after_three_failures_in_a_row() {
        check("--+--+", "aaaaaa");
        check("---+", "aaas");
    }

    #[test]
    fn a_try_that_is_answered_closes_it() {
        check("---..+.", "aaassta");
    }

    #[test]
    fn tries_that_fail_come_ever_more_seldom() {
        check("---..-..-....-..", "aaasstsstsssstss");
    }
}
