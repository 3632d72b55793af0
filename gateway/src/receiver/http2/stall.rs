//! Does the client of this stream still take part?
//!
//! A stream whose client neither sends the body that it announced nor takes the answer that is
//! there would hold its backend for ever, however lively the rest of the connection is. One alarm
//! per stream ends it; the connection and its other streams go on.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::alarm::{Alarm, Alarms};

/// What the client of one stream owes, and until when.
///
/// While it owes something, patience runs out; every byte that moves gives a little of it back, as on
/// a whole connection.
#[derive(Debug)]
pub(in super::super) struct Stall {
    alarm: Alarm,
    limit_us: i64,
    /// What one byte gives back of the patience.
    per_byte_us: i64,
    patience_us: Cell<i64>,
    since: Cell<Option<Instant>>,
    owes_body: Cell<bool>,
    /// The bytes of the part of the answer that is there for the client to take.
    owes_reading: Cell<Option<usize>>,
    answered: Cell<bool>,
}

impl Stall {
    /// `limit` is all of the patience, and `min_rate` the bytes per second at which it lasts.
    pub(in super::super) fn new(alarms: &Rc<Alarms>, limit: Duration, min_rate: u32) -> Rc<Self> {
        Rc::new(Self {
            alarm: alarms.alarm(),
            limit_us: micros(limit),
            per_byte_us: 1_000_000 / i64::from(min_rate.max(1)),
            patience_us: Cell::new(micros(limit)),
            since: Cell::default(),
            owes_body: Cell::default(),
            owes_reading: Cell::default(),
            answered: Cell::default(),
        })
    }

    /// The next part of the body is waited for. Once the answer has begun both sides speak when they
    /// like, and a silent client owes nothing.
    pub(super) fn awaits_body(&self) {
        if !self.answered.get() && !self.owes_body.replace(true) {
            self.arm();
        }
    }

    /// So many bytes of the body came; nothing is waited for.
    pub(super) fn body_came(&self, bytes: usize) {
        if self.owes_body.replace(false) {
            self.earn(bytes);
            self.arm();
        } else if self.patience_us.get() < self.limit_us {
            self.earn(bytes);
        }
    }

    /// The answer begins.
    pub(super) fn answered(&self) {
        self.answered.set(true);
        self.body_came(0);
    }

    /// A part of the answer of so many bytes is there for the client to take, or none is. The part
    /// before it was taken.
    pub(super) fn awaits_reading(&self, part: Option<usize>) {
        let before = self.owes_reading.replace(part);
        if let Some(taken) = before {
            self.earn(taken);
        }
        if before.is_some() || part.is_some() {
            self.arm();
        }
    }

    /// Ready when the client has owed something for too long.
    pub(super) fn poll_lost(&self, cx: &Context<'_>) -> Poll<()> {
        self.alarm.poll(cx)
    }

    fn worth(&self, bytes: usize) -> i64 {
        i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(self.per_byte_us)
    }

    fn earn(&self, bytes: usize) {
        self.spend();
        let patience = self.patience_us.get().saturating_add(self.worth(bytes));
        self.patience_us.set(patience.min(self.limit_us));
    }

    /// Takes off the patience what was waited up to now.
    fn spend(&self) {
        if let Some(since) = self.since.take() {
            let waited_us = micros(self.alarm.now().saturating_duration_since(since));
            self.patience_us.set(self.patience_us.get().saturating_sub(waited_us));
        }
    }

    fn arm(&self) {
        self.spend();
        let part = self.owes_reading.get();
        if self.owes_body.get() || part.is_some() {
            self.since.set(Some(self.alarm.now()));
            // What a part will give back is lent until it is taken.
            let left_us = self.patience_us.get().saturating_add(self.worth(part.unwrap_or(0)));
            self.alarm.set(Duration::from_micros(u64::try_from(left_us).unwrap_or(0)));
        } else {
            self.alarm.clear();
        }
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Does what `happens` says, a second apart, with a patience of 5 s and 10 bytes per second, and
    /// tells after which second the client is lost: b(ody awaited), B (a byte of it came), a(nswered),
    /// r (50 bytes of the answer are there), R (none are any more), `.` nothing.
    #[track_caller]
    fn check(happens: &str, lost_after: Option<usize>) {
        let start = chassis::clock::Clock::system().instant();
        let alarms = Alarms::new(start);
        let stall = Stall::new(&alarms, Duration::from_secs(5), 10);
        let cx = Context::from_waker(Waker::noop());
        let mut letters = happens.chars();
        let lost = (0..100).find(|second| {
            alarms.tick(start + Duration::from_secs(*second));
            if stall.poll_lost(&cx).is_ready() {
                return true;
            }
            match letters.next().unwrap_or('.') {
                'b' => stall.awaits_body(),
                'B' => {
                    stall.body_came(1);
                    stall.awaits_body();
                }
                'a' => stall.answered(),
                'r' => stall.awaits_reading(Some(50)),
                'R' => stall.awaits_reading(None),
                _ => {}
            }
            false
        });
        assert_eq!(lost.map(|second| usize::try_from(second).unwrap()), lost_after, "{happens}");
    }

    #[test]
    fn a_client_that_does_not_send_its_body_is_lost() {
        check("b", Some(6));
    }

    #[test]
    fn a_client_that_sends_byte_by_byte_is_lost_as_well() {
        // Each byte gives a tenth of a second back.
        check("bBBBBBBBBBBBBBBB", Some(6));
        check(&format!("b{}", "...B".repeat(30)), Some(6));
    }

    #[test]
    fn a_client_that_does_not_take_its_answer_is_lost() {
        // Five seconds, and five for the part that is there.
        check("r", Some(11));
        check("rR", None);
    }

    #[test]
    fn a_client_that_takes_its_answer_at_the_lowest_rate_is_not_lost() {
        check(&"r....".repeat(30), None);
        check(&"r......".repeat(30), Some(21));
    }

    #[test]
    fn once_the_answer_has_begun_a_silent_client_owes_no_body() {
        check("ba", None);
        check("bab", None);
        check("bar", Some(12));
    }

    #[test]
    fn nobody_is_lost_while_the_backend_works() {
        check("", None);
        check("rR", None);
    }
}
