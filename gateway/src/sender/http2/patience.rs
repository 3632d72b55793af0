//! How long may a backend keep a stream waiting?
//!
//! No time runs while it is the client's turn. Until the head of the answer the backend has one
//! span of time, between two parts of the answer another; over both stands a deadline, if any.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::super::exchange::{Order, WaitsFor};
use crate::alarm::{Alarm, Alarms};

/// The time limits of one stream.
#[derive(Debug)]
pub(super) struct Patience {
    alarm: Alarm,
    span: Duration,
    idle: Duration,
    deadline: Option<Instant>,
    waits_for: WaitsFor,
}

impl Patience {
    pub(super) fn new(alarms: &Rc<Alarms>, order: &Order) -> Self {
        Self {
            alarm: alarms.alarm(),
            span: order.timeout,
            idle: order.idle_timeout,
            deadline: order.deadline,
            waits_for: WaitsFor::Client,
        }
    }

    /// Ready when it has been `turn`'s turn for too long.
    pub(super) fn poll(&mut self, turn: WaitsFor, cx: &Context<'_>) -> Poll<()> {
        let now = self.alarm.now();
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(now));
        if left.is_some_and(|left| left.is_zero()) {
            return Poll::Ready(());
        }
        if self.waits_for != turn || turn == WaitsFor::Client {
            self.waits_for = turn;
            let span = (turn != WaitsFor::Client).then_some(self.span);
            match span.into_iter().chain(left).min() {
                Some(span) => self.alarm.set(span),
                None => self.alarm.clear(),
            }
        }
        self.alarm.poll(cx)
    }

    /// Whether there is no more time at all.
    pub(super) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= self.alarm.now())
    }

    /// The answer pauses as long as it wants.
    pub(super) const fn wait_for_ever(&mut self) {
        self.idle = Duration::MAX;
    }

    /// The answer has begun: from now on it is the pauses within it that count.
    pub(super) fn begun(&mut self) {
        self.span = self.idle;
        self.progress();
    }

    /// Time starts anew: something was sent or handed on.
    pub(super) fn progress(&mut self) {
        self.waits_for = WaitsFor::Client;
        self.alarm.clear();
    }
}
