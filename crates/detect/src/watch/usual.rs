//! What is a number usually?

use serde::{Deserialize, Serialize};

/// A mean and a variance that follow slowly.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Usual {
    pub(super) seen: u64,
    pub(super) mean: f64,
    pub(super) variance: f64,
}

impl Usual {
    /// The next value; at the beginning each weighs the same.
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    pub(super) fn learn(&mut self, value: f64, least_weight: f64) {
        self.seen = self.seen.saturating_add(1);
        let weight = (1.0 / self.seen as f64).max(least_weight);
        let off = value - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
    }

    pub(super) fn deviation(&self) -> f64 {
        self.variance.sqrt()
    }
}
