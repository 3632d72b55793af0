//! Which units has the control plane been asked for, and which have to go back?
//!
//! What is asked waits here for its answer; who does not get one in time has failed, and so has everything
//! that is open when the stream ends. Who does not answer is left alone but for a try now and then, so that
//! calls do not wait for nothing. Meters that were given something are remembered until they need
//! nothing any more, so that what they do not use goes back.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use throttle::Meter;
use turnpike_proto::config::v1::share_request::Message;
use turnpike_proto::config::v1::{LimitAnswers, LimitAsk, LimitAsks, LimitReturn, LimitReturns};

use super::ask::{Ask, Question};
use super::to_proto::{granted, returned, shared_limit};
use crate::rpc::limits::Handle;

/// Questions that may be open.
const MOST_OPEN: usize = 65_536;
/// How long an answer may take.
const PATIENCE_US: u64 = 1_000_000;
/// Who has not answered anything for so long is only tried,
const SILENT_US: u64 = 200_000;
/// as often as this.
const TRY_US: u64 = 250_000;
/// How long a meter is remembered that nothing was given to.
const IDLE_US: u64 = 60_000_000;
/// How often it is looked for what goes back, and how much more seldom for each meter.
const LOOK_US: u64 = 50_000;
const LOOK_EACH_US: u64 = 15;
/// So long after a window has ended by this gateway's reckoning, which is a little early, it is asked for
/// units of the next one; and so much later than it could be, it is before.
const TURN_US: u64 = 1_000;

/// What this gateway has leased of the control plane.
#[derive(Debug)]
pub(super) struct Leases {
    handle: Handle,
    open: HashMap<u64, Ask, RandomState>,
    latest: u64,
    /// Since when something is open and nothing was answered,
    unanswered_us: Option<u64>,
    /// and when it was tried last.
    tried_us: u64,
    /// By the place of a meter in memory, which is its own while it is held here.
    holding: HashMap<usize, Holding, RandomState>,
}

#[derive(Debug)]
struct Holding {
    meter: Arc<Meter>,
    given_us: u64,
}

impl Leases {
    pub(super) fn new(handle: Handle) -> Self {
        let (open, holding) = (HashMap::default(), HashMap::default());
        Self { handle, open, latest: 0, unanswered_us: None, tried_us: 0, holding }
    }

    /// Asks all of these at once.
    pub(super) fn ask(&mut self, now_us: u64, asks: Vec<Ask>) {
        let is_silent =
            self.unanswered_us.is_some_and(|since| now_us.saturating_sub(since) > SILENT_US);
        if asks.is_empty() || (is_silent && now_us.saturating_sub(self.tried_us) < TRY_US) {
            return;
        }
        self.tried_us = now_us;
        let mut said = Vec::with_capacity(asks.len());
        let first = self.latest;
        for ask in asks {
            let Question::Portion { index, wanted } = ask.question else { continue };
            let limit = ask.meter.config().limits().get(index);
            let (Some(name), Some(limit)) = (ask.meter.name(), limit) else { continue };
            if self.open.len() >= MOST_OPEN {
                continue;
            }
            self.latest = self.latest.wrapping_add(1);
            said.push(LimitAsk {
                ask: self.latest,
                limit: Some(shared_limit(name, index, limit)),
                wanted: wanted.units,
                owed: wanted.owed,
                ahead: true,
                in_hand: wanted.in_hand,
                next: wanted.next,
            });
            self.open.insert(self.latest, ask);
        }
        let asks = Message::Asks(LimitAsks { asks: said });
        if self.handle.tell(asks).is_err() {
            // Nobody has heard them: they have failed.
            self.open.retain(|number, _| *number <= first);
        } else {
            self.unanswered_us.get_or_insert(now_us);
        }
    }

