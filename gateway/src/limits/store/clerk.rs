//! Who puts the questions of a worker's calls to the store?
//!
//! One clerk on each worker, over a connection of its own: questions are pipelined on it, and each has
//! until the end of its call's patience. Nobody is asked while the breaker is open; then it is tried beside
//! the calls whether the store can count again.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chassis::clock::Clock;
use chassis::task::Tasks;
use futures_util::future::{join, join_all};
use throttle::{Back, Cost, Full, Granted, Meter, Subject, Wanted};
use tokio::sync::mpsc;

use super::counter::{Answer, Of, Verdict};
use super::error::StoreError;
use super::handle::Store;
use super::known::{Errand, Known};
use super::link::{Connection, Link};
use crate::limits::ask::{Ask, Question, Ruled};
use crate::limits::breaker::Pass;

/// How often it is looked what has to be told and asked, and how much more seldom for each meter.
const SWEEP: Duration = Duration::from_millis(50);
const SWEEP_EACH: Duration = Duration::from_micros(15);
/// So long after a window has ended by this gateway's reckoning, which is a little early, it is asked for
/// units of the next one.
const TURN_US: u64 = 1_000;
/// Questions without an answer; further ones fail.
const MOST_OPEN: usize = 4096;
/// How long a gateway that ends gives back what it has in hand.
const LEAVE_WITHIN: Duration = Duration::from_millis(250);
/// How long an answer is waited for that its call no longer waits for, to give back what it brings.
const GRACE: Duration = Duration::from_secs(1);
const TASK: &str = "limit-store";

/// A worker's clerk.
#[derive(Debug)]
pub struct Clerk {
    store: Arc<Store>,
    link: Rc<Link>,
    clock: Clock,
    tasks: Tasks,
    known: RefCell<Known>,
    open: Cell<usize>,
}

impl Clerk {
    /// Starts to answer `asks`; they end with their worker.
    pub fn start(
        store: Arc<Store>,
        asks: mpsc::Receiver<Ask>,
        clock: &Clock,
        tasks: &Tasks,
    ) -> Rc<Self> {
        let link = Link::new(Arc::clone(&store.source), clock.clone(), tasks.clone());
        let clerk = Rc::new(Self {
            store,
            link: Rc::new(link),
            clock: clock.clone(),
            tasks: tasks.clone(),
            known: RefCell::default(),
            open: Cell::new(0),
        });
        drop(tasks.spawn_local(TASK, Rc::clone(&clerk).run(asks)));
        clerk
    }

    async fn run(self: Rc<Self>, mut asks: mpsc::Receiver<Ask>) {
        loop {
            let mut sweep = pin!(self.clock.sleep(self.pause()));
            loop {
                tokio::select! {
                    ask = asks.recv() => match ask {
                        Some(ask) => self.take(ask),
                        None => return,
                    },
                    () = &mut sweep => break,
                }
            }
            self.sweep();
        }
    }

    /// Puts a question, or lets it fail.
    fn take(self: &Rc<Self>, ask: Ask) {
        match self.store.breaker.pass(self.now_ms()) {
            Pass::Ask if self.open.get() < MOST_OPEN => {}
            Pass::Ask | Pass::Skip => return,
            Pass::Try => {
                drop(self.tasks.spawn_local(TASK, Rc::clone(self).try_again()));
                return;
            }
        }
        self.open.set(self.open.get() + 1);
        let clerk = Rc::clone(self);
        drop(self.tasks.spawn_local(TASK, async move {
            clerk.put(ask).await;
            clerk.open.set(clerk.open.get().saturating_sub(1));
        }));
    }

    async fn put(self: &Rc<Self>, ask: Ask) {
        let Some(name) = ask.meter.name() else { return };
        let displaced = self.known.borrow_mut().add(name, &ask.meter, self.now_ms());
        if let Some(errand) = displaced {
            self.send(vec![errand]);
        }
        match ask.question {
            Question::Portion { index, wanted } => self.portion(ask, name, index, wanted).await,
            Question::Call { cost } => self.call(ask, name, cost).await,
            // The store divides nothing.
            Question::Join => {}
        }
    }

