//! Subjects that come and go, and those that may not be forgotten.

use std::time::Duration;

use super::*;
use crate::{Cost, Limit, Measure, Quota, Span};

const NOW: u64 = 1_800_000_000_000_000;
const MINUTE: u64 = 60_000_000;

fn per_minute(amount: u64) -> MeterConfig {
    let span = Span::fixed(Duration::from_mins(1)).unwrap();
    let limit = Limit::of_calls(Measure::Quota(Quota::new(amount, span).unwrap()));
    MeterConfig::new(&[limit]).unwrap()
}

/// All in one shard, so that its bound is met.
fn subject(number: u32) -> Subject {
    let mut bytes = [0; 16];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    Subject(bytes)
}

/// The first `most` subjects of a shard with room for so many, each after its number of calls.
fn with(most: usize, calls: &[u32]) -> Meters {
    let meters = Meters::new(&per_minute(3), most * SHARDS);
    for (number, calls) in (0..).zip(calls) {
        (0..*calls).for_each(|_| assert!(passes(&meters, number, NOW)));
    }
    meters
}

fn passes(meters: &Meters, number: u32, now_us: u64) -> bool {
    let Ok(meter) = meters.meter(subject(number), now_us) else { return false };
    meter.hold(now_us, &Cost::CALL).map(crate::Hold::settle).is_ok()
}

#[test]
fn each_subject_has_a_meter_of_its_own() {
    let meters = with(4, &[3, 1]);
    assert!(!passes(&meters, 0, NOW));
    assert!(passes(&meters, 1, NOW));
    assert_eq!(meters.len(), 2);
    assert!(meters.known(subject(9)).is_none());
}

#[test]
fn who_has_used_up_a_limit_is_never_forgotten() {
    let meters = with(3, &[3, 2, 3]);
    for newcomer in 10..1_000 {
        assert!(passes(&meters, newcomer, NOW), "{newcomer}");
        assert!(!passes(&meters, 0, NOW) && !passes(&meters, 2, NOW));
    }
    assert_eq!(meters.len(), 3);
}

#[test]
fn the_least_used_makes_room() {
    let meters = with(3, &[2, 1, 2]);
    let known = meters.known(subject(1)).unwrap();
    assert!(!known.is_retired());
    assert!(passes(&meters, 10, NOW));
    assert!(known.is_retired());
    assert!(meters.known(subject(1)).is_none());
    assert!(meters.known(subject(0)).is_some() && meters.known(subject(2)).is_some());
}

#[test]
fn where_all_are_used_up_who_is_new_waits_for_the_next_window() {
    let meters = with(2, &[3, 3]);
    assert_eq!(meters.meter(subject(10), NOW).map(|_| ()), Err(Crowded));
    assert!(passes(&meters, 10, NOW + MINUTE));
}

#[test]
fn new_limits_reach_every_meter_and_those_who_remember_one() {
    let meters = with(4, &[2]);
    let remembered = meters.meter(subject(0), NOW).unwrap();
    meters.configure(&per_minute(3));
    assert!(!remembered.is_retired());
    meters.configure(&per_minute(2));
    assert!(remembered.is_retired());
    assert!(!passes(&meters, 0, NOW));
    assert!(passes(&meters, 1, NOW) && passes(&meters, 1, NOW) && !passes(&meters, 1, NOW));
}

#[test]
fn who_remembers_a_meter_of_a_policy_that_is_gone_looks_again() {
    let meters = with(4, &[1]);
    let meter = meters.known(subject(0)).unwrap();
    drop(meters);
    assert!(meter.is_retired());
}

#[test]
fn other_limits_hold_for_who_comes_later_whenever_they_were_said() {
    let meters = Meters::new(&per_minute(3), 64);
    meters.configure(&per_minute(1));
    assert!(passes(&meters, 0, NOW) && !passes(&meters, 0, NOW));
}