    /// Gives out what was answered.
    pub(super) fn answered(&mut self, now_us: u64, answers: &LimitAnswers) {
        let mut back = Vec::new();
        for answer in &answers.answers {
            let Some(mut ask) = self.open.remove(&answer.ask) else { continue };
            let (Some(granted), Question::Portion { index, .. }) = (granted(answer), ask.question)
            else {
                continue;
            };
            let displaced = ask.answer(index, now_us, granted);
            back.extend(displaced.and_then(|it| return_of(&ask.meter, index, it, now_us)));
            let (place, meter) = (Arc::as_ptr(&ask.meter).addr(), Arc::clone(&ask.meter));
            self.holding.insert(place, Holding { meter, given_us: now_us });
        }
        self.unanswered_us = (!self.open.is_empty()).then_some(now_us);
        self.give_back(back);
    }

    /// The stream has ended: nothing that is open will be answered.
    pub(super) fn closed(&mut self) {
        self.open.clear();
        self.unanswered_us = None;
    }

    /// Gives back what calls do not need, tells what is owed, and asks for what calls will need of windows that
    /// are about to begin or have begun. In how many microseconds it is to be said again.
    pub(super) fn look_after(&mut self, now_us: u64) -> u64 {
        self.open.retain(|_, ask| now_us.saturating_sub(ask.asked_us) <= PATIENCE_US);
        let (mut back, mut owed, mut turned) = (Vec::new(), Vec::new(), Vec::new());
        let mut next_us = now_us.saturating_add(LOOK_US);
        self.holding.retain(|_, Holding { meter, given_us }| {
            let is_old = meter.is_retired();
            for index in 0..meter.config().limits().len() {
                let unused = meter.back(index, now_us, is_old);
                back.extend(unused.filter_map(|it| return_of(meter, index, it, now_us)));
                owed.extend(self.handle.is_open().then(|| owed_of(meter, index, now_us)).flatten());
                let wanted = meter.turned(index, now_us.saturating_sub(TURN_US));
                turned.extend(wanted.map(|it| Ask::portion(Arc::clone(meter), index, it, now_us)));
            }
            let turns_us = meter.turns_us(now_us).map_or(next_us, |it| it.saturating_add(TURN_US));
            next_us = next_us.min(turns_us);
            !is_old && now_us.saturating_sub(*given_us) <= IDLE_US
        });
        if !owed.is_empty() {
            // Lost where the stream ends now: what was used is used.
            let _ = self.handle.tell(Message::Asks(LimitAsks { asks: owed }));
        }
        self.give_back(back);
        self.ask(now_us, turned);
        let many = u64::try_from(self.holding.len()).unwrap_or(u64::MAX);
        next_us.saturating_sub(now_us).max(LOOK_EACH_US.saturating_mul(many)).max(TURN_US)
    }

    /// Gives back everything: at the end of the gateway.
    pub(super) fn finish(&mut self, now_us: u64) {
        self.closed();
        let mut back = Vec::new();
        for Holding { meter, .. } in self.holding.values() {
            for index in 0..meter.config().limits().len() {
                let unused = meter.back(index, now_us, true);
                back.extend(unused.filter_map(|it| return_of(meter, index, it, now_us)));
            }
        }
        self.holding.clear();
        self.give_back(back);
    }

    /// Said once: what does not arrive counts as used.
    fn give_back(&self, returns: Vec<LimitReturn>) {
        if !returns.is_empty() {
            let _ = self.handle.tell(Message::Returns(LimitReturns { returns }));
        }
    }
}

fn return_of(
    meter: &Meter,
    index: usize,
    back: throttle::Back,
    now_us: u64,
) -> Option<LimitReturn> {
    let limit = meter.config().limits().get(index)?;
    Some(returned(shared_limit(meter.name()?, index, limit), back, now_us))
}

fn owed_of(meter: &Meter, index: usize, now_us: u64) -> Option<LimitAsk> {
    let limit = meter.config().limits().get(index)?;
    let name = meter.name()?;
    let wanted = meter.owes(index, now_us)?;
    let limit = Some(shared_limit(name, index, limit));
    Some(LimitAsk { limit, owed: wanted.owed, ..LimitAsk::default() })
}

#[cfg(test)]
#[path = "leases_tests.rs"]
mod tests;
