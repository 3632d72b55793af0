//! Is this a request that a gateway may act upon?
//!
//! The strict edge: exactly one valid Host, a target that is a path, and a path in canonical form.
//! What needs no escape is unescaped here, once, so that the same path is matched, authorised and
//! forwarded; what must be escaped stays as it came, and only for matching its digits are taken as
//! capitals. A `Received` is the proof that this was done.

use std::net::IpAddr;
use std::rc::Rc;

use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Version};

use crate::certificate::ClientCertificate;
use crate::fault::{BadRequest, Fault};

/// Who is at the other end of the connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address, from the socket.
    pub address: IpAddr,
    /// The same, as it stands in header fields.
    pub text: Rc<str>,
    /// The client's: the same, or what proxies that are trusted say.
    pub client: IpAddr,
    /// Whether the connection is under TLS.
    pub secure: bool,
    /// The client's certificate: the one of the handshake, or what proxies that are trusted say.
    pub certificate: Option<Rc<ClientCertificate>>,
}

impl Peer {
    /// The peer at `address`, who speaks for itself.
    pub fn new(address: IpAddr, secure: bool) -> Self {
        let text = Rc::from(address.to_string());
        Self { address, text, client: address, secure, certificate: None }
    }
}

/// How large a request may be, apart from its body.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of the request target.
    pub target_bytes: usize,
    /// Header fields.
    pub fields: usize,
    /// Bytes of the body, unless the API says otherwise.
    pub body_bytes: u64,
}

/// A request, without its body, at the inner side of the strict edge.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: Method,
    pub version: Version,
    pub headers: HeaderMap,
    pub peer: Peer,
    target: PathAndQuery,
    /// The path with escapes in capitals, where that is another one.
    capitals: Option<Box<str>>,
    host: Host,
}

/// A request that was not let in.
#[derive(Debug)]
pub struct Unfit {
    /// What is wrong with it.
    pub fault: Fault,
    /// Its fields: they say in which form the answer is wanted.
    pub headers: HeaderMap,
}

/// A Host field in lower case.
#[derive(Clone, Debug)]
struct Host {
    field: HeaderValue,
    /// How much of it is the name; a port may follow.
    name_bytes: usize,
}

impl Received {
    /// Takes a request in, or says what is wrong with it.
    pub fn take(parts: Parts, peer: Peer, bounds: Bounds) -> Result<Self, Box<Unfit>> {
        let checked = host(&parts).and_then(|host| Ok((host, target(&parts, bounds)?)));
        let checked = checked.and_then(|found| {
            let few = parts.headers.len() <= bounds.fields;
            few.then_some(found).ok_or(Fault::HeadTooLarge)
        });
        let Parts { method, version, headers, .. } = parts;
        match checked {
            Ok((host, (target, capitals))) => {
                Ok(Self { method, version, headers, peer, target, capitals, host })
            }
            Err(fault) => Err(Box::new(Unfit { fault, headers })),
        }
    }

    /// The same request for another query of the same path; `None`: it is none.
    pub fn with_target(&self, target: &str) -> Option<Self> {
        let target = PathAndQuery::try_from(target).ok()?;
        (target.path() == self.target.path()).then(|| Self { target, ..self.clone() })
    }

    /// The path, in the form that is matched and authorised: as long as the one of the target, and
    /// with escapes in capitals.
    pub fn path(&self) -> &str {
        self.capitals.as_deref().unwrap_or_else(|| self.target.path())
    }

    /// The query without its question mark, as it came.
    pub fn query(&self) -> Option<&str> {
        self.target.query()
    }

    /// What is forwarded: the path and, with its question mark, the query.
    pub fn target(&self) -> &str {
        self.target.as_str()
    }

    /// The Host, port included, in lower case.
    pub fn host(&self) -> &str {
        self.host.field.to_str().unwrap_or_default()
    }

    /// The Host, port included, as a field.
    pub const fn host_field(&self) -> &HeaderValue {
        &self.host.field
    }

    /// The Host without its port.
    pub fn host_name(&self) -> &str {
        self.host().get(..self.host.name_bytes).unwrap_or_default()
    }
}

/// RFC 9112 §3.2: a request without exactly one valid Host is answered with 400.
fn host(parts: &Parts) -> Result<Host, Fault> {
    const WRONG: Fault = Fault::BadRequest(BadRequest::Host);
    let mut fields = parts.headers.get_all(HOST).iter();
    let (first, second) = (fields.next(), fields.next());
    if second.is_some() {
        return Err(WRONG);
    }
    let field = match (parts.uri.authority(), first) {
        (None, Some(field)) => field.clone(),
        (Some(authority), None) if parts.version >= Version::HTTP_2 => {
            HeaderValue::from_str(authority.as_str()).map_err(|_| WRONG)?
        }
        // The authority of an absolute target and the Host say the same, or somebody is misled.
        (Some(authority), Some(field))
            if authority.as_str().as_bytes().eq_ignore_ascii_case(field.as_bytes()) =>
        {
            field.clone()
        }
        _ => return Err(WRONG),
    };
    let name_bytes = name_bytes(field.as_bytes()).ok_or(WRONG)?;
    let upper = field.as_bytes().iter().fold(false, |any, byte| any | byte.is_ascii_uppercase());
    let field = if upper {
        HeaderValue::from_bytes(&field.as_bytes().to_ascii_lowercase()).map_err(|_| WRONG)?
    } else {
        field
    };
    Ok(Host { field, name_bytes })
}

