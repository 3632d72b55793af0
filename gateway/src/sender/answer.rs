//! What does the backend say before its body?
//!
//! The head of an answer, and how its body ends (RFC 9112 §6.3). Header values are slices of the
//! buffer they were read into.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use httparse::ParserConfig;

use crate::http1::{FramingError, MAX_FIELDS, Named, Places, one_length};
use crate::one_hop::ends_here;

/// All bytes of a head.
pub(super) const MAX_HEAD: usize = 128 * 1024;

/// The head of an answer, without the fields that end here.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// Whether the backend keeps the connection open afterwards.
    pub(super) keeps: bool,
    /// Whether it says that the connection becomes a WebSocket.
    pub(super) upgrades: bool,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    Nothing,
    /// By its length.
    Length(u64),
    /// It is chunked.
    Chunked,
    /// The connection closes.
    Close,
}

/// Why an answer is not HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The head does not parse.
    #[error("the head is malformed")]
    Head(#[source] httparse::Error),
    /// Nobody asked for it.
    #[error("the status is not for this request")]
    Status,
    /// There is no end of interim answers.
    #[error("too many interim answers")]
    Interim,
    /// A header field is invalid.
    #[error("a header field is invalid")]
    Field,
    /// A line does not end in CRLF.
    #[error("a line of the head does not end in CRLF")]
    Line,
    /// It cannot be told where the body ends.
    #[error("the framing is ambiguous")]
    Framing,
    /// The body does not keep to its framing.
    #[error("the body is malformed")]
    Body(#[source] FramingError),
    /// The head is larger than any honest one.
    #[error("the head is too large")]
    TooLarge,
    /// The connection closed within the answer.
    #[error("the answer is incomplete")]
    Incomplete,
}

/// Takes a head off the front of `buffer`; `None` while it is not there whole.
pub(super) fn take_head(
    buffer: &mut BytesMut,
    places: &mut Places,
    asked_with_head: bool,
) -> Result<Option<Head>, AnswerError> {
    // The parser would step over empty lines; behind another answer they are somebody else's.
    if !b"HTTP/".iter().zip(buffer.iter()).all(|(wanted, byte)| wanted == byte) {
        return Err(AnswerError::Head(httparse::Error::Version));
    }
    let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut answer = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default()
        .parse_response_with_uninit_headers(&mut answer, buffer, &mut slots)
        .map_err(AnswerError::Head)?;
    let httparse::Status::Complete(length) = parsed else {
        return if buffer.len() > MAX_HEAD { Err(AnswerError::TooLarge) } else { Ok(None) };
    };
    // A head may also come whole, in one reading that is larger than a head may be.
    if length > MAX_HEAD {
        return Err(AnswerError::TooLarge);
    }
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok());
    // RFC 9110 §15: there are five classes.
    let status = status.filter(|status| status.as_u16() < 600).ok_or(AnswerError::Status)?;
    let minor = answer.version.unwrap_or_default();
    places.note(buffer, answer.headers);
    let head = buffer.split_to(length).freeze();
    if !places.lines_end_well(&head) {
        return Err(AnswerError::Line);
    }
    let mut seen = read(&head, places)?;
    let framing = framing(&seen, status, asked_with_head, minor)?;
    // Where a body follows, its length is written anew; here it tells of the body that would.
    if let Some(length) = seen.length
        && (asked_with_head || status == StatusCode::NOT_MODIFIED)
    {
        seen.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let upgrades = seen.switch.upgrade && seen.switch.websocket;
    // A body behind an answer that has none would be taken for the next answer.
    let bare = asked_with_head || status == StatusCode::NOT_MODIFIED;
    let clean = bare || framing != Framing::Nothing || !seen.announces_body();
    let keeps = clean && seen.keeps(minor) && framing != Framing::Close;
    Ok(Some(Head { status, headers: seen.headers, framing, keeps, upgrades }))
}

/// The fields of a head, those about the connection apart.
#[derive(Default)]
struct Seen {
    headers: HeaderMap,
    length: Option<u64>,
    encodings: Vec<Bytes>,
    close: bool,
    keep_alive: bool,
    switch: Switch,
}

/// What it takes to leave HTTP: the word in `Connection`, and the name of what comes instead.
#[derive(Default)]
struct Switch {
    upgrade: bool,
    websocket: bool,
}

fn read(head: &Bytes, places: &Places) -> Result<Seen, AnswerError> {
    let part = |(from, to): (usize, usize)| head.get(from..to).ok_or(AnswerError::Field);
    let mut named = Named::default();
    let mut seen = Seen { headers: places.map(), ..Seen::default() };
    for place in places.all() {
        let name = places.name(head, place).ok_or(AnswerError::Field)?;
        if name == CONNECTION {
            let value = str::from_utf8(part(place.value)?).map_err(|_| AnswerError::Field)?;
            for word in value.split(',').map(str::trim) {
                seen.close |= word.eq_ignore_ascii_case("close");
                seen.keep_alive |= word.eq_ignore_ascii_case("keep-alive");
                seen.switch.upgrade |= word.eq_ignore_ascii_case("upgrade");
            }
            named.add(value);
        } else if name == CONTENT_LENGTH {
            let length = one_length(part(place.value)?).ok_or(AnswerError::Framing)?;
            if seen.length.replace(length).is_some_and(|known| known != length) {
                return Err(AnswerError::Framing);
            }
        } else if name == TRANSFER_ENCODING {
            seen.encodings.push(head.slice(place.value.0..place.value.1));
        } else if name == UPGRADE {
            let word = part(place.value)?.trim_ascii();
            seen.switch.websocket |= word.eq_ignore_ascii_case(b"websocket");
        } else if !ends_here(name.as_str()) {
            let value = HeaderValue::from_maybe_shared(head.slice(place.value.0..place.value.1));
            seen.headers.append(name, value.map_err(|_| AnswerError::Field)?);
        }
    }
    // The field that names them may stand behind them.
    for name in named.names() {
        seen.headers.remove(name);
    }
    Ok(seen)
}

impl Seen {
    fn announces_body(&self) -> bool {
        self.length.is_some_and(|length| length > 0) || !self.encodings.is_empty()
    }

    fn keeps(&self, minor: u8) -> bool {
        !self.close && (minor >= 1 || self.keep_alive)
    }
}

fn framing(
    seen: &Seen,
    status: StatusCode,
    asked_with_head: bool,
    minor: u8,
) -> Result<Framing, AnswerError> {
    let chunked = match seen.encodings.as_slice() {
        [] => false,
        // HTTP/1.0 has no chunks, a body cannot be both chunked and of a length without somebody
        // being lied to, and other codings than the ones we ask for cannot be passed on.
        [only]
            if minor >= 1
                && seen.length.is_none()
                && only.trim_ascii().eq_ignore_ascii_case(b"chunked") =>
        {
            true
        }
        _ => return Err(AnswerError::Framing),
    };
    let bodiless = asked_with_head
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    Ok(match seen.length {
        _ if bodiless => Framing::Nothing,
        _ if chunked => Framing::Chunked,
        Some(0) => Framing::Nothing,
        Some(length) => Framing::Length(length),
        None => Framing::Close,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `head` (lines, without the empty one at the end) and shows what was understood.
    #[track_caller]
    fn check(asked_with_head: bool, head: &str, expected: Result<&str, AnswerError>) {
        let wire = format!("{}\r\n\r\nrest", head.replace('\n', "\r\n"));
        let mut buffer = BytesMut::from(wire.as_str());
        let shown = take_head(&mut buffer, &mut Places::default(), asked_with_head).map(|head| {
            let head = head.unwrap();
            assert_eq!(&*buffer, b"rest");
            let fields: Vec<String> = head
                .headers
                .iter()
                .map(|(name, value)| format!(" {name}={}", value.to_str().unwrap()))
                .collect();
            let open = if head.keeps { "open" } else { "closes" };
            format!("{} {:?} {open}{}", head.status.as_u16(), head.framing, fields.concat())
        });
        assert_eq!(shown.as_deref().map_err(|error| *error), expected);
        for end in 0..wire.len() - "rest".len() {
            let mut part = BytesMut::from(wire.get(..end).unwrap());
            let taken = take_head(&mut part, &mut Places::default(), asked_with_head);
            assert!(!matches!(taken, Ok(Some(_))), "at {end}");
        }
    }

    #[test]
    fn the_end_of_a_body_is_where_the_rfc_says() {
        check(false, "HTTP/1.1 200 OK\nContent-Length: 5\nX: y", Ok("200 Length(5) open x=y"));
        check(false, "HTTP/1.1 200 OK\nContent-Length: 0", Ok("200 Nothing open"));
        check(false, "HTTP/1.1 200 OK\nTransfer-Encoding: Chunked", Ok("200 Chunked open"));
        check(false, "HTTP/1.1 200 OK", Ok("200 Close closes"));
        check(false, "HTTP/1.1 204 No Content\nContent-Length: 0", Ok("204 Nothing open"));
        check(false, "HTTP/1.1 204 No Content\nContent-Length: 5", Ok("204 Nothing closes"));
        check(false, "HTTP/1.1 100 Continue", Ok("100 Nothing open"));
    }

    #[test]
    fn an_answer_without_body_may_tell_the_length_it_would_have() {
        let head = "HTTP/1.1 200 OK\nContent-Length: 5";
        check(true, head, Ok("200 Nothing open content-length=5"));
        let head = "HTTP/1.1 304 Not Modified\nContent-Length: 5";
        check(false, head, Ok("304 Nothing open content-length=5"));
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        for fields in [
            "Content-Length: 5\nContent-Length: 6",
            "Content-Length: 5, 6",
            "Content-Length: +5",
            "Content-Length:",
            "Content-Length: 99999999999999999999",
            "Content-Length: 5\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked\nTransfer-Encoding: chunked",
            "Transfer-Encoding: identity",
        ] {
            check(false, &format!("HTTP/1.1 200 OK\n{fields}"), Err(AnswerError::Framing));
        }
        let old = "HTTP/1.0 200 OK\nTransfer-Encoding: chunked";
        check(false, old, Err(AnswerError::Framing));
        let same = "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5, 5";
        check(false, same, Ok("200 Length(5) open"));
    }

    #[test]
    fn fields_of_the_connection_end_here() {
        let head = "HTTP/1.1 200 OK\nConnection: close, X-Mine\nX-Mine: 1\nKeep-Alive: 5\n\
                    Upgrade: h2c\nContent-Length: 1\nSet-Cookie: a\nSet-Cookie: b";
        check(false, head, Ok("200 Length(1) closes set-cookie=a set-cookie=b"));
    }

    #[test]
    fn an_old_backend_keeps_the_connection_only_when_it_says_so() {
        check(false, "HTTP/1.0 200 OK\nContent-Length: 1", Ok("200 Length(1) closes"));
        let head = "HTTP/1.0 200 OK\nContent-Length: 1\nConnection: Keep-Alive";
        check(false, head, Ok("200 Length(1) open"));
    }

    #[test]
    fn what_is_not_http_is_refused() {
        check(false, "SSH-2.0-x", Err(AnswerError::Head(httparse::Error::Version)));
        let folded = "HTTP/1.1 200 OK\nA: b\n c";
        check(false, folded, Err(AnswerError::Head(httparse::Error::HeaderName)));
    }
}
