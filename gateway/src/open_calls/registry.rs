//! Which calls of a worker are open, and which of them have to end?
//!
//! Most calls are over before anybody asks: a call that has to wait leaves its waker and nothing
//! else, and is entered with its terms when a tick finds it still there. Terms are looked through when
//! the revocations or the configuration have moved, and once a second for what ends by time; at all
//! other times a tick compares three numbers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::terms::{Asked, Terms};
use crate::credentials::Grounds;
use crate::fault::{Fault, TokenRefused};

/// Looking takes at most one part in so many of a worker's time.
const REST: u32 = 9;
/// Tokens whose keys have changed are verified anew a few at a time, all of them within so many ticks.
const ROUNDS: usize = 60;
/// How many at least.
const FEW: usize = 16;

/// The open calls of one worker.
#[derive(Debug, Default)]
pub struct OpenCalls {
    slots: RefCell<Slots>,
    seen: Cell<Seen>,
    rests_until: Cell<Option<Instant>>,
}

/// One call, forgotten when dropped.
#[derive(Debug)]
pub struct OpenCall {
    calls: Rc<OpenCalls>,
    slot: Cell<Option<usize>>,
}

/// Under what it was looked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    generation: u64,
    revocations: u64,
    second: i64,
}

#[derive(Debug, Default)]
struct Slots {
    all: Vec<Slot>,
    free: Vec<usize>,
    /// Entered since the last tick.
    young: Vec<usize>,
    /// To be judged when there is time.
    later: VecDeque<usize>,
    /// How many of them at a tick.
    share: usize,
}

#[derive(Debug, Default)]
struct Slot {
    waker: Option<Waker>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Nobody's, or of a call that has been told its end.
    #[default]
    Free,
    /// It has begun to wait.
    Young,
    /// It waits for longer than a tick, and has to say its terms.
    Ripe,
    /// It goes on under these terms.
    Open(Box<Terms>),
    /// It has to end, and for this reason.
    Ended(Fault),
}

impl OpenCalls {
    /// Lets the calls that have lasted since the last tick say their terms.
    pub fn tick(&self) {
        let slots = &mut *self.slots.borrow_mut();
        for slot in slots.young.drain(..) {
            if let Some(slot) = slots.all.get_mut(slot)
                && matches!(slot.state, State::Young)
            {
                slot.state = State::Ripe;
                slot.wake();
            }
        }
    }

    /// Ends the calls that may not go on, and says which issuers have to be asked about others.
    /// `clock` tells the time it takes.
    pub fn look(&self, grounds: Grounds<'_>, clock: impl Fn() -> Instant) -> Vec<Asked> {
        let now = Seen {
            generation: grounds.generation.number,
            // Read first: what is added while it is looked is looked for again.
            revocations: grounds.revocations.version(),
            second: grounds.now_unix,
        };
        let before = self.seen.get();
        let mut asked = Vec::new();
        if now == before && self.slots.borrow().later.is_empty() {
            return asked;
        }
        let start = clock();
        if self.rests_until.get().is_some_and(|end| start < end) {
            return asked;
        }
        self.seen.set(now);
        let slots = &mut *self.slots.borrow_mut();
        if now.generation != before.generation {
            slots.judge_all(grounds);
        } else if now != before {
            slots.each(|terms| Some(terms.check(grounds).map(|question| asked.extend(question))));
        }
        slots.judge_some(grounds);
        let took = clock().saturating_duration_since(start);
        self.rests_until.set((took > Duration::from_millis(1)).then(|| start + took * REST));
        asked
    }

    /// The issuer of this token stands by it.
    pub fn stand_by(&self, token: &str) {
        self.slots.borrow_mut().each(|terms| {
            if terms.caller.token().is_some_and(|known| known.text() == token) {
                terms.asked_until = None;
            }
            Some(Ok(()))
        });
    }

