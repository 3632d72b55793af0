//! Gateways, an authority that is killed now and then, its book, and the way between them, in a time of
//! their own.

use std::collections::VecDeque;
use std::time::Duration;

use throttle::{Limit, Measure, Quota, Rate, Reserve, Short, Span};

use super::*;

/// The beginning of a minute.
const START: u64 = 1_800_000_000_000_000;
const MS: u64 = 1_000;
/// A step of the simulation.
const STEP_US: u64 = 500;
/// How long a call waits for units.
const PATIENCE_OF_CALLS_US: u64 = 20 * MS;
/// How long it takes to write something down.
const WRITES_US: u64 = 4 * MS;
/// Added to the name of an ask for units of the window that comes next.
const NEXT: u64 = 1_000;

fn quota(amount: u64, seconds: u64) -> Measure {
    Measure::Quota(Quota::new(amount, Span::fixed(Duration::from_secs(seconds)).unwrap()).unwrap())
}

fn rolling(amount: u64, seconds: u64) -> Measure {
    Measure::Quota(
        Quota::new(amount, Span::rolling(Duration::from_secs(seconds)).unwrap()).unwrap(),
    )
}

fn rate(amount: u64) -> Measure {
    Measure::Rate(Rate::new(amount, Duration::from_secs(1)).unwrap())
}

fn key() -> Key {
    Key { counter: Subject([7; 16]), index: 0, unit: Unit::Requests }
}

struct Gateway {
    stream: Stream,
    reserve: Reserve,
    /// By how much its clock is wrong.
    skew_us: u64,
    claim: Claim,
    waiting: VecDeque<u64>,
    /// Questions under way, for units of this window and of the next one: when they were asked, by whose clock.
    asked_us: [Option<u64>; 2],
    alive: bool,
}

/// A fleet of gateways that share one limit.
struct Fleet {
    now_us: u64,
    authority: Authority,
    /// What is written down.
    promised_us: Option<u64>,
    marks: HashMap<Key, Vec<Mark>, RandomState>,
    writing: Option<(u64, Entries)>,
    gateways: Vec<Gateway>,
    /// Under way to the authority, and from it: when they are there.
    asks: VecDeque<(u64, Ask)>,
    answers: VecDeque<(u64, Answer)>,
    admitted: Vec<u64>,
}

impl Fleet {
    fn new(measure: Measure, gateways: u64) -> Self {
        let gateway = |number: u64| Gateway {
            stream: Stream::of(number),
            reserve: Reserve::new(&Limit::of_calls(measure)),
            skew_us: number % 2 * 200 * MS,
            claim: Claim { measure, revision: 1 },
            waiting: VecDeque::new(),
            asked_us: [None; 2],
            alive: true,
        };
        Self {
            now_us: START,
            authority: Authority::new(START, Before::default()),
            promised_us: None,
            marks: HashMap::default(),
            writing: None,
            gateways: (0..gateways).map(gateway).collect(),
            asks: VecDeque::new(),
            answers: VecDeque::new(),
            admitted: Vec::new(),
        }
    }

    /// The authority dies with all that it has not written down, and another one begins.
    fn kill_authority(&mut self) {
        let before = Before { promised_us: self.promised_us, marks: self.marks.clone() };
        self.authority = Authority::new(self.now_us, before);
        (self.writing, self.asks, self.answers) = (None, VecDeque::new(), VecDeque::new());
        for gateway in &mut self.gateways {
            if gateway.asked_us[0].take().is_some() {
                gateway.reserve.failed();
            }
            gateway.asked_us[1] = None;
        }
    }

