//! Is this server fit to be asked?

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use plan::{EjectionPlan, HealthCheckPlan};

/// One address of a server, as all workers know it.
///
/// While all goes well, workers only read it.
#[derive(Debug)]
pub struct Target {
    /// Its server's place in the endpoint.
    pub server: usize,
    /// Its place among the addresses of the server.
    pub place: usize,
    /// Where it is; `None`: the name has not been resolved yet.
    pub address: Option<SocketAddr>,
    /// Since when it is fit, for slow start.
    since_ms: AtomicU64,
    /// Failures in a row.
    failures: AtomicU32,
    /// Until when it is out; 0: it is not.
    out_until_ms: AtomicU64,
    /// How often it was taken out without having answered well in between.
    ejections: AtomicU32,
    /// The health check says so.
    down: AtomicBool,
    /// Checks in a row that said the other thing; only the checker writes it.
    checks: AtomicU32,
    /// What was wrong at the last check; only the checker writes it.
    trouble: ArcSwapOption<String>,
}

impl Target {
    /// A server that is fit since `since_ms`.
    pub fn new(server: usize, place: usize, address: Option<SocketAddr>, since_ms: u64) -> Self {
        Self {
            server,
            place,
            address,
            since_ms: AtomicU64::new(since_ms),
            failures: AtomicU32::new(0),
            out_until_ms: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            down: AtomicBool::new(false),
            checks: AtomicU32::new(0),
            trouble: ArcSwapOption::empty(),
        }
    }

    /// Whether calls may go to it. One that was out and whose time is over may be tried.
    pub fn is_fit(&self, now_ms: u64) -> bool {
        !self.down.load(Ordering::Relaxed) && self.out_until_ms.load(Ordering::Relaxed) <= now_ms
    }

    /// Whether it is out for failing calls.
    pub fn is_out(&self) -> bool {
        self.out_until_ms.load(Ordering::Relaxed) > 0
    }

    /// Whether the health check says that it is not fit.
    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// For how many milliseconds it is still out for failing calls; 0: it is not, or may be tried.
    pub fn out_for_ms(&self, now_ms: u64) -> u64 {
        self.out_until_ms.load(Ordering::Relaxed).saturating_sub(now_ms)
    }

    /// What was wrong at the last check; `None`: nothing, or there was none.
    pub fn trouble(&self) -> Option<Arc<String>> {
        self.trouble.load_full()
    }

    /// This was wrong at a check, or nothing.
    pub fn found(&self, trouble: Option<String>) {
        if trouble.is_some() || self.trouble.load().is_some() {
            self.trouble.store(trouble.map(Arc::new));
        }
    }

    /// How many percent of its share it gets, with slow start over `span`.
    pub fn share(&self, span: Option<Duration>, now_ms: u64) -> u64 {
        let since = self.since_ms.load(Ordering::Relaxed);
        let Some(span_ms) = span.map(millis).filter(|_| since > 0) else { return 100 };
        let age = now_ms.saturating_sub(since);
        (age.saturating_mul(100) / span_ms.max(1)).clamp(10, 100)
    }

    /// A call goes to it; `false`: it was out, and another call is trying it already. After
    /// `again` without a word of that one a further call may try.
    pub fn enter(&self, now_ms: u64, again: Duration) -> bool {
        let until = self.out_until_ms.load(Ordering::Relaxed);
        if until == 0 || until > now_ms {
            // Not out; or out, and used all the same because nothing better is left.
            return true;
        }
        let next = now_ms.saturating_add(millis(again));
        let order = Ordering::Relaxed;
        self.out_until_ms.compare_exchange(until, next, order, order).is_ok()
    }

