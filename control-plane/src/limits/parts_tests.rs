//! Gateways that split a limit, and the way between them and who divides it, in a time of their own.

use std::collections::VecDeque;
use std::time::Duration;

use throttle::{Quota, Rate, Span, Subject, Unit};

use super::*;

const START: u64 = 1_800_000_000_000_000;
const MS: u64 = 1_000;
/// A step of the simulation, and the way of a message.
const STEP_US: u64 = 10 * MS;

fn rate(amount: u64) -> Measure {
    Measure::Rate(Rate::new(amount, Duration::from_secs(1)).unwrap())
}

fn quota(amount: u64) -> Measure {
    Measure::Quota(Quota::new(amount, Span::fixed(Duration::from_mins(1)).unwrap()).unwrap())
}

fn key() -> Key {
    Key { counter: Subject([7; 16]), index: 0, unit: Unit::Requests }
}

struct Gateway {
    stream: Stream,
    node: Arc<str>,
    /// What it goes by.
    part: u64,
    used: u64,
    is_heard: bool,
    /// Its latest report that arrived.
    reported_us: u64,
}

struct Fleet {
    now_us: u64,
    measure: Measure,
    parts: Parts,
    gateways: Vec<Gateway>,
    reports: VecDeque<Report>,
    told: VecDeque<Told>,
    /// The most that all went by at once since the first second.
    most: u64,
}

impl Fleet {
    fn new(measure: Measure, gateways: u64) -> Self {
        let amount = Limit::of_calls(measure).amount();
        let gateway = |number: u64| Gateway {
            stream: Stream::of(number),
            node: format!("gateway-{number}").into(),
            part: amount / gateways,
            used: 0,
            is_heard: true,
            reported_us: START,
        };
        Self {
            now_us: START,
            measure,
            parts: Parts::default(),
            gateways: (0..gateways).map(gateway).collect(),
            reports: VecDeque::new(),
            told: VecDeque::new(),
            most: 0,
        }
    }

    fn report(&mut self, place: usize, demand: u64) {
        let gateway = &mut self.gateways[place];
        gateway.reported_us = self.now_us;
        self.reports.push_back(Report {
            stream: gateway.stream,
            node: Arc::clone(&gateway.node),
            key: key(),
            claim: Claim { measure: self.measure, revision: 1 },
            demand,
            part: gateway.part,
            used: gateway.used,
        });
    }

    /// Runs for so many seconds with so many calls per second at each gateway.
    fn run(&mut self, seconds: u64, calls: &[u64]) -> &mut Self {
        let amount = Limit::of_calls(self.measure).amount();
        for step in 0..seconds * 1_000_000 / STEP_US {
            self.now_us += STEP_US;
            for told in std::mem::take(&mut self.told) {
                let place = self.gateways.iter().position(|it| it.stream == told.stream).unwrap();
                if self.gateways[place].is_heard {
                    let gateway = &mut self.gateways[place];
                    let shrinks = told.part < gateway.part;
                    gateway.part = told.part.max(gateway.used);
                    if shrinks {
                        self.report(place, calls[place]);
                    }
                }
            }
            for report in std::mem::take(&mut self.reports) {
                self.parts.report(self.now_us, &report);
            }
            for (place, calls) in calls.iter().enumerate() {
                let age_us = self.now_us - self.gateways[place].reported_us;
                let by_heads = amount / self.gateways.len() as u64;
                let gateway = &mut self.gateways[place];
                if !gateway.is_heard && age_us > PART_US {
                    gateway.part = gateway.part.min(by_heads);
                }
                if matches!(self.measure, Measure::Quota(_)) {
                    let more = (step + 1) * calls / 100 - step * calls / 100;
                    gateway.used = (gateway.used + more).min(gateway.part.max(gateway.used));
                }
                if gateway.is_heard && step.is_multiple_of(100) {
                    self.report(place, *calls);
                }
            }
            if step.is_multiple_of(25) {
                self.parts.sweep(self.now_us);
            }
            self.told.extend(self.parts.look(self.now_us));
            self.most = self.most.max(self.gateways.iter().map(|it| it.part).sum());
        }
        self
    }

    #[track_caller]
    fn check(&self, parts: &[u64]) {
        let held: Vec<u64> = self.gateways.iter().map(|gateway| gateway.part).collect();
        assert_eq!(held, parts);
        let amount = Limit::of_calls(self.measure).amount();
        assert!(self.most <= amount, "{} of {amount} at once", self.most);
    }
}

#[test]
fn parts_follow_the_demand_and_never_add_up_to_more_than_the_limit() {
    let mut fleet = Fleet::new(rate(1_000), 2);
    fleet.run(2, &[500, 500]).check(&[500, 500]);
    fleet.run(3, &[900, 100]).check(&[880, 120]);
    fleet.run(3, &[100, 900]).check(&[120, 880]);
    fleet.run(3, &[0, 700]).check(&[25, 975]);
    let mut fleet = Fleet::new(rate(1_000), 5);
    for turn in 0..10 {
        let calls: Vec<u64> =
            (0..5).map(|place| 100 + 700 * u64::from(place == turn % 5)).collect();
        fleet.run(2, &calls);
    }
    let held: Vec<u64> = fleet.gateways.iter().map(|gateway| gateway.part).collect();
    fleet.check(&held);
    assert_eq!(held.iter().sum::<u64>(), 1_000);
}

#[test]
fn who_is_not_heard_keeps_its_part_for_a_while_and_something_for_longer() {
    let mut fleet = Fleet::new(rate(900), 3);
    fleet.run(3, &[800, 100, 100]);
    let part = fleet.gateways[0].part;
    assert!(part > 600, "{part}");
    fleet.gateways[0].is_heard = false;
    let lost = fleet.gateways[0].stream;
    fleet.parts.lose(lost);
    fleet.run(4, &[800, 100, 100]);
    assert_eq!(fleet.gateways[0].part, part);
    assert_eq!(fleet.gateways.iter().map(|it| it.part).sum::<u64>(), 900);
    fleet.run(8, &[800, 100, 100]).check(&[300, 300, 300]);
    fleet.run(60, &[800, 100, 100]);
    // By then it is given to the others; who is cut off for so long is a third too many.
    let held: Vec<u64> = fleet.gateways.iter().map(|gateway| gateway.part).collect();
    assert_eq!(held, [300, 450, 450]);
}

#[test]
fn what_is_used_of_a_window_stays_with_who_has_used_it() {
    let mut fleet = Fleet::new(quota(1_000), 2);
    fleet.run(10, &[40, 10]);
    fleet.run(40, &[0, 40]);
    let used: u64 = fleet.gateways.iter().map(|gateway| gateway.used).sum();
    assert!((950..=1_000).contains(&used), "{used}");
    assert!(fleet.most <= 1_000, "{}", fleet.most);
}

#[test]
fn a_gateway_that_comes_back_takes_its_own_place() {
    let mut fleet = Fleet::new(rate(1_000), 2);
    fleet.run(2, &[500, 500]);
    let lost = fleet.gateways[0].stream;
    fleet.parts.lose(lost);
    fleet.gateways[0].stream = Stream::of(9);
    fleet.told.clear();
    fleet.run(2, &[500, 500]).check(&[500, 500]);
}
