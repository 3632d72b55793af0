//! Was there ever a curve like this?
//!
//! The last 32 points, as eight means of four, beside all such curves of the last points: the distance
//! to the nearest of them.

/// Points of a mean.
const STEP: usize = 4;
/// Means of a curve.
const PLACES: usize = 8;
/// How many points are remembered.
const REMEMBERED: usize = 3000;
/// They are moved together after so many more.
const SLACK: usize = 375;
/// Points that a curve covers from its first mean to its last.
const SPAN: usize = STEP * (PLACES - 1);
/// Curves that are compared in one go.
const TOGETHER: usize = 64;
/// Curves before there is anything to compare with.
const ENOUGH: usize = 80;

/// The curves of the last points.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    last: [f64; STEP],
    seen: usize,
    /// The mean of each point and the three before it, oldest first.
    means: Vec<f64>,
}

impl Shape {
    /// How far the curve that ends with `value` is from the nearest before it; 0 until there are enough.
    pub(super) fn distance(&mut self, value: f64) -> f64 {
        self.last.rotate_left(1);
        self.last[STEP - 1] = value;
        self.seen = self.seen.saturating_add(1);
        if self.seen < STEP {
            return 0.0;
        }
        if self.means.len() >= REMEMBERED + SLACK {
            self.means.drain(..SLACK);
        }
        self.means.push(self.last.iter().sum::<f64>() / 4.0);
        self.nearest().unwrap_or(0.0)
    }

    fn nearest(&self) -> Option<f64> {
        // Curves that overlap with the one that is asked about are no news.
        let older = self.means.len().checked_sub(STEP * PLACES)?;
        let curves = older.checked_sub(SPAN).filter(|curves| *curves >= ENOUGH)?;
        let mut wanted = [0.0; PLACES];
        let newest = self.means.get(self.means.len() - 1 - SPAN..)?.iter().step_by(STEP);
        wanted.iter_mut().zip(newest).for_each(|(wanted, mean)| *wanted = *mean);
        let mut nearest = f64::MAX;
        // Many curves at once and without an index, so that the compiler makes vectors of it.
        for first in (0..curves).step_by(TOGETHER) {
            let mut distances = [0.0; TOGETHER];
            let distances = distances.get_mut(..TOGETHER.min(curves - first))?;
            for (place, wanted) in wanted.iter().enumerate() {
                let theirs = self.means.get(first + place * STEP..)?;
                for (distance, mean) in distances.iter_mut().zip(theirs) {
                    *distance += (wanted - mean) * (wanted - mean);
                }
            }
            nearest = distances.iter().copied().fold(nearest, f64::min);
        }
        Some(nearest.sqrt())
    }
}
