//! Which step does a caller take after which?
//!
//! A first-order Markov chain over what is called, `GET /orders/{id}` after `GET /orders`. It learns all the
//! time; the probability of a step is that of what was known before it.

use serde::{Deserialize, Serialize};

use super::few::Few;

/// How many different pairs of steps are known at most; then all counts are halved, and what was
/// seen once is forgotten.
const MOST_PAIRS: usize = 1024;
/// A short list has so many.
const FEW: usize = 4;

/// The steps of one caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Steps {
    learning: u64,
    pause_us: i64,
    seen: u64,
    last: Option<(u64, i64)>,
    #[serde(with = "super::listed")]
    pairs: Few<(u64, u64), u32, FEW>,
    /// How often each step was followed by another.
    left: Few<u64, u32, FEW>,
    /// One bit for each of the last eight steps: it was never taken before.
    novel: u8,
}

/// A step and how usual it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The step before it.
    pub from: u64,
    /// How often it followed that one until now, 0 to 1.
    pub probability: f64,
    /// How many of the last eight steps, with this one, were never taken before.
    pub novel: u32,
}

impl Steps {
    /// Says nothing before `learning` calls. Calls that are more than `pause_us` apart do not follow each
    /// other.
    pub fn new(learning: u64, pause_us: i64) -> Self {
        let (pairs, left) = (Few::None, Few::None);
        Self { learning, pause_us, seen: 0, last: None, pairs, left, novel: 0 }
    }

    /// From now on it says nothing before `learning` calls, those of before included.
    pub const fn learn_for(&mut self, learning: u64) {
        self.learning = learning;
    }

    /// The next call, by a number for what is called. None: it follows nothing, or too little is known.
    pub fn take(&mut self, at_us: i64, to: u64) -> Option<Step> {
        let before = self.last.replace((to, at_us));
        let learnt = self.seen >= self.learning;
        self.seen = self.seen.saturating_add(1);
        let (from, _) =
            before.filter(|(_, then_us)| at_us.saturating_sub(*then_us) <= self.pause_us)?;
        let (these, all) = self.learn(from, to);
        let probability = if all == 0 { 0.0 } else { f64::from(these) / f64::from(all) };
        self.novel = (self.novel << 1) | u8::from(these == 0);
        learnt.then_some(Step { from, probability, novel: self.novel.count_ones() })
    }

    /// Counts a step, and says how often it was taken before, and how often any was taken from there.
    fn learn(&mut self, from: u64, to: u64) -> (u32, u32) {
        let one_more = |times: Option<u32>| times.unwrap_or(0).saturating_add(1);
        let pair = self.pairs.put((from, to), one_more).unwrap_or(0);
        let left = self.left.put(from, one_more).unwrap_or(0);
        if self.pairs.len() > MOST_PAIRS || left.saturating_add(1) == u32::MAX {
            self.forget();
        }
        (pair, left)
    }

    fn forget(&mut self) {
        self.pairs.retain(|_, times| Some(times / 2).filter(|times| *times > 0));
        self.left.clear();
        for ((from, _), times) in self.pairs.iter() {
            self.left.put(from, |left| left.unwrap_or(0).saturating_add(times));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// After 250 rounds of 1, 2, and then `calls`, each `gap_us` after the one before: the
    /// probability of the last step in percent.
    #[track_caller]
    fn check(calls: &[u64], gap_us: i64, expected: Option<u32>) {
        let mut steps = Steps::new(500, 3600 * SECOND);
        let mut at_us = 0;
        let mut last = None;
        for call in [1, 2].iter().cycle().take(500) {
            at_us += SECOND;
            assert_eq!(steps.take(at_us, *call), None, "it is still learning");
        }
        for call in calls {
            at_us += gap_us;
            last = steps.take(at_us, *call);
        }
        let percent = last.map(|step| (step.probability * 100.0).round());
        assert_eq!(percent, expected.map(f64::from));
    }

    #[test]
    fn a_usual_step_is_likely_and_a_new_one_is_not() {
        check(&[1], SECOND, Some(100));
        check(&[3], SECOND, Some(0));
        check(&[1, 1], SECOND, Some(0));
        check(&[3, 1], SECOND, Some(0));
    }

    #[test]
    fn a_new_step_becomes_usual() {
        check(&[1, 3].repeat(250), SECOND, Some(50));
    }

    #[test]
    fn after_a_long_pause_nothing_follows() {
        check(&[3], 3601 * SECOND, None);
    }

    #[test]
    fn a_caller_that_never_repeats_itself_takes_bounded_room() {
        let mut steps = Steps::new(0, SECOND);
        for call in 0..100_000 {
            steps.take(0, call);
        }
        assert!(steps.pairs.len() <= MOST_PAIRS && steps.left.len() <= MOST_PAIRS);
    }
}
