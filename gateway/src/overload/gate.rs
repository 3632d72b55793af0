//! Which calls does a worker let go of, so that it can do the others?
//!
//! The measure is the time that a piece of work waits for its turn on the worker's thread. When it
//! is too long, a growing share of the calls is answered 503 as soon as it is known who calls, the
//! lowest priorities first; when it is short again the share shrinks. The steps are small, so the
//! share settles where work waits for about as long as it may: then the worker is never idle and
//! never late.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::config::Overload;
use crate::alarm::TICK;

/// All calls, where a share of them is meant.
const ALL: u32 = 1 << 12;
/// How fast the share grows per tick for each multiple of the delay, and how fast it shrinks.
const UP: f64 = 0.02;
const DOWN: f64 = 0.03;
/// The share grows by no more than this per tick.
const MOST_UP: f64 = 0.08;
/// What is let go of beside the share for each multiple of the delay, as long as it lasts: what was
/// let in while the share grew is worked off before more comes.
const PUSH: f64 = 0.1;
/// Where work hardly waits, so much of the share is left after a tick: an idle worker helps nobody.
const IDLE_LEFT: f64 = 0.75;
/// Hardly: this part of the delay.
const IDLE_BELOW: f64 = -0.75;
/// Work has to be late for so many ticks in a row before anybody is let go of: a single long piece of
/// work is no overload, and calls that are rare would pay for it.
const LATE_TICKS: u32 = 3;
/// Above this share an overload is not over, however short work waits for the moment.
const KNOWN: f64 = 0.05;
/// Somebody is always let in: how else would one see that the load is gone.
const MOST: f64 = 0.98;
/// Priorities of tiers, 0 is let go of first.
const PRIORITIES: usize = 10;

/// The gate of one worker.
#[derive(Debug)]
pub struct Gate {
    overload: Overload,
    /// The share that the delay of work asks for in the long run, what the delay of this moment asks
    /// for beside it, and the share that memory asks for.
    late: Cell<f64>,
    push: Cell<f64>,
    full: Cell<f64>,
    /// For how many ticks in a row work has been late.
    late_ticks: Cell<u32>,
    /// Whether any call is let go of.
    sheds: Cell<bool>,
    /// When the last tick was.
    ticked: Cell<Option<Instant>>,
    /// Of [`ALL`], for each priority: how many are let go of.
    chances: [Cell<u32>; PRIORITIES],
    /// Calls since the last tick.
    seen: [Cell<u32>; PRIORITIES],
    dice: Cell<u32>,
    memory: Cell<Level>,
    /// When the probe was sent on its way, while it is under way.
    sent: Cell<Option<Instant>>,
    waited: Cell<Duration>,
}

/// How much memory is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Level {
    #[default]
    Fine,
    Soft,
    Hard,
}

impl Gate {
    /// Everything is fine.
    pub fn new(overload: Overload) -> Self {
        Self {
            overload,
            late: Cell::default(),
            push: Cell::default(),
            full: Cell::default(),
            late_ticks: Cell::default(),
            sheds: Cell::default(),
            ticked: Cell::default(),
            chances: Default::default(),
            seen: Default::default(),
            dice: Cell::new(1),
            memory: Cell::default(),
            sent: Cell::default(),
            waited: Cell::default(),
        }
    }

    /// Whether calls are let go of at all: the one question of a call in good times.
    ///
    /// Where all pieces of work are long the worker's own tick is late as well, and who comes
    /// meanwhile would be let in by what was known before it. So the tick that is due is this one.
    pub fn sheds(&self, now: Instant) -> bool {
        if self.ticked.get().is_some_and(|last| now.saturating_duration_since(last) > 2 * TICK) {
            self.measure(now);
        }
        self.sheds.get()
    }

    /// Whether this call is one of them; `priority` is that of its tier.
    pub fn lets_go(&self, priority: u8) -> bool {
        let place = usize::from(priority).min(PRIORITIES - 1);
        let (Some(seen), Some(chance)) = (self.seen.get(place), self.chances.get(place)) else {
            return false;
        };
        seen.set(seen.get() + 1);
        // A generator of the simplest kind (xorshift): all that matters is the share.
        let mut dice = self.dice.get();
        dice ^= dice << 13;
        dice ^= dice >> 17;
        dice ^= dice << 5;
        self.dice.set(dice);
        dice % ALL < chance.get()
    }

