//! Meters against simple oracles, and many threads against one meter.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000;
/// A start that lies on the boundary of every window used here.
const START: u64 = 1_800_000_000 * SECOND;

#[expect(clippy::unnecessary_wraps, reason = "as a meter takes it")]
fn rate(requests: u64, per_ms: u64) -> Option<Rate> {
    Some(Rate::new(requests, Duration::from_millis(per_ms)).unwrap())
}

#[expect(clippy::unnecessary_wraps, reason = "as a meter takes it")]
fn quota(requests: u64, per_ms: u64) -> Option<Quota> {
    Some(Quota::new(requests, Duration::from_millis(per_ms)).unwrap())
}

fn meter(rate: Option<Rate>, quota: Option<Quota>) -> Arc<Meter> {
    Arc::new(Meter::new(MeterConfig { rate, quota, stop_on_quota: true }))
}

/// `calls` are milliseconds after the start, `!` after one drops it unsettled; the answer is `.`
/// for admitted, `r` or `q` for the limit that refused.
#[track_caller]
fn check(meter: &Arc<Meter>, calls: &str, said: &str) {
    let answers: String = calls
        .split_whitespace()
        .map(|call| {
            let (at, dropped) = match call.strip_suffix('!') {
                Some(at) => (at, true),
                None => (call, false),
            };
            match meter.hold(START + at.parse::<u64>().unwrap() * 1_000) {
                Ok(hold) if dropped => drop(hold),
                Ok(hold) => hold.settle(),
                Err(full) if full.limit == LimitKind::Rate => return 'r',
                Err(_) => return 'q',
            }
            '.'
        })
        .collect();
    assert_eq!(answers, said);
}

#[test]
fn a_rate_admits_a_burst_and_then_its_pace() {
    check(&meter(rate(2, 1_000), None), "0 0 0 499 500 500 1000 1500 1999", "..rr.r..r");
}

#[test]
fn a_quota_admits_its_number_per_window() {
    check(&meter(None, quota(2, 1_000)), "0 999 999 1000 1500 1999 2000", "..q..q.");
}

#[test]
fn a_dropped_hold_gives_its_room_back() {
    check(&meter(rate(1, 1_000), None), "0! 0! 0 0", "...r");
    check(&meter(None, quota(1, 1_000)), "0! 0! 0 0", "...q");
    check(&meter(rate(1, 1_000), quota(1, 1_000)), "0! 0! 0 0", "...q");
}

#[test]
fn a_call_that_the_rate_refuses_takes_no_quota() {
    check(&meter(rate(1, 1_000), quota(2, 10_000)), "0 0 0 0 1000 1000", ".rrr.q");
}

#[test]
fn a_hold_of_an_earlier_window_gives_nothing_back() {
    let meter = meter(None, quota(1, 1_000));
    let hold = meter.hold(START).unwrap();
    check(&meter, "1000", ".");
    drop(hold);
    check(&meter, "1000", "q");
}

#[test]
fn a_hold_that_is_dropped_late_gives_back_only_what_is_left() {
    // Taken at 0, and by the next call half of its room has returned by itself.
    let meter = meter(rate(1, 1_000), None);
    let hold = meter.hold(START).unwrap();
    check(&meter, "1000", ".");
    drop(hold);
    check(&meter, "1500 1999 2000", "rr.");
}

#[test]
fn a_used_up_quota_that_does_not_stop_marks_the_calls() {
    let config = MeterConfig { rate: None, quota: quota(1, 1_000), stop_on_quota: false };
    let meter = Arc::new(Meter::new(config));
    let marks: Vec<bool> = (0..3)
        .map(|_| {
            let hold = meter.hold(START).unwrap();
            let over = hold.over_quota();
            hold.settle();
            over
        })
        .collect();
    assert_eq!(marks, [false, true, true]);
}

