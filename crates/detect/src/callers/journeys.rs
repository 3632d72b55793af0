//! Can this caller have come from where it was before?
//!
//! A journey is told that is longer than databases of places err and faster than people fly. Whoever goes
//! through a tunnel, or carries two devices, is at once where they work and where the tunnel ends: so
//! a place to which a caller has jumped before, or from which it came, is no news.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::travel::{Place, kilometres, speed_kmh};

/// Places of one caller that are known; the one that was not seen for longest makes room.
const MOST: usize = 16;
/// A place that was not seen for so long is news again.
const FORGOTTEN_US: i64 = 30 * 24 * 3_600_000_000;
/// Within so many kilometres it is the same place.
const SAME_KM: f64 = 100.0;

/// The journeys of one caller.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Journeys {
    last: Option<Stop>,
    known: VecDeque<Place>,
}

/// Where a caller was, and in whose network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// Where, and when.
    pub place: Place,
    /// Number of the autonomous system; 0: unknown.
    pub network: u32,
}

/// A journey that nobody makes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Journey {
    /// From where.
    pub from: Place,
    /// How far.
    pub kilometres: f64,
    /// In how many seconds.
    pub seconds: u64,
    /// Whether the caller was never there, of late.
    pub is_news: bool,
    /// Whether both places are in one network: then it may be the network that has moved.
    pub within_network: bool,
}

impl Journeys {
    /// The next call. A journey of more than `far_km` that is faster than `fast_kmh` is told.
    pub fn arrive(&mut self, here: Stop, far_km: f64, fast_kmh: f64) -> Option<Journey> {
        let is_news = !self.knows(here.place);
        let Some(last) = self.last else {
            self.last = Some(here);
            self.remember(here.place);
            return None;
        };
        // A call that comes late does not say where the caller is now.
        if here.place.at_us >= last.place.at_us {
            self.last = Some(here);
        }
        self.remember(here.place);
        let way = kilometres(last.place, here.place);
        if way <= far_km || speed_kmh(last.place, here.place) <= fast_kmh {
            return None;
        }
        Some(Journey {
            from: last.place,
            kilometres: way,
            seconds: here.place.at_us.abs_diff(last.place.at_us) / 1_000_000,
            is_news,
            within_network: here.network != 0 && here.network == last.network,
        })
    }

    fn knows(&self, place: Place) -> bool {
        let since_us = place.at_us.saturating_sub(FORGOTTEN_US);
        let mut late = self.known.iter().filter(|known| known.at_us >= since_us);
        late.any(|known| kilometres(*known, place) <= SAME_KM)
    }

    /// The place is the newest one now.
    fn remember(&mut self, place: Place) {
        if let Some(newest) = self.known.back_mut()
            && kilometres(*newest, place) <= SAME_KM
        {
            newest.at_us = newest.at_us.max(place.at_us);
            return;
        }
        self.known.retain(|known| kilometres(*known, place) > SAME_KM);
        if self.known.len() >= MOST {
            self.known.pop_front();
        }
        self.known.push_back(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn at(name: &str, hour: i64) -> Stop {
        let (latitude, longitude, network) = match name {
            "z" => (47.4, 8.5, 1),
            "b" => (46.95, 7.45, 1),
            // Hamburg, of the same carrier as Zurich.
            "h" => (53.5, 10.0, 1),
            "n" => (40.7, -74.0, 2),
            _ => (35.7, 139.7, 3),
        };
        Stop { place: Place { latitude, longitude, at_us: hour * HOUR }, network }
    }

    /// `stops` are a place and an hour each; the answer has `!` for a journey to where the caller never
    /// was, `~` for one to a known place, `=` for one within a network, `.` for all else.
    #[track_caller]
    fn check(stops: &str, said: &str) {
        let mut journeys = Journeys::default();
        let told: String = stops
            .split(' ')
            .map(|stop| {
                let (name, hour) = stop.split_at(1);
                let here = at(name, hour.parse().unwrap());
                match journeys.arrive(here, 500.0, 900.0) {
                    None => '.',
                    Some(journey) if journey.within_network => '=',
                    Some(journey) if journey.is_news => '!',
                    Some(_) => '~',
                }
            })
            .collect();
        assert_eq!(told, said);
        assert!(journeys.known.len() <= MOST);
    }

    #[test]
    fn only_what_nobody_flies_is_told() {
        check("z0 n0", ".!");
        check("z0 n6", ".!");
        check("z0 n8", "..");
        check("z0 b0 z0", "...");
    }

    #[test]
    fn the_end_of_a_tunnel_is_news_once() {
        check("z0 n1 z2 n3 z4 n5 t6", ".!~~~~!");
    }

    #[test]
    fn after_a_month_a_place_is_news_again() {
        check("z0 n1 z2 z800 n801", ".!~.!");
    }

    #[test]
    fn a_network_may_move() {
        check("z0 h0", ".=");
    }

    #[test]
    fn a_call_that_comes_late_does_not_move_the_caller_back() {
        check("z0 n10 z1 n11", "....");
    }
}
