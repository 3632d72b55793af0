//! Gateways, an authority and the way between them, in a time of their own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::{Limit, Measure, Meter, MeterConfig, Quota, Rate, Span, portion};

const START: u64 = 1_800_000_000_000_000;
const MS: u64 = 1_000;
/// How long a call waits for units.
const PATIENCE_US: u64 = 20 * MS;

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

/// A fleet of gateways that share one limit.
struct Fleet {
    authority: Arc<Meter>,
    gateways: Vec<Gateway>,
    /// From a gateway to the authority, and as long back.
    way_us: u64,
    now_us: u64,
    /// Calls that were let in: when.
    admitted: Vec<u64>,
    waited: u64,
}

struct Gateway {
    reserve: Reserve,
    /// By how much its clock is wrong.
    skew_us: u64,
    waiting: VecDeque<u64>,
    /// A question under way: when it was asked, by whose clock, how much, and when it is there.
    asked: Option<(u64, u64, u64)>,
    /// An answer under way.
    answer: Option<(u64, u64, Granted)>,
    alive: bool,
}

impl Fleet {
    fn new(limit: Limit, gateways: usize, way_us: u64) -> Self {
        let authority = Arc::new(Meter::new(MeterConfig::new(&[limit]).unwrap()));
        let gateway = |number: usize| Gateway {
            reserve: Reserve::default(),
            skew_us: if number.is_multiple_of(2) { 0 } else { 200 * MS },
            waiting: VecDeque::new(),
            asked: None,
            answer: None,
            alive: true,
        };
        let gateways = (0..gateways).map(gateway).collect();
        Self { authority, gateways, way_us, now_us: START, admitted: Vec::new(), waited: 0 }
    }

    /// A tenth of a millisecond, in which each gateway gets so many calls.
    fn step(&mut self, calls: &[u64]) {
        self.now_us += MS / 10;
        let (now, count) = (self.now_us, self.gateways.len() as u64);
        for (gateway, calls) in self.gateways.iter_mut().zip(calls) {
            if !gateway.alive {
                continue;
            }
            let here = now + gateway.skew_us;
            if let Some((asked, at, granted)) = gateway.answer
                && at <= now
            {
                gateway.answer = None;
                if let Some(back) = gateway.reserve.granted(asked, here, granted) {
                    let granted_us = back.granted_us - gateway.skew_us;
                    self.authority.put_back(0, Back { granted_us, ..back });
                }
            }
            if let Some((asked, at, wanted)) = gateway.asked
                && at <= now
            {
                gateway.asked = None;
                let granted = self.authority.grant(0, now, |left| portion(wanted, left, count));
                gateway.answer = Some((asked, now + self.way_us, granted));
            }
            gateway.waiting.extend(std::iter::repeat_n(here, usize::try_from(*calls).unwrap()));
            while let Some(since) = gateway.waiting.front().copied() {
                match gateway.reserve.take(here, 1) {
                    Ok(()) => {
                        self.admitted.push(now);
                        self.waited += u64::from(since < here);
                    }
                    Err(Short::Ask) if here < since + PATIENCE_US => break,
                    Err(_) => {}
                }
                gateway.waiting.pop_front();
            }
            let needed = u64::from(!gateway.waiting.is_empty());
            if gateway.asked.is_none()
                && gateway.answer.is_none()
                && let Some(wanted) = gateway.reserve.asks(here, needed)
            {
                gateway.asked = Some((here, now + self.way_us, wanted));
            }
            if let Some(back) = gateway.reserve.idle(here) {
                let granted_us = back.granted_us - gateway.skew_us;
                self.authority.put_back(0, Back { granted_us, ..back });
            }
        }
    }

    fn within(&self, from_us: u64, until_us: u64) -> u64 {
        self.admitted.iter().filter(|at| (from_us..until_us).contains(at)).count() as u64
    }
}

/// Calls per second of each gateway become calls per step.
fn load(per_second: &[u64], step: u64) -> Vec<u64> {
    per_second.iter().map(|rate| (step + 1) * rate / 10_000 - step * rate / 10_000).collect()
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
        "{gateways} gateways: {admitted} of {ideal} ({} per mille), {} waited",
        admitted * 1_000 / ideal,
        fleet.waited
    );
    assert!(admitted <= ideal, "{admitted} of {ideal}");
    assert!(admitted * 1_000 >= ideal * permille, "{admitted} of {ideal}");
    // Nor more than the limit in any window of a quota.
    if let Measure::Quota(quota) = limit.measure {
        let per = quota.span().longest_us();
        for window in 0..seconds * 1_000_000 / per {
            let from = START + window * per;
            assert!(fleet.within(from, from + per) <= quota.amount(), "window {window}");
        }
    }
    // Nor more than a pace has at once and what it gains meanwhile, between any two calls.
    if let Measure::Rate(rate) = limit.measure {
        let increment = rate.per_us() / rate.amount();
        let (mut lowest, mut worst) = (u64::MAX, 0);
        for (number, at) in (0_u64..).zip(&fleet.admitted) {
            // Calls so far, less what the pace gains until then: how far it ever rises above its lowest.
            let level = (number * increment).wrapping_sub(*at - START).wrapping_add(1 << 40);
            lowest = lowest.min(level);
            worst = worst.max((level - lowest) / increment + 1);
        }
        assert!(worst <= rate.amount(), "{worst} of {}", rate.amount());
    }
}

#[test]
fn a_quota_that_gateways_share_is_used_up_and_never_exceeded() {
    for gateways in [1, 2, 5, 20] {
        let even = |_| vec![1_600 / gateways; usize::try_from(gateways).unwrap()];
        check(quota(1_000, 1_000), 5, even, 980);
        check(quota(3_000, 5_000), 10, even, 980);
        check(rolling(1_000, 1_000), 5, even, 900);
        check(rate(1_000, 1_000), 5, even, 980);
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
fn load_that_jumps_among_twenty_gateways_finds_its_units() {
    let jumping = |second: u64| {
        let hot = usize::try_from(second / 2 % 20).unwrap();
        (0..20).map(|place| if place == hot { 288 } else { 32 / 19 }).collect()
    };
    check(quota(1_000, 5_000), 20, jumping, 980);
    check(rate(200, 1_000), 10, jumping, 980);
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
