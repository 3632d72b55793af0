//! Does this connection still live, or does its client only hold it?
//!
//! One alarm per connection, set to whatever the client owes next: the rest of a request head, the
//! body it announced, the reading of its answer, or any call at all.
//!
//! While the client owes bytes, the gateway's patience runs out; each byte that moves gives a little
//! of it back. Who sends or reads byte by byte is lost as surely as who does neither.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::config::Config;
use crate::alarm::{Alarm, Alarms};

/// What a client owes, and until when.
#[derive(Debug)]
pub(super) struct Pulse {
    alarm: Alarm,
    limits: Limits,
    calls: Cell<usize>,
    bodies: Cell<usize>,
    in_head: Cell<bool>,
    unread: Cell<bool>,
    /// What is left of the patience, and since when it runs out.
    patience: Cell<Duration>,
    since: Cell<Option<Instant>>,
    /// On HTTP/2 what is read between calls need not be the start of a head.
    frames: Cell<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    head: Duration,
    idle: Duration,
    stall: Duration,
    /// What one byte gives back of the patience.
    per_byte: Duration,
}

/// A call that is being answered.
#[derive(Debug)]
pub(super) struct Attending(Rc<Pulse>);

impl Pulse {
    pub(super) fn new(alarms: &Rc<Alarms>, config: &Config) -> Rc<Self> {
        let limits = Limits {
            head: config.header_timeout,
            idle: config.idle_timeout,
            stall: config.stall_timeout,
            per_byte: Duration::from_secs(1) / config.min_rate.max(1),
        };
        let pulse = Self {
            alarm: alarms.alarm(),
            limits,
            calls: Cell::default(),
            bodies: Cell::default(),
            in_head: Cell::default(),
            unread: Cell::default(),
            patience: Cell::new(limits.stall),
            since: Cell::default(),
            frames: Cell::default(),
        };
        pulse.arm();
        Rc::new(pulse)
    }

    /// Ready when the client has owed something for too long.
    pub(super) fn poll_lost(&self, cx: &Context<'_>) -> Poll<()> {
        self.alarm.poll(cx)
    }

    /// Whether neither side owes the other anything.
    pub(super) fn is_quiet(&self) -> bool {
        self.calls.get() == 0 && self.bodies.get() == 0 && !self.in_head.get() && !self.unread.get()
    }

    /// The connection speaks HTTP/2.
    pub(super) fn speaks_frames(&self) {
        self.frames.set(true);
        self.in_head.set(false);
        self.arm();
    }

    /// Bytes came.
    pub(super) fn read(&self) {
        if self.calls.get() == 0 && !self.in_head.get() {
            self.in_head.set(!self.frames.get());
            self.arm();
        }
    }

    /// The client does not (`true`) or does take what is written to it.
    pub(super) fn unread(&self, unread: bool) {
        if self.unread.replace(unread) != unread {
            self.arm();
        }
    }

    /// The client has sent or taken so many bytes that it owed.
    pub(super) fn earned(&self, bytes: usize) {
        // Nearly always the client is ahead, and nothing is to be done.
        if self.patience.get() < self.limits.stall || self.since.get().is_some() {
            let more =
                self.limits.per_byte.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
            self.spend();
            self.patience.set(self.patience.get().saturating_add(more).min(self.limits.stall));
            self.arm();
        }
    }

    /// Takes off the patience what was waited up to now.
    fn spend(&self) {
        if let Some(since) = self.since.take() {
            let waited = self.alarm.now().saturating_duration_since(since);
            self.patience.set(self.patience.get().saturating_sub(waited));
        }
    }

    /// A body starts to wait for its next part, or stops to.
    pub(super) fn awaits_body(&self, waits: bool) {
        let bodies = self.bodies.get();
        self.bodies.set(if waits { bodies + 1 } else { bodies.saturating_sub(1) });
        self.arm();
    }

