//! How much do gateways let in together, and how often does a call wait?

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::{Measure, Meter, MeterConfig, Quota, Rate, Span};

#[path = "reserve_fleet.rs"]
mod fleet;

use fleet::{Fleet, MS, START};

fn quota(amount: u64, per_ms: u64) -> Limit {
    let span = Span::fixed(Duration::from_millis(per_ms)).unwrap();
    Limit::of_calls(Measure::Quota(Quota::new(amount, span).unwrap()))
}

fn rolling(amount: u64, per_ms: u64) -> Limit {
    let span = Span::rolling(Duration::from_millis(per_ms)).unwrap();
    Limit::of_calls(Measure::Quota(Quota::new(amount, span).unwrap()))
}

fn rate(amount: u64, per_ms: u64) -> Limit {
    Limit::of_calls(Measure::Rate(Rate::new(amount, Duration::from_millis(per_ms)).unwrap()))
}

/// Calls per second of each gateway become calls per step, at each of them at other moments.
fn load(per_second: &[u64], step: u64) -> Vec<u64> {
    let by = |rate: &u64, step: u64| step * rate / 10_000;
    let steps = (1..).map(|place| step + 17 * place);
    per_second.iter().zip(steps).map(|(rate, step)| by(rate, step + 1) - by(rate, step)).collect()
}

/// `gateways` share `limit`; in each of `seconds` they get the calls that `calls` says. Of what would be
/// let in by one gateway at most all and at least `permille` is.
#[track_caller]
fn check(limit: Limit, seconds: u64, calls: impl Fn(u64) -> Vec<u64>, permille: u64) {
    let gateways = calls(0).len();
    let mut fleet = Fleet::new(limit, gateways, MS / 2);
    let one = Arc::new(Meter::new(MeterConfig::new(&[limit]).unwrap()));
    let mut ideal = 0;
    // The last tenth of a millisecond would be the first of the next window.
    for step in 0..seconds * 10_000 - 1 {
        let now = load(&calls(step / 10_000), step);
        for _ in 0..now.iter().sum() {
            if let Ok(hold) = one.hold(fleet.now_us + MS / 10, &crate::Cost::CALL) {
                let _ = hold.settle();
                ideal += 1;
            }
        }
        fleet.step(&now);
    }
    let admitted = fleet.admitted.len() as u64;
    eprintln!(
        "{gateways} gateways: {admitted} of {ideal} ({} per mille), {} waited, {} given, {} back",
        admitted * 1_000 / ideal,
        fleet.waited,
        fleet.given,
        fleet.went_back
    );
    // A rolling window has a border in each sixteenth, behind which nobody has anything.
    let rolls = matches!(limit.measure, Measure::Quota(quota) if quota.span().is_rolling());
    // And who calls first, and first in a window, may wait.
    let windows = seconds * 1_000_000 / limit.period_us();
    let waited = fleet.waited.saturating_sub(gateways as u64 * (windows + 1));
    assert!(rolls || waited * 40 <= admitted, "{waited} of {admitted} waited");
    assert!(admitted <= ideal, "{admitted} of {ideal}");
    assert!(admitted * 1_000 >= ideal * permille, "{admitted} of {ideal}");
    // Nor more than the limit in any window of a quota.
    match limit.measure {
        Measure::Quota(quota) => fleet.check_windows(quota),
        Measure::Rate(rate) => fleet.check_pace(rate, rate.amount()),
    }
}

#[test]
fn a_quota_that_gateways_share_is_used_up_and_never_exceeded() {
    for gateways in [1, 2, 5, 20] {
        let even = |_| vec![1_600 / gateways; usize::try_from(gateways).unwrap()];
        // What was used and not yet said when a pace begins to be used is not given again, once.
        check(quota(1_000, 1_000), 5, even, 980);
        check(quota(3_000, 5_000), 10, even, 980);
        check(rolling(1_000, 1_000), 5, even, 900);
        check(rate(1_000, 1_000), 10, even, 980);
        check(rate(200, 1_000), 20, |_| vec![320 / gateways; even(0).len()], 980);
    }
}

