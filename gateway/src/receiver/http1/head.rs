//! What does a client ask for, and where does its body end?
//!
//! RFC 9112 §3, §6, read so that nobody else can read it differently: one framing, plain lengths,
//! lines that end in CRLF. Header values are slices of the buffer they were read into.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use crate::fault::{BadRequest, Fault};
use crate::http1::{MAX_FIELDS, Places, lists, one_length};

const MALFORMED: Fault = Fault::BadRequest(BadRequest::Head);
const AMBIGUOUS: Fault = Fault::BadRequest(BadRequest::Framing);

/// What the URI type holds.
const LONGEST_TARGET: usize = 65_534;
/// No method of any registry is longer.
const LONGEST_METHOD: usize = 32;

/// The head of a request.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) parts: Parts,
    pub(super) framing: Framing,
    /// Whether the client keeps the connection open afterwards.
    pub(super) keeps: bool,
    /// Whether the client waits for a word before it sends its body.
    pub(super) asks: bool,
    /// Whether the client wants trailers.
    pub(super) trailers: bool,
}

/// How the end of a request's body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Nothing,
    Length(u64),
    Chunked,
}

/// Takes a head off the front of `input`; `None` while it is not there whole.
pub(super) fn take(
    input: &mut BytesMut,
    places: &mut Places,
    most_bytes: usize,
) -> Result<Option<Head>, Fault> {
    // The parser would step over it.
    if input.starts_with(b"\n") {
        return Err(MALFORMED);
    }
    let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(input, &mut slots).map_err(unreadable)?;
    let httparse::Status::Complete(length) = parsed else {
        return if input.len() > most_bytes { Err(endless(input)) } else { Ok(None) };
    };
    if length > most_bytes {
        return Err(Fault::HeadTooLarge);
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(MALFORMED);
    };
    if method.len() > LONGEST_METHOD {
        return Err(MALFORMED);
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| MALFORMED)?;
    // The URI type would leave a fragment out in silence; it has no place here (RFC 9112 §3.2).
    if target.as_bytes().contains(&b'#') {
        return Err(Fault::BadRequest(BadRequest::Target));
    }
    let from = target.as_ptr().addr().saturating_sub(input.as_ptr().addr());
    if target.len() > LONGEST_TARGET {
        return Err(Fault::TargetTooLong);
    }
    let target = from..from + target.len();
    places.note(input, request.headers);
    let head = input.split_to(length).freeze();
    if !places.lines_end_well(&head) {
        return Err(MALFORMED);
    }
    let uri = Uri::from_maybe_shared(head.slice(target)).map_err(|_| MALFORMED)?;
    let (headers, said) = fields(&head, places)?;
    understood(method, uri, minor, headers, said).map(Some)
}

fn unreadable(error: httparse::Error) -> Fault {
    match error {
        httparse::Error::TooManyHeaders => Fault::HeadTooLarge,
        _ => MALFORMED,
    }
}

/// What is wrong with a head that is too large and has no end.
fn endless(input: &[u8]) -> Fault {
    let line = input.iter().skip_while(|byte| byte.is_ascii_whitespace());
    if line.copied().any(|byte| byte == b'\n') { Fault::HeadTooLarge } else { Fault::TargetTooLong }
}

/// What the fields say about the message and its connection.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that is said or not")]
struct Said {
    /// The length; an error: what is said is none.
    length: Option<Result<u64, Fault>>,
    /// Whether the one coding is the one that ends by itself.
    chunked: Option<bool>,
    /// Whether the framing is said twice.
    twice: bool,
    closes: bool,
    keeps: bool,
    /// RFC 9110 §10.1.1: the one expectation there is. Whoever expects something else is not
    /// waited for.
    expects: bool,
    trailers: bool,
}

