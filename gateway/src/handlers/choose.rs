//! Which variant of the API takes a call that may be made?
//!
//! What a call carries decides first, then the share that each variant has. A share is kept by
//! drawing the same number for what belongs together: each call, each application, or each client.

use std::net::IpAddr;

use plan::{ApiPlan, SplitBy};

use super::authorize::Permit;
use super::draw::Draw;
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
