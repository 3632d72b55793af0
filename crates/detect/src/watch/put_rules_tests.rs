//! Do rules that change hold at once, also for those who are known already?

use std::time::Duration;

use super::*;
use crate::watch::rules::{Mode, Setting};

const SECOND: i64 = 1_000_000;

fn fixed(alarm: Alarm, threshold: f64) -> Rules {
    let setting: Setting<Duration> =
        Setting { mode: Some(Mode::Fixed), threshold: Some(threshold), ..Setting::default() };
    let mut rules = Rules::default();
    rules.set(alarm, &setting).unwrap();
    rules
}

/// Refused calls of one address under one threshold, then under another: after how many the alarm is
/// told.
#[track_caller]
fn check(before: (f64, i64), after: f64, told: Option<i64>) {
    let alarm = Alarm::BotDetection;
    let mut watch = Watch::new(fixed(alarm, before.0));
    let call = |at_us| Call {
        at_us,
        path: "/nothing",
        address: Some("192.0.2.1".parse().unwrap()),
        status: 404,
        ..Call::default()
    };
    for number in 0..before.1 {
        assert!(watch.call(&call(number * SECOND)).is_empty());
    }
    watch.put_rules(fixed(alarm, after));
    let mut more = (1..=20).filter(|more| {
        let found = watch.call(&call((before.1 + more) * SECOND));
        found.iter().any(|finding| finding.alarm == alarm)
    });
    assert_eq!(more.next(), told);
}

#[test]
fn a_threshold_holds_for_who_is_known_already() {
    check((100.0, 5), 10.0, Some(6));
    check((10.0, 5), 15.0, Some(11));
    check((10.0, 5), 100.0, None);
}
