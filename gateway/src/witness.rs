//! How does somebody look on while a body passes?
//!
//! A witness is shown each part when its reader has it, which never waits for that, and is told
//! once how the body ended.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::body::{Body, BodyError, Stream};

/// Who looks on.
pub trait Witness: Sized + Unpin + 'static {
    /// A part passes; `false`: what follows is of no interest.
    fn part(&mut self, part: &Bytes) -> bool;
    /// The last part has passed.
    fn end(self);
    /// The body has ended with these fields behind it.
    fn trailers(self, trailers: &HeaderMap);
    /// It broke off, or its reader has left.
    fn broken(self);
}

/// `body`, while `witness` looks on: now, where all of it is here. Whoever reads it asks for
/// nothing behind the first `most` bytes; `None`: it asks for the end.
pub fn witnessed(body: Body, most: Option<u64>, mut witness: impl Witness) -> Body {
    match body {
        Body::Stream(inner) if !inner.is_end_stream() => {
            Body::stream(Witnessed { inner, most, passed: 0, witness: Some(witness) })
        }
        // Two that speak to each other are no body.
        Body::Tunnel(tunnel) => Body::Tunnel(tunnel),
        Body::Full(bytes) => {
            if witness.part(&bytes) {
                witness.end();
            }
            Body::Full(bytes)
        }
        body => {
            witness.end();
            body
        }
    }
}

struct Witnessed<W: Witness> {
    inner: Stream,
    most: Option<u64>,
    passed: u64,
    /// Absent once it has seen enough.
    witness: Option<W>,
}

impl<W: Witness> Witnessed<W> {
    fn tell(&mut self, how: impl FnOnce(W)) {
        if let Some(witness) = self.witness.take() {
            how(witness);
        }
    }

    fn part(&mut self, part: &Bytes) {
        self.passed = self.passed.saturating_add(part.len() as u64);
        if !self.witness.as_mut().is_some_and(|witness| witness.part(part)) {
            self.witness = None;
        } else if self.most == Some(self.passed) || self.inner.is_end_stream() {
            self.tell(W::end);
        }
    }
}

impl<W: Witness> http_body::Body for Witnessed<W> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => match (frame.data_ref(), frame.trailers_ref()) {
                (Some(part), _) => this.part(part),
                (_, Some(trailers)) => this.tell(|witness| witness.trailers(trailers)),
                (None, None) => {}
            },
            Some(Err(_)) => this.tell(W::broken),
            None => this.tell(W::end),
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

impl<W: Witness> Drop for Witnessed<W> {
    fn drop(&mut self) {
        self.tell(W::broken);
    }
}
