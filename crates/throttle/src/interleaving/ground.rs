//! What may happen between gateways that share a limit and who counts it, in whatever order?

use std::collections::VecDeque;
use std::sync::Arc;

use crate::{Asked, Back, Granted, Hands, Limit, Measure, Meter, MeterConfig, Reserve, Wanted};

pub(super) const START: u64 = 1_800_000_000_000_000;
pub(super) const MS: u64 = 1_000;

/// What happens at one of the gateways, or on the way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// Nothing, for so many microseconds.
    Wait(u64),
    /// So many calls come.
    Calls(u64),
    /// So many calls come that go by the pace before the change.
    LateCalls(u64),
    /// The gateway hears that the pace is another one.
    Changed,
    /// The oldest call that was let in did not happen after all.
    Undone,
    /// More is asked for, by a call that needs so much,
    Ask(u64),
    /// or by one that goes by the pace before the change.
    LateAsk,
    /// Units of the window that comes next are asked for, if it is time to.
    AskNext,
    /// The authority hears what was said first.
    Heard,
    /// The gateway hears what was answered first.
    Answered,
    /// All that is under way arrives, and so many calls come, each of which is asked for at once.
    Served(u64),
    /// What calls do not need goes back.
    Idle,
    /// Everything goes back.
    All,
    /// The stream breaks: what is under way is lost, in both directions.
    Broken,
    /// Nobody waits any longer: an answer that comes now is too late.
    TooLate,
    /// The gateway dies, and comes back with nothing.
    Killed,
    /// Its clock is set back by so many microseconds.
    SetBack(u64),
}

#[derive(Clone, Copy, Debug)]
enum Said {
    Ask(Ask),
    Back(Back),
}

/// A question: when it was asked, by which of the paces, and for what.
#[derive(Clone, Copy, Debug)]
struct Ask {
    asked_us: u64,
    revision: usize,
    wanted: Wanted,
}

struct Gateway {
    who: u64,
    /// By which of the paces it goes, what it has in hand of it, and of the one before.
    revision: usize,
    reserve: Reserve,
    before: Option<Reserve>,
    /// By how much its clock is behind, and how often it may still be set back.
    behind_us: u64,
    said: VecDeque<Said>,
    answers: VecDeque<(Ask, Granted)>,
    /// Asks that an answer is waited for.
    open: Vec<Ask>,
    /// Labels of calls that were let in, and where among the admitted they are.
    under_way: VecDeque<(u64, usize)>,
}

impl Gateway {
    fn new(who: u64, revision: usize, limit: &Limit, behind_us: u64) -> Self {
        Self {
            who,
            revision,
            reserve: Reserve::new(limit),
            before: None,
            behind_us,
            said: VecDeque::new(),
            answers: VecDeque::new(),
            open: Vec::new(),
            under_way: VecDeque::new(),
        }
    }

    /// Nobody waits any longer.
    fn no_answer(&mut self) {
        for Ask { revision, wanted, .. } in std::mem::take(&mut self.open) {
            if let Some(reserve) = self.reserve(revision).filter(|_| !wanted.next) {
                reserve.failed();
            }
        }
    }

    /// That of one of the paces, if it goes by it still.
    fn reserve(&self, revision: usize) -> Option<&Reserve> {
        if revision == self.revision { Some(&self.reserve) } else { self.before.as_ref() }
    }
}

pub(super) struct Ground {
    /// What the limit is, and what it is changed to.
    limits: Vec<Limit>,
    now_us: u64,
    /// Who counts, and by which of them.
    authority: Arc<Meter>,
    revision: usize,
    hands: Hands,
    gateways: Vec<Gateway>,
    /// When calls were let in; none: they did not happen.
    admitted: Vec<Option<u64>>,
    /// Since when everybody goes by the last pace.
    pub(super) settled_us: Option<u64>,
}

fn authority(limit: Limit) -> Arc<Meter> {
    Arc::new(Meter::new(MeterConfig::new(&[limit]).unwrap()))
}

impl Ground {
    /// So many gateways share a limit that is one after the other of these.
    pub(super) fn new(measures: &[Measure], gateways: usize) -> Self {
        let limits: Vec<_> = measures.iter().map(|measure| Limit::of_calls(*measure)).collect();
        // Clocks are 200 ms apart.
        let behind_us = |number: usize| number as u64 % 2 * 200 * MS;
        let gateway = |number: usize| Gateway::new(number as u64, 0, &limits[0], behind_us(number));
        Self {
            now_us: START,
            authority: authority(limits[0]),
            revision: 0,
            hands: Hands::default(),
            gateways: (0..gateways).map(gateway).collect(),
            admitted: Vec::new(),
            settled_us: (limits.len() == 1).then_some(0),
            limits,
        }
    }

    /// Who counts goes by the newest pace that it has heard of.
    fn hear(&mut self, revision: usize) {
        if revision > self.revision {
            let next = authority(self.limits[revision]);
            assert!(next.succeeds(&self.authority, 0, self.now_us, &mut self.hands));
            (self.authority, self.revision) = (next, revision);
        }
    }

