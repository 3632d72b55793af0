//! A quota of windows that follow each other, of which units are given before they begin.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::ground::{Event, Ground, MS};
use crate::{Measure, Quota, Span};

/// Lets all of it happen to gateways that share a quota: no window has more than it says.
fn check(
    (amount, per_ms): (u64, u64),
    gateways: usize,
    events: &[(usize, Event)],
) -> Result<(), TestCaseError> {
    let per_us = per_ms * MS;
    let span = Span::fixed(Duration::from_micros(per_us)).unwrap();
    let quota = Quota::new(amount, span).unwrap();
    let mut ground = Ground::new(&[Measure::Quota(quota)], gateways);
    for (at, event) in events {
        ground.happens(*at, *event);
    }
    let mut windows: HashMap<u64, u64> = HashMap::new();
    for at_us in ground.admitted() {
        *windows.entry(at_us / per_us).or_default() += 1;
    }
    let most = windows.into_values().max().unwrap_or(0);
    prop_assert!(most <= amount, "{most} in a window");
    Ok(())
}

fn events() -> impl Strategy<Value = Vec<(usize, Event)>> {
    let event = prop_oneof![
        8 => (0..20 * MS).prop_map(Event::Wait),
        2 => (20 * MS..120 * MS).prop_map(Event::Wait),
        6 => (1..12_u64).prop_map(Event::Calls),
        1 => Just(Event::Undone),
        4 => (1..12_u64).prop_map(Event::Ask),
        12 => Just(Event::AskNext),
        8 => Just(Event::Heard),
        8 => Just(Event::Answered),
        6 => (1..12_u64).prop_map(Event::Served),
        1 => Just(Event::Idle),
        1 => Just(Event::All),
        1 => Just(Event::Broken),
        1 => Just(Event::TooLate),
        1 => Just(Event::Killed),
    ];
    prop::collection::vec((0..3_usize, event), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn a_window_is_never_exceeded(
        quota in prop::sample::select(vec![(10, 100), (2, 60), (40, 200)]),
        gateways in 1..=3_usize,
        events in events(),
    ) {
        check(quota, gateways, &events)?;
    }
}

/// Units of the next window are asked for just before it begins, and used as soon as it has.
#[test]
fn what_is_given_ahead_counts_in_the_window_that_begins() {
    let (a, b) = (0, 1);
    let mut events =
        vec![(a, Event::Served(12)), (b, Event::Served(12)), (a, Event::Wait(95 * MS))];
    for at in [a, b] {
        events.extend([(at, Event::AskNext), (at, Event::Heard), (at, Event::Answered)]);
    }
    events.extend([(a, Event::Wait(6 * MS)), (a, Event::Calls(12)), (b, Event::Served(12))]);
    events.push((a, Event::Served(12)));
    check((10, 100), 2, &events).unwrap();
}

/// Units that were given ahead are not used before their window has ended, of which the gateway has heard late.
#[test]
fn what_is_given_ahead_is_not_used_when_its_window_is_over() {
    let (a, b) = (0, 1);
    let mut events = vec![(a, Event::Served(12)), (a, Event::Wait(95 * MS))];
    events.extend([(a, Event::AskNext), (a, Event::Heard), (a, Event::Wait(3 * MS))]);
    events.extend([(a, Event::Answered), (a, Event::Wait(103 * MS)), (a, Event::Calls(12))]);
    events.push((b, Event::Served(24)));
    check((10, 100), 2, &events).unwrap();
}

/// Each of three gateways asks for one of the two that a window has.
#[test]
fn no_more_is_given_ahead_than_a_window_has() {
    let mut events: Vec<_> = (0..3).map(|at| (at, Event::Served(2))).collect();
    events.push((0, Event::Wait(58 * MS)));
    let asks = [Event::AskNext, Event::Heard, Event::Answered];
    events.extend((0..3).flat_map(|at| asks.map(|event| (at, event))));
    events.push((0, Event::Wait(3 * MS)));
    events.extend((0..3).map(|at| (at, Event::Calls(2))));
    check((2, 60), 3, &events).unwrap();
}
