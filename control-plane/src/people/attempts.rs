//! How often may an address be wrong?
//!
//! Twenty times a minute; then whatever comes from there is turned away until the minute is over. Tokens
//! cannot be guessed, but each try costs us work. An address of IPv6 is its /64.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chassis::Clock;

use crate::network::network;

const FREE: u32 = 20;
const MINUTE: Duration = Duration::from_mins(1);
/// So many addresses are remembered; whoever has more than that at hand is not held up by counting.
const MOST: usize = 8192;

/// Who was wrong of late.
#[derive(Debug)]
pub(super) struct Attempts {
    clock: Clock,
    failed: Mutex<HashMap<IpAddr, Failed>>,
}

#[derive(Debug)]
struct Failed {
    since: Instant,
    times: u32,
}

impl Attempts {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, failed: Mutex::default() }
    }

    /// How long an address has to wait; none: not at all.
    pub(super) fn wait(&self, address: IpAddr) -> Option<Duration> {
        let now = self.clock.instant();
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = failed.get(&network(address)).filter(|known| known.times >= FREE)?;
        MINUTE
            .checked_sub(now.saturating_duration_since(known.since))
            .filter(|left| !left.is_zero())
    }

    /// It was wrong once more.
    pub(super) fn failed(&self, address: IpAddr) {
        let now = self.clock.instant();
        let is_past = |one: &Failed| now.saturating_duration_since(one.since) >= MINUTE;
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        if failed.len() >= MOST && !failed.contains_key(&address) {
            failed.retain(|_, one| !is_past(one));
            let oldest =
                failed.iter().min_by_key(|(_, one)| one.since).map(|(address, _)| *address);
            if let Some(oldest) = oldest.filter(|_| failed.len() >= MOST) {
                failed.remove(&oldest);
            }
        }
        let one = failed.entry(address).or_insert(Failed { since: now, times: 0 });
        if is_past(one) {
            *one = Failed { since: now, times: 0 };
        }
        one.times = one.times.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn an_address_that_was_wrong_too_often_waits_and_no_other_does() {
        let (clock, hands) = Clock::manual(UNIX_EPOCH);
        let attempts = Attempts::new(clock);
        let [one, same, other]: [IpAddr; 3] =
            ["2001:db8::1", "2001:db8::2", "192.0.2.1"].map(|text| text.parse().unwrap());
        for _ in 1..FREE {
            attempts.failed(one);
        }
        assert_eq!(attempts.wait(one), None);
        attempts.failed(same);
        hands.advance(Duration::from_secs(20));
        assert_eq!(attempts.wait(one), Some(Duration::from_secs(40)));
        assert_eq!(attempts.wait(other), None);
        hands.advance(Duration::from_secs(40));
        assert_eq!(attempts.wait(one), None);
        attempts.failed(one);
        assert_eq!(attempts.wait(one), None);
    }

    #[test]
    fn no_more_addresses_are_remembered_than_there_is_room_for() {
        let attempts = Attempts::new(Clock::manual(UNIX_EPOCH).0);
        for number in 0..u32::try_from(MOST).unwrap() + 100 {
            attempts.failed(IpAddr::from(number.to_be_bytes()));
        }
        assert_eq!(attempts.failed.lock().unwrap().len(), MOST);
    }
}
