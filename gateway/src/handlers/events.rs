//! May one more frame or event of a call that lasts pass?
//!
//! A call was let in with its limits; those of them that count events are asked for each one, as the
//! whole call was: all or nothing, and where units have to be had first, the stream waits for them as
//! long as a call does.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use chassis::clock::Clock;
use smallvec::SmallVec;
use throttle::{Cost, Meter, Unit};

use super::demand::{Demands, Level};
use super::throttle::{Holds, hold_all, hold_rest};
use crate::fault::Fault;
use crate::limits::Desk;

/// What one of them costs.
const EVENT: Cost = Cost { requests: 0, bytes_in: 0, bytes_out: 0, events: 1, cost: 0 };
/// How many meters that count events a call usually has.
const USUAL: usize = 2;

/// The limits of a call that count events.
#[derive(Clone, Debug)]
pub struct EventLimits(Rc<Limits>);

#[derive(Debug)]
struct Limits {
    meters: SmallVec<[(Level, Arc<Meter>); USUAL]>,
    desk: Rc<Desk>,
    clock: Clock,
    over_quota: Cell<bool>,
    shadow: Cell<u64>,
    refused: RefCell<Option<Fault>>,
}

/// Asks the limits for one direction of a call.
pub struct Gate {
    limits: Rc<Limits>,
    /// Units are on their way.
    waiting: Option<Waiting>,
}

type Waiting = Pin<Box<dyn Future<Output = Result<(), Fault>>>>;

impl EventLimits {
    /// Those of a call that was let in with `demands`; `None`: none of them counts events.
    pub fn of(demands: &Demands<'_>, desk: &Rc<Desk>, clock: &Clock) -> Option<Self> {
        let counted = demands.meters().filter(|(_, meter)| meter.counts(Unit::Events));
        let meters: SmallVec<_> =
            counted.map(|(level, meter)| (level, Arc::clone(meter))).collect();
        if meters.is_empty() {
            return None;
        }
        let (desk, clock) = (Rc::clone(desk), clock.clone());
        let (over_quota, shadow, refused) = (Cell::default(), Cell::default(), RefCell::default());
        Some(Self(Rc::new(Limits { meters, desk, clock, over_quota, shadow, refused })))
    }

    /// Asks them for one direction.
    pub fn gate(&self) -> Gate {
        Gate { limits: Rc::clone(&self.0), waiting: None }
    }

    /// Whether a quota was used up and events have passed all the same.
    pub fn over_quota(&self) -> bool {
        self.0.over_quota.get()
    }

    /// How many events a limit would have refused that is only tried.
    pub fn shadow(&self) -> u64 {
        self.0.shadow.get()
    }

    /// Why an event was refused; said once.
    pub fn refused(&self) -> Option<Fault> {
        self.0.refused.take()
    }
}

impl Gate {
    /// Whether one more may pass; pending: its units are on their way.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let result = match &mut self.waiting {
            Some(waiting) => {
                let result = ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
                result
            }
            None => match self.limits.take() {
                Ok(None) => Ok(()),
                Ok(Some(holds)) => {
                    self.waiting = Some(Box::pin(Rc::clone(&self.limits).wait(holds)));
                    return self.poll(cx);
                }
                Err(fault) => Err(fault),
            },
        };
        if let Err(fault) = &result {
            *self.limits.refused.borrow_mut() = Some(fault.of_limit());
        }
        Poll::Ready(result)
    }
}

impl Limits {
    /// Asks them; what there is to wait for, if anything, begins behind these holds.
    fn take(&self) -> Result<Option<Holds>, Fault> {
        let now_us = self.clock.unix_us().max(0).cast_unsigned();
        let holds = hold_all(self.meters(), &self.desk, now_us, &EVENT)?;
        if holds.len() < self.meters.len() {
            return Ok(Some(holds));
        }
        self.settle(holds);
        Ok(None)
    }

    async fn wait(self: Rc<Self>, holds: Holds) -> Result<(), Fault> {
        let holds = hold_rest(self.meters(), holds, &self.desk, &self.clock, &EVENT).await?;
        self.settle(holds);
        Ok(())
    }

    fn meters(&self) -> impl Iterator<Item = (Level, &Arc<Meter>)> {
        self.meters.iter().map(|(level, meter)| (*level, meter))
    }

    /// Makes it count.
    fn settle(&self, holds: Holds) {
        for hold in holds {
            self.over_quota.set(self.over_quota.get() | hold.over_quota());
            self.shadow.set(self.shadow.get().saturating_add(hold.shadow().into()));
            // It has cost what it was held for.
            let _ = hold.settle();
        }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("waiting", &self.waiting.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use throttle::{Effect, Limit, Measure, MeterConfig, Quota, Span};

    use super::*;
    use crate::limits::{Lane, Ways};

    fn limit(amount: u64, unit: Unit, effect: Effect) -> Limit {
        let span = Span::fixed(Duration::from_hours(24)).unwrap();
        let quota = Quota::new(amount, span).unwrap();
        Limit { measure: Measure::Quota(quota), unit, effect }
    }

    fn limits(limits: &[Limit]) -> EventLimits {
        let meter = Arc::new(Meter::new(MeterConfig::new(limits).unwrap()));
        let mut demands = Demands::none(Cost::CALL);
        demands.add(Level::Subscription, &meter);
        let desk = Rc::new(Desk::new(Ways::default(), Lane::off()));
        EventLimits::of(&demands, &desk, &Clock::system()).unwrap()
    }

    /// Asks `times` times and names what became of each: "." or the number.
    #[track_caller]
    fn check(all: &EventLimits, expected: &str) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut gates = [all.gate(), all.gate()];
        let said = expected.split(' ').enumerate().map(|(place, _)| {
            // Both directions count together.
            match gates[place % 2].poll(&mut cx) {
                Poll::Ready(Ok(())) => ".".to_owned(),
                Poll::Ready(Err(fault)) => fault.row().code.to_string(),
                Poll::Pending => "?".to_owned(),
            }
        });
        assert_eq!(said.collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn a_used_up_limit_of_events_refuses_and_one_of_calls_is_not_asked() {
        let calls = limit(1, Unit::Requests, Effect::Refuse);
        let all = limits(&[calls, limit(3, Unit::Events, Effect::Refuse)]);
        check(&all, ". . . 900804 900804");
        assert_eq!(all.refused().map(|fault| fault.row().code), Some(900_804));
        assert!(all.refused().is_none(), "it is said once");
    }

    #[test]
    fn one_that_marks_lets_pass_and_says_so() {
        let all = limits(&[limit(1, Unit::Events, Effect::Mark)]);
        check(&all, ".");
        assert!(!all.over_quota());
        check(&all, ". .");
        assert!(all.over_quota() && all.refused().is_none());
    }

    #[test]
    fn one_that_is_only_tried_lets_pass_and_counts_what_it_would_refuse() {
        let all = limits(&[limit(1, Unit::Events, Effect::Shadow)]);
        check(&all, ". . .");
        assert_eq!((all.shadow(), all.over_quota()), (2, false));
    }
}
