//! Does the client of this stream still take part?
//!
//! A stream whose client neither sends the body that it announced nor takes the answer that is
//! there would hold its backend for ever, however lively the rest of the connection is. One alarm
//! per stream ends it; the connection and its other streams go on.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::alarm::{Alarm, Alarms};

/// What the client of one stream owes, and until when.
#[derive(Debug)]
pub(in super::super) struct Stall {
    alarm: Alarm,
    limit: Duration,
    owes_body: Cell<bool>,
    owes_reading: Cell<bool>,
    answered: Cell<bool>,
}

impl Stall {
    pub(in super::super) fn new(alarms: &Rc<Alarms>, limit: Duration) -> Rc<Self> {
        let (owes_body, owes_reading) = (Cell::default(), Cell::default());
        let answered = Cell::default();
        Rc::new(Self { alarm: alarms.alarm(), limit, owes_body, owes_reading, answered })
    }

    /// The next part of the body is (`true`) or is no longer waited for. Once the answer has begun
    /// both sides speak when they like, and a silent client owes nothing.
    pub(super) fn awaits_body(&self, awaits: bool) {
        let owes = awaits && !self.answered.get();
        if self.owes_body.replace(owes) != owes {
            self.arm();
        }
    }

    /// The answer begins.
    pub(super) fn answered(&self) {
        self.answered.set(true);
        self.awaits_body(false);
    }

    /// A part of the answer is there for the client to take (`true`), or none is.
    pub(super) fn awaits_reading(&self, awaits: bool) {
        // Every new part has its own time.
        if awaits || self.owes_reading.get() {
            self.owes_reading.set(awaits);
            self.arm();
        }
    }

    /// Ready when the client has owed something for too long.
    pub(super) fn poll_lost(&self, cx: &Context<'_>) -> Poll<()> {
        self.alarm.poll(cx)
    }

    fn arm(&self) {
        if self.owes_body.get() || self.owes_reading.get() {
            self.alarm.set(self.limit);
        } else {
            self.alarm.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Does what `happens` says, a second apart, and tells after which second the client is lost:
    /// b(ody awaited), B(ody came), a(nswered), r(eading awaited), R(ead), `.` nothing.
    #[track_caller]
    fn check(happens: &str, lost_after: Option<usize>) {
        let start = chassis::clock::Clock::system().instant();
        let alarms = Alarms::new(start);
        let stall = Stall::new(&alarms, Duration::from_secs(5));
        let cx = Context::from_waker(Waker::noop());
        let mut letters = happens.chars();
        let lost = (0..100).find(|second| {
            match letters.next().unwrap_or('.') {
                'b' => stall.awaits_body(true),
                'B' => stall.awaits_body(false),
                'a' => stall.answered(),
                'r' => stall.awaits_reading(true),
                'R' => stall.awaits_reading(false),
                _ => {}
            }
            alarms.tick(start + Duration::from_secs(*second));
            stall.poll_lost(&cx).is_ready()
        });
        assert_eq!(lost.map(|second| usize::try_from(second).unwrap()), lost_after, "{happens}");
    }

    #[test]
    fn a_client_that_does_not_send_its_body_is_lost() {
        check("b", Some(6));
        check("b..Bb", Some(9));
        check("bB", None);
    }

    #[test]
    fn a_client_that_does_not_take_its_answer_is_lost() {
        check("r", Some(6));
        check("r..rr", Some(9));
        check("rR", None);
    }

    #[test]
    fn once_the_answer_has_begun_a_silent_client_owes_no_body() {
        check("ba", None);
        check("bab", None);
        check("bar", Some(7));
    }

    #[test]
    fn nobody_is_lost_while_the_backend_works() {
        check("", None);
        check("bBrR", None);
    }
}
