//! What did a client call, as it would write it itself?

use std::borrow::Cow;

use chassis::proxies::{Proxies, Source, elements};

use crate::received::Received;

/// Scheme and place of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called<'r> {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The host, with a port where one was said.
    pub authority: Cow<'r, str>,
}

/// What the client called: as those say who are trusted, and else as it came.
pub fn called<'r>(proxies: &Proxies, received: &'r Received) -> Called<'r> {
    let scheme = |secure| if secure { "https" } else { "http" };
    let usual = Called { scheme: scheme(received.peer.secure), authority: received.host().into() };
    if !proxies.trusts(received.peer.address) {
        return usual;
    }
    let (proto, host) = match proxies.source() {
        Source::XForwardedFor => {
            let said = |name| received.headers.get(name).and_then(|it| it.to_str().ok());
            (
                said("x-forwarded-proto").map(str::to_owned),
                said("x-forwarded-host").map(str::to_owned),
            )
        }
        // The first who spoke has heard the client itself.
        Source::Forwarded => {
            let mut hops = elements(&received.headers).into_iter();
            hops.next().map_or((None, None), |hop| (Some(hop.proto), Some(hop.host)))
        }
    };
    let proto = proto.filter(|proto| !proto.is_empty());
    Called {
        scheme: proto.map_or(usual.scheme, |it| scheme(it.eq_ignore_ascii_case("https"))),
        authority: host.filter(|host| !host.is_empty()).map_or(usual.authority, Cow::Owned),
    }
}
