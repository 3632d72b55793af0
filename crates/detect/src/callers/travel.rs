//! Can one be at both places?

use serde::{Deserialize, Serialize};

/// The mean radius of the earth.
const EARTH_KM: f64 = 6371.0;

/// Where somebody was, and when.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Degrees, north is positive.
    pub latitude: f64,
    /// Degrees, east is positive.
    pub longitude: f64,
    /// Microseconds since the Unix epoch.
    pub at_us: i64,
}

/// The way between two places as a bird flies.
pub fn kilometres(a: Place, b: Place) -> f64 {
    // Mostly nobody has moved, and an angle takes longer than that question.
    if (a.latitude, a.longitude) == (b.latitude, b.longitude) {
        return 0.0;
    }
    let (from, to) = (a.latitude.to_radians(), b.latitude.to_radians());
    let north = ((to - from) / 2.0).sin();
    let east = ((b.longitude - a.longitude).to_radians() / 2.0).sin();
    let half = north * north + from.cos() * to.cos() * east * east;
    2.0 * EARTH_KM * half.sqrt().min(1.0).asin()
}

/// How fast somebody was who was at both. At one moment: infinitely fast, unless it is one place.
#[expect(clippy::cast_precision_loss, reason = "hours")]
pub fn speed_kmh(a: Place, b: Place) -> f64 {
    let (way, hours) = (kilometres(a, b), a.at_us.abs_diff(b.at_us) as f64 / 3.6e9);
    if way == 0.0 { 0.0 } else { way / hours }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const ZURICH: (f64, f64) = (47.38, 8.54);
    const SYDNEY: (f64, f64) = (-33.87, 151.21);
    const BERN: (f64, f64) = (46.95, 7.45);

    #[track_caller]
    fn check(from: (f64, f64), to: (f64, f64), hours: i64, expected: (f64, f64)) {
        let place = |(latitude, longitude), at_us| Place { latitude, longitude, at_us };
        let (a, b) = (place(from, 0), place(to, hours * HOUR));
        let found = (kilometres(a, b).round(), speed_kmh(a, b).round());
        assert_eq!(found, expected);
        assert_eq!((kilometres(b, a).round(), speed_kmh(b, a).round()), expected);
    }

    #[test]
    fn the_way_and_the_speed_are_those_of_the_globe() {
        check(ZURICH, BERN, 1, (95.0, 95.0));
        check(ZURICH, SYDNEY, 20, (16568.0, 828.0));
        check(ZURICH, SYDNEY, 0, (16568.0, f64::INFINITY));
        check(BERN, BERN, 0, (0.0, 0.0));
        check((0.0, 179.0), (0.0, -179.0), 1, (222.0, 222.0));
    }
}