    async fn portion(self: &Rc<Self>, mut ask: Ask, name: Subject, index: usize, wanted: Wanted) {
        let (meter, asked_us) = (Arc::clone(&ask.meter), ask.asked_us);
        let (counters, gateways) = (&self.store.counters, self.store.gateways());
        // What it has in hand it had then.
        let of = Of { now_us: asked_us, ..self.of(name, &meter) };
        let mut said = pin!(self.say(async |connection: &mut Connection| {
            counters.grant(connection, of, index, wanted, gateways).await
        }));
        let patience = self.store.source.patience();
        let back = match self.clock.timeout(patience, said.as_mut()).await {
            Ok(Ok(portion)) => {
                self.store.breaker.answered();
                ask.answer(index, self.now_us(), portion.granted)
            }
            Ok(Err(error)) => return self.failed(&error),
            Err(_) => {
                drop(ask);
                self.failed(&StoreError::Late(patience));
                let Ok(Ok(portion)) = self.clock.timeout(GRACE, said).await else { return };
                let Granted { place, units, .. } = portion.granted;
                (units > 0).then_some(Back { place, granted_us: asked_us, units })
            }
        };
        if let Some(back) = back {
            let (backs, meter) = (vec![(index, back)], Arc::clone(&meter));
            self.send(vec![Errand { meter, name, backs, corrections: vec![], owed: vec![] }]);
        }
    }

    async fn call(&self, mut ask: Ask, name: Subject, cost: Cost) {
        let meter = Arc::clone(&ask.meter);
        let (counters, of) = (&self.store.counters, self.of(name, &meter));
        // Said once: where the connection breaks, it stays counted as it was.
        let corrections = Cell::new(meter.corrections());
        let mut said = pin!(self.say(async |connection: &mut Connection| {
            let corrections = corrections.take();
            if corrections.is_empty() {
                return counters.take(connection, of, &cost).await;
            }
            // On the same flight and before it, so that what was given back is there for this call.
            let mut before = connection.clone();
            let settled = counters.settle(&mut before, of, &corrections);
            let (settled, taken) = join(settled, counters.take(connection, of, &cost)).await;
            settled.and(taken)
        }));
        let patience = self.store.source.patience();
        match self.clock.timeout(patience, said.as_mut()).await {
            Ok(Ok(answer)) => {
                self.store.breaker.answered();
                if let Some(ruled) = self.ruled(&meter, &cost, ask.asked_us, answer) {
                    ask.rule(ruled);
                }
            }
            Ok(Err(error)) => self.failed(&error),
            Err(_) => {
                drop(ask);
                self.failed(&StoreError::Late(patience));
                // Its call is gone: what it was given goes back by being dropped.
                if let Ok(Ok(answer)) = self.clock.timeout(GRACE, said).await
                    && let Verdict::Taken(ruling) = answer.verdict
                {
                    drop(meter.let_in(&cost, &ruling));
                }
            }
        }
    }

    /// What the answer is for the call, and for the calls after it. `None`: it makes no sense.
    fn ruled(
        &self,
        meter: &Arc<Meter>,
        cost: &Cost,
        asked_us: u64,
        answer: Answer,
    ) -> Option<Ruled> {
        let now_us = self.now_us();
        let Answer { verdict, states, .. } = answer;
        for (index, state) in states.iter().enumerate() {
            meter.told(index, state.remaining, now_us.saturating_add(state.reset_us));
        }
        match verdict {
            Verdict::Taken(ruling) => Some(Ok(meter.let_in(cost, &ruling))),
            Verdict::Full { index, retry_after_us } => {
                let state = states.get(index)?;
                let (left, again_us) = (state.remaining, retry_after_us);
                let none = Granted { left, again_us, ..Granted::NOTHING };
                // Nothing was in hand that this could displace.
                let _ = meter.granted(index, asked_us, now_us, none);
                Some(Err(Full { limit: state.limit, retry_after_us }))
            }
        }
    }

