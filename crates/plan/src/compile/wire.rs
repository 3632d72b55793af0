//! What is spoken to the servers of an endpoint?
//!
//! What the endpoint says, as far as the kind of its API leaves a choice.

use std::borrow::Cow;

use turnpike_proto::config::v1::api_type::Type as ApiType;
use turnpike_proto::config::v1::endpoint::Protocol;
use turnpike_proto::config::v1::{ApiSpec, Endpoint, Mirror};

use super::api::unknown;
use crate::problem::{At, Problems};

/// `spec` with what its kind means for its endpoints written into them.
pub(crate) fn wired<'s>(
    spec: &'s ApiSpec,
    kind: ApiType,
    at: &At<'_>,
    problems: &mut Problems,
) -> Cow<'s, ApiSpec> {
    if !matches!(kind, ApiType::Ws | ApiType::Grpc) {
        return Cow::Borrowed(spec);
    }
    let mut spec = spec.clone();
    let own = spec.endpoints.as_mut().map(|own| (&mut own.production, &mut own.sandbox));
    let choices = spec.variants.as_mut().map(|variants| &mut variants.choices);
    let of_choices = choices.into_iter().flatten();
    let of_choices = of_choices.map(|choice| (&mut choice.production, &mut choice.sandbox));
    for (production, sandbox) in own.into_iter().chain(of_choices) {
        for endpoint in production.iter_mut().chain(sandbox) {
            wire(endpoint, kind, &at.name("endpoints"), problems);
        }
    }
    let mut wire_mirror = |mirror: &mut Option<Mirror>, at: &At<'_>| {
        if let Some(endpoint) = mirror.as_mut().and_then(|mirror| mirror.endpoint.as_mut()) {
            wire(endpoint, kind, &at.name("mirror").name("endpoint"), problems);
        }
    };
    wire_mirror(&mut spec.mirror, at);
    let list = at.name("operations");
    for (index, operation) in spec.operations.iter_mut().enumerate() {
        wire_mirror(&mut operation.mirror, &list.index(index));
    }
    Cow::Owned(spec)
}

fn wire(endpoint: &mut Endpoint, kind: ApiType, at: &At<'_>, problems: &mut Problems) {
    if kind == ApiType::Ws {
        let servers = endpoint.servers.iter_mut().map(|server| &mut server.url);
        endpoint.urls.iter_mut().chain(servers).for_each(|url| *url = of_websocket(url));
    }
    match (Protocol::try_from(endpoint.protocol), kind) {
        (Ok(Protocol::Auto), ApiType::Grpc) => endpoint.protocol = Protocol::H2.into(),
        (Ok(Protocol::Http1), ApiType::Grpc) => {
            problems.add(at, "gRPC needs HTTP/2", "write `protocol: h2`, or leave it out");
        }
        (Ok(Protocol::H2), ApiType::Ws) => {
            let suggestion = "write `protocol: http1`, or leave it out";
            problems.add(at, "backends are asked for WebSocket by HTTP/1.1", suggestion);
        }
        _ => {}
    }
}

/// Whether HTTP/2 is spoken to the servers of `endpoint`.
pub(crate) fn speaks_http2(endpoint: &Endpoint, at: &At<'_>, problems: &mut Problems) -> bool {
    let protocol = Protocol::try_from(endpoint.protocol).unwrap_or_else(|_| {
        problems.add(&at.name("protocol"), unknown(endpoint.protocol), "");
        Protocol::Auto
    });
    protocol == Protocol::H2
}

/// The URL of a server as it is meant: WebSocket has schemes of its own for what begins as HTTP.
fn of_websocket(url: &str) -> String {
    let scheme = url.split_once("://");
    match scheme.map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest)) {
        Some((scheme, rest)) if scheme == "ws" => format!("http://{rest}"),
        Some((scheme, rest)) if scheme == "wss" => format!("https://{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: whether HTTP/2 is spoken, or the reason why not.
    #[track_caller]
    fn check(protocol: Protocol, kind: ApiType, expected: Result<bool, &str>) {
        let mut endpoint = Endpoint { protocol: protocol.into(), ..Endpoint::default() };
        let mut problems = Problems::default();
        wire(&mut endpoint, kind, &At::ROOT, &mut problems);
        let http2 = speaks_http2(&endpoint, &At::ROOT, &mut problems);
        let said = problems.into_list();
        let said = said.first().map_or(Ok(http2), |problem| Err(problem.reason.as_str()));
        assert_eq!(said, expected, "{protocol:?} {kind:?}");
    }

    #[test]
    fn http2_is_spoken_where_it_is_asked_for_or_needed() {
        check(Protocol::Auto, ApiType::Http, Ok(false));
        check(Protocol::Http1, ApiType::Sse, Ok(false));
        check(Protocol::H2, ApiType::Http, Ok(true));
        check(Protocol::Auto, ApiType::Grpc, Ok(true));
    }

    #[test]
    fn what_cannot_be_spoken_is_refused() {
        check(Protocol::Http1, ApiType::Grpc, Err("gRPC needs HTTP/2"));
        let reason = "backends are asked for WebSocket by HTTP/1.1";
        check(Protocol::H2, ApiType::Ws, Err(reason));
    }

    #[test]
    fn a_url_of_websocket_is_one_of_http() {
        for (url, meant) in [
            ("ws://a/b", "http://a/b"),
            ("WSS://a", "https://a"),
            ("http://ws://a", "http://ws://a"),
            ("wsx://a", "wsx://a"),
        ] {
            assert_eq!(of_websocket(url), meant);
        }
    }
}
