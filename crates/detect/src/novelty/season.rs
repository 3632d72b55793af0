//! Is it what this time of the day is like?

const DAY_S: i64 = 86_400;
const SLOT_S: i64 = 900;
/// Slots of a day.
const SLOTS: usize = 96;
/// How many values a slot must have seen before it says something.
const ENOUGH: u32 = 2;
/// What a new value weighs at least, so that a slot follows what has changed.
const WEIGHT: f64 = 0.05;

/// What each quarter of an hour of the day is like.
#[derive(Clone, Debug)]
pub(super) struct Season(Box<[Slot; SLOTS]>);

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    mean: f64,
    seen: u32,
}

impl Default for Season {
    fn default() -> Self {
        Self(Box::new([Slot::default(); SLOTS]))
    }
}

impl Season {
    /// What was expected at this time, as far as that is known; `value` is learnt afterwards.
    pub(super) fn expected(&mut self, at_unix_s: i64, value: f64) -> Option<f64> {
        let slot = usize::try_from(at_unix_s.rem_euclid(DAY_S) / SLOT_S).unwrap_or(0);
        let slot = self.0.get_mut(slot)?;
        let expected = (slot.seen >= ENOUGH).then_some(slot.mean);
        slot.seen = slot.seen.saturating_add(1);
        slot.mean += (1.0 / f64::from(slot.seen)).max(WEIGHT) * (value - slot.mean);
        expected
    }
}