/// How long the name in `name[:port]` is; `None` where it is no name, address or port.
fn name_bytes(host: &[u8]) -> Option<usize> {
    let name = if host.first() == Some(&b'[') {
        let end = host.iter().position(|byte| *byte == b']')?;
        let inside = str::from_utf8(host.get(1..end)?).ok()?;
        inside.parse::<std::net::Ipv6Addr>().ok()?;
        end + 1
    } else {
        let end = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
        let name = host.get(..end)?;
        // RFC 3986 §3.2.2, without escapes and without the comma: a list of hosts is no host.
        let plain = |byte: &u8| {
            let sign = matches!(
                *byte,
                b'!' | b'$' | b'&'..=b'+' | b'-' | b'.' | b';' | b'=' | b'_' | b'~'
            );
            sign || byte.is_ascii_alphanumeric()
        };
        (!name.is_empty() && name.iter().all(plain)).then_some(end)?
    };
    match host.get(name..)? {
        [] => Some(name),
        [b':', port @ ..] if port.len() <= 5 && port.iter().all(u8::is_ascii_digit) => Some(name),
        _ => None,
    }
}

fn target(parts: &Parts, bounds: Bounds) -> Result<(PathAndQuery, Option<Box<str>>), Fault> {
    const WRONG: Fault = Fault::BadRequest(BadRequest::Target);
    let target = parts.uri.path_and_query().ok_or(WRONG)?;
    if !matches!(parts.uri.scheme_str(), None | Some("http" | "https")) {
        return Err(WRONG);
    }
    if target.as_str().len() > bounds.target_bytes {
        return Err(Fault::TargetTooLong);
    }
    if parts.method == Method::CONNECT || !target.as_str().starts_with('/') {
        return Err(WRONG);
    }
    match canonical(target.path().as_bytes()) {
        Canonical::Plain => Ok((target.clone(), None)),
        Canonical::Escaped(path) if path == target.path().as_bytes() => {
            Ok((target.clone(), capitals(&path)))
        }
        Canonical::Escaped(mut whole) => {
            let capitals = capitals(&whole);
            if let Some(query) = target.query() {
                whole.push(b'?');
                whole.extend_from_slice(query.as_bytes());
            }
            let whole = PathAndQuery::from_maybe_shared(Bytes::from(whole));
            Ok((whole.map_err(|_| Fault::BadRequest(BadRequest::Path))?, capitals))
        }
        Canonical::Never => Err(Fault::BadRequest(BadRequest::Path)),
    }
}

#[derive(Debug, PartialEq)]
enum Canonical {
    Plain,
    /// It has, or had, escapes.
    Escaped(Vec<u8>),
    Never,
}

/// The canonical form of a path (RFC 3986 §6.2.2): escapes that are not needed are undone, the rest
/// stay as they came. Dot segments, backslashes, control characters and NUL have none, whether they
/// are escaped or not: a backend may read them as another path than the one that was authorised.
fn canonical(path: &[u8]) -> Canonical {
    let plain = |byte: &u8| *byte > b' ' && *byte < 0x7f && *byte != b'%' && *byte != b'\\';
    // Each is looked at, whatever the ones before are: so it is done for many at a time.
    if path.iter().fold(true, |all, byte| all & plain(byte)) {
        let dotted = path.contains(&b'.') && has_dot_segment(path);
        return if dotted { Canonical::Never } else { Canonical::Plain };
    }
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            if !plain(byte) {
                return Canonical::Never;
            }
            out.push(*byte);
            continue;
        }
        let Some(([high, low], after)) = rest.split_first_chunk::<2>() else {
            return Canonical::Never;
        };
        rest = after;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (Some(upper), Some(lower)) = (digit(*high), digit(*low)) else {
            return Canonical::Never;
        };
        match u8::try_from(upper * 16 + lower).unwrap_or_default() {
            0..b' ' | b'\\' | 0x7f => return Canonical::Never,
            free if free.is_ascii_alphanumeric() || b"-._~".contains(&free) => out.push(free),
            _ => out.extend([b'%', *high, *low]),
        }
    }
    if has_dot_segment(&out) { Canonical::Never } else { Canonical::Escaped(out) }
}