    /// How long the 503 of a call is held back: a client that asks again at once costs more than
    /// it gets, and the more of them there are the longer each waits.
    pub fn hold(&self) -> Duration {
        let share = self.share();
        // Not all alike, so that they do not come again together.
        let spread = 0.5 + f64::from(self.dice.get() % ALL) / f64::from(2 * ALL);
        self.overload.hold.mul_f64(share * share * spread)
    }

    /// What `Retry-After` says, in seconds.
    pub const fn retry_after_s(&self) -> u32 {
        self.overload.retry_after_s
    }

    /// Whether a client may keep its connection for another call.
    pub fn keeps(&self) -> bool {
        self.memory.get() == Level::Fine
    }

    /// Whether connections are accepted.
    pub fn accepts(&self) -> bool {
        self.memory.get() != Level::Hard
    }

    /// The share of calls that is let go of, 0 to 1.
    pub fn share(&self) -> f64 {
        (self.late.get() + self.push.get()).min(MOST).max(self.full.get())
    }

    /// Sends the probe, unless it is under way; whether it has to be woken.
    pub fn probe(&self, now: Instant) -> bool {
        let idle = self.sent.get().is_none();
        if idle {
            self.sent.set(Some(now));
        }
        idle && !self.overload.queue_delay.is_zero()
    }

    /// It is the probe's turn.
    pub fn probed(&self, now: Instant) {
        if let Some(sent) = self.sent.take() {
            self.waited.set(now.saturating_duration_since(sent));
        }
    }

    /// A tick has passed. `memory` is the share that is taken, between the soft (0) and the hard
    /// (1) bound.
    pub fn tick(&self, now: Instant, memory: f64) {
        self.memory.set(match memory {
            share if share >= 1.0 => Level::Hard,
            share if share > 0.0 => Level::Soft,
            _ => Level::Fine,
        });
        self.full.set(memory.clamp(0.0, MOST));
        self.measure(now);
    }

    /// What the waiting of work asks for now.
    fn measure(&self, now: Instant) {
        self.ticked.set(Some(now));
        let target = self.overload.queue_delay;
        if !target.is_zero() {
            let under_way = self.sent.get().map(|sent| now.saturating_duration_since(sent));
            let waits = self.waited.get().max(under_way.unwrap_or_default());
            let excess = waits.as_secs_f64() / target.as_secs_f64() - 1.0;
            let late = excess > 0.0;
            self.late_ticks.set(if late { self.late_ticks.get().saturating_add(1) } else { 0 });
            // Who has just been overloaded is so again at once.
            let known = self.late.get() > KNOWN || self.late_ticks.get() >= LATE_TICKS;
            let overloaded = late && known;
            self.push.set(if overloaded { PUSH * excess } else { 0.0 });
            let step = match late {
                true if !overloaded => 0.0,
                true => (UP * excess).min(MOST_UP),
                false => DOWN * excess,
            };
            let left = if excess < IDLE_BELOW { IDLE_LEFT } else { 1.0 };
            self.late.set((self.late.get() * left + step).clamp(0.0, MOST));
        }
        let share = self.share();
        self.sheds.set(share > 0.0);
        self.deal(share);
    }