    /// Half a millisecond, in which each gateway gets so many calls.
    fn step(&mut self, calls: &[u64]) {
        self.now_us += STEP_US;
        self.hear();
        self.write();
        let now_us = self.now_us;
        for (number, (gateway, calls)) in self.gateways.iter_mut().zip(calls).enumerate() {
            if !gateway.alive {
                continue;
            }
            let here = now_us + gateway.skew_us;
            let before = self.admitted.len();
            gateway.waiting.extend(std::iter::repeat_n(here, usize::try_from(*calls).unwrap()));
            while let Some(since) = gateway.waiting.front().copied() {
                match gateway.reserve.take(here, 1) {
                    Ok(_) => self.admitted.push(now_us),
                    Err(Short::Ask) if here < since + PATIENCE_OF_CALLS_US => break,
                    Err(_) => {}
                }
                gateway.waiting.pop_front();
            }
            let needed = u64::from(!gateway.waiting.is_empty());
            let takes = self.admitted.len() > before;
            let looks = *calls > 0 || takes || needed > 0 || gateway.reserve.turned(here);
            let wanted = if looks { gateway.reserve.asks(here, needed) } else { None };
            for wanted in wanted.into_iter().chain(gateway.reserve.asks_next(here)) {
                let next = wanted.next;
                gateway.asked_us[usize::from(next)] = Some(here);
                let (stream, claim) = (gateway.stream, gateway.claim);
                let ask = number as u64 + if next { NEXT } else { 0 };
                let key = key();
                let (owed, ahead, asked_us) = (0, true, now_us);
                let (wanted, in_hand) = (wanted.units, wanted.in_hand);
                let ask =
                    Ask { stream, ask, key, claim, wanted, owed, ahead, in_hand, next, asked_us };
                self.asks.push_back((now_us + STEP_US, ask));
            }
            if let Some(back) = gateway.reserve.idle(here) {
                let granted_us = back.granted_us - gateway.skew_us;
                let back = Back { granted_us, ..back };
                self.authority.put_back(now_us, gateway.stream, key(), back);
            }
        }
    }

    fn hear(&mut self) {
        let gateways = self.gateways.len() as u64;
        while let Some((at, ask)) = self.asks.front().copied()
            && at <= self.now_us
        {
            self.asks.pop_front();
            let ask = Ask { asked_us: self.now_us, ..ask };
            let answer = self.authority.ask(self.now_us, ask, gateways);
            self.answers.extend(answer.map(|answer| (self.now_us + STEP_US, answer)));
        }
        while let Some((at, answer)) = self.answers.front().copied()
            && at <= self.now_us
        {
            self.answers.pop_front();
            let gateway = &mut self.gateways[usize::try_from(answer.ask % NEXT).unwrap()];
            let is_next = answer.ask >= NEXT;
            let asked_us = gateway.asked_us[usize::from(is_next)].take();
            let Some(asked_us) = asked_us else { continue };
            let Some(granted) = answer.granted else {
                if !is_next {
                    gateway.reserve.failed();
                }
                continue;
            };
            let here = self.now_us + gateway.skew_us;
            if let Some(back) = gateway.reserve.granted(asked_us, here, granted) {
                let granted_us = back.granted_us - gateway.skew_us;
                let back = Back { granted_us, ..back };
                self.authority.put_back(self.now_us, gateway.stream, key(), back);
            }
        }
    }

    fn write(&mut self) {
        if let Some((_, entries)) = self.writing.take_if(|(at, _)| *at <= self.now_us) {
            self.promised_us = entries.promise_us.or(self.promised_us);
            self.marks.extend(entries.marks.clone());
            entries.gone.iter().for_each(|key| drop(self.marks.remove(key)));
            let answers = self.authority.written(self.now_us, &entries, self.gateways.len() as u64);
            let at = self.now_us + STEP_US;
            self.answers.extend(answers.into_iter().map(|answer| (at, answer)));
        }
        if self.writing.is_none() && self.authority.has_entries() {
            let entries = self.authority.entries(self.now_us, 100);
            self.writing = Some((self.now_us + WRITES_US, entries));
        }
        if self.now_us.is_multiple_of(250 * MS) {
            let answers = self.authority.sweep(self.now_us);
            self.answers.extend(answers.into_iter().map(|answer| (self.now_us, answer)));
        }
    }

    /// Runs for so many seconds with so many calls per second at each gateway.
    fn run(&mut self, seconds: u64, calls: &[u64]) -> &mut Self {
        self.run_ms(seconds * 1_000, calls)
    }

    fn run_ms(&mut self, ms: u64, calls: &[u64]) -> &mut Self {
        for step in 0..ms * MS / STEP_US {
            let steps = 1_000_000 / STEP_US;
            let now: Vec<u64> =
                calls.iter().map(|rate| (step + 1) * rate / steps - step * rate / steps).collect();
            self.step(&now);
        }
        self
    }

