//! Meters, call by call, and many threads against one meter.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::{Cost, Effect, Full, Hold, LimitError, Measure, Period, Quota, Rate, Refused, Span};

const SECOND: u64 = 1_000_000;
/// A start that lies on the boundary of every window used here.
const START: u64 = 1_800_000_000 * SECOND;

fn rate(amount: u64, per_ms: u64) -> Limit {
    let rate = Rate::new(amount, Duration::from_millis(per_ms)).unwrap();
    Limit::of_calls(Measure::Rate(rate))
}

fn quota(amount: u64, per_ms: u64) -> Limit {
    let span = Span::fixed(Duration::from_millis(per_ms)).unwrap();
    Limit::of_calls(Measure::Quota(Quota::new(amount, span).unwrap()))
}

fn rolling(amount: u64, per_ms: u64) -> Limit {
    let span = Span::rolling(Duration::from_millis(per_ms)).unwrap();
    Limit::of_calls(Measure::Quota(Quota::new(amount, span).unwrap()))
}

fn config(limits: &[Limit]) -> MeterConfig {
    MeterConfig::new(limits).unwrap()
}

/// The quota before the rate: what a call that the rate refuses has taken, it gives back.
fn meter(limits: &[Limit]) -> Arc<Meter> {
    Arc::new(Meter::new(config(limits)))
}

fn one(meter: &Arc<Meter>, now_us: u64) -> Result<Hold, Full> {
    held(meter, now_us, &Cost::CALL)
}

fn held(meter: &Arc<Meter>, now_us: u64, cost: &Cost) -> Result<Hold, Full> {
    meter.hold(now_us, cost).map_err(|refused| match refused {
        Refused::Full(full) => full,
        Refused::Short { index } => panic!("nobody can be asked about limit {index}"),
    })
}

/// What those have whose counts outlive a restart.
fn some_name() -> Subject {
    Subject::of("application", &["shop"])
}

fn remaining(meter: &Meter, now_us: u64) -> Vec<u64> {
    meter.state(now_us).map(|state| state.remaining).collect()
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
            match one(meter, START + at.parse::<u64>().unwrap() * 1_000) {
                Ok(hold) if dropped => drop(hold),
                Ok(hold) => drop(hold.settle()),
                Err(full) if full.limit.is_rate() => return 'r',
                Err(_) => return 'q',
            }
            '.'
        })
        .collect();
    assert_eq!(answers, said);
}

#[test]
fn a_rate_admits_a_burst_and_then_its_pace() {
    check(&meter(&[rate(2, 1_000)]), "0 0 0 499 500 500 1000 1500 1999", "..rr.r..r");
}

#[test]
fn a_quota_admits_its_number_per_window() {
    check(&meter(&[quota(2, 1_000)]), "0 999 999 1000 1500 1999 2000", "..q..q.");
}

#[test]
fn a_dropped_hold_gives_its_room_back() {
    check(&meter(&[rate(1, 1_000)]), "0! 0! 0 0", "...r");
    check(&meter(&[quota(1, 1_000)]), "0! 0! 0 0", "...q");
    check(&meter(&[quota(1, 1_000), rate(1, 1_000)]), "0! 0! 0 0", "...q");
}

#[test]
fn a_call_that_the_rate_refuses_takes_no_quota() {
    check(&meter(&[quota(2, 10_000), rate(1, 1_000)]), "0 0 0 0 1000 1000", ".rrr.q");
}

#[test]
fn a_hold_of_an_earlier_window_gives_nothing_back() {
    let meter = meter(&[quota(1, 1_000)]);
    let hold = one(&meter, START).unwrap();
    check(&meter, "1000", ".");
    drop(hold);
    check(&meter, "1000", "q");
}

#[test]
fn a_hold_that_is_dropped_late_gives_back_only_what_is_left() {
    // Taken at 0, and by the next call half of its room has returned by itself.
    let meter = meter(&[rate(1, 1_000)]);
    let hold = one(&meter, START).unwrap();
    check(&meter, "1000", ".");
    drop(hold);
    check(&meter, "1500 1999 2000", "rr.");
}

#[test]
fn a_used_up_limit_that_only_marks_lets_calls_pass_and_counts_them() {
    let marks = |limit: Limit| {
        let meter = meter(&[Limit { effect: Effect::Mark, ..limit }]);
        let over = |_| {
            let hold = one(&meter, START).unwrap();
            let over = hold.over_quota();
            let _ = hold.settle();
            over
        };
        (0..3).map(over).collect::<Vec<_>>()
    };
    assert_eq!(marks(quota(1, 1_000)), [false, true, true]);
    assert_eq!(marks(rolling(1, 1_000)), [false, true, true]);
    assert_eq!(marks(rate(1, 1_000)), [false, true, true]);
}