/// A canonical path with its escapes in capitals (RFC 3986 §6.2.2.1); `None`: they are already.
fn capitals(path: &[u8]) -> Option<Box<str>> {
    let mut left = 0;
    let upper = |byte: &u8| {
        left = if *byte == b'%' { 2 } else { i32::max(left - 1, -1) };
        if left >= 0 { byte.to_ascii_uppercase() } else { *byte }
    };
    let path_in_capitals: Vec<u8> = path.iter().map(upper).collect();
    if path_in_capitals == path {
        return None;
    }
    String::from_utf8(path_in_capitals).ok().map(String::into_boxed_str)
}

/// A parameter may follow the dots (`..;x`): some backends cut it off before they look.
fn has_dot_segment(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|segment| {
        let name = segment.split(|byte| *byte == b';').next();
        matches!(name, Some(b"." | b".."))
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const BOUNDS: Bounds = Bounds { target_bytes: 64, fields: 3, body_bytes: 9 };

    /// `request` is "METHOD target" and header lines; the answer is "host-name path-and-query" or
    /// the status.
    #[track_caller]
    fn check(version: Version, request: &str, expected: &str) {
        let mut lines = request.lines();
        let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
        let mut builder = Request::builder().method(method).uri(target).version(version);
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            builder = builder.header(name, value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        let peer = Peer::new(IpAddr::from([192, 0, 2, 1]), false);
        let shown = match Received::take(parts, peer, BOUNDS) {
            Ok(received) => format!("{} {}", received.host_name(), received.target()),
            Err(unfit) => unfit.fault.row().status.as_u16().to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[track_caller]
    fn path(path: &str, expected: &str) {
        check(Version::HTTP_11, &format!("GET {path}\nhost: a"), expected);
    }

    #[test]
    fn exactly_one_valid_host_is_needed() {
        let host = |fields: &str, expected| {
            check(Version::HTTP_11, &format!("GET /\n{fields}"), expected);
        };
        host("host: Api.Example.com:8280", "api.example.com /");
        host("host: [2001:db8::1]:80", "[2001:db8::1] /");
        host("host: 0.0.0.0=5000", "0.0.0.0=5000 /");
        host("", "400");
        host("host: a\nhost: a", "400");
        for wrong in ["a,b", "a b", "u@a", "a/b", "a:b", "a:123456", ":80", "[::g]", "[::1"] {
            host(&format!("host: {wrong}"), "400");
        }
        host("host:  ", "400");
    }

    #[test]
    fn an_absolute_target_and_the_host_say_the_same() {
        check(Version::HTTP_11, "GET http://a/x\nhost: A", "a /x");
        check(Version::HTTP_11, "GET http://a/x\nhost: b", "400");
        check(Version::HTTP_11, "GET http://a/x", "400");
        check(Version::HTTP_2, "GET http://a/x", "a /x");
        check(Version::HTTP_2, "GET http://a/x\nhost: b", "400");
    }

    #[test]
    fn a_target_that_is_no_path_is_refused() {
        check(Version::HTTP_11, "OPTIONS *\nhost: a", "400");
        check(Version::HTTP_11, "GET ftp://a/x\nhost: a", "400");
        check(Version::HTTP_11, "CONNECT a:80\nhost: a:80", "400");
    }

    #[test]
    fn only_escapes_that_change_nothing_are_undone() {
        path("/a/b?x=%2E%61", "a /a/b?x=%2E%61");
        path("/%61%2db%7e/%c3%bc%2F%3b?q", "a /a-b~/%c3%bc%2F%3b?q");
        path("/a%20b", "a /a%20b");
        path("/a//b/", "a /a//b/");
        path("/...", "a /...");
    }

    #[test]
    fn escapes_are_matched_in_capitals_and_forwarded_as_they_came() {
        let matched = |path: &str| capitals(path.as_bytes()).map(String::from);
        assert_eq!(matched("/a%2fb%2C%3bcd"), Some("/a%2Fb%2C%3Bcd".to_owned()));
        assert_eq!(matched("/a%2Fb%25"), None);
        assert_eq!(matched("/plain"), None);
    }

    #[test]
    fn a_path_that_can_be_read_in_two_ways_is_refused() {
        for wrong in [
            "/a/../b",
            "/.",
            "/a/..",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a\\b",
            "/a%5cb",
            "/a%00",
            "/%0a",
            "/a%7f",
            "/a%",
            "/a%2",
            "/a%zz",
            "/..;x=y/b",
            "/%2e;/b",
        ] {
            path(wrong, "400");
        }
    }

    #[test]
    fn a_request_beyond_its_bounds_is_refused() {
        path(&format!("/{}", "x".repeat(63)), &format!("a /{}", "x".repeat(63)));
        path(&format!("/{}", "x".repeat(64)), "414");
        check(Version::HTTP_11, "GET /\nhost: a\nb: 1\nc: 1", "a /");
        check(Version::HTTP_11, "GET /\nhost: a\nb: 1\nc: 1\nd: 1", "431");
    }
}