    /// Deals the share out: the lowest priorities first, as many of each as came since the last
    /// tick.
    fn deal(&self, share: f64) {
        let seen: Vec<f64> = self.seen.iter().map(|seen| f64::from(seen.take())).collect();
        let all: f64 = seen.iter().sum();
        let mut left = share * all;
        for (chance, seen) in self.chances.iter().zip(seen) {
            // Of a priority that nobody has, and of all while nobody has called, the share is meant.
            let part = if all == 0.0 {
                share
            } else if seen == 0.0 {
                f64::from(u8::from(left > 0.0))
            } else {
                (left / seen).min(1.0)
            };
            left = (left - seen).max(0.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share is between 0 and 1"
            )]
            chance.set((part * f64::from(ALL)) as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets work wait for `waits` at each of `ticks` ticks, with `calls` of each priority between
    /// two; the share of calls of each of them that is let go of at the end, in percent.
    fn shed(gate: &Gate, waits: Duration, ticks: u32, calls: &[(u8, u32)]) -> Vec<u32> {
        let mut now = chassis::clock::Clock::system().instant();
        let mut gone = vec![0; calls.len()];
        for _ in 0..ticks {
            gone.fill(0);
            for (place, (priority, count)) in calls.iter().enumerate() {
                gone[place] =
                    (0..*count).filter(|_| gate.sheds(now) && gate.lets_go(*priority)).count();
            }
            gate.probe(now);
            gate.probed(now + waits);
            now += TICK;
            gate.tick(now, 0.0);
        }
        let percent =
            |(gone, (_, count)): (&usize, &(u8, u32))| u32::try_from(*gone * 100).unwrap() / count;
        gone.iter().zip(calls).map(percent).collect()
    }

    fn gate() -> Gate {
        let queue_delay = Duration::from_millis(50);
        Gate::new(Overload { queue_delay, ..Overload::default() })
    }

    #[test]
    fn nobody_is_let_go_of_while_work_waits_no_longer_than_it_may() {
        assert_eq!(shed(&gate(), Duration::from_millis(50), 100, &[(5, 100)]), [0]);
    }

    #[test]
    fn nearly_everybody_is_let_go_of_while_the_delay_does_not_shrink() {
        let gate = gate();
        assert!(shed(&gate, Duration::from_millis(500), 20, &[(5, 1000)])[0] > 90);
        assert!(gate.share() < 1.0, "and never all");
    }

    #[test]
    fn the_lowest_priority_is_let_go_of_first() {
        let gate = gate();
        // Half of all: that is most of the lowest.
        let gone = shed(&gate, Duration::from_millis(100), 24, &[(1, 1000), (9, 1000)]);
        assert!(gone[0] > 80 && gone[1] < 10, "{gone:?}");
        let gone = shed(&gate, Duration::from_millis(100), 15, &[(1, 1000), (9, 1000)]);
        assert!(gone[0] == 100 && gone[1] > 40, "{gone:?}");
    }

    #[test]
    fn the_gate_is_open_again_a_second_after_the_load() {
        let gate = gate();
        shed(&gate, Duration::from_secs(1), 100, &[(5, 100)]);
        assert_eq!(shed(&gate, Duration::ZERO, 20, &[(5, 100)]), [0]);
        assert!(!gate.sheds.get());
    }

    #[test]
    fn work_that_never_gets_its_turn_counts_as_well() {
        let gate = gate();
        let now = chassis::clock::Clock::system().instant();
        assert!(gate.probe(now) && !gate.probe(now + TICK));
        for second in 1..=3 {
            gate.tick(now + Duration::from_secs(second), 0.0);
        }
        assert!(gate.sheds.get());
    }

    #[test]
    fn calls_are_let_go_of_while_long_work_keeps_the_ticks_away() {
        let gate = gate();
        let now = chassis::clock::Clock::system().instant();
        gate.tick(now, 0.0);
        gate.probe(now);
        let mut gone = (1_u32..).map(|piece| gate.sheds(now + piece * Duration::from_millis(20)));
        let first = gone.position(|gone| gone).unwrap();
        assert!((15..=20).contains(&first), "after {first} pieces of work");
    }

    #[test]
    fn a_single_long_piece_of_work_is_no_overload() {
        let gate = gate();
        for _ in 0..10 {
            shed(&gate, Duration::from_secs(1), 2, &[(5, 100)]);
            assert!(!gate.sheds.get());
            shed(&gate, Duration::ZERO, 1, &[(5, 100)]);
        }
    }

    #[test]
    fn memory_ends_kept_connections_first_and_accepts_nothing_in_the_end() {
        let gate = Gate::new(Overload::default());
        let now = chassis::clock::Clock::system().instant();
        let check = |memory, keeps, accepts, sheds| {
            gate.tick(now, memory);
            assert_eq!((gate.keeps(), gate.accepts(), gate.sheds(now)), (keeps, accepts, sheds));
        };
        check(0.0, true, true, false);
        check(0.5, false, true, true);
        check(1.2, false, false, true);
        check(0.0, true, true, false);
    }
}