    /// A call went well.
    pub fn succeeded(&self, now_ms: u64) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.is_out() {
            self.ejections.store(0, Ordering::Relaxed);
            self.since_ms.store(now_ms.max(1), Ordering::Relaxed);
            self.out_until_ms.store(0, Ordering::Relaxed);
        }
    }

    /// A call failed. Whether that is one too many.
    pub fn failed(&self, plan: &EjectionPlan) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        plan.failures > 0 && (failures >= plan.failures || self.is_out())
    }

    /// Takes it out; `random` is any number.
    pub fn eject(&self, plan: &EjectionPlan, now_ms: u64, random: u64) -> Duration {
        let before = self.ejections.fetch_add(1, Ordering::Relaxed);
        let base = plan.base.saturating_mul(1 << before.min(20)).min(plan.max);
        // From half to one and a half times as long, but never longer than the longest.
        let base_ms = millis(base).max(2);
        let span_ms = (base_ms / 2 + random % base_ms).min(millis(plan.max));
        self.failures.store(0, Ordering::Relaxed);
        self.out_until_ms.store(now_ms.saturating_add(span_ms).max(1), Ordering::Relaxed);
        Duration::from_millis(span_ms)
    }

    /// A check came to an end; `Some`: what the server is from now on, where that is new.
    /// INVARIANT: called by one thread only.
    pub fn checked(&self, good: bool, plan: &HealthCheckPlan, now_ms: u64) -> Option<bool> {
        if good != self.is_down() {
            self.checks.store(0, Ordering::Relaxed);
            return None;
        }
        let row = self.checks.load(Ordering::Relaxed).saturating_add(1);
        self.checks.store(row, Ordering::Relaxed);
        if row < if good { plan.healthy } else { plan.unhealthy } {
            return None;
        }
        self.checks.store(0, Ordering::Relaxed);
        if good {
            self.since_ms.store(now_ms.max(1), Ordering::Relaxed);
        }
        self.down.store(!good, Ordering::Relaxed);
        Some(good)
    }
}

/// Milliseconds from `start` to `now`; never 0, which says that something never was.
pub(super) fn since(start: Instant, now: Instant) -> u64 {
    millis(now.saturating_duration_since(start)).max(1)
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> EjectionPlan {
        EjectionPlan {
            failures: 3,
            base: Duration::from_secs(1),
            max: Duration::from_secs(4),
            max_percent: 50,
            panic_percent: 30,
        }
    }

    /// What happens, second by second: `+` a call goes well, `-` one fails, `.` nothing. The answer
    /// shows whether the server is fit at the start of each second.
    #[track_caller]
    fn check(happens: &str, fit: &str) {
        let target = Target::new(0, 0, None, 0);
        let mut shown = String::new();
        for (second, what) in (1_u64..).zip(happens.chars()) {
            let now_ms = second * 1000;
            let is_fit = target.is_fit(now_ms);
            shown.push(if is_fit { 'y' } else { 'n' });
            if what != '.' && !target.enter(now_ms, Duration::from_secs(1)) {
                continue;
            }
            match what {
                '+' => target.succeeded(now_ms),
                '-' if target.failed(&plan()) => {
                    target.eject(&plan(), now_ms, 500);
                }
                _ => {}
            }
        }
        assert_eq!(shown, fit);
    }

    #[test]
    fn a_server_is_out_after_failures_in_a_row_and_comes_back() {
        check("--.", "yyy");
        check("--+--.", "yyyyyy");
        check("---.", "yyyy");
        // Its first time is a second; then one failure is enough for the double.
        check("---....", "yyyyyyy");
        check("----...", "yyyynyy");
        check("----.-....", "yyyynynnyy");
    }

    #[test]
    fn only_one_call_tries_a_server_that_was_out() {
        let target = Target::new(0, 0, None, 0);
        target.eject(&plan(), 1000, 500);
        assert!(!target.is_fit(1999));
        assert!(target.is_fit(2000));
        let again = Duration::from_secs(1);
        assert!(target.enter(2000, again) && !target.is_fit(2000));
        target.succeeded(2100);
        assert!(target.is_fit(2100) && !target.is_out());
    }

    #[test]
    fn an_ejection_never_lasts_longer_than_the_longest() {
        let target = Target::new(0, 0, None, 0);
        for random in [0, 1, 999, u64::MAX] {
            for _ in 0..70 {
                assert!(target.eject(&plan(), 0, random) <= plan().max);
            }
        }
    }

    #[test]
    fn the_share_grows_with_slow_start() {
        let span = Some(Duration::from_secs(10));
        let target = Target::new(0, 0, None, 1000);
        let shares = [1000, 3000, 6000, 11_000, 99_000].map(|now| target.share(span, now));
        assert_eq!(shares, [10, 20, 50, 100, 100]);
        assert_eq!(target.share(None, 1000), 100);
        assert_eq!(Target::new(0, 0, None, 0).share(span, 1), 100, "it was there from the start");
    }

    #[test]
    fn checks_need_to_agree_before_they_count() {
        let plan = HealthCheckPlan {
            path: String::new(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            healthy: 2,
            unhealthy: 3,
            statuses: vec![],
        };
        let target = Target::new(0, 0, None, 0);
        let said: Vec<Option<bool>> =
            [false, false, true, false, false, false, false, true, true, true]
                .map(|good| target.checked(good, &plan, 5))
                .into();
        let mut expected = vec![None; 10];
        (expected[5], expected[8]) = (Some(false), Some(true));
        assert_eq!(said, expected);
    }
}