fn fields(head: &Bytes, places: &Places) -> Result<(HeaderMap, Said), Fault> {
    let mut headers = places.map();
    let mut said = Said::default();
    for place in places.all() {
        let Some(name) = places.name(head, place) else { return Err(MALFORMED) };
        let value = HeaderValue::from_maybe_shared(head.slice(place.value.0..place.value.1));
        let value = value.map_err(|_| MALFORMED)?;
        said.note(&name, value.as_bytes());
        headers.append(name, value);
    }
    Ok((headers, said))
}

impl Said {
    fn note(&mut self, name: &HeaderName, value: &[u8]) {
        if *name == CONNECTION {
            self.closes |= lists(value, b"close");
            self.keeps |= lists(value, b"keep-alive");
        } else if *name == CONTENT_LENGTH {
            self.twice |= self.length.replace(one_length(value).ok_or(AMBIGUOUS)).is_some();
        } else if *name == TRANSFER_ENCODING {
            let chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
            self.twice |= self.chunked.replace(chunked).is_some();
        } else if *name == EXPECT {
            self.expects |= value.trim_ascii().eq_ignore_ascii_case(b"100-continue");
        } else if *name == TE {
            self.trailers |= lists(value, b"trailers");
        }
    }

    /// RFC 9112 §6.3, and stricter: both framings at once, or one of them twice, are refused.
    fn framing(self, minor: u8) -> Result<Framing, Fault> {
        match (self.length, self.chunked) {
            _ if self.twice => Err(AMBIGUOUS),
            (None, None) => Ok(Framing::Nothing),
            (Some(length), None) => match length? {
                0 => Ok(Framing::Nothing),
                length => Ok(Framing::Length(length)),
            },
            (None, Some(true)) if minor >= 1 => Ok(Framing::Chunked),
            _ => Err(AMBIGUOUS),
        }
    }
}

