//! Has somebody waited long enough?
//!
//! A worker watches thousands of deadlines that almost never pass: setting one must cost a few
//! nanoseconds, passing one may be late by a tick. So there is no timer per deadline but one tick
//! per worker that looks at all of them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// How late an alarm may ring.
pub const TICK: Duration = Duration::from_millis(50);

const NEVER: u64 = u64::MAX;

/// All deadlines of one worker.
#[derive(Debug)]
pub struct Alarms {
    start: Instant,
    now_ms: Cell<u64>,
    slots: RefCell<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    all: Vec<Slot>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Slot {
    deadline_ms: u64,
    waker: Option<Waker>,
}

/// One deadline, given back when dropped. Starts unset.
#[derive(Debug)]
pub struct Alarm {
    alarms: Rc<Alarms>,
    slot: usize,
}

impl Alarms {
    /// No deadlines yet; `start` is now.
    pub fn new(start: Instant) -> Rc<Self> {
        Rc::new(Self { start, now_ms: Cell::new(0), slots: RefCell::default() })
    }

    /// A new, unset alarm.
    pub fn alarm(self: &Rc<Self>) -> Alarm {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.free.pop().unwrap_or_else(|| {
            slots.all.push(Slot { deadline_ms: NEVER, waker: None });
            slots.all.len() - 1
        });
        Alarm { alarms: Rc::clone(self), slot }
    }

    /// The time of the last tick.
    pub fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.now_ms.get())
    }

    /// Moves the time and wakes whoever waits for a deadline that has passed.
    pub fn tick(&self, now: Instant) {
        let passed = now.saturating_duration_since(self.start).as_millis();
        let now_ms = u64::try_from(passed).unwrap_or(NEVER - 1);
        self.now_ms.set(now_ms);
        for slot in &mut self.slots.borrow_mut().all {
            if slot.deadline_ms <= now_ms
                && let Some(waker) = slot.waker.take()
            {
                waker.wake();
            }
        }
    }

    /// Wakes everybody, so that each looks around.
    pub fn wake_all(&self) {
        for slot in &mut self.slots.borrow_mut().all {
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }

    fn with<T>(&self, slot: usize, edit: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        self.slots.borrow_mut().all.get_mut(slot).map(edit)
    }
}

impl Alarm {
    /// Rings `after` from now (or up to a tick later), instead of whenever it was set to ring.
    pub fn set(&self, after: Duration) {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(NEVER);
        // The time is up to a tick old, so the deadline is put that much further away.
        let tick_ms = u64::try_from(TICK.as_millis()).unwrap_or(0);
        let deadline = self.alarms.now_ms.get().saturating_add(after_ms).saturating_add(tick_ms);
        self.alarms.with(self.slot, |slot| slot.deadline_ms = deadline);
    }

    /// The time of the last tick.
    pub fn now(&self) -> Instant {
        self.alarms.now()
    }

    /// Does not ring.
    pub fn clear(&self) {
        self.alarms.with(self.slot, |slot| slot.deadline_ms = NEVER);
    }

    /// Whether it rings; if not, the task of `cx` is woken when it does.
    pub fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let now_ms = self.alarms.now_ms.get();
        let rings = self.alarms.with(self.slot, |slot| {
            let rings = slot.deadline_ms <= now_ms;
            if !rings && !slot.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                slot.waker = Some(cx.waker().clone());
            }
            rings
        });
        if rings == Some(true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let mut slots = self.alarms.slots.borrow_mut();
        if let Some(slot) = slots.all.get_mut(self.slot) {
            *slot = Slot { deadline_ms: NEVER, waker: None };
            slots.free.push(self.slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sets two alarms, one for `first_ms` and one for never, moves the time to `now_ms` and says
    /// how often somebody was woken and whether the first rings.
    #[track_caller]
    fn check(first_ms: u64, now_ms: u64, woken: usize, rings: bool) {
        let start = chassis::clock::Clock::system().instant();
        let alarms = Alarms::new(start);
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let cx = Context::from_waker(&waker);
        let (first, other) = (alarms.alarm(), alarms.alarm());
        first.set(Duration::from_millis(first_ms));
        assert!(first.poll(&cx).is_pending() && other.poll(&cx).is_pending());
        alarms.tick(start + Duration::from_millis(now_ms));
        assert_eq!(bell.0.load(Ordering::Relaxed), woken);
        assert_eq!(first.poll(&cx).is_ready(), rings);
        assert!(other.poll(&cx).is_pending());
        first.clear();
        assert!(first.poll(&cx).is_pending());
        drop(first);
        assert_eq!(alarms.alarm().slot, 0, "a slot that was given back is used again");
    }

    #[test]
    fn an_alarm_rings_after_its_time_and_at_most_a_tick_later() {
        check(100, 100, 0, false);
        check(100, 150, 1, true);
    }

    #[test]
    fn a_deadline_beyond_all_time_never_rings() {
        check(u64::MAX, 1_000_000_000_000, 0, false);
    }
}
