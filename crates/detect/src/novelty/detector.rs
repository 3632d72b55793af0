//! What do the four looks say together?

use super::level::Level;
use super::range::Range;
use super::record::Record;
use super::season::Season;
use super::shape::Shape;

/// What each look has to come to, of its own record, to be a novelty by itself.
const LEVEL: f64 = 1.0 / 0.85;
const SEASON: f64 = 1.0 / 0.75;
const SHAPE: f64 = 1.0;
/// The share of the range by which a value has to leave it.
const RANGE: f64 = 0.02;
/// After a novelty so many points belong to it.
const REST: u32 = 30;
/// No value that a service measures is larger; its square can still be counted with.
const LARGEST: f64 = 1e100;

/// Watches one series. Holds at most 30 KB, and takes some microseconds for a point.
#[derive(Clone, Debug, Default)]
pub struct Novelty {
    first: Option<f64>,
    level: Level,
    season: Season,
    shape: Shape,
    range: Range,
    levels: Record,
    seasons: Record,
    shapes: Record,
    rest: u32,
}

/// What was seen in a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// 0: as ever. From 0.5: it never was so before. Below 1. It stays 0 while the novelty before
    /// may still be going on.
    pub score: f64,
    /// By what it stands out most.
    pub sign: Sign,
    /// What was expected, where that can be said.
    pub expected: Option<f64>,
}

/// By what a point stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The last points are elsewhere than those before.
    Level,
    /// This time of the day is different.
    Season,
    /// The curve of the last points.
    Shape,
    /// No value was ever so high or so low.
    Range,
}

impl Novelty {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next point; points come in the order of their times, and where one is missing the series goes
    /// on with the next. A value that is no number is passed over.
    pub fn see(&mut self, at_unix_s: i64, value: f64) -> Seen {
        if !value.is_finite() {
            return Seen { score: 0.0, sign: Sign::Range, expected: None };
        }
        let value = value.clamp(-LARGEST, LARGEST);
        // Small differences of large numbers would be lost.
        let first = *self.first.get_or_insert(value);
        let value = value - first;
        let level = self.level.shift(self.range.width());
        self.level.push(value);
        let expected = self.season.expected(at_unix_s, value);
        let surprise = expected.map_or(0.0, |expected| (value - expected).abs());
        let shape = self.shape.distance(value);
        let bounds = self.range.bounds();
        let signs = [
            (Sign::Level, self.levels.measure(level) / LEVEL),
            (Sign::Season, self.seasons.measure(surprise) / SEASON),
            (Sign::Shape, self.shapes.measure(shape) / SHAPE),
            (Sign::Range, self.range.excess(value) / RANGE),
        ];
        let most = signs.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        let (sign, strength) = most.unwrap_or((Sign::Range, 0.0));
        let expected = match (sign, bounds) {
            (Sign::Range, Some((low, high))) => Some(value.clamp(low, high)),
            _ => expected,
        };
        Seen { score: self.rested(strength), sign, expected: expected.map(|it| it + first) }
    }

    /// The score, unless the novelty before may be going on.
    fn rested(&mut self, strength: f64) -> f64 {
        if let Some(left) = self.rest.checked_sub(1) {
            self.rest = left;
            return 0.0;
        }
        if strength >= 1.0 {
            self.rest = REST;
        }
        strength / (1.0 + strength)
    }
}

#[cfg(test)]
#[path = "detector_tests.rs"]
mod tests;