    /// It happens at one of the gateways.
    pub(super) fn happens(&mut self, at: usize, event: Event) {
        let last = self.limits.len() - 1;
        let everybody = self.gateways.iter().all(|it| it.revision == last);
        if everybody && self.revision == last {
            self.settled_us.get_or_insert(self.now_us);
        }
        let now_us = self.now_us;
        let count = self.gateways.len();
        let at = at % count;
        let gateway = &mut self.gateways[at];
        let here_us = now_us - gateway.behind_us;
        let revision = match event {
            Event::LateCalls(_) | Event::LateAsk => gateway.revision.saturating_sub(1),
            _ => gateway.revision,
        };
        match event {
            Event::Wait(us) => self.now_us += us,
            Event::Changed => {
                if let Some(limit) = self.limits.get(gateway.revision + 1) {
                    let next = gateway.reserve.succeeded_by(limit);
                    gateway.before = Some(std::mem::replace(&mut gateway.reserve, next));
                    gateway.revision += 1;
                }
            }
            Event::Calls(count) | Event::LateCalls(count) => {
                for _ in 0..count {
                    let reserve = gateway.reserve(revision);
                    if let Some(Ok(label)) = reserve.map(|reserve| reserve.take(here_us, 1)) {
                        gateway.under_way.push_back((label, self.admitted.len()));
                        self.admitted.push(Some(now_us));
                    }
                }
            }
            Event::Undone => {
                if let Some((label, place)) = gateway.under_way.pop_front() {
                    gateway.reserve.give_back(label, 1);
                    self.admitted[place] = None;
                }
            }
            Event::Ask(_) | Event::LateAsk | Event::AskNext => {
                let reserve = gateway.reserve(revision);
                let wanted = reserve.and_then(|reserve| match event {
                    Event::AskNext => reserve.asks_next(here_us),
                    Event::Ask(needed) => reserve.asks(here_us, needed),
                    _ => reserve.asks(here_us, 1),
                });
                let ask = wanted.map(|wanted| Ask { asked_us: here_us, revision, wanted });
                gateway.open.extend(ask);
                gateway.said.extend(ask.map(Said::Ask));
            }
            Event::Heard => match gateway.said.pop_front() {
                Some(Said::Ask(ask)) => {
                    let asked = ask.wanted.asked_by(gateway.who, count as u64);
                    self.hear(ask.revision);
                    let asked = Asked { ahead: ask.revision == self.revision, ..asked };
                    let granted = self.authority.lease(0, now_us, asked, &mut self.hands);
                    self.gateways[at].answers.push_back((ask, granted));
                }
                Some(Said::Back(back)) => {
                    let who = Some(gateway.who);
                    self.authority.put_back(0, now_us, who, back, &mut self.hands);
                }
                None => {}
            },
            Event::Answered => {
                let Some((ask, granted)) = gateway.answers.pop_front() else { return };
                let (asked_us, next) = (ask.asked_us, ask.wanted.next);
                let is_it = |it: &mut Ask| (it.asked_us, it.wanted.next) == (asked_us, next);
                let is_open = gateway.open.extract_if(.., is_it).count() > 0;
                let reserve = gateway.reserve(ask.revision).filter(|_| is_open);
                let back = reserve.and_then(|it| it.granted(asked_us, here_us, granted));
                gateway.said.extend(back.map(Said::Back));
            }
            Event::Served(count) => {
                for _ in 0..count {
                    self.arrive(at);
                    self.happens(at, Event::Ask(1));
                    self.arrive(at);
                    self.happens(at, Event::Calls(1));
                }
            }
            Event::Idle => {
                let both = gateway.before.iter().chain([&gateway.reserve]);
                gateway.said.extend(both.filter_map(|it| it.idle(here_us)).map(Said::Back));
            }
            Event::All => {
                let both = gateway.before.iter().chain([&gateway.reserve]);
                gateway.said.extend(both.flat_map(Reserve::all).map(Said::Back));
            }
            Event::Broken => {
                gateway.who += 100;
                gateway.said.clear();
                gateway.answers.clear();
                gateway.no_answer();
            }
            Event::TooLate => {
                gateway.no_answer();
            }
            Event::Killed => {
                let Gateway { who, revision, behind_us, .. } = *gateway;
                let limit = &self.limits[revision];
                *gateway = Gateway::new(who + 100, revision, limit, behind_us);
            }
            Event::SetBack(us) => gateway.behind_us += us,
        }
    }

    /// What is under way to and from a gateway.
    fn arrive(&mut self, at: usize) {
        while !self.gateways[at].said.is_empty() {
            self.happens(at, Event::Heard);
        }
        while !self.gateways[at].answers.is_empty() {
            self.happens(at, Event::Answered);
        }
    }

    /// When calls were let in that happened.
    pub(super) fn admitted(&self) -> impl Iterator<Item = u64> {
        self.admitted.iter().flatten().copied()
    }
}
