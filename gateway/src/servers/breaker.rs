//! Do calls to this endpoint make sense at the moment?
//!
//! Closed: calls pass and are counted. Open: none passes. Half open, when the time is over: a few
//! pass as probes; if all of them go well it closes, if one fails it is open again, twice as long.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use plan::BreakerPlan;

use super::target::millis;

/// The longest time open is the first one times two to this power.
const MOST_DOUBLINGS: u32 = 3;
const RELAXED: Ordering = Ordering::Relaxed;

/// The breaker of one endpoint. Workers share it; what they count at the same instant may be off by
/// the calls of that instant.
#[derive(Debug)]
pub struct Breaker {
    plan: BreakerPlan,
    /// 0: closed.
    open_until_ms: AtomicU64,
    /// Times in a row that it opened.
    level: AtomicU32,
    window_start_ms: AtomicU64,
    calls: AtomicU32,
    failed: AtomicU32,
    probes_sent: AtomicU32,
    probes_well: AtomicU32,
}

/// It is open, and asks to be left alone for so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open(pub Duration);

impl Breaker {
    /// A closed one.
    pub const fn new(plan: BreakerPlan) -> Self {
        Self {
            plan,
            open_until_ms: AtomicU64::new(0),
            level: AtomicU32::new(0),
            window_start_ms: AtomicU64::new(0),
            calls: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            probes_sent: AtomicU32::new(0),
            probes_well: AtomicU32::new(0),
        }
    }

    /// Whether a call may pass, and if so, whether it is a probe. A probe that comes to no end is to
    /// be given back.
    pub fn pass(&self, now_ms: u64) -> Result<bool, Open> {
        let until = self.open_until_ms.load(RELAXED);
        if until == 0 {
            return Ok(false);
        }
        if now_ms < until {
            return Err(Open(Duration::from_millis(until - now_ms)));
        }
        let more = |sent| (sent < self.plan.probes).then_some(sent + 1);
        match self.probes_sent.fetch_update(RELAXED, RELAXED, more) {
            Ok(_) => Ok(true),
            Err(_) => Err(Open(Duration::from_secs(1))),
        }
    }

    /// What it does at `now_ms`: `closed`, `open` or `half_open`.
    pub fn state(&self, now_ms: u64) -> &'static str {
        match self.open_until_ms.load(RELAXED) {
            0 => "closed",
            until if now_ms < until => "open",
            _ => "half_open",
        }
    }

    /// A probe ended without telling anything.
    pub fn give_back(&self) {
        let _ = self.probes_sent.fetch_update(RELAXED, RELAXED, |sent| sent.checked_sub(1));
    }

    /// What came of a call that passed; whether the breaker opens for it.
    pub fn ended(&self, probe: bool, well: bool, now_ms: u64) -> bool {
        if probe { self.probed(well, now_ms) } else { self.counted(well, now_ms) }
    }

    fn probed(&self, well: bool, now_ms: u64) -> bool {
        if !well {
            return self.open(now_ms);
        }
        if self.probes_well.fetch_add(1, RELAXED) + 1 >= self.plan.probes {
            self.level.store(0, RELAXED);
            self.restart(now_ms);
            self.open_until_ms.store(0, RELAXED);
        }
        false
    }

    fn counted(&self, well: bool, now_ms: u64) -> bool {
        if self.open_until_ms.load(RELAXED) != 0 {
            // It passed before the breaker opened.
            return false;
        }
        if now_ms.saturating_sub(self.window_start_ms.load(RELAXED)) >= millis(self.plan.window) {
            self.restart(now_ms);
        }
        let calls = self.calls.fetch_add(1, RELAXED).saturating_add(1);
        if well {
            return false;
        }
        let failed = u64::from(self.failed.fetch_add(1, RELAXED).saturating_add(1));
        let share = failed * 100 >= u64::from(self.plan.percent) * u64::from(calls);
        calls >= self.plan.min_calls && share && self.open(now_ms)
    }

    fn restart(&self, now_ms: u64) {
        self.window_start_ms.store(now_ms, RELAXED);
        self.calls.store(0, RELAXED);
        self.failed.store(0, RELAXED);
    }

    fn open(&self, now_ms: u64) -> bool {
        let level = self.level.fetch_add(1, RELAXED).min(MOST_DOUBLINGS);
        let span_ms = millis(self.plan.open).saturating_mul(1 << level);
        self.probes_sent.store(0, RELAXED);
        self.probes_well.store(0, RELAXED);
        self.open_until_ms.store(now_ms.saturating_add(span_ms).max(1), RELAXED);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls, one per 100 ms: `+` goes well, `-` fails, `?` is a probe that comes to no end, `5` is a
    /// wait of five seconds. The answer shows what passes: `y`, `p` as a probe, `n`.
    #[track_caller]
    fn check(happens: &str, passed: &str) {
        let plan = BreakerPlan {
            percent: 50,
            min_calls: 4,
            window: Duration::from_secs(2),
            open: Duration::from_secs(5),
            probes: 2,
        };
        let (breaker, mut now_ms, mut shown) = (Breaker::new(plan), 1000, String::new());
        for what in happens.chars() {
            now_ms += 100;
            if let Some(seconds) = what.to_digit(10) {
                now_ms += u64::from(seconds) * 1000;
                continue;
            }
            match breaker.pass(now_ms) {
                Err(_) => shown.push('n'),
                Ok(probe) => {
                    shown.push(if probe { 'p' } else { 'y' });
                    if what == '?' {
                        breaker.give_back();
                    } else {
                        breaker.ended(probe, what == '+', now_ms);
                    }
                }
            }
        }
        assert_eq!(shown, passed);
    }

    #[test]
    fn it_opens_when_half_of_enough_calls_fail() {
        check("---+", "yyyy");
        check("++--+", "yyyyn");
        check("+++--+", "yyyyyy");
        check("----+", "yyyyn");
    }

    #[test]
    fn calls_of_an_earlier_window_do_not_count() {
        check("---3---+", "yyyyyyy");
    }

    #[test]
    fn it_closes_when_all_probes_go_well() {
        check("----5+++-", "yyyyppyy");
    }

    #[test]
    fn a_probe_that_fails_opens_it_for_longer() {
        check("----5-+5+5+++", "yyyypnnppy");
    }

    #[test]
    fn a_probe_that_comes_to_no_end_is_given_back() {
        check("----5????++-", "yyyyppppppy");
    }
}