    /// Between so many seconds after the start.
    #[track_caller]
    fn check(&self, from: u64, until: u64, expected: std::ops::RangeInclusive<u64>) {
        let range = START + from * 1_000_000 + 1..=START + until * 1_000_000;
        let admitted = self.admitted.iter().filter(|at| range.contains(at)).count() as u64;
        assert!(expected.contains(&admitted), "{admitted} between {from} and {until}");
    }
}

#[test]
fn a_quota_that_gateways_share_is_used_up_and_never_exceeded() {
    Fleet::new(quota(1_000, 60), 3).run(59, &[20, 20, 20]).check(0, 59, 980..=1_000);
    Fleet::new(quota(1_000, 60), 3).run(59, &[40, 1, 0]).check(0, 59, 980..=1_000);
    let mut fleet = Fleet::new(quota(100, 60), 3);
    fleet.run(119, &[5, 1, 1]);
    fleet.check(0, 60, 98..=100);
    fleet.check(60, 119, 98..=100);
    Fleet::new(rolling(1_000, 64), 2).run(63, &[40, 10]).check(0, 63, 950..=1_000);
}

#[test]
fn a_quota_goes_on_where_it_was_when_who_counts_is_killed() {
    for measure in [quota(1_000, 60), rolling(1_000, 60)] {
        let mut fleet = Fleet::new(measure, 3);
        for seconds in [7, 1, 13, 2] {
            fleet.run(seconds, &[20, 20, 5]);
            fleet.kill_authority();
        }
        fleet.run(30, &[20, 20, 5]);
        // Each time at most what is written ahead is lost, and what was out.
        fleet.check(0, 53, 850..=1_000);
    }
}

#[test]
fn a_gateway_that_dies_takes_its_units_with_it_and_nothing_more() {
    let mut fleet = Fleet::new(quota(1_000, 60), 3);
    fleet.run(10, &[20, 20, 20]);
    fleet.gateways[0].alive = false;
    fleet.run(49, &[0, 20, 20]);
    fleet.check(0, 59, 970..=1_000);
}

#[test]
fn a_pace_is_kept_across_the_deaths_of_who_counts() {
    let mut fleet = Fleet::new(rate(50), 3);
    for _ in 0..10 {
        fleet.run(1, &[60, 60, 60]);
        fleet.kill_authority();
    }
    // As many at once as the pace says, and as many each second: no more however often it dies.
    fleet.check(0, 10, 400..=550);
    fleet.check(5, 10, 200..=300);
}

#[test]
fn a_short_window_is_not_used_twice_by_a_new_authority() {
    let mut fleet = Fleet::new(quota(100, 20), 2);
    fleet.run(8, &[30, 30]);
    fleet.kill_authority();
    fleet.run(32, &[30, 30]);
    fleet.check(0, 20, 98..=100);
    fleet.check(20, 40, 98..=100);
}

#[test]
fn what_was_given_before_a_window_began_counts_though_who_gave_it_has_died() {
    let mut fleet = Fleet::new(quota(100, 20), 2);
    fleet.run(9, &[10, 10]).run_ms(10_980, &[1, 1]);
    assert!(
        fleet.gateways.iter().all(|it| it.reserve.asks_next(fleet.now_us + it.skew_us).is_none())
    );
    fleet.kill_authority();
    fleet.run(40, &[30, 30]);
    fleet.check(20, 40, 0..=100);
    fleet.check(40, 59, 98..=100);
}

#[test]
fn a_new_installation_does_not_stand_still() {
    let mut fleet = Fleet::new(rate(50), 2);
    fleet.run(1, &[10, 0]);
    fleet.check(0, 1, 9..=10);
    let mut fleet = Fleet::new(quota(5, 60), 2);
    fleet.run(1, &[4, 0]);
    fleet.check(0, 1, 3..=4);
}

#[test]
fn a_changed_limit_counts_at_once_and_what_is_used_stays_used() {
    let change = |fleet: &mut Fleet, measure| {
        let claim = Claim { measure, revision: 2 };
        fleet.gateways.iter_mut().for_each(|gateway| gateway.claim = claim);
    };
    let mut fleet = Fleet::new(quota(1_000, 60), 2);
    fleet.run(30, &[40, 40]);
    fleet.check(0, 30, 980..=1_000);
    change(&mut fleet, quota(1_500, 60));
    fleet.run(25, &[40, 40]);
    fleet.check(0, 55, 1_450..=1_500);

    let mut fleet = Fleet::new(quota(1_000, 60), 2);
    fleet.run(10, &[40, 40]);
    change(&mut fleet, quota(500, 60));
    fleet.run(40, &[40, 40]);
    // What was out when it changed is used all the same.
    fleet.check(0, 50, 750..=830);
}

