//! Was a value ever so high, or so low?

/// Before so many points every value is new.
const WARM: u32 = 50;

/// The largest and the smallest value so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Range {
    bounds: Option<(f64, f64)>,
    seen: u32,
}

impl Range {
    /// From the smallest to the largest value.
    pub(super) fn width(&self) -> f64 {
        self.bounds.map_or(0.0, |(low, high)| high - low)
    }

    /// The smallest and the largest value.
    pub(super) const fn bounds(&self) -> Option<(f64, f64)> {
        self.bounds
    }

    /// By what share of the range before a value leaves it; 0 inside.
    pub(super) fn excess(&mut self, value: f64) -> f64 {
        self.seen = self.seen.saturating_add(1);
        let Some((low, high)) = self.bounds else {
            self.bounds = Some((value, value));
            return 0.0;
        };
        let beyond = (value - high).max(low - value).max(0.0);
        let width = high - low;
        self.bounds = Some((low.min(value), high.max(value)));
        if self.seen <= WARM || beyond == 0.0 {
            return 0.0;
        }
        // Whatever leaves a range of nothing leaves it far.
        if width > 0.0 { beyond / width } else { 1.0 }
    }
}
