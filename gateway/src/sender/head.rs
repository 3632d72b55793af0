//! What does the backend read first?
//!
//! The request head is written straight from the client's header map: fields that end here are
//! stepped over, framing is written from the body that will really follow, and nothing is copied
//! into another map on the way.

use std::fmt;

use http::{HeaderMap, Method};

use crate::body::Body;
use crate::http1::{Frames, Named, field};
use crate::one_hop::ends_here;

/// The request line and what stands around the client's header fields.
pub struct Line<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path of the endpoint's URL, without a trailing slash.
    pub prefix: &'a str,
    /// The rest of the path and the query; starts with a slash where the prefix is empty.
    pub target: &'a str,
    /// The Host of the backend.
    pub host: &'a str,
    /// Whether a client's field of this name (in lower case) may go on.
    pub passes: &'a dyn Fn(&str) -> bool,
    /// Whether the backend is asked for a WebSocket.
    pub upgrades: bool,
    /// Fields of our own.
    pub added: &'a [(&'a str, &'a [u8])],
    /// What policies make of the fields; absent: nothing.
    pub rules: Option<&'a dyn Rules>,
}

/// Changes to the fields of a request, made while they are written.
pub trait Rules {
    /// Whether the field called `name` (in lower case) is left out, whoever says it.
    fn drops(&self, name: &str) -> bool;
    /// Writes further fields, each as a whole line.
    fn write(&self, out: &mut Vec<u8>);
}

impl Line<'_> {
    fn drops(&self, name: &str) -> bool {
        self.rules.is_some_and(|rules| rules.drops(name))
    }

    fn passes(&self, name: &str) -> bool {
        (self.passes)(name) && !self.drops(name)
    }
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("method", self.method)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// Writes the head of a request with these fields and this body.
pub fn write(out: &mut Vec<u8>, line: &Line<'_>, headers: &HeaderMap, body: &Body) {
    out.extend_from_slice(line.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(line.prefix.as_bytes());
    out.extend_from_slice(line.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(line.host.as_bytes());
    out.extend_from_slice(b"\r\n");
    let named = Named::of(headers);
    let (mut trailers, mut cookies) = (false, 0_u32);
    for (name, value) in headers {
        let name = name.as_str();
        match name {
            // Written above and below, from what is sent and not from what was said.
            "host" | "content-length" => {}
            "te" => trailers |= value.as_bytes().eq_ignore_ascii_case(b"trailers"),
            // HTTP/2 may split what HTTP/1.1 has in one field (RFC 9113 §8.2.3). Fields of one name
            // follow each other here.
            "cookie" if line.passes(name) && !named.contains(name) => {
                if cookies > 0 {
                    out.truncate(out.len().saturating_sub(2));
                    out.extend_from_slice(b"; ");
                    out.extend_from_slice(value.as_bytes());
                    out.extend_from_slice(b"\r\n");
                } else {
                    field(out, name, value.as_bytes());
                }
                cookies += 1;
            }
            _ if ends_here(name) || named.contains(name) || !line.passes(name) => {}
            _ => field(out, name, value.as_bytes()),
        }
    }
    if line.upgrades {
        out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\n");
    } else if trailers {
        out.extend_from_slice(b"te: trailers\r\nconnection: te\r\n");
    }
    for (name, value) in line.added.iter().filter(|(name, _)| !line.drops(name)) {
        field(out, name, value);
    }
    if let Some(rules) = line.rules {
        rules.write(out);
    }
    framing(out, line.method, body);
    out.extend_from_slice(b"\r\n");
}

fn framing(out: &mut Vec<u8>, method: &Method, body: &Body) {
    match frames(body) {
        // A method that usually has a body says so when it has none (RFC 9110 §8.6).
        Frames::Nothing if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) => {}
        Frames::Nothing => field(out, "content-length", b"0"),
        Frames::Length(length) => {
            field(out, "content-length", itoa::Buffer::new().format(length).as_bytes());
        }
        Frames::Chunks(_) | Frames::UntilClose => field(out, "transfer-encoding", b"chunked"),
    }
}

/// How the body of a request is framed.
pub(super) fn frames(body: &Body) -> Frames {
    match body.length() {
        _ if body.is_empty() => Frames::Nothing,
        Some(length) => Frames::Length(length),
        None => Frames::Chunks(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `headers` is "name: value" lines of the client; the answer is what follows the request
    /// line and the Host.
    #[track_caller]
    fn check(method: &Method, headers: &str, body: &Body, expected: &str) {
        let mut map = HeaderMap::new();
        for (name, value) in headers.lines().filter_map(|line| line.split_once(": ")) {
            let name: http::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        let line = Line {
            method,
            prefix: "/base",
            target: "/x?y=1",
            host: "backend:81",
            passes: &|name| name != "x-refused",
            upgrades: false,
            added: &[("x-request-id", b"1")],
            rules: None,
        };
        let mut out = Vec::new();
        write(&mut out, &line, &map, body);
        let out = String::from_utf8(out).unwrap().replace('\r', "");
        let start = format!("{method} /base/x?y=1 HTTP/1.1\nhost: backend:81\n");
        assert_eq!(out.strip_prefix(&start), Some(format!("{expected}\n").as_str()), "{out}");
    }

    fn unsized_body() -> Body {
        Body::stream(http_body_util::combinators::UnsyncBoxBody::new(
            http_body_util::StreamBody::new(futures_util::stream::empty()),
        ))
    }

    #[test]
    fn fields_of_the_connection_end_here() {
        check(
            &Method::GET,
            "Host: outside\nConnection: keep-alive, X-Mine\nX-Mine: 1\nKeep-Alive: 5\n\
             Upgrade: websocket\nProxy-Authorization: x\nAccept: a\nX-Refused: 1\nAccept: b",
            &Body::Empty,
            "accept: a\naccept: b\nx-request-id: 1\n",
        );
    }

    #[test]
    fn cookies_that_were_split_are_joined() {
        check(
            &Method::GET,
            "A: 1\nCookie: a=1\nB: 2\nCookie: b=2; c=3",
            &Body::Empty,
            "a: 1\ncookie: a=1; b=2; c=3\nb: 2\nx-request-id: 1\n",
        );
    }

    #[test]
    fn trailers_are_asked_for_anew() {
        let ours = "te: trailers\nconnection: te\nx-request-id: 1\n";
        check(&Method::GET, "TE: trailers\nConnection: TE", &Body::Empty, ours);
        check(&Method::GET, "TE: gzip", &Body::Empty, "x-request-id: 1\n");
    }

    #[test]
    fn framing_says_what_follows_and_not_what_the_client_said() {
        let ours = "x-request-id: 1\n";
        let said = "Content-Length: 5\nTransfer-Encoding: chunked";
        check(&Method::GET, said, &Body::Empty, ours);
        check(&Method::POST, said, &Body::Empty, &format!("{ours}content-length: 0\n"));
        check(&Method::POST, said, &Body::full("ab"), &format!("{ours}content-length: 2\n"));
        let chunked = format!("{ours}transfer-encoding: chunked\n");
        check(&Method::PUT, said, &unsized_body(), &chunked);
    }
}