#[test]
fn what_comes_back_of_a_wider_limit_makes_no_room_in_the_narrower_one() {
    for seconds in [20, 86_400] {
        let mut authority = Authority::new(START, Before::default());
        let mut asks = |amount, revision, wanted| {
            let claim = Claim { measure: quota(amount, seconds), revision };
            granted(&mut authority, claim, wanted, 0).unwrap()
        };
        let place = asks(100, 1, 1).place;
        let used = 1 + (0..100).map(|_| asks(100, 1, 10).units).sum::<u64>();
        assert_eq!(used, 100);
        assert_eq!(asks(50, 2, 1).units, 0);
        let back = Back { place, granted_us: START, units: 10 };
        authority.put_back(START, Stream::of(1), key(), back);
        let mut asks = |amount, revision| {
            let claim = Claim { measure: quota(amount, seconds), revision };
            granted(&mut authority, claim, 1, 0).unwrap().units
        };
        assert_eq!(asks(50, 2), 0, "ninety are used");
        assert_eq!((0..20).map(|_| asks(100, 3)).sum::<u64>(), 10, "and stay so");
    }
}

#[test]
fn what_was_used_beyond_what_was_in_hand_counts() {
    let mut fleet = Fleet::new(quota(100, 60), 1);
    let (claim, stream) = (Claim { measure: quota(100, 60), revision: 1 }, Stream::of(0));
    let (key, ahead, asked_us) = (key(), true, START);
    let (ask, wanted, in_hand, next) = (0, 0, 0, false);
    let owed = |owed| Ask { stream, ask, key, claim, wanted, owed, ahead, in_hand, next, asked_us };
    assert_eq!(fleet.authority.ask(START, owed(90), 1), None);
    fleet.run(30, &[10]).check(0, 30, 9..=10);
}

#[test]
fn counters_that_nobody_would_miss_are_forgotten_and_others_are_not() {
    let mut fleet = Fleet::new(quota(100, 60), 1);
    fleet.run(10, &[100]);
    assert_eq!((fleet.authority.len(), fleet.marks.len()), (1, 1));
    fleet.run(45, &[0]);
    assert_eq!((fleet.authority.len(), fleet.marks.len()), (1, 1));
    fleet.run(12, &[0]);
    assert_eq!((fleet.authority.len(), fleet.marks.len()), (0, 0));
    let mut fleet = Fleet::new(rate(50), 1);
    fleet.run(1, &[100]);
    assert_eq!(fleet.authority.len(), 1);
    fleet.run(68, &[0]);
    assert_eq!(fleet.authority.len(), 0);
}

/// What somebody is given who wants so many units and has used `owed` beyond what it had.
fn granted(authority: &mut Authority, claim: Claim, wanted: u64, owed: u64) -> Option<Granted> {
    let (stream, key, ask) = (Stream::of(1), key(), 1);
    let (ahead, asked_us, in_hand, next) = (true, START, 0, false);
    let ask = Ask { stream, ask, key, claim, wanted, owed, ahead, in_hand, next, asked_us };
    let at_once = authority.ask(START, ask, 1);
    let entries = authority.entries(START, 100);
    let later = authority.written(START, &entries, 1);
    at_once.into_iter().chain(later).find_map(|answer| answer.granted)
}

/// How many units somebody is given who wants one and has used `owed` beyond what it had.
fn given(authority: &mut Authority, owed: u64) -> u64 {
    let claim = Claim { measure: quota(10, 86_400), revision: 1 };
    granted(authority, claim, 1, owed).map_or(0, |granted| granted.units)
}

#[test]
fn a_counter_that_begins_afresh_gives_again_and_others_do_not() {
    let mut authority = Authority::new(START, Before::default());
    assert_eq!(given(&mut authority, 10), 0);
    authority.reset(&[Subject([8; 16])]);
    assert_eq!(given(&mut authority, 0), 0);
    authority.reset(&[key().counter]);
    assert_eq!(authority.entries(START, 100).gone, [key()], "its marks go");
    assert_eq!(given(&mut authority, 0), 1);
}
