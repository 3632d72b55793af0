//! When is all of a call there to be copied?
//!
//! A call without a body: at once. Else its body is copied part by part while the backend's
//! connection takes it, which never waits for that, and the copy leaves with the last part. A body
//! that is too long is given up as soon as that is known.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::StreamBody;

use super::books::Books;
use super::copy::Copy;
use super::request::Request;
use crate::body::Body;
use crate::copies::Holding;
use crate::handlers;
use crate::witness::{Witness, witnessed};

/// The body of the request, for its backend. If the call is one of those that are mirrored, a copy
/// leaves when the body does.
pub(super) fn mirrored(request: &Request<'_>, books: &Books<'_>, body: Body) -> Body {
    let name = books.account.name;
    let Some(mirror) = handlers::mirror(request.permit, request.received, name) else {
        return body;
    };
    // What comes behind a handshake is no request any more.
    if request.handshake.is_some() {
        return body;
    }
    let worker = request.worker;
    let cells = &worker.cells.copies;
    let most = mirror.max_body_bytes;
    if worker.gate.sheds(books.account.opened()) {
        cells.dropped.add(1);
        return body;
    }
    let length = body.length();
    if length.is_some_and(|length| length > most as u64) {
        cells.too_long.add(1);
        return body;
    }
    let Some(copy) = Copy::of(request, books) else { return body };
    let holding = worker.copies.holding();
    // HTTP/1.1 has no place for trailers behind a body of a known length, so nobody asks for them.
    let asked = length.filter(|_| !request.endpoint.http2);
    witnessed(body, asked, Gathered { copy, most, bytes: Vec::new(), holding })
}

/// A copy, and what there is of its body.
struct Gathered {
    copy: Copy,
    most: usize,
    /// Copied, because a part that is kept as it came may keep a much larger buffer.
    bytes: Vec<u8>,
    holding: Holding,
}

impl Witness for Gathered {
    fn part(&mut self, part: &Bytes) -> bool {
        let cells = &self.copy.worker.cells.copies;
        if self.bytes.len() + part.len() > self.most {
            cells.too_long.add(1);
            return false;
        }
        if !self.holding.grow(part.len()) {
            cells.dropped.add(1);
            return false;
        }
        self.bytes.extend_from_slice(part);
        true
    }

    fn end(self) {
        self.copy.send(Body::full(self.bytes), self.holding);
    }

    fn trailers(mut self, trailers: &HeaderMap) {
        if trailers.is_empty() {
            return self.end();
        }
        let bytes = trailers.iter().map(|(name, value)| name.as_str().len() + value.len());
        if !self.holding.grow(bytes.sum()) {
            self.copy.worker.cells.copies.dropped.add(1);
            return;
        }
        let frames = [Frame::data(Bytes::from(self.bytes)), Frame::trailers(trailers.clone())];
        let body = StreamBody::new(futures_util::stream::iter(frames.map(Ok)));
        self.copy.send(Body::stream(body), self.holding);
    }

    fn broken(self) {
        self.copy.worker.cells.copies.incomplete.add(1);
    }
}
