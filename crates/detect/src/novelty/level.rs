//! Is the series somewhere else than a little before?

/// The last points, which are compared
const NOW: usize = 12;
/// with those before, up to here.
const BEFORE: usize = 150;
/// Older points are removed when there are so many.
const SLACK: usize = 12;
/// A series that stood still is taken to move by this share of its range.
const STILL: f64 = 0.01;

/// The last points, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Level(Vec<f64>);

impl Level {
    /// How many standard deviations the last points are away from those before them; 0 until there are
    /// enough. `range` is the distance of the largest and the smallest value so far.
    pub(super) fn shift(&self, range: f64) -> f64 {
        let start = self.0.len().checked_sub(BEFORE);
        let points = start.and_then(|start| self.0.get(start..));
        let Some((before, now)) = points.and_then(|it| it.split_at_checked(BEFORE - NOW)) else {
            return 0.0;
        };
        let (now, middle) = (mean(now, |x| x), mean(before, |x| x));
        let spread = mean(before, |x| (x - middle) * (x - middle));
        let spread = spread.sqrt() + STILL * range;
        if spread > 0.0 { (now - middle).abs() / spread } else { 0.0 }
    }

    /// Takes the next point.
    pub(super) fn push(&mut self, value: f64) {
        if self.0.len() >= BEFORE + SLACK {
            self.0.drain(..SLACK);
        }
        if self.0.is_empty() {
            self.0.reserve_exact(BEFORE + SLACK);
        }
        self.0.push(value);
    }
}

/// The mean of what is made of values.
#[expect(clippy::cast_precision_loss, reason = "some hundred points")]
fn mean(values: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    // Four sums side by side: one addition need not wait for the one before.
    let (fours, rest) = values.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for four in fours {
        sums.iter_mut().zip(four).for_each(|(sum, value)| *sum += of(*value));
    }
    let sum = sums.iter().sum::<f64>() + rest.iter().map(|value| of(*value)).sum::<f64>();
    if values.is_empty() { 0.0 } else { sum / values.len() as f64 }
}
