//! Has this caller come from there before?

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::few::Few;

/// How many addresses of one caller are known; the one that was not seen for longest makes room.
const MOST: usize = 256;
/// A short list has so many.
const FEW: usize = 4;
/// What one call weighs in the share of those from new addresses.
const PACE: f64 = 0.002;

/// The addresses of one caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Addresses {
    learning: u64,
    absence_us: i64,
    seen: u64,
    /// The share of calls that come from a new address, of late.
    moving: f64,
    known: Few<IpAddr, i64, FEW>,
}

/// How a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// From where calls come from, or too little is known to say more.
    Usual,
    /// From where none ever came.
    New,
    /// From where none has come for a long time.
    Returned {
        /// How long, in microseconds.
        absent_us: i64,
    },
}

impl Addresses {
    /// Says nothing before `learning` calls; an address that was away for more than `absence_us` is told.
    pub fn new(learning: u64, absence_us: i64) -> Self {
        Self { learning, absence_us, seen: 0, moving: 0.0, known: Few::None }
    }

    /// From now on it says nothing before `learning` calls, those of before included, and an absence is
    /// told from `absence_us` on.
    pub const fn learn_for(&mut self, learning: u64, absence_us: i64) {
        (self.learning, self.absence_us) = (learning, absence_us);
    }

    /// The share of its calls that came from an address that was new, of late: somebody who is under way
    /// has a large one.
    pub const fn moving(&self) -> f64 {
        self.moving
    }

    /// The next call.
    pub fn arrive(&mut self, at_us: i64, address: IpAddr) -> Arrival {
        let learnt = self.seen >= self.learning;
        self.seen = self.seen.saturating_add(1);
        self.moving *= 1.0 - PACE;
        let newer_us = |last_us: Option<i64>| last_us.map_or(at_us, |last_us| last_us.max(at_us));
        if let Some(last_us) = self.known.put(address, newer_us) {
            let absent_us = at_us.saturating_sub(last_us);
            let long = learnt && absent_us > self.absence_us;
            return if long { Arrival::Returned { absent_us } } else { Arrival::Usual };
        }
        if self.known.len() > MOST {
            self.forget_one(address);
        }
        self.moving += if learnt { PACE } else { 0.0 };
        if learnt { Arrival::New } else { Arrival::Usual }
    }

    /// The one that was not seen for longest, but for the one that has just come.
    fn forget_one(&mut self, new: IpAddr) {
        let others = self.known.iter().filter(|(known, _)| *known != new);
        if let Some((oldest, _)) = others.min_by_key(|(_, last_us)| *last_us) {
            self.known.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    /// A hundred calls from one address, and then one from `address` after so many days.
    #[track_caller]
    fn check(address: &str, days: i64, expected: Arrival) {
        let mut addresses = Addresses::new(100, 30 * DAY);
        for call in 0..100 {
            let home = "192.0.2.1".parse().unwrap();
            assert_eq!(addresses.arrive(call, home), Arrival::Usual);
        }
        let address = address.parse().unwrap();
        assert_eq!(addresses.arrive(99 + days * DAY, address), expected);
        assert_eq!(addresses.arrive(100 + days * DAY, address), Arrival::Usual);
    }

    #[test]
    fn an_address_is_new_once() {
        check("192.168.7.1", 0, Arrival::New);
        check("2001:db8::1", 0, Arrival::New);
    }

    #[test]
    fn an_address_is_told_when_it_was_away_for_long() {
        check("192.0.2.1", 30, Arrival::Usual);
        check("192.0.2.1", 31, Arrival::Returned { absent_us: 31 * DAY });
    }

    #[test]
    fn a_caller_from_everywhere_takes_bounded_room() {
        let mut addresses = Addresses::new(0, DAY);
        for address in 0..10_000_u32 {
            addresses.arrive(address.into(), IpAddr::V4(address.into()));
        }
        assert_eq!(addresses.known.len(), MOST);
    }
}
