//! Which server of an endpoint is asked?

use plan::{Balance, HashBy};

use super::attempt::Pick;
use super::cookie::cookie;
use super::request::Request;
use super::sticky;
use crate::servers::{Tried, hash};

/// The server whose turn it is, among those that were not tried; `None`: all were.
pub(super) fn choose<'a>(request: &Request<'a>, tried: Tried) -> Option<Pick<'a>> {
    let endpoint = request.endpoint;
    if request.view.len() == 1 {
        let server = endpoint.servers.first().filter(|_| !tried.has(0))?;
        return Some(Pick { index: 0, server, fresh: false });
    }
    let now = request.now();
    let index = sticky::wanted(request)
        .filter(|index| request.view.claim(*index, now.ms, tried))
        .or_else(|| request.view.pick(endpoint, now, hashed(request), tried))?;
    let server = endpoint.servers.get(request.view.target(index)?.server)?;
    Some(Pick { index, server, fresh: false })
}

/// The hash by which the call has its server.
fn hashed(request: &Request<'_>) -> Option<u64> {
    let Balance::RingHash(by) = &request.endpoint.balance else { return None };
    let received = request.received;
    match by {
        HashBy::Header(name) => received.headers.get(&**name).map(|value| hash(value.as_bytes())),
        HashBy::Cookie(name) => cookie(&received.headers, name).map(hash),
        HashBy::ClientAddress => Some(match received.peer.client {
            std::net::IpAddr::V4(address) => hash(&address.octets()),
            std::net::IpAddr::V6(address) => hash(&address.octets()),
        }),
        HashBy::Path => Some(hash(received.path().as_bytes())),
    }
}
