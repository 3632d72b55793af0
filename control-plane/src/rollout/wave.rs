//! How far does a wave reach, so that it has its share of the gateways?
//!
//! Gateways stand in the order of their names' places, and a wave has the first of them. The same
//! gateways go first in every rollout, so that people can choose, by name, who that is.

use crate::catalog::{Place, Wave};

/// The wave that has `percent` of the gateways that stand at `places`, at least one of them, and all
/// of `before`.
pub(super) fn reaching(percent: u32, mut places: Vec<Place>, before: Wave) -> Wave {
    if percent >= 100 {
        return Wave::ALL;
    }
    places.sort_unstable();
    let percent = usize::try_from(percent).unwrap_or(usize::MAX);
    let count = places.len().saturating_mul(percent).div_ceil(100).max(1);
    let last = count.checked_sub(1).and_then(|last| places.get(last)).copied();
    Wave { up_to: last.max(before.up_to) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `of` gateways stand at 1, 2, 3 and so on: how many of them has the wave?
    #[track_caller]
    fn check(percent: u32, of: u64, before: Option<u64>, expected: usize) {
        let places: Vec<Place> = (1..=of).rev().map(Place).collect();
        let wave = reaching(percent, places.clone(), Wave { up_to: before.map(Place) });
        assert_eq!(places.iter().filter(|place| wave.has(**place)).count(), expected);
    }

    #[test]
    fn a_wave_has_its_share_rounded_up() {
        check(25, 4, None, 1);
        check(26, 4, None, 2);
        check(5, 200, None, 10);
    }

    #[test]
    fn a_wave_has_at_least_one_gateway() {
        check(1, 3, None, 1);
        check(1, 0, None, 0);
    }

    #[test]
    fn everybody_is_everybody_who_comes_later_too() {
        check(100, 3, None, 3);
        assert!(reaching(100, Vec::new(), Wave::default()).has(Place(u64::MAX)));
    }

    #[test]
    fn a_later_wave_has_all_of_the_one_before() {
        // Most of the others have gone away since.
        check(50, 4, Some(3), 3);
    }
}