#[test]
fn a_refusal_says_when_to_come_again() {
    let meter = meter(rate(2, 1_000), quota(3, 10_000));
    check(&meter, "0 0", "..");
    let full = meter.hold(START + 100_000).unwrap_err();
    assert_eq!((full.limit, full.retry_after_us), (LimitKind::Rate, 400_000));
    assert_eq!((full.requests, full.window_us), (2, SECOND));
    check(&meter, "500", ".");
    let full = meter.hold(START + 4 * SECOND).unwrap_err();
    assert_eq!((full.limit, full.retry_after_us), (LimitKind::Quota, 6 * SECOND));
}

#[test]
fn the_state_shows_what_is_left() {
    let meter = meter(rate(4, 1_000), quota(10, 60_000));
    check(&meter, "0 0 0", "...");
    let state = meter.state(START);
    let quota = state.quota.unwrap();
    assert_eq!((quota.limit, quota.remaining, quota.reset_us), (10, 7, 60 * SECOND));
    let rate = state.rate.unwrap();
    assert_eq!((rate.limit, rate.remaining, rate.reset_us), (4, 1, 750_000));
    let later = meter.state(START + 60 * SECOND);
    assert_eq!(later.quota.unwrap().remaining, 10);
    assert_eq!(later.rate.unwrap().remaining, 4);
}

#[test]
fn new_limits_take_over_the_counts() {
    let old = meter(rate(2, 1_000), quota(5, 60_000));
    check(&old, "0 0", "..");
    let config = MeterConfig { rate: rate(4, 1_000), quota: quota(3, 60_000), stop_on_quota: true };
    let new = Arc::new(old.reconfigured(config));
    assert_eq!(new.config(), config);
    check(&new, "0 0", ".q");
    let other_window = MeterConfig { quota: quota(3, 3_600_000), ..config };
    check(&Arc::new(new.reconfigured(other_window)), "0", "q");
}

#[test]
fn a_clock_that_was_set_back_blocks_nobody_for_long() {
    let meter = meter(rate(1, 1_000), quota(1, 1_000));
    check(&meter, "36000000", ".");
    // Ten hours earlier: as full as can be, but not for ten hours.
    check(&meter, "0 1000 2000", "r..");
}

#[test]
fn no_limits_admit_everything() {
    let meter = Arc::new(Meter::new(MeterConfig::UNLIMITED));
    assert!(meter.is_unlimited());
    check(&meter, "0 0 0 0", "....");
}

#[test]
fn numbers_that_make_no_limit_are_refused() {
    let second = Duration::from_secs(1);
    assert_eq!(Rate::new(0, second), Err(crate::LimitError::NoRequests));
    assert_eq!(Quota::new(1, Duration::ZERO), Err(crate::LimitError::Period));
    assert_eq!(Quota::new(1, Duration::from_hours(401 * 24)), Err(crate::LimitError::Period));
    let extreme = meter(
        Some(Rate::new(u64::MAX, Duration::from_millis(1)).unwrap()),
        Some(Quota::new(u64::MAX, Duration::from_hours(400 * 24)).unwrap()),
    );
    check(&extreme, "0 0 0", "...");
    extreme.hold(u64::MAX).map(Hold::settle).ok();
    extreme.state(u64::MAX);
}

/// Many threads ask at one moment; exactly as many are admitted as fit, whether or not others
/// drop what they took.
#[track_caller]
fn check_threads(meter: &Arc<Meter>, fits: u64) {
    let admitted = AtomicU64::new(0);
    let most = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (admitted, most) = (&admitted, &most);
            scope.spawn(move || {
                for round in 0..2_000 {
                    let Ok(hold) = meter.hold(START) else { continue };
                    let now = admitted.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    if (thread + round) % 3 == 0 {
                        admitted.fetch_sub(1, Ordering::SeqCst);
                        drop(hold);
                    } else {
                        hold.settle();
                    }
                }
            });
        }
    });
    assert_eq!(admitted.load(Ordering::SeqCst), fits);
    assert!(most.load(Ordering::SeqCst) <= fits);
}

