//! Does what was used come back, once and not twice?

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{Cost, Meter, Subject};

/// The beginning of a year, and of every window used here.
const START: u64 = 1_767_225_600_000_000;
const MINUTE: u64 = 60_000_000;

/// "amount/span" with `s` for seconds, `~` before them for rolling ones, or `day` and `month`.
fn meter(limits: &str) -> Arc<Meter> {
    let limits: Vec<_> = limits
        .split_whitespace()
        .map(|limit| {
            let (amount, span) = limit.split_once('/').unwrap();
            let seconds =
                |text: &str| Duration::from_secs(text.trim_end_matches('s').parse().unwrap());
            let span = match span {
                "day" => Span::calendar(Period::Day, 0),
                "month" => Span::calendar(Period::Month, 60),
                _ => span.strip_prefix('~').map_or_else(
                    || Span::fixed(seconds(span)),
                    |span| Span::rolling(seconds(span)),
                ),
            };
            Limit::of_calls(Measure::Quota(
                Quota::new(amount.parse().unwrap(), span.unwrap()).unwrap(),
            ))
        })
        .collect();
    Arc::new(Meter::named(MeterConfig::new(&limits).unwrap(), || Subject([7; 16])))
}

fn call(meter: &Arc<Meter>, now_us: u64, times: usize) {
    for _ in 0..times {
        let _ = meter.hold(now_us, &Cost::CALL).unwrap().settle();
    }
}

fn left(meter: &Meter, now_us: u64) -> String {
    let left: Vec<_> = meter.state(now_us).map(|state| state.remaining.to_string()).collect();
    left.join(" ")
}

fn written(past: &Past) -> Past {
    let mut bytes = Vec::new();
    past.write(&mut bytes);
    let read = Past::read(&bytes).unwrap();
    assert_eq!(read, *past);
    for length in 0..bytes.len() {
        assert_eq!(Past::read(&bytes[..length]), None, "cut at {length}");
    }
    read
}

/// Three calls under `before`; `later` minutes afterwards a meter with the limits `after` takes over what
/// was written down, and has so much left.
#[track_caller]
fn check(before: &str, after: &str, later: u64, expected: &str) {
    let old = meter(before);
    call(&old, START + MINUTE, 3);
    let new = meter(after);
    new.resume(&written(&old.past()));
    assert_eq!(left(&new, START + MINUTE + later * MINUTE), expected, "{before} -> {after}");
}

#[test]
fn what_was_used_is_used_after_a_restart() {
    check("9/3600s", "9/3600s", 0, "6");
    check("9/3600s", "9/3600s", 58, "6");
    check("9/~3600s", "9/~3600s", 40, "6");
    check("9/month", "9/month", 0, "6");
    check("9/day 20/month", "9/day 20/month", 60, "6 17");
}

#[test]
fn a_window_that_is_over_counts_no_more() {
    check("9/3600s", "9/3600s", 59, "9");
    check("9/~3600s", "9/~3600s", 70, "9");
    check("9/day 20/month", "9/day 20/month", 24 * 60, "9 17");
}

#[test]
fn other_limits_take_over_what_counts_for_them() {
    check("9/3600s", "5/3600s", 0, "2");
    check("9/day", "20/month", 0, "17");
    check("9/3600s", "9/~3600s", 0, "6");
    check("9/~3600s", "9/3600s", 0, "6");
    // The day goes on as the day, wherever it stands.
    check("9/day 20/month", "9/60s 20/month 9/day", 0, "9 17 6");
    check("9/day", "9/10s 9/day", 0, "9 6");
}

#[test]
fn what_is_short_is_not_kept() {
    check("9/59s", "9/59s", 0, "9");
    assert!(!outlives(meter("9/59s").config()) && outlives(meter("9/60s").config()));
}

#[test]
fn it_ends_with_its_last_window() {
    let meter = meter("9/3600s 9/day");
    call(&meter, START + MINUTE, 1);
    assert_eq!(meter.past().ends_us(), START + 24 * 60 * MINUTE);
}

proptest! {
    /// A meter that is told twice what another has used since has used it once.
    #[test]
    fn what_came_since_is_added_once(first in 0_usize..20, then in 0_usize..20, own in 0_usize..20) {
        for limits in ["100/3600s", "100/~3600s", "100/month"] {
            let (old, new) = (meter(limits), meter(limits));
            call(&old, START, first);
            let seen = old.past();
            new.resume(&seen);
            call(&new, START, own);
            call(&old, START, then);
            let now = old.past();
            new.resume(&now.since(&seen));
            new.resume(&now.since(&now));
            prop_assert_eq!(left(&new, START), (100 - first - then - own).to_string());
        }
    }
}

#[test]
fn a_meter_takes_over_once_and_is_news_after_each_look() {
    let (old, new) = (meter("9/day"), meter("9/day"));
    call(&old, START, 2);
    let past = old.past();
    assert!(new.is_fresh() && new.kept_as().is_some());
    for _ in 0..2 {
        new.resume_once(|name| (name == Subject([7; 16])).then(|| past.clone()));
    }
    assert_eq!(left(&new, START), "7");
    assert!(!new.is_fresh() && new.is_news() && !new.is_news());
    call(&new, START, 1);
    assert_eq!(new.look().since(&past), new.past().since(&past));
    assert!(new.is_news());
    let config = meter("5/day").config().clone();
    let next = Arc::new(new.reconfigured(&config, || Subject([7; 16])));
    next.resume_once(|_| panic!("it has taken over what the old one had"));
    assert!(next.is_news());
    assert_eq!(left(&next, START), "2");
}

#[test]
fn a_meter_of_short_limits_has_no_news() {
    let meter = meter("9/10s");
    assert!(!meter.is_fresh() && !meter.is_news() && meter.kept_as().is_none());
    meter.resume_once(|_| panic!("nothing of it was kept"));
}

#[test]
fn usage_counts_beyond_the_limit() {
    let limit = quota_of(2, Span::calendar(Period::Day, 0).unwrap());
    let marks = Limit { effect: crate::Effect::Mark, ..limit };
    let meter = Arc::new(Meter::named(MeterConfig::new(&[marks]).unwrap(), || Subject([7; 16])));
    call(&meter, START, 5);
    let usage = meter.usage(START).next().unwrap();
    assert_eq!((usage.used, usage.state.remaining, usage.part), (5, 0, None));
}

fn quota_of(amount: u64, span: Span) -> Limit {
    Limit::of_calls(Measure::Quota(Quota::new(amount, span).unwrap()))
}
