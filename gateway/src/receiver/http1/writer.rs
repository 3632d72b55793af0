//! What does a client read first of its answer?
//!
//! The status line and the header fields, with the framing that the body behind them really has.

use std::io::Write as _;

use http::header::{CONTENT_LENGTH, DATE};
use http::response::Parts;
use http::{HeaderMap, StatusCode, Version};

use crate::body::Body;
use crate::http1::{Frames, field};
use crate::identity::REQUEST_ID;
use crate::one_hop::ends_here;

/// What the request says about how it wants to be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// The call's name.
    pub(super) name: &'a [u8],
    pub(super) version: Version,
    /// With HEAD: the answer has no body.
    pub(super) with_head: bool,
    /// Whether the connection stays open.
    pub(super) keeps: bool,
}

/// Writes the head of an answer and says how its body is framed.
pub(super) fn write(
    out: &mut Vec<u8>,
    answer: &Parts,
    body: &Body,
    asked: Asked<'_>,
    date: &str,
) -> Frames {
    status(out, answer.status);
    fields(out, &answer.headers);
    field(out, REQUEST_ID, asked.name);
    let frames = framing(out, answer, body, asked);
    if answer.status == StatusCode::SWITCHING_PROTOCOLS {
        // Only a WebSocket that was asked for comes this far.
        out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\n\r\n");
        return frames;
    }
    if !answer.headers.contains_key(DATE) {
        field(out, "date", date.as_bytes());
    }
    let stays = asked.keeps && frames != Frames::UntilClose;
    if !stays {
        field(out, "connection", b"close");
    } else if asked.version == Version::HTTP_10 {
        field(out, "connection", b"keep-alive");
    }
    out.extend_from_slice(b"\r\n");
    frames
}

/// Writes an answer before the answer: it has no body, and no fields about framing (RFC 9110 §8.6).
pub(super) fn write_interim(out: &mut Vec<u8>, said: StatusCode, headers: &HeaderMap) {
    status(out, said);
    fields(out, headers);
    out.extend_from_slice(b"\r\n");
}

/// Framing is written from what will be sent; the gateway names calls; and what is about another
/// connection is nobody's business here.
fn fields(out: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        if *name != CONTENT_LENGTH && *name != REQUEST_ID && !ends_here(name.as_str()) {
            field(out, name.as_str(), value.as_bytes());
        }
    }
}

fn status(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    } else {
        // Writing to a vector cannot fail.
        let reason = status.canonical_reason().unwrap_or_default();
        let _ = write!(out, "HTTP/1.1 {} {reason}\r\n", status.as_str());
    }
}

/// RFC 9112 §6, for the side that sends.
fn framing(out: &mut Vec<u8>, answer: &Parts, body: &Body, asked: Asked<'_>) -> Frames {
    let bodiless = asked.with_head
        || answer.status.is_informational()
        || matches!(answer.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if bodiless {
        // The length that a body would have, where somebody knows it.
        let told = answer.headers.get(CONTENT_LENGTH);
        let own = body.length().filter(|length| asked.with_head && *length > 0);
        match (told, own) {
            (Some(told), _) if answer.status != StatusCode::NO_CONTENT => {
                field(out, "content-length", told.as_bytes());
            }
            (None, Some(own)) => length(out, own),
            _ => {}
        }
        return Frames::Nothing;
    }
    match body.length() {
        Some(known) => {
            length(out, known);
            Frames::Length(known)
        }
        None if asked.version == Version::HTTP_10 => Frames::UntilClose,
        None => {
            field(out, "transfer-encoding", b"chunked");
            Frames::Chunks(false)
        }
    }
}

fn length(out: &mut Vec<u8>, length: u64) {
    field(out, "content-length", itoa::Buffer::new().format(length).as_bytes());
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    /// `fields` are "name: value" lines of the answer; `asked` holds any of "head", "1.0" and
    /// "close". The answer is all lines but the date, then the frames.
    #[track_caller]
    fn check(status: u16, fields: &str, body: &Body, asked: &str, expected: &str) {
        let mut response = Response::builder().status(status);
        for (name, value) in fields.lines().filter_map(|line| line.split_once(": ")) {
            response = response.header(name, value);
        }
        let (answer, ()) = response.body(()).unwrap().into_parts();
        let old = asked.contains("1.0");
        let asked = Asked {
            name: b"7",
            version: if old { Version::HTTP_10 } else { Version::HTTP_11 },
            with_head: asked.contains("head"),
            keeps: !asked.contains("close"),
        };
        let mut out = Vec::new();
        let frames = write(&mut out, &answer, body, asked, "now");
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out.matches("date: now\r\n").count(), 1, "{out}");
        assert_eq!(out.matches("x-request-id: ").count(), 1, "{out}");
        let ours = ["date: now\r\n", "x-request-id: 7\r\n"];
        let lines = ours.iter().fold(out, |out, line| out.replace(line, "")).replace("\r\n", "|");
        assert_eq!(format!("{lines} {frames:?}"), expected);
    }

    fn unknown_length() -> Body {
        let none = futures_util::stream::empty();
        Body::stream(http_body_util::StreamBody::new(none))
    }

    #[test]
    fn a_body_is_announced_as_it_is_sent() {
        let hi = Body::full("hi");
        let wrong = "content-length: 9\ntransfer-encoding: x\nconnection: x\na: b";
        let right = "HTTP/1.1 200 OK|a: b|content-length: 2|| Length(2)";
        check(200, wrong, &hi, "", right);
        check(404, "", &Body::Empty, "", "HTTP/1.1 404 Not Found|content-length: 0|| Length(0)");
        let chunked = "HTTP/1.1 200 OK|transfer-encoding: chunked|| Chunks(false)";
        check(200, "", &unknown_length(), "", chunked);
        check(599, "", &hi, "", "HTTP/1.1 599 |content-length: 2|| Length(2)");
    }

    #[test]
    fn an_answer_without_body_announces_none() {
        check(204, "content-length: 5", &Body::Empty, "", "HTTP/1.1 204 No Content|| Nothing");
        let head = "HTTP/1.1 200 OK|content-length: 5|| Nothing";
        check(200, "content-length: 5", &Body::Empty, "head", head);
        check(200, "", &Body::full("hello"), "head", head);
        check(200, "", &unknown_length(), "head", "HTTP/1.1 200 OK|| Nothing");
        let unchanged = "HTTP/1.1 304 Not Modified|content-length: 5|| Nothing";
        check(304, "content-length: 5", &Body::Empty, "", unchanged);
    }

    #[test]
    fn old_clients_are_answered_as_they_read() {
        let old = "HTTP/1.1 200 OK|content-length: 2|connection: keep-alive|| Length(2)";
        check(200, "", &Body::full("hi"), "1.0", old);
        let close = "HTTP/1.1 200 OK|connection: close|| UntilClose";
        check(200, "", &unknown_length(), "1.0", close);
    }

    #[test]
    fn a_connection_that_ends_is_announced() {
        let close = "HTTP/1.1 200 OK|content-length: 2|connection: close|| Length(2)";
        check(200, "", &Body::full("hi"), "close", close);
    }

    #[test]
    fn a_date_of_the_backend_stays() {
        check(200, "date: now", &Body::Empty, "", "HTTP/1.1 200 OK|content-length: 0|| Length(0)");
    }
}
