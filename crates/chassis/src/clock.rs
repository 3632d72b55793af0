//! What time is it, and when is it time?
//!
//! Everything that asks for the time asks a [`Clock`] it was handed, so that a test or a simulation
//! can hold the time still and move it by hand.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// A source of time; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Hands>),
}

#[derive(Debug)]
struct Hands {
    wall: SystemTime,
    monotonic: Instant,
    passed_us: AtomicU64,
    moved: watch::Sender<u64>,
}

/// Moves the time of the clock it was made with; for tests.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Hands>);

/// A future did not finish in the time it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not finished within {0:?}")]
pub struct Elapsed(pub Duration);

impl Clock {
    /// The clock of the operating system.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `at` for ever.
    pub fn fixed(at: SystemTime) -> Self {
        Self::manual(at).0
    }

    /// A clock that stands at `at` until its hands are moved.
    pub fn manual(at: SystemTime) -> (Self, ManualClock) {
        let hands = Arc::new(Hands {
            wall: at,
            monotonic: monotonic_now(),
            passed_us: AtomicU64::new(0),
            moved: watch::Sender::new(0),
        });
        (Self(Source::Manual(Arc::clone(&hands))), ManualClock(hands))
    }

    /// The wall clock.
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            Source::System => wall_now(),
            Source::Manual(hands) => hands.wall + hands.passed(),
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z; negative before.
    pub fn unix_us(&self) -> i64 {
        match self.now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |before| -before)
            }
        }
    }

    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub fn unix_seconds(&self) -> i64 {
        self.unix_us().div_euclid(1_000_000)
    }

    /// The monotonic clock, for measuring spans of time.
    pub fn instant(&self) -> Instant {
        match &self.0 {
            Source::System => monotonic_now(),
            Source::Manual(hands) => hands.monotonic + hands.passed(),
        }
    }

    /// Returns after `span` has passed on this clock.
    pub async fn sleep(&self, span: Duration) {
        match &self.0 {
            Source::System => tokio::time::sleep(span).await,
            Source::Manual(hands) => {
                let until = hands.passed_us.load(Ordering::Acquire).saturating_add(micros(span));
                let mut moved = hands.moved.subscribe();
                // The sender lives in `hands`, which this future holds: waiting cannot fail.
                let _ = moved.wait_for(|passed| *passed >= until).await;
            }
        }
    }

    /// Gives `work` at most `span`; what is not finished by then is dropped.
    pub async fn timeout<F: Future>(&self, span: Duration, work: F) -> Result<F::Output, Elapsed> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.sleep(span) => Err(Elapsed(span)),
        }
    }
}

impl ManualClock {
    /// Moves the time forward and wakes whoever slept until then.
    pub fn advance(&self, span: Duration) {
        let step = micros(span);
        let passed = self.0.passed_us.fetch_add(step, Ordering::AcqRel).saturating_add(step);
        self.0.moved.send_modify(|seen| *seen = (*seen).max(passed));
    }
}

impl Hands {
    fn passed(&self) -> Duration {
        Duration::from_micros(self.passed_us.load(Ordering::Acquire))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn wall_now() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
fn monotonic_now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_hands_pass_its_time_and_not_before() {
        let (clock, hands) = Clock::manual(UNIX_EPOCH + Duration::from_secs(100));
        let mut sleeper = Box::pin(clock.sleep(Duration::from_secs(10)));
        let mut still_sleeps = || sleeper.as_mut().now_or_never().is_none();
        assert!(still_sleeps());
        hands.advance(Duration::from_secs(9));
        assert!(still_sleeps());
        hands.advance(Duration::from_secs(1));
        sleeper.await;
        assert_eq!(clock.unix_seconds(), 110);
    }

    #[test]
    fn times_before_1970_are_negative() {
        let clock = Clock::fixed(UNIX_EPOCH - Duration::from_millis(1_500));
        assert_eq!((clock.unix_us(), clock.unix_seconds()), (-1_500_000, -2));
    }
}
