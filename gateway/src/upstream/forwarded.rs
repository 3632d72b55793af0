//! What does the backend learn about the client, and from whom?
//!
//! From the gateway. What a client says about itself in fields that backends believe is removed,
//! in the dash and in the underscore form: some servers read both as one. What a trusted proxy in
//! front says is kept and added to.

use std::rc::Rc;

use chassis::proxies::{Proxies, Source, elements};
use http::{HeaderMap, HeaderValue};

use crate::identity::{MIRRORED, REQUEST_ID, is_identity};
use crate::received::Received;

/// Fields of our own, and which of the client's may go on.
#[derive(Debug)]
pub(super) struct Forwarded {
    peer: Rc<str>,
    said: Said,
    /// Whether the trace goes on under a span of our own.
    pub(super) traced: bool,
    /// Whether a body follows that may be waited for.
    pub(super) expects: bool,
    /// Whether it is a copy: one of our own, or of proxies that are trusted.
    pub(super) is_copy: bool,
}

/// What is said of the way to us, by those in front who are believed and by us.
#[derive(Debug)]
struct Said {
    /// The list of hops; absent: there is none but our peer.
    list: Option<Vec<u8>>,
    proto: &'static str,
    host: HeaderValue,
    /// The same in the standard field, where the proxies in front speak so.
    standard: Option<String>,
}

impl Said {
    /// Where proxies speak by `X-Forwarded-*`.
    fn usual(received: &Received, trusted: bool) -> Self {
        let said = |name| trusted.then(|| received.headers.get(name)).flatten();
        let list = trusted.then(|| {
            let mut list = Vec::new();
            for earlier in received.headers.get_all("x-forwarded-for") {
                list.extend_from_slice(earlier.as_bytes());
                list.extend_from_slice(b", ");
            }
            list.extend_from_slice(received.peer.text.as_bytes());
            list
        });
        let secure = said("x-forwarded-proto")
            .map_or(received.peer.secure, |proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
        Self {
            list,
            proto: if secure { "https" } else { "http" },
            host: said("x-forwarded-host").unwrap_or(received.host_field()).clone(),
            standard: None,
        }
    }

    /// Where they speak by the standard (RFC 7239): what they said goes on in both forms, with a
    /// hop of our own.
    fn standard(received: &Received, trusted: bool) -> Self {
        let hops = if trusted { elements(&received.headers) } else { Vec::new() };
        let peer = &received.peer;
        let mut list: Vec<&str> = hops.iter().map(|hop| hop.from.as_str()).collect();
        list.push(&peer.text);
        let last = hops.last();
        let secure = last
            .filter(|hop| !hop.proto.is_empty())
            .map_or(peer.secure, |hop| hop.proto.eq_ignore_ascii_case("https"));
        let host = last.and_then(|hop| HeaderValue::from_str(&hop.host).ok());
        let host = host.filter(|host| !host.is_empty());
        let from = match peer.address {
            std::net::IpAddr::V4(_) => peer.text.to_string(),
            std::net::IpAddr::V6(_) => format!("\"[{}]\"", peer.text),
        };
        let proto = if peer.secure { "https" } else { "http" };
        let mut standard = String::new();
        let earlier = received.headers.get_all("forwarded").iter().filter(|_| !hops.is_empty());
        for earlier in earlier.filter_map(|earlier| earlier.to_str().ok()) {
            standard.push_str(earlier);
            standard.push_str(", ");
        }
        let ours = format!("for={from};host=\"{}\";proto={proto}", received.host());
        standard.push_str(&ours);
        Self {
            list: trusted.then(|| list.join(", ").into_bytes()),
            proto: if secure { "https" } else { "http" },
            host: host.unwrap_or_else(|| received.host_field().clone()),
            standard: Some(standard),
        }
    }
}

impl Forwarded {
    /// What is told about this request, and what its sender has said if it is one of `proxies`.
    pub(super) fn of(received: &Received, proxies: &Proxies) -> Self {
        let trusted = proxies.trusts(received.peer.address);
        let said = match proxies.source() {
            Source::Forwarded => Said::standard(received, trusted),
            Source::XForwardedFor => Said::usual(received, trusted),
        };
        Self {
            peer: Rc::clone(&received.peer.text),
            said,
            traced: false,
            expects: false,
            is_copy: trusted && received.headers.contains_key(MIRRORED),
        }
    }

    /// The standard field, where the backend gets one.
    pub(super) fn standard_field(&self) -> Option<&str> {
        self.said.standard.as_deref()
    }

    /// The fields that the backend gets from us.
    pub(super) fn added<'a>(&'a self, name: &'a [u8]) -> [(&'a str, &'a [u8]); 4] {
        [
            ("x-forwarded-for", self.said.list.as_deref().unwrap_or(self.peer.as_bytes())),
            ("x-forwarded-proto", self.said.proto.as_bytes()),
            ("x-forwarded-host", self.said.host.as_bytes()),
            (REQUEST_ID, name),
        ]
    }

    /// Whether the client's field called `name` (in lower case) may go on.
    pub(super) fn passes(&self, name: &str) -> bool {
        match name {
            "traceparent" | "tracestate" => !self.traced,
            "expect" => self.expects,
            _ => !is_identity(name),
        }
    }
}

/// Removes from `headers` what the client must not say.
pub(super) fn strip(headers: &HeaderMap) -> impl Iterator<Item = (&str, &HeaderValue)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .filter(|(name, _)| !is_identity(name))
}
