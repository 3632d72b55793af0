//! Is the series somewhere else than a little before?

use std::collections::VecDeque;

/// The last points, which are compared
const NOW: usize = 12;
/// with those before, up to here.
const BEFORE: usize = 150;
/// A series that stood still is taken to move by this share of its range.
const STILL: f64 = 0.01;

/// The last points.
#[derive(Clone, Debug, Default)]
pub(super) struct Level(VecDeque<f64>);

impl Level {
    /// How many standard deviations the last points are away from those before them; 0 until there are
    /// enough. `range` is the distance of the largest and the smallest value so far.
    pub(super) fn shift(&self, range: f64) -> f64 {
        if self.0.len() < BEFORE {
            return 0.0;
        }
        let now = mean(self.0.iter().take(NOW).copied());
        let before = self.0.iter().skip(NOW).copied();
        let middle = mean(before.clone());
        let spread = mean(before.map(|x| (x - middle) * (x - middle)));
        let spread = spread.sqrt() + STILL * range;
        if spread > 0.0 { (now - middle).abs() / spread } else { 0.0 }
    }

    /// Takes the next point.
    pub(super) fn push(&mut self, value: f64) {
        self.0.push_front(value);
        self.0.truncate(BEFORE);
    }
}

#[expect(clippy::cast_precision_loss, reason = "some hundred points")]
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, n), value| (sum + value, n + 1));
    if count == 0 { 0.0 } else { sum / count as f64 }
}
