//! What becomes of an answer whose events count?
//!
//! It passes part by part as before. Where the next event begins and the limits have no room for it, the
//! answer ends: an event stream as streams end, gRPC with a status. Whoever connects again is
//! refused as any call is.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body::Frame;

use super::event_stream::EventStream;
use super::messages::Messages;
use crate::body::{Body, BodyError};
use crate::fault::{Fault, trailers};
use crate::handlers::{EventLimits, Gate};

/// What is counted in a body.
#[derive(Debug)]
enum Units {
    Events(EventStream),
    Messages(Messages),
    /// Where events cannot be seen: what comes at a time, which is what somebody flushed.
    Parts(bool),
}

/// A body whose events are counted while it passes.
struct Counted {
    inner: Body,
    units: Units,
    gate: Gate,
    /// Read, and waiting for a unit.
    rest: Bytes,
    /// Why it ends when what has passed is gone.
    refused: Option<Fault>,
}

/// Lets the events of an answer count, if it is a stream of events or of gRPC.
pub fn count(limits: &EventLimits, response: &mut Response<Body>) {
    let headers = response.headers();
    let Some(kind) = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else { return };
    let starts = |name: &str| {
        kind.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()))
    };
    let units = if starts("application/grpc") {
        Units::Messages(Messages::default())
    } else if !starts("text/event-stream") {
        return;
    } else if headers.contains_key(CONTENT_ENCODING) {
        Units::Parts(false)
    } else {
        Units::Events(EventStream::new())
    };
    if response.body().is_empty() {
        return;
    }
    // It may end before.
    response.headers_mut().remove(CONTENT_LENGTH);
    let inner = std::mem::take(response.body_mut());
    let (gate, rest) = (limits.gate(), Bytes::new());
    *response.body_mut() = Body::stream(Counted { inner, units, gate, rest, refused: None });
}

impl Units {
    fn allow(&mut self) {
        match self {
            Self::Events(events) => events.allow(),
            Self::Messages(messages) => messages.allow(),
            Self::Parts(allowed) => *allowed = true,
        }
    }

    fn pass(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Events(events) => events.pass(bytes),
            Self::Messages(messages) => messages.pass(bytes),
            Self::Parts(allowed) => {
                if std::mem::take(allowed) {
                    bytes.len()
                } else {
                    0
                }
            }
        }
    }
}

impl Counted {
    /// As much of what was read as may pass; pending: it waits for a unit.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let mut passed = self.units.pass(&self.rest);
        while passed < self.rest.len() {
            match self.gate.poll(cx) {
                Poll::Ready(Ok(())) => {
                    self.units.allow();
                    passed += self.units.pass(self.rest.get(passed..).unwrap_or_default());
                }
                Poll::Ready(Err(fault)) => {
                    self.refused = Some(fault);
                    self.inner = Body::Empty;
                    let part = self.rest.split_to(passed);
                    self.rest.clear();
                    return Poll::Ready(part);
                }
                Poll::Pending if passed == 0 => return Poll::Pending,
                // It is asked again for what is left.
                Poll::Pending => break,
            }
        }
        Poll::Ready(self.rest.split_to(passed))
    }

    fn ended(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        let fault = self.refused.take()?;
        let told = matches!(self.units, Units::Messages(_));
        told.then(|| Ok(Frame::trailers(trailers(&fault))))
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            if !this.rest.is_empty() {
                let part = ready!(this.poll_rest(cx));
                if !part.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(part))));
                }
            }
            if this.refused.is_some() {
                return Poll::Ready(this.ended());
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.refused.is_none() && self.inner.is_end_stream()
    }
}
