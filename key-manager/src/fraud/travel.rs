//! Can one be in both places in that time? (KM-141 rule 6)
//!
//! For each traveller the last place is remembered. More than 500 km at more than 900 km/h is told
//! of: faster than people fly, and farther than databases of places err.

use std::collections::HashMap;

use super::places::Place;

const FAR_KM: f64 = 500.0;
const FAST_KM_H: f64 = 900.0;
const EARTH_KM: f64 = 6371.0;
/// A traveller who was not seen for so long is forgotten when room is needed.
const FORGOTTEN_SECONDS: i64 = 24 * 3600;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trip {
    pub(super) km: f64,
    pub(super) seconds: i64,
}

#[derive(Debug)]
pub(super) struct Travellers {
    most: usize,
    seen: HashMap<String, (Place, i64)>,
}

impl Travellers {
    pub(super) fn new(most: usize) -> Self {
        Self { most, seen: HashMap::new() }
    }

    /// Sees a traveller; answers how they came here, if nobody can have.
    pub(super) fn see(&mut self, who: &str, place: Place, now: i64) -> Option<Trip> {
        if !self.seen.contains_key(who) && self.seen.len() >= self.most {
            self.seen.retain(|_, (_, at)| now.saturating_sub(*at) < FORGOTTEN_SECONDS);
            if self.seen.len() >= self.most {
                return None;
            }
        }
        let (before, at) = self.seen.insert(who.to_owned(), (place, now))?;
        let trip = Trip { km: distance_km(before, place), seconds: now.saturating_sub(at).max(0) };
        trip.is_impossible().then_some(trip)
    }
}

impl Trip {
    fn is_impossible(self) -> bool {
        let hours = f64::from(i32::try_from(self.seconds).unwrap_or(i32::MAX)) / 3600.0;
        self.km > FAR_KM && self.km > FAST_KM_H * hours
    }
}

/// Along the surface (haversine).
fn distance_km(from: Place, to: Place) -> f64 {
    let half_sine = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let across = half_sine(to.longitude - from.longitude)
        * from.latitude.to_radians().cos()
        * to.latitude.to_radians().cos();
    let part = (half_sine(to.latitude - from.latitude) + across).clamp(0.0, 1.0);
    2.0 * EARTH_KM * part.sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZURICH: Place = Place { latitude: 47.38, longitude: 8.54 };
    const BERN: Place = Place { latitude: 46.95, longitude: 7.45 };
    const NEW_YORK: Place = Place { latitude: 40.71, longitude: -74.01 };
    const AUCKLAND: Place = Place { latitude: -36.85, longitude: 174.76 };
    const FIJI: Place = Place { latitude: -17.71, longitude: -178.06 };

    #[track_caller]
    fn check(from: Place, to: Place, hours: i64, impossible: bool) {
        let mut travellers = Travellers::new(9);
        assert_eq!(travellers.see("ann", from, 0), None);
        assert_eq!(travellers.see("ben", to, 0), None, "somebody else");
        assert_eq!(travellers.see("ann", to, hours * 3600).is_some(), impossible);
    }

    #[test]
    fn only_what_nobody_flies_is_impossible() {
        check(ZURICH, NEW_YORK, 0, true);
        check(ZURICH, NEW_YORK, 6, true);
        check(ZURICH, NEW_YORK, 8, false);
        check(ZURICH, BERN, 0, false);
        check(ZURICH, ZURICH, 0, false);
        // Across the date line it is 2,150 km, and not half the world.
        check(AUCKLAND, FIJI, 3, false);
        check(AUCKLAND, FIJI, 2, true);
    }

    #[test]
    fn distances_are_those_of_the_map() {
        for (from, to, km) in
            [(ZURICH, NEW_YORK, 6320.0), (ZURICH, BERN, 95.0), (FIJI, AUCKLAND, 2240.0)]
        {
            let found = distance_km(from, to);
            assert!((found - km).abs() < km * 0.05, "{found} for {km}");
        }
    }

    #[test]
    fn travellers_are_bounded() {
        let mut travellers = Travellers::new(1);
        travellers.see("ann", ZURICH, 0);
        travellers.see("ben", ZURICH, 0);
        assert_eq!(travellers.see("ben", NEW_YORK, 60), None, "not watched");
        travellers.see("ben", ZURICH, FORGOTTEN_SECONDS);
        assert!(travellers.see("ben", NEW_YORK, FORGOTTEN_SECONDS + 60).is_some());
    }
}
