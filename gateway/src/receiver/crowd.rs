//! How many connections has one client?
//!
//! Counted over all workers, by address, so that one client cannot take the room of all. A count is
//! touched when a connection opens and when it ends, never in between.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Parts that are locked apart from each other.
const PARTS: usize = 64;
/// Who has one address of IPv6 has all that begin with the same 64 bits.
const IPV6_NETWORK: u128 = !0 << 64;

/// The connections of every client.
#[derive(Debug)]
pub(super) struct Crowd {
    most: u32,
    hasher: ahash::RandomState,
    parts: [Mutex<HashMap<IpAddr, u32, ahash::RandomState>>; PARTS],
}

/// A connection that is counted for as long as it lives.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    client: IpAddr,
}

impl Crowd {
    /// Lets each client have so many connections; 0: any number.
    pub(super) fn new(most: u32) -> Arc<Self> {
        Arc::new(Self {
            most,
            hasher: ahash::RandomState::new(),
            parts: std::array::from_fn(|_| Mutex::default()),
        })
    }

    /// Whether anything is counted.
    pub(super) const fn counts(&self) -> bool {
        self.most > 0
    }

    /// A place for one more connection of `address`; `None`: it has too many.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let client = match address {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK).into(),
            v4 @ IpAddr::V4(_) => v4,
        };
        let mut part = self.part(client)?;
        let count = part.entry(client).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(part);
        Some(Place { crowd: Arc::clone(self), client })
    }

    fn part(
        &self,
        client: IpAddr,
    ) -> Option<MutexGuard<'_, HashMap<IpAddr, u32, ahash::RandomState>>> {
        let number = self.hasher.hash_one(client) % PARTS as u64;
        let part = self.parts.get(usize::try_from(number).unwrap_or_default())?;
        // A count is whole at every moment, also when somebody panicked.
        Some(part.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(mut part) = self.crowd.part(self.client) else { return };
        if let Some(count) = part.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                part.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets these clients enter in their order, two connections each, and says who got in.
    #[track_caller]
    fn check(clients: &[&str], got_in: &[bool]) {
        let crowd = Crowd::new(2);
        let places: Vec<_> =
            clients.iter().map(|client| crowd.enter(client.parse().unwrap())).collect();
        assert_eq!(places.iter().map(Option::is_some).collect::<Vec<_>>(), got_in);
        drop(places);
        assert!(crowd.parts.iter().all(|part| part.lock().unwrap().is_empty()), "forgotten");
    }

    #[test]
    fn each_client_has_its_own_room() {
        check(&["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"], &[true, true, true, false]);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_client() {
        let clients = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"];
        check(&clients, &[true, true, false, true]);
    }

    #[test]
    fn who_leaves_makes_room() {
        let crowd = Crowd::new(1);
        let client = "192.0.2.1".parse().unwrap();
        let first = crowd.enter(client);
        assert!(crowd.enter(client).is_none());
        drop(first);
        assert!(crowd.enter(client).is_some());
    }
}
