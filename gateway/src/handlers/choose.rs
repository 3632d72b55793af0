//! Which variant of the API takes a call that may be made?
//!
//! What a call carries decides first, then the share that each variant has. A share is kept by
//! drawing the same number for what belongs together: each call, each application, or each client.

use std::net::IpAddr;

use plan::{ApiPlan, SplitBy};

use super::authorize::Permit;
use crate::received::Received;

/// The permit for the variant that takes the call, where the API has variants. `name` is the
/// call's.
pub fn choose<'g>(permit: Permit<'g>, received: &Received, name: [u8; 16]) -> Permit<'g> {
    let api = permit.matched().home();
    let Some(variants) = &api.variants else { return permit };
    let draw = draw(api, &permit, received, name, variants.split_by);
    match variants.choose(received, draw) {
        Some(variant) => permit.diverted(variant),
        None => permit,
    }
}

fn draw(
    api: &ApiPlan,
    permit: &Permit<'_>,
    received: &Received,
    name: [u8; 16],
    split_by: SplitBy,
) -> u64 {
    let start = Draw::new().with(api.id.as_bytes());
    let client = || match received.peer.client {
        IpAddr::V4(address) => start.with(&address.octets()),
        IpAddr::V6(address) => start.with(&address.octets()),
    };
    let kept = match split_by {
        SplitBy::Call => start.with(&name),
        SplitBy::Client => client(),
        SplitBy::Application => match permit.application() {
            Some(application) => start.with(application.name.as_bytes()),
            None => client(),
        },
    };
    kept.number()
}

/// FNV-1a and a finisher: the same on every gateway and after every start.
#[derive(Clone, Copy)]
struct Draw(u64);

impl Draw {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn with(self, bytes: &[u8]) -> Self {
        let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(bytes.iter().fold(self.0, step))
    }

    const fn number(self) -> u64 {
        let number = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        number ^ (number >> 29)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_evenly() {
        let mut shares = [0_u32; 100];
        for number in 0_u32..100_000 {
            let draw = Draw::new().with(b"orders:1.0").with(format!("app-{number}").as_bytes());
            shares[usize::try_from(draw.number() % 100).unwrap()] += 1;
        }
        assert!(shares.iter().all(|share| (800..1_200).contains(share)), "{shares:?}");
    }
}