#[test]
fn it_does_not_matter_which_gateway_gets_the_calls() {
    check(quota(1_000, 1_000), 5, |_| vec![1_440, 160], 980);
    check(rate(1_000, 1_000), 5, |_| vec![1_440, 160], 980);
    let flip =
        |second: u64| if second.is_multiple_of(2) { vec![1_500, 100] } else { vec![100, 1_500] };
    check(quota(1_000, 1_000), 6, flip, 980);
    check(quota(2_000, 2_000), 6, flip, 980);
    check(rate(1_000, 1_000), 6, flip, 980);
    check(quota(3, 1_000), 5, |_| vec![100, 100, 100], 980);
}

#[test]
fn most_calls_at_one_of_many_gateways_find_what_there_is() {
    for gateways in [2, 5, 20] {
        let mut calls = vec![160 / (gateways - 1); usize::try_from(gateways).unwrap()];
        calls[0] = 1_440;
        check(quota(5_000, 5_000), 10, |_| calls.clone(), 980);
        let permille = if gateways == 20 { 960 } else { 980 };
        check(rate(1_000, 1_000), 5, |_| calls.clone(), permille);
    }
}

#[test]
fn a_pace_that_is_hardly_used_lets_everybody_in() {
    check(rate(200, 1_000), 20, |_| vec![11, 7, 3], 1_000);
    check(rate(10, 1_000), 20, |_| vec![3, 2, 1], 1_000);
}

#[test]
fn who_calls_slowly_asks_for_a_wide_limit_once_in_many_calls() {
    for limit in [rate(10_000, 1_000), quota(100_000, 60_000)] {
        let mut fleet = Fleet::new(limit, 20, MS / 2);
        let mut calls = 0;
        for step in 0..50_000 {
            let now = load(&[30; 20], step);
            calls += now.iter().sum::<u64>();
            fleet.step(&now);
        }
        let Fleet { questions, waited, .. } = fleet;
        eprintln!("{calls} calls, {questions} questions, {waited} waited");
        assert_eq!(fleet.admitted.len() as u64, calls);
        assert!(questions * 8 <= calls, "{questions} questions for {calls} calls");
    }
}

#[test]
fn load_that_jumps_among_twenty_gateways_finds_its_units() {
    let jumping = |second: u64| {
        let hot = usize::try_from(second / 2 % 20).unwrap();
        (0..20).map(|place| if place == hot { 288 } else { 32 / 19 }).collect()
    };
    check(quota(1_000, 5_000), 20, jumping, 980);
    check(rate(200, 1_000), 10, jumping, 960);
    for gateways in [2, 5] {
        let jumping = |second: u64| {
            let hot = second / 2 % gateways;
            (0..gateways)
                .map(|place| if place == hot { 288 } else { 32 / (gateways - 1) })
                .collect()
        };
        check(quota(1_000, 5_000), 20, jumping, 980);
        check(rate(200, 1_000), 10, jumping, 980);
    }
}

/// A gateway that is given one unit of a pace of 100 a second whose time comes in 10 ms.
#[test]
fn a_unit_is_used_in_its_time_and_nobody_waits_for_it() {
    let reserve = Reserve::new(&rate(100, 1_000));
    let granted = Granted { units: 2, ends_us: u64::MAX, last_us: 20 * MS, ..Granted::NOTHING };
    assert_eq!(reserve.take(START, 1), Err(Short::Ask), "nothing is known yet");
    assert_eq!(reserve.asks(START, 1).map(|it| it.units), Some(1));
    // It counts from when it is heard: the authority may have said it as late as that.
    assert_eq!(reserve.granted(START, START + MS, granted), None);
    let refused = |after_us| Err(Short::UsedUp { retry_after_us: after_us });
    assert_eq!(reserve.take(START + MS, 1), refused(10 * MS));
    assert_eq!(reserve.take(START + 11 * MS, 1), Ok(1));
    assert_eq!(reserve.take(START + 12 * MS, 1), refused(9 * MS));
    assert_eq!((reserve.in_hand(START + 12 * MS), reserve.ready(START + 12 * MS)), (1, 0));
    assert_eq!(reserve.take(START + 30 * MS, 1), Ok(1));
    assert_eq!(reserve.take(START + 30 * MS, 1), refused(MS), "the next one comes then");
    assert_eq!(reserve.take(START + 90 * MS, 1), Err(Short::Ask), "that was long ago");
}