    /// Says something, and once more where the connection turns out to be one that has ended: the engine
    /// was started anew, or another one is the master now.
    async fn say<T>(
        &self,
        what: impl AsyncFn(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.link.connection().await?;
        match what(&mut connection).await {
            Err(error) if self.link.forget_after(&connection, &error) => {
                what(&mut self.link.connection().await?).await
            }
            said => said,
        }
    }

    fn failed(&self, error: &StoreError) {
        if self.store.breaker.failed(self.now_ms(), error) {
            // Whoever hangs may hang for ever: the next try begins anew.
            self.link.forget();
        }
    }

    /// Looks whether the store counts again. What is asked writes, as counting does: a server that became
    /// a replica does not.
    async fn try_again(self: Rc<Self>) {
        self.link.forget();
        match self.announce(false).await {
            Ok(()) => self.store.breaker.answered(),
            Err(error) => {
                self.store.breaker.still_away();
                tracing::debug!(error = &error as &dyn std::error::Error, "still away");
            }
        }
    }

    /// When to sweep next: a window may end before it would be time again.
    fn pause(&self) -> Duration {
        let (known, now_us) = (self.known.borrow(), self.now_us());
        let turns = known.turns_us(now_us).map(|it| it.saturating_add(TURN_US));
        let turns = turns.map(|it| Duration::from_micros(it.saturating_sub(now_us)));
        let many = u32::try_from(known.len()).unwrap_or(u32::MAX);
        let least = SWEEP_EACH.saturating_mul(many).max(Duration::from_micros(TURN_US));
        turns.unwrap_or(SWEEP).min(SWEEP).max(least)
    }

    async fn announce(&self, leaves: bool) -> Result<(), StoreError> {
        let store = &self.store;
        let said = self.say(async |connection: &mut Connection| {
            store.counters.announce(connection, &store.node, leaves).await
        });
        let said = self.clock.timeout(LEAVE_WITHIN, said).await;
        store.set_gateways(said.unwrap_or(Err(StoreError::Late(LEAVE_WITHIN)))?);
        Ok(())
    }

    /// Tells what has to be told, whether calls come or not.
    fn sweep(self: &Rc<Self>) {
        let now_ms = self.now_ms();
        if self.known.borrow().is_empty() || self.store.breaker.is_open() {
            return;
        }
        if self.store.announces(now_ms) {
            let clerk = Rc::clone(self);
            drop(self.tasks.spawn_local(TASK, async move {
                if let Err(error) = clerk.announce(false).await {
                    clerk.failed(&error);
                }
            }));
        }
        let errands = self.known.borrow_mut().errands(self.now_us(), now_ms, false);
        if !errands.is_empty() {
            self.send(errands);
        }
        let turned = self.known.borrow().turned(self.now_us().saturating_sub(TURN_US));
        for ask in turned {
            self.take(ask);
        }
    }

    fn send(self: &Rc<Self>, errands: Vec<Errand>) {
        let clerk = Rc::clone(self);
        drop(self.tasks.spawn_local(TASK, async move { clerk.tell(errands).await }));
    }

    /// Tells them all on one flight. What is not heard stays counted as it was; what is owed is told later.
    async fn tell(&self, errands: Vec<Errand>) {
        let said = errands.iter().map(|errand| async {
            let said = self.clock.timeout(GRACE, self.tell_one(errand)).await;
            let Err(error) = said.unwrap_or(Err(StoreError::Late(GRACE))) else { return };
            errand.owed.iter().for_each(|(index, wanted)| errand.meter.failed(*index, *wanted));
            self.failed(&error);
        });
        join_all(said).await;
    }

    async fn tell_one(&self, errand: &Errand) -> Result<(), StoreError> {
        let of = self.of(errand.name, &errand.meter);
        let counters = &self.store.counters;
        for (index, wanted) in &errand.owed {
            let charge = async |connection: &mut Connection| {
                counters.grant(connection, of, *index, *wanted, 1).await
            };
            self.say(charge).await?;
        }
        let Errand { backs, corrections, .. } = errand;
        if !backs.is_empty() {
            let put_back =
                async |connection: &mut Connection| counters.put_back(connection, of, backs).await;
            self.say(put_back).await?;
        }
        if !corrections.is_empty() {
            let settle = async |connection: &mut Connection| {
                counters.settle(connection, of, corrections).await
            };
            self.say(settle).await?;
        }
        Ok(())
    }

    /// Gives back what is in hand; to be waited for when the worker ends.
    pub async fn leave(&self) {
        if self.store.breaker.is_open() || self.known.borrow().is_empty() {
            return;
        }
        let errands = self.known.borrow_mut().errands(self.now_us(), self.now_ms(), true);
        let leaving = async {
            self.tell(errands).await;
            self.announce(true).await
        };
        // Who does not hear it learns it by silence.
        let _ = self.clock.timeout(LEAVE_WITHIN, leaving).await;
    }

    fn of<'m>(&self, subject: Subject, meter: &'m Meter) -> Of<'m> {
        Of { subject, limits: meter.config().limits(), now_us: self.now_us() }
    }

    fn now_us(&self) -> u64 {
        self.clock.unix_us().max(0).cast_unsigned()
    }

    fn now_ms(&self) -> u64 {
        self.store.now_ms(&self.clock)
    }
}