fn understood(
    method: Method,
    uri: Uri,
    minor: u8,
    headers: HeaderMap,
    said: Said,
) -> Result<Head, Fault> {
    let Said { closes, keeps, expects, trailers, .. } = said;
    let framing = said.framing(minor)?;
    let keeps = !closes && (minor >= 1 || keeps);
    let asks = minor >= 1 && framing != Framing::Nothing && expects;
    let trailers = minor >= 1 && trailers;
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = method;
    parts.uri = uri;
    parts.version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    parts.headers = headers;
    Ok(Head { parts, framing, keeps, asks, trailers })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `head`, in which `|` stands for CRLF, and shows what was understood or the number of
    /// the fault.
    #[track_caller]
    fn check(head: &str, expected: &str) {
        let wire = format!("{}\r\n\r\nrest", head.replace('|', "\r\n"));
        let mut input = BytesMut::from(wire.as_str());
        let shown = match take(&mut input, &mut Places::default(), 200) {
            Ok(None) => "more".to_owned(),
            Ok(Some(head)) => {
                assert_eq!(&*input, b"rest");
                let Parts { method, uri, version, headers, .. } = head.parts;
                let fields = headers.len();
                let Head { framing, keeps, asks, trailers, .. } = head;
                let notes = [(keeps, " keeps"), (asks, " asks"), (trailers, " trailers")];
                let notes: String =
                    notes.into_iter().filter(|(is, _)| *is).map(|(_, note)| note).collect();
                format!("{method} {uri} {version:?} {fields} {framing:?}{notes}")
            }
            Err(fault) => fault.row().code.to_string(),
        };
        assert_eq!(shown, expected, "{head:?}");
    }

    #[test]
    fn a_head_is_read_as_it_stands() {
        check("GET /a?b HTTP/1.1|Host: x|A: 1|A: 2", "GET /a?b HTTP/1.1 3 Nothing keeps");
        check("|GET /a HTTP/1.1|Host: x", "GET /a HTTP/1.1 1 Nothing keeps");
        check("PURGE http://x/a HTTP/1.1|Host: x", "PURGE http://x/a HTTP/1.1 1 Nothing keeps");
    }

    #[test]
    fn the_connection_ends_when_the_client_says_so() {
        check("GET / HTTP/1.1|Connection: a, Close", "GET / HTTP/1.1 1 Nothing");
        check("GET / HTTP/1.0", "GET / HTTP/1.0 0 Nothing");
        check("GET / HTTP/1.0|Connection: keep-alive", "GET / HTTP/1.0 1 Nothing keeps");
    }

    #[test]
    fn the_end_of_the_body_is_known_in_one_way() {
        check("PUT / HTTP/1.1|Content-Length: 5", "PUT / HTTP/1.1 1 Length(5) keeps");
        check("PUT / HTTP/1.1|Content-Length: 0", "PUT / HTTP/1.1 1 Nothing keeps");
        check("PUT / HTTP/1.1|Transfer-Encoding: Chunked", "PUT / HTTP/1.1 1 Chunked keeps");
        for fields in [
            "Content-Length: 5|Content-Length: 5",
            "Content-Length: 5, 6",
            "Content-Length: +5",
            "Content-Length: 5|Transfer-Encoding: chunked",
            "Transfer-Encoding: chunked|Transfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding:",
        ] {
            check(&format!("PUT / HTTP/1.1|{fields}"), "400");
        }
        check("PUT / HTTP/1.0|Transfer-Encoding: chunked", "400");
    }

    #[test]
    fn a_client_may_ask_before_it_sends_and_want_trailers() {
        let both = "PUT / HTTP/1.1|Expect: 100-Continue|TE: trailers|Content-Length: 5";
        check(both, "PUT / HTTP/1.1 3 Length(5) keeps asks trailers");
        check("GET / HTTP/1.1|Expect: 100-continue", "GET / HTTP/1.1 1 Nothing keeps");
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for head in [
            "GET / HTTP/1.1|A : b",
            "GET / HTTP/1.1|A: b| c",
            "GET / HTTP/1.1| A: b",
            "GET / HTTP/1.1|: b",
            "GET / HTTP/1.1|A: b\nC: d",
            "GET / HTTP/1.1\nA: b",
            "GET / HTTP/1.1|A: b\rC: d",
            "GET / HTTP/1.1|A: \0",
            "GET  / HTTP/1.1",
            "GET / HTTP/2.0",
            "GET / HTTP/1.2",
            "GET /",
            "GET /#a HTTP/1.1",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1",
            "G\u{e9}T / HTTP/1.1",
        ] {
            check(head, "400");
        }
    }

    #[test]
    fn a_head_beyond_its_bounds_is_refused_whether_it_ends_or_not() {
        check(&format!("GET / HTTP/1.1|A: {}", "b".repeat(200)), "431");
        let mut endless = BytesMut::from(format!("GET /{}", "a".repeat(200)).as_str());
        let taken = take(&mut endless, &mut Places::default(), 200);
        assert!(matches!(taken, Err(Fault::TargetTooLong)));
        let mut endless =
            BytesMut::from(format!("GET / HTTP/1.1\r\na: {}", "a".repeat(200)).as_str());
        let taken = take(&mut endless, &mut Places::default(), 200);
        assert!(matches!(taken, Err(Fault::HeadTooLarge)));
        let many = "|A: b".repeat(MAX_FIELDS + 1);
        let mut many =
            BytesMut::from(format!("GET / HTTP/1.1{many}||").replace('|', "\r\n").as_str());
        let taken = take(&mut many, &mut Places::default(), 10_000);
        assert!(matches!(taken, Err(Fault::HeadTooLarge)));
    }

    #[test]
    fn a_head_that_is_not_there_whole_is_waited_for() {
        let whole = b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n";
        for end in 0..whole.len() {
            let mut part = BytesMut::from(whole.get(..end).unwrap());
            let taken = take(&mut part, &mut Places::default(), 200);
            assert!(matches!(taken, Ok(None)), "{end}: {taken:?}");
        }
    }
}
