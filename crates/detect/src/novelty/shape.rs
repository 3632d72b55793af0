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
const TOGETHER: usize = 16;
/// Means of them after which it is seen whether one can still be the nearest.
const FIRST: usize = 2;
/// Curves before there is anything to compare with.
const ENOUGH: usize = 80;

/// The curves of the last points.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    last: [f64; STEP],
    seen: usize,
    /// The mean of each point and the three before it, oldest first.
    means: Vec<f64>,
    /// Where those curves begin of which one was the nearest to the last.
    near: usize,
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
            self.near = self.near.saturating_sub(SLACK);
        }
        if self.means.len() == self.means.capacity() {
            // No more than is used: a series takes most of its memory for this.
            self.means.reserve_exact(SLACK);
        }
        self.means.push(self.last.iter().sum::<f64>() / 4.0);
        let Some((near, distance)) = self.nearest() else { return 0.0 };
        self.near = near;
        distance.sqrt()
    }

    /// Where the nearest of all curves is among, and the square of its distance.
    fn nearest(&self) -> Option<(usize, f64)> {
        // Curves that overlap with the one that is asked about are no news.
        let older = self.means.len().checked_sub(STEP * PLACES)?;
        let curves = older.checked_sub(SPAN).filter(|curves| *curves >= ENOUGH)?;
        let mut wanted = [0.0; PLACES];
        let newest = self.means.get(self.means.len() - 1 - SPAN..)?.iter().step_by(STEP);
        wanted.iter_mut().zip(newest).for_each(|(wanted, mean)| *wanted = *mean);
        let last = curves.checked_sub(TOGETHER)?;
        // What was like this curve a point ago still is, mostly, and after it hardly any needs all its means.
        let likely = self.near.saturating_add(1).min(last);
        let mut nearest = (likely, f64::MAX);
        for first in [likely].into_iter().chain((0..last).step_by(TOGETHER)).chain([last]) {
            if let Some(distance) = self.nearer(first, &wanted, nearest.1) {
                nearest = (first, distance);
            }
        }
        Some(nearest)
    }

    /// The smallest distance of the curves that begin at `first` and just behind it, where one is nearer
    /// than `most`.
    fn nearer(&self, first: usize, wanted: &[f64; PLACES], most: f64) -> Option<f64> {
        // Many curves at once and without an index, so that the compiler makes vectors of it.
        let mut distances = [0.0; TOGETHER];
        for (place, wanted) in wanted.iter().enumerate() {
            if place == FIRST && least(&distances) >= most {
                return None;
            }
            let theirs = self.means.get(first + place * STEP..)?.first_chunk::<TOGETHER>()?;
            for (distance, mean) in distances.iter_mut().zip(theirs) {
                *distance += (wanted - mean) * (wanted - mean);
            }
        }
        Some(least(&distances)).filter(|distance| *distance < most)
    }
}

fn least(distances: &[f64; TOGETHER]) -> f64 {
    distances.iter().fold(f64::MAX, |least, it| if *it < least { *it } else { least })
}