#[test]
fn threads_never_take_more_than_the_limit() {
    check_threads(&meter(None, quota(1_000, 60_000)), 1_000);
    check_threads(&meter(rate(1_000, 60_000), None), 1_000);
    check_threads(&meter(rate(700, 60_000), quota(1_000, 60_000)), 700);
}

/// In any stretch of time, a pace admits at most its burst and what returned meanwhile.
fn exceeds(admitted: &VecDeque<u64>, requests: u64, per_us: u64) -> bool {
    let times: Vec<u64> = admitted.iter().copied().collect();
    (0..times.len()).any(|from| {
        (from..times.len()).any(|to| {
            let calls = u128::try_from(to - from + 1).unwrap();
            let stretch = u128::from(times[to] - times[from]);
            // calls <= requests + stretch / (per / requests)
            calls * u128::from(per_us) > u128::from(requests) * (u128::from(per_us) + stretch)
        })
    })
}

proptest! {
    /// Settled calls never exceed the pace, however holds that are dropped lie between them.
    #[test]
    fn a_rate_is_never_exceeded(
        requests in 1_u64..6,
        per_ms in 1_u64..50,
        steps in prop::collection::vec((0_u64..20_000, 0_u8..4, 0_usize..4), 1..80),
    ) {
        let meter = meter(rate(requests, per_ms), None);
        let (mut now, mut open, mut settled) = (START, Vec::new(), VecDeque::new());
        for (gap, what, which) in steps {
            now += gap;
            if what == 3 && !open.is_empty() {
                drop(open.swap_remove(which % open.len()));
                continue;
            }
            if let Ok(hold) = meter.hold(now) {
                if what == 0 {
                    open.push(hold);
                } else {
                    hold.settle();
                    settled.push_back(now);
                }
            }
        }
        prop_assert!(!exceeds(&settled, requests, per_ms * 1_000), "{settled:?}");
    }

    /// With nothing dropped, the rate is GCRA to the microsecond.
    #[test]
    fn a_rate_is_gcra(
        requests in 1_u64..9,
        increment_us in 1_u64..5_000,
        gaps in prop::collection::vec(0_u64..10_000, 1..100),
    ) {
        let per_us = (requests * increment_us).max(1_000);
        prop_assume!(per_us % requests == 0);
        let increment = per_us / requests;
        let per = Duration::from_micros(per_us);
        let meter = meter(Some(Rate::new(requests, per).unwrap()), None);
        let (mut now, mut tat) = (START, 0_u64);
        for gap in gaps {
            now += gap;
            let next = tat.max(now) + increment;
            let fits = next - now <= per_us;
            match meter.hold(now) {
                Ok(hold) => {
                    hold.settle();
                    prop_assert!(fits);
                    tat = next;
                }
                Err(full) => {
                    prop_assert!(!fits);
                    // Coming again then is enough, and a microsecond earlier is not.
                    prop_assert_eq!(full.retry_after_us, next - now - per_us);
                }
            }
        }
    }

    #[test]
    fn a_quota_counts_its_window(
        requests in 1_u64..6,
        per_ms in 1_u64..50,
        steps in prop::collection::vec((0_u64..20_000, any::<bool>()), 1..120),
    ) {
        let meter = meter(None, quota(requests, per_ms));
        let (mut now, mut window, mut used) = (START, 0_u64, 0_u64);
        for (gap, settles) in steps {
            now += gap;
            if now / (per_ms * 1_000) != window {
                (window, used) = (now / (per_ms * 1_000), 0);
            }
            prop_assert_eq!(meter.state(now).quota.unwrap().remaining, requests - used);
            match meter.hold(now) {
                Ok(hold) => {
                    prop_assert!(used < requests);
                    if settles {
                        used += 1;
                        hold.settle();
                    }
                }
                Err(full) => {
                    prop_assert_eq!(used, requests);
                    let end = (window + 1) * per_ms * 1_000;
                    prop_assert_eq!(full.retry_after_us, end - now);
                }
            }
        }
    }
}
