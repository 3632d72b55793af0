//! Can one be in both places in that time? (KM-141 rule 6)
//!
//! For each traveller the last place is remembered. More than 500 km at more than 900 km/h is told
//! of: faster than people fly, and farther than databases of places err.

use std::collections::HashMap;

use super::places::Place;

const FAR_KM: f64 = 500.0;
const FAST_KM_H: f64 = 900.0;
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
        let [from, here] = [at_time(before, at), at_time(place, now.max(at))];
        let trip =
            Trip { km: detect::kilometres(from, here), seconds: now.saturating_sub(at).max(0) };
        let is_impossible = trip.km > FAR_KM && detect::speed_kmh(from, here) > FAST_KM_H;
        is_impossible.then_some(trip)
    }
}

fn at_time(Place { latitude, longitude }: Place, seconds: i64) -> detect::Place {
    detect::Place { latitude, longitude, at_us: seconds.saturating_mul(1_000_000) }
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
    fn travellers_are_bounded() {
        let mut travellers = Travellers::new(1);
        travellers.see("ann", ZURICH, 0);
        travellers.see("ben", ZURICH, 0);
        assert_eq!(travellers.see("ben", NEW_YORK, 60), None, "not watched");
        travellers.see("ben", ZURICH, FORGOTTEN_SECONDS);
        assert!(travellers.see("ben", NEW_YORK, FORGOTTEN_SECONDS + 60).is_some());
    }
}