#[test]
fn what_calls_do_not_need_goes_back_though_they_go_on() {
    let reserve = Reserve::new(&quota(1_000, 5_000));
    let granted =
        |left| Granted { units: 20, left, place: 3, ends_us: 5_000_000, ..Granted::NOTHING };
    let back_after = |left, ms: u64| {
        assert_eq!(reserve.all().map(|back| back.units).sum::<u64>(), 0);
        let _ = reserve.take(START, 1);
        reserve.asks(START, 1).unwrap();
        reserve.granted(START, START, granted(left));
        assert_eq!(reserve.idle(START), None);
        (0..ms / 50).for_each(|step| assert!(reserve.take(START + step * 50 * MS, 1).is_ok()));
        let back = reserve.idle(START + ms * MS).map_or(0, |back| back.units);
        reserve.all().for_each(drop);
        back
    };
    // Of twenty, two calls in 100 ms take two, and as many again stay for the next.
    assert_eq!(back_after(100, 100), 14);
    assert_eq!(back_after(900, 100), 0, "others have enough");
}

/// Two seconds in which calls come and stay away, and gateways die, by numbers that look like chance.
fn chance(limit: Limit, seed: u64) -> Fleet {
    let mut draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut below = |bound: u64| {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        draw % bound
    };
    let count = usize::try_from(1 + below(5)).unwrap();
    let mut fleet = Fleet::new(limit, count, MS / 10 * (1 + below(50)));
    let mut rates = vec![0; count];
    for step in 0..20_000 {
        if step % 1_000 == 0 {
            for rate in &mut rates {
                *rate = 10_u64.pow(u32::try_from(below(5)).unwrap()) / 10 * 10;
            }
            if below(4) == 0 {
                fleet.kill(usize::try_from(below(count as u64)).unwrap(), &limit);
            }
        }
        fleet.step(&load(&rates, step));
    }
    fleet
}

#[test]
fn whatever_happens_no_more_is_let_in_than_the_limit() {
    for seed in 1..13 {
        for limit in [quota(300, 500), quota(20, 250), quota(1_000, 1_000), quota(8_192, 1_000)] {
            let Measure::Quota(quota) = limit.measure else { continue };
            chance(limit, seed).check_windows(quota);
        }
        for limit in [rate(300, 1_000), rate(20, 500), rate(2, 1_000), rate(8_192, 1_000)] {
            let Measure::Rate(rate) = limit.measure else { continue };
            chance(limit, seed).check_pace(rate, rate.amount());
        }
    }
}

#[test]
fn what_a_gateway_has_in_hand_when_it_dies_is_lost_and_nothing_more() {
    let mut fleet = Fleet::new(quota(1_000, 2_000), 2, MS / 2);
    for step in 0..5_000 {
        fleet.step(&load(&[400, 400], step));
    }
    fleet.gateways[0].alive = false;
    for step in 5_000..20_000 {
        fleet.step(&load(&[0, 800], step));
    }
    let admitted = fleet.within(START, START + 2_000 * MS);
    assert!((950..=1_000).contains(&admitted), "{admitted}");
}

#[test]
fn what_nobody_uses_goes_back() {
    let mut fleet = Fleet::new(quota(100, 60_000), 2, MS / 2);
    for step in 0..1_000 {
        fleet.step(&load(&[200, 0], step));
    }
    let before = fleet.admitted.len();
    for step in 0..20_000 {
        fleet.step(&load(&[0, 0], step));
    }
    for step in 0..20_000 {
        fleet.step(&load(&[0, 200], step));
    }
    assert!(before < 100);
    assert_eq!(fleet.admitted.len(), 100);
}