#[test]
fn a_limit_that_is_only_tried_says_what_it_would_do() {
    let tried = |limit: Limit| Limit { effect: Effect::Shadow, ..limit };
    let meter = meter(&[tried(quota(2, 1_000)), quota(4, 1_000)]);
    let said: Vec<_> = (0..5)
        .map(|_| {
            one(&meter, START).map_or('q', |hold| {
                let said = if hold.shadow() { 's' } else { '.' };
                let _ = hold.settle();
                said
            })
        })
        .collect();
    assert_eq!(said.iter().collect::<String>(), "..ssq");
}

#[test]
fn a_refusal_says_when_to_come_again() {
    let meter = meter(&[quota(3, 10_000), rate(2, 1_000)]);
    check(&meter, "0 0", "..");
    let full = one(&meter, START + 100_000).unwrap_err();
    assert_eq!((full.limit.is_rate(), full.retry_after_us), (true, 400_000));
    assert_eq!((full.limit.amount(), full.limit.period_us()), (2, SECOND));
    check(&meter, "500", ".");
    let full = one(&meter, START + 4 * SECOND).unwrap_err();
    assert_eq!((full.limit.is_rate(), full.retry_after_us), (false, 6 * SECOND));
}

#[test]
fn the_state_shows_what_is_left() {
    let meter = meter(&[quota(10, 60_000), rate(4, 1_000)]);
    check(&meter, "0 0 0", "...");
    let state: Vec<_> =
        meter.state(START).map(|it| (it.limit.amount(), it.remaining, it.reset_us)).collect();
    assert_eq!(state, [(10, 7, 60 * SECOND), (4, 1, 750_000)]);
    assert_eq!(remaining(&meter, START + 60 * SECOND), [10, 4]);
}

#[test]
fn new_limits_take_over_the_counts() {
    let old = meter(&[quota(5, 60_000), rate(2, 1_000)]);
    check(&old, "0 0", "..");
    let next = config(&[quota(3, 60_000), rate(4, 1_000)]);
    let new = Arc::new(old.reconfigured(&next, some_name));
    assert_eq!(*new.config(), next);
    check(&new, "0 0", ".q");
    check(&Arc::new(new.reconfigured(&config(&[quota(3, 3_600_000)]), some_name)), "0", "q");
    check(&Arc::new(new.reconfigured(&config(&[rolling(3, 3_600_000)]), some_name)), "0", "q");
    let bytes = Limit { unit: Unit::Bytes, ..quota(3, 60_000) };
    check(&Arc::new(new.reconfigured(&config(&[bytes]), some_name)), "0 0", "..");
    let rolled = meter(&[rolling(2, 1_000)]);
    check(&rolled, "0 0", "..");
    check(&Arc::new(rolled.reconfigured(&config(&[rolling(3, 1_000)]), some_name)), "0 0", ".q");
    check(&Arc::new(rolled.reconfigured(&config(&[quota(3, 1_000)]), some_name)), "0 0", ".q");
}

#[test]
fn a_meter_that_is_reset_begins_afresh() {
    let meter = meter(&[quota(1, 60_000), rolling(1, 60_000), rate(1, 60_000)]);
    let hold = one(&meter, START).unwrap();
    check(&meter, "0", "q");
    meter.reset();
    drop(hold);
    check(&meter, "0 0", ".q");
}

#[test]
fn a_rolling_quota_has_no_border_to_wait_for() {
    // Sixteenths of 100 ms: what came at 0 counts until 1700, when its sixteenth is too old.
    check(&meter(&[rolling(2, 1_600)]), "0 1500 1599 1600 1699 1700 1700 3199 3200", "..qqq.qq.");
    let meter = meter(&[rolling(2, 1_600)]);
    check(&meter, "0 1500", "..");
    let full = one(&meter, START + 1_600_000).unwrap_err();
    assert_eq!(full.retry_after_us, 100_000);
}

/// `calls` are "wanted" or "wanted=actual"; the answer is `.` or `q` for each, and what is left in the end.
#[track_caller]
fn check_cost(limit: Limit, calls: &str, said: &str, left: u64) {
    let meter = meter(&[Limit { unit: Unit::Cost, ..limit }]);
    let cost = |text: &str| Cost { cost: text.parse().unwrap(), ..Cost::CALL };
    let answers: String = calls
        .split_whitespace()
        .map(|call| {
            let (wanted, actual) = call.split_once('=').unwrap_or((call, ""));
            let Ok(hold) = meter.hold(START, &cost(wanted)) else { return 'q' };
            if actual.is_empty() {
                let _ = hold.settle();
            } else {
                hold.settle_as(&cost(actual));
            }
            '.'
        })
        .collect();
    assert_eq!((&*answers, remaining(&meter, START)), (said, vec![left]), "{limit:?}");
}

#[test]
fn a_cost_is_settled_as_what_it_came_to() {
    for limit in [quota(10, 60_000), rolling(10, 60_000), rate(10, 60_000)] {
        check_cost(limit, "4 4 4 2", "..q.", 0);
        check_cost(limit, "8=3 7", "..", 0);
        // Not known before: there is room while one more unit fits, and it may come to more than that.
        check_cost(limit, "0=9 0=5 0 1", "..qq", 0);
        check_cost(limit, "11 10", "q.", 0);
        check_cost(limit, "0=0 0=0 1", "...", 9);
    }
}

