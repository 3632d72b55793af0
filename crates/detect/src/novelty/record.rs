//! How far is this beyond everything of the last while?

/// After so many points a record counts half.
const HALF_LIFE: f64 = 2500.0;
/// Before so many points nothing can be said.
const WARM: u32 = 50;

/// The largest value so far, which fades.
#[derive(Clone, Debug)]
pub(super) struct Record {
    largest: f64,
    seen: u32,
    fading: f64,
}

impl Default for Record {
    fn default() -> Self {
        Self { largest: 0.0, seen: 0, fading: 0.5_f64.powf(1.0 / HALF_LIFE) }
    }
}

impl Record {
    /// What `value` is of the record before it: 1 equals it. 0 as long as there is none.
    pub(super) fn measure(&mut self, value: f64) -> f64 {
        self.seen = self.seen.saturating_add(1);
        let rate = if self.largest > 0.0 { value / self.largest } else { 0.0 };
        self.largest = (self.largest * self.fading).max(value);
        if self.seen < WARM { 0.0 } else { rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sixty values of 1 and then `then`: what is the last of the record?
    #[track_caller]
    fn check(then: &[f64], expected: f64) {
        let mut record = Record::default();
        let mut last = 0.0;
        for value in std::iter::repeat_n(1.0, 60).chain(then.iter().copied()) {
            last = record.measure(value);
        }
        assert!((last - expected).abs() < 0.01, "{last}");
    }

    #[test]
    fn a_value_is_measured_by_the_largest_before() {
        check(&[3.0], 3.0);
        check(&[3.0, 3.0], 1.0);
        check(&[0.5], 0.5);
    }

    #[test]
    fn a_record_fades() {
        let quiet = vec![0.0; 2500];
        check(&[&[2.0][..], &quiet, &[1.0]].concat(), 1.0);
    }

    #[test]
    fn the_first_values_say_nothing() {
        let mut record = Record::default();
        assert!((0..40).all(|n| record.measure(f64::from(n)) == 0.0));
    }
}
