//! When is all of a call there to be copied?
//!
//! A call without a body: at once. Else its body is copied part by part while the backend's
//! connection takes it, which never waits for that, and the copy leaves with the last part. A body
//! that is too long is given up as soon as that is known.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::books::Books;
use super::copy::Copy;
use super::request::Request;
use crate::body::{Body, BodyError, Stream};
use crate::cells::{Cell, Copied};
use crate::copies::Holding;
use crate::handlers;

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
    if worker.gate.sheds() {
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
    match body {
        Body::Stream(inner) if !inner.is_end_stream() => {
            let gathered = Gathered { copy, most, bytes: Vec::new(), holding };
            Body::stream(Copying { inner, length, gathered: Some(gathered) })
        }
        Body::Full(bytes) => {
            let mut gathered = Gathered { copy, most, bytes: Vec::new(), holding };
            match gathered.take(&bytes) {
                Ok(()) => gathered.send(),
                Err(counted) => counted(cells).add(1),
            }
            Body::Full(bytes)
        }
        body => {
            copy.send(Bytes::new(), holding);
            body
        }
    }
}

/// A copy, and what there is of its body.
struct Gathered {
    copy: Copy,
    most: usize,
    /// Copied, because a part that is kept as it came may keep a much larger buffer.
    bytes: Vec<u8>,
    holding: Holding,
}

/// Where it is counted that a copy is not sent.
type Counted = fn(&Copied) -> &Cell;

impl Gathered {
    fn take(&mut self, part: &[u8]) -> Result<(), Counted> {
        if self.bytes.len() + part.len() > self.most {
            return Err(|cells| &cells.too_long);
        }
        if !self.holding.grow(part.len()) {
            return Err(|cells| &cells.dropped);
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    fn send(self) {
        self.copy.send(Bytes::from(self.bytes), self.holding);
    }
}

/// A body that is copied while it passes.
struct Copying {
    inner: Stream,
    /// How long it will be, where that is known.
    length: Option<u64>,
    /// Absent once the copy is sent, or will not be.
    gathered: Option<Gathered>,
}

impl Copying {
    fn take(&mut self, part: &Bytes) {
        let Some(gathered) = &mut self.gathered else { return };
        if let Err(counted) = gathered.take(part) {
            self.give_up(counted);
            return;
        }
        // Nobody asks for the end of a body whose last byte has come.
        if self.length == Some(gathered.bytes.len() as u64) || self.inner.is_end_stream() {
            self.send();
        }
    }

    fn send(&mut self) {
        self.gathered.take().into_iter().for_each(Gathered::send);
    }

    fn give_up(&mut self, counted: Counted) {
        if let Some(gathered) = self.gathered.take() {
            counted(&gathered.copy.worker.cells.copies).add(1);
        }
    }
}

impl http_body::Body for Copying {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => match frame.data_ref() {
                Some(part) => this.take(part),
                // Trailers are the end; a mirror does without them.
                None => this.send(),
            },
            Some(Err(_)) => this.give_up(|cells| &cells.incomplete),
            None => this.send(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        self.give_up(|cells| &cells.incomplete);
    }
}