#[test]
fn units_are_told_apart() {
    let of = |unit, amount| Limit { unit, ..quota(amount, 60_000) };
    let meter = meter(&[of(Unit::BytesIn, 100), of(Unit::Bytes, 150), of(Unit::Events, 2)]);
    let known = Cost { bytes_in: 60, ..Cost::CALL };
    let hold = meter.hold(START, &known).unwrap();
    hold.settle_as(&Cost { bytes_out: 30, events: 1, ..known });
    assert_eq!(remaining(&meter, START), [40, 60, 1]);
    let full = held(&meter, START, &known).unwrap_err();
    assert_eq!(full.limit.unit, Unit::BytesIn);
    assert_eq!(remaining(&meter, START), [40, 60, 1]);
}

#[test]
fn a_debt_blocks_until_it_is_paid_back() {
    let bytes = |limit: Limit| meter(&[Limit { unit: Unit::Bytes, ..limit }]);
    let big = Cost { bytes_out: 30, ..Cost::CALL };
    let meter = bytes(rate(10, 1_000));
    meter.hold(START, &Cost::CALL).unwrap().settle_as(&big);
    let full = one(&meter, START).unwrap_err();
    assert_eq!(full.retry_after_us, 2_100_000);
    assert!(meter.hold(START + 2_100_000, &Cost::CALL).is_ok());
    // A day's debt of a pace is forgiven but for a minute; quotas forget nothing before their time.
    let meter = bytes(rate(10, 1_000));
    let huge = Cost { bytes_out: 1_000_000, ..Cost::CALL };
    meter.hold(START, &Cost::CALL).unwrap().settle_as(&huge);
    assert!(meter.hold(START + 62 * SECOND, &Cost::CALL).is_ok());
}

#[test]
fn a_calendar_quota_ends_with_its_month() {
    let span = Span::calendar(Period::Month, 0).unwrap();
    let limit = Limit::of_calls(Measure::Quota(Quota::new(1, span).unwrap()));
    let meter = meter(&[limit]);
    // 1,800,000,000 is 2027-01-15 08:00 UTC.
    let february = 16 * 86_400_000 + 16 * 3_600_000;
    check(&meter, &format!("0 1 {} {february}", february - 1), ".qq.");
    let full = one(&meter, START + february * 1_000).unwrap_err();
    assert_eq!(full.retry_after_us, 28 * 86_400 * SECOND);
}

#[test]
fn a_clock_that_was_set_back_blocks_nobody_for_long() {
    let meter = meter(&[quota(1, 1_000), rate(1, 1_000)]);
    check(&meter, "36000000", ".");
    // Ten hours earlier: as full as can be, but not for ten hours.
    check(&meter, "0 1000 2000", "r..");
}

#[test]
fn no_limits_admit_everything() {
    let meter = meter(&[]);
    assert!(meter.is_unlimited());
    check(&meter, "0 0 0 0", "....");
}

#[test]
fn numbers_that_make_no_limit_are_refused() {
    let second = Duration::from_secs(1);
    let span = Span::fixed(second).unwrap();
    assert_eq!(Rate::new(0, second), Err(LimitError::Nothing));
    assert_eq!(Quota::new(0, span), Err(LimitError::Nothing));
    assert_eq!(Quota::new(u64::MAX, span), Err(LimitError::TooMuch));
    assert_eq!(MeterConfig::new(&[quota(1, 1_000); 5]), Err(LimitError::TooMany));
    let year = Span::fixed(Duration::from_hours(400 * 24)).unwrap();
    let extreme = meter(&[
        Limit::of_calls(Measure::Quota(Quota::new(1 << 54, year).unwrap())),
        Limit::of_calls(Measure::Rate(Rate::new(u64::MAX, Duration::from_millis(1)).unwrap())),
    ]);
    check(&extreme, "0 0 0", "...");
    one(&extreme, u64::MAX).map(Hold::settle).ok();
    let most = Cost { requests: u64::MAX, bytes_in: u64::MAX, ..Cost::CALL };
    extreme.hold(START, &Cost::CALL).unwrap().settle_as(&most);
    assert!(extreme.hold(START, &most).is_err());
    assert_eq!(extreme.state(u64::MAX).count(), 2);
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
                    let Ok(hold) = one(meter, START) else { continue };
                    let now = admitted.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    if (thread + round) % 3 == 0 {
                        admitted.fetch_sub(1, Ordering::SeqCst);
                        drop(hold);
                    } else {
                        let _ = hold.settle();
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
    check_threads(&meter(&[quota(1_000, 60_000)]), 1_000);
    check_threads(&meter(&[rate(1_000, 60_000)]), 1_000);
    check_threads(&meter(&[rolling(1_000, 60_000)]), 1_000);
    check_threads(&meter(&[quota(1_000, 60_000), rate(700, 60_000)]), 700);
}

#[path = "meter_oracle_tests.rs"]
mod oracles;