    /// A call begins; it ends when the answer is dropped.
    pub(super) fn attend(self: &Rc<Self>) -> Attending {
        if self.calls.replace(self.calls.get() + 1) == 0 {
            self.patience.set(self.limits.stall);
        }
        self.in_head.set(false);
        self.arm();
        Attending(Rc::clone(self))
    }

    fn arm(&self) {
        self.spend();
        if self.unread.get() || self.bodies.get() > 0 {
            self.since.set(Some(self.alarm.now()));
            self.alarm.set(self.patience.get());
        } else if self.calls.get() > 0 {
            // It is the gateway's or the backend's turn.
            self.alarm.clear();
        } else if self.in_head.get() {
            self.alarm.set(self.limits.head);
        } else {
            self.alarm.set(self.limits.idle);
        }
    }
}

impl Drop for Attending {
    fn drop(&mut self) {
        self.0.calls.set(self.0.calls.get().saturating_sub(1));
        self.0.arm();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Head 1 s, stall 5 s, idle 60 s. Does what `happens` says and looks when the client is lost;
    /// `None`: not within an hour.
    #[track_caller]
    fn check(happens: impl FnOnce(&Rc<Pulse>) -> Option<Attending>, lost_after: Option<u64>) {
        let start = chassis::clock::Clock::system().instant();
        let alarms = Alarms::new(start);
        let limits = Limits {
            head: Duration::from_secs(1),
            idle: Duration::from_mins(1),
            stall: Duration::from_secs(5),
            per_byte: Duration::from_secs(1) / 10,
        };
        let pulse = Rc::new(Pulse {
            alarm: alarms.alarm(),
            limits,
            calls: Cell::default(),
            bodies: Cell::default(),
            in_head: Cell::default(),
            unread: Cell::default(),
            patience: Cell::new(limits.stall),
            since: Cell::default(),
            frames: Cell::default(),
        });
        pulse.arm();
        let _attending = happens(&pulse);
        let cx = Context::from_waker(Waker::noop());
        let lost = (0..3600).find(|second| {
            alarms.tick(start + Duration::from_secs(*second));
            pulse.poll_lost(&cx).is_ready()
        });
        // The deadline lies one tick beyond the limit, so a whole second later is the first to see it.
        assert_eq!(lost, lost_after.map(|limit| limit + 1));
    }

    #[test]
    fn a_client_that_calls_nothing_is_lost_after_the_idle_time() {
        check(|_| None, Some(60));
    }

    #[test]
    fn a_head_has_to_come_whole() {
        let drip = |pulse: &Rc<Pulse>| {
            pulse.read();
            pulse.read();
            None
        };
        check(drip, Some(1));
    }

    #[test]
    fn nobody_is_lost_while_the_backend_works() {
        let call = |pulse: &Rc<Pulse>| {
            pulse.read();
            Some(pulse.attend())
        };
        check(call, None);
    }

    #[test]
    fn after_a_call_the_idle_time_starts_anew() {
        let call = |pulse: &Rc<Pulse>| {
            drop(pulse.attend());
            None
        };
        check(call, Some(60));
    }

    #[test]
    fn a_body_that_stalls_and_an_answer_that_is_not_read_are_given_up() {
        let stalls = |pulse: &Rc<Pulse>| {
            let attending = pulse.attend();
            pulse.awaits_body(true);
            Some(attending)
        };
        check(stalls, Some(5));
        let unread = |pulse: &Rc<Pulse>| {
            let attending = pulse.attend();
            pulse.unread(true);
            Some(attending)
        };
        check(unread, Some(5));
        let goes_on = |pulse: &Rc<Pulse>| {
            let attending = pulse.attend();
            pulse.awaits_body(true);
            pulse.awaits_body(false);
            Some(attending)
        };
        check(goes_on, None);
    }

    #[test]
    fn frames_between_calls_are_no_heads() {
        let ping = |pulse: &Rc<Pulse>| {
            pulse.speaks_frames();
            pulse.read();
            None
        };
        check(ping, Some(60));
    }
}
