//! Gateways, an authority and the way between them, in a time of their own.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::{Back, Granted, Hands, Limit, Meter, MeterConfig, Quota, Rate, Reserve, Short, Wanted};

pub(super) const START: u64 = 1_800_000_000_000_000;
pub(super) const MS: u64 = 1_000;
/// How long a call waits for units.
const PATIENCE_US: u64 = 20 * MS;

/// A fleet of gateways that share one limit.
pub(super) struct Fleet {
    authority: Arc<Meter>,
    hands: Hands,
    pub(super) gateways: Vec<Gateway>,
    /// From a gateway to the authority, and as long back.
    way_us: u64,
    pub(super) now_us: u64,
    /// Calls that were let in: when.
    pub(super) admitted: Vec<u64>,
    pub(super) waited: u64,
    /// How often a gateway asked for units.
    pub(super) questions: u64,
    /// Units that were given away, and those of them that went back.
    pub(super) given: u64,
    pub(super) went_back: u64,
}

pub(super) struct Gateway {
    /// Its name at the authority: another one after it has died.
    who: u64,
    reserve: Reserve,
    /// By how much its clock is wrong.
    skew_us: u64,
    waiting: VecDeque<u64>,
    /// Questions under way: when they were asked, by whose clock, what, and when they are there.
    asked: VecDeque<(u64, u64, Wanted)>,
    /// What goes back: when it is there.
    backs: VecDeque<(u64, Back)>,
    /// Answers under way.
    answers: VecDeque<(u64, u64, Granted)>,
    pub(super) alive: bool,
}

impl Fleet {
    pub(super) fn new(limit: Limit, count: usize, way_us: u64) -> Self {
        let authority = Arc::new(Meter::new(MeterConfig::new(&[limit]).unwrap()));
        let gateway = |number: usize| Gateway {
            who: number as u64,
            reserve: Reserve::new(&limit),
            skew_us: if number.is_multiple_of(2) { 0 } else { 200 * MS },
            waiting: VecDeque::new(),
            asked: VecDeque::new(),
            backs: VecDeque::new(),
            answers: VecDeque::new(),
            alive: true,
        };
        let gateways = (0..count).map(gateway).collect();
        Self {
            authority,
            hands: Hands::default(),
            gateways,
            way_us,
            now_us: START,
            admitted: Vec::new(),
            waited: 0,
            questions: 0,
            given: 0,
            went_back: 0,
        }
    }

    /// A tenth of a millisecond, in which each gateway gets so many calls.
    pub(super) fn step(&mut self, calls: &[u64]) {
        self.now_us += MS / 10;
        let (now, count) = (self.now_us, self.gateways.len() as u64);
        for (gateway, calls) in self.gateways.iter_mut().zip(calls) {
            if !gateway.alive {
                continue;
            }
            let here = now + gateway.skew_us;
            while let Some((asked, _, granted)) = gateway.answers.pop_front_if(|it| it.1 <= now) {
                let displaced = gateway.reserve.granted(asked, here, granted);
                gateway.backs.extend(displaced.map(|back| (now + self.way_us, back)));
            }
            while let Some((_, back)) = gateway.backs.pop_front_if(|(at, _)| *at <= now) {
                let granted_us = back.granted_us - gateway.skew_us;
                let back = Back { granted_us, ..back };
                self.authority.put_back(0, now, Some(gateway.who), back, &mut self.hands);
            }
            while let Some((asked, _, wanted)) = gateway.asked.pop_front_if(|it| it.1 <= now) {
                let need = wanted.asked_by(gateway.who, count);
                let granted = self.authority.lease(0, now, need, &mut self.hands);
                self.given += granted.units;
                gateway.answers.push_back((asked, now + self.way_us, granted));
            }
            let before = self.admitted.len();
            gateway.waiting.extend(std::iter::repeat_n(here, usize::try_from(*calls).unwrap()));
            while let Some(since) = gateway.waiting.front().copied() {
                match gateway.reserve.take(here, 1) {
                    Ok(_) => {
                        self.admitted.push(now);
                        self.waited += u64::from(since < here);
                    }
                    Err(Short::Ask) if here < since + PATIENCE_US => break,
                    Err(_) => {}
                }
                gateway.waiting.pop_front();
            }
            let needed = u64::from(!gateway.waiting.is_empty());
            let takes = self.admitted.len() > before;
            let looks = *calls > 0 || takes || needed > 0 || gateway.reserve.turned(here);
            let wanted = if looks { gateway.reserve.asks(here, needed) } else { None };
            let wanted = wanted.into_iter().chain(gateway.reserve.asks_next(here));
            for wanted in wanted {
                self.questions += 1;
                gateway.asked.push_back((here, now + self.way_us, wanted));
            }
            if let Some(back) = gateway.reserve.idle(here) {
                self.went_back += back.units;
                gateway.backs.push_back((now + self.way_us, back));
            }
        }
    }

    /// Dies with what it has in hand, and comes back with nothing.
    pub(super) fn kill(&mut self, gateway: usize, limit: &Limit) {
        let gateway = &mut self.gateways[gateway];
        gateway.who += 1_000;
        gateway.backs.clear();
        gateway.reserve = Reserve::new(limit);
        gateway.waiting.clear();
        gateway.asked.clear();
        gateway.answers.clear();
    }

    /// Never more than the limit in a window.
    #[track_caller]
    pub(super) fn check_windows(&self, quota: Quota) {
        let per = quota.span().longest_us();
        for window in 0..(self.now_us - START) / per {
            let from = START + window * per;
            assert!(self.within(from, from + per) <= quota.amount(), "window {window}");
        }
    }

    /// Never more than so many and what the pace gains meanwhile, between any two calls.
    #[track_caller]
    pub(super) fn check_pace(&self, rate: Rate, at_once: u64) {
        let increment = rate.per_us() / rate.amount();
        let (mut lowest, mut worst) = (u64::MAX, 0);
        for (number, at) in (0_u64..).zip(&self.admitted) {
            // Calls so far, less what the pace gains until then: how far it ever rises above its lowest.
            let level = (number * increment).wrapping_sub(*at - START).wrapping_add(1 << 40);
            lowest = lowest.min(level);
            worst = worst.max((level - lowest) / increment + 1);
        }
        assert!(worst <= at_once, "{worst} of {at_once}");
    }

    pub(super) fn within(&self, from_us: u64, until_us: u64) -> u64 {
        self.admitted.iter().filter(|at| (from_us..until_us).contains(at)).count() as u64
    }
}