    /// Ends the calls that were let in by this token: its issuer says that it is not good.
    pub fn end_token(&self, token: &str, why: &TokenRefused) {
        self.slots.borrow_mut().each(|terms| {
            let theirs = terms.caller.token().is_some_and(|known| known.text() == token);
            Some(if theirs { Err(Fault::InvalidToken(why.clone())) } else { Ok(()) })
        });
    }
}

impl Slots {
    /// Ends those of which `ask` says so; what it says nothing about comes later.
    fn each(&mut self, mut ask: impl FnMut(&mut Terms) -> Option<Result<(), Fault>>) {
        for (index, slot) in self.all.iter_mut().enumerate() {
            let State::Open(terms) = &mut slot.state else { continue };
            match ask(terms) {
                Some(Ok(())) => {}
                Some(Err(fault)) => slot.end(fault),
                None => self.later.push_back(index),
            }
        }
    }

    fn judge_all(&mut self, grounds: Grounds<'_>) {
        self.later.clear();
        self.each(|terms| (!terms.is_costly(grounds)).then(|| terms.judge(grounds)));
        self.share = self.later.len().div_ceil(ROUNDS).max(FEW);
    }

    fn judge_some(&mut self, grounds: Grounds<'_>) {
        for _ in 0..self.share {
            let Some(index) = self.later.pop_front() else { return };
            // Whoever has come into the place of one that has left is judged once more.
            if let Some(slot) = self.all.get_mut(index)
                && let State::Open(terms) = &mut slot.state
                && let Err(fault) = terms.judge(grounds)
            {
                slot.end(fault);
            }
        }
    }

    fn enter(&mut self) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.all.push(Slot::default());
            self.all.len() - 1
        });
        if let Some(free) = self.all.get_mut(slot) {
            free.state = State::Young;
        }
        self.young.push(slot);
        slot
    }
}

impl Slot {
    fn end(&mut self, fault: Fault) {
        self.state = State::Ended(fault);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl OpenCall {
    /// A call that may have to wait; until it does it costs nothing.
    pub fn new(calls: &Rc<OpenCalls>) -> Self {
        Self { calls: Rc::clone(calls), slot: Cell::default() }
    }

    /// The call is one that lasts, and need not wait for a tick to show it.
    pub fn lasts(&self) {
        let slots = &mut *self.calls.slots.borrow_mut();
        let slot = self.slot.get().unwrap_or_else(|| slots.enter());
        self.slot.set(Some(slot));
        if let Some(slot) = slots.all.get_mut(slot)
            && matches!(slot.state, State::Young)
        {
            slot.state = State::Ripe;
        }
    }

    /// Whether the call has to end, and why; said once. If not, the task of `cx` is woken when it has
    /// to. A call that lasts is asked once for its `terms`, as good as they are now: what has changed
    /// since it was let in has not been looked for in them.
    pub fn poll(
        &self,
        cx: &Context<'_>,
        terms: impl FnOnce() -> Result<Terms, Fault>,
    ) -> Poll<Fault> {
        let slots = &mut *self.calls.slots.borrow_mut();
        let slot = self.slot.get().unwrap_or_else(|| slots.enter());
        self.slot.set(Some(slot));
        let Some(slot) = slots.all.get_mut(slot) else { return Poll::Pending };
        if matches!(slot.state, State::Ripe) {
            slot.state = match terms() {
                Ok(terms) => State::Open(Box::new(terms)),
                Err(fault) => State::Ended(fault),
            };
        }
        // Looked at first: nearly always it goes on, and stays where it is.
        if matches!(slot.state, State::Ended(_))
            && let State::Ended(fault) = std::mem::take(&mut slot.state)
        {
            return Poll::Ready(fault);
        }
        if !slot.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            slot.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let Some(index) = self.slot.get() else { return };
        let slots = &mut *self.calls.slots.borrow_mut();
        if let Some(slot) = slots.all.get_mut(index) {
            *slot = Slot::default();
            slots.free.push(index);
        }
    }
}
