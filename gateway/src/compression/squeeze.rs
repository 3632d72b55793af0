//! How is a body encoded while it passes?
//!
//! Parts are taken in as long as they come without waiting. Before anything is waited for, what was
//! taken in is let out, so that the client of a slow stream sees each part when the backend sent it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::encoder::Encoder;
use crate::body::{Body, BodyError};

/// A part is handed on when it is this long.
const PART: usize = 16 * 1024;
/// So much is taken in before something is handed on, however small it has become.
const MOST_TAKEN: usize = 256 * 1024;
/// After so much it is the turn of other calls. Encoding is the longest work of a worker, and all of
/// a body may be there at once.
const TURN: usize = 64 * 1024;

/// A body that is encoded while it passes.
pub(super) struct Squeezing {
    inner: Body,
    /// Absent once the body has ended.
    encoder: Option<Encoder>,
    /// Bytes that were taken in since the last ones were handed on.
    taken: usize,
    /// Bytes that were taken in since others had their turn.
    worked: usize,
    trailers: Option<Frame<Bytes>>,
}

impl Squeezing {
    pub(super) const fn new(inner: Body, encoder: Encoder) -> Self {
        Self { inner, encoder: Some(encoder), taken: 0, worked: 0, trailers: None }
    }

    /// The next part; `None`: nothing has come of what was taken in.
    fn step(&mut self, cx: &mut Context<'_>) -> Result<Poll<Option<Bytes>>, BodyError> {
        let Some(encoder) = &mut self.encoder else { return Ok(Poll::Ready(None)) };
        loop {
            match http_body::Body::poll_frame(Pin::new(&mut self.inner), cx) {
                Poll::Pending if self.taken == 0 => return Ok(Poll::Pending),
                Poll::Pending => break,
                Poll::Ready(Some(Err(error))) => return Err(error),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        encoder.write(&data).map_err(broken)?;
                        self.taken += data.len();
                        self.worked += data.len();
                        if encoder.ready() >= PART {
                            self.taken = 0;
                            return Ok(Poll::Ready(Some(encoder.take())));
                        }
                        if self.taken >= MOST_TAKEN {
                            break;
                        }
                    }
                    Err(trailers) => self.trailers = Some(trailers),
                },
                Poll::Ready(None) => {
                    let Some(encoder) = self.encoder.take() else { break };
                    return Ok(Poll::Ready(Some(encoder.finish().map_err(broken)?)));
                }
            }
        }
        self.taken = 0;
        if let Some(encoder) = &mut self.encoder {
            encoder.flush().map_err(broken)?;
            return Ok(Poll::Ready(Some(encoder.take())));
        }
        Ok(Poll::Ready(None))
    }
}

fn broken(error: io::Error) -> BodyError {
    BodyError::Backend(Box::new(error))
}

impl http_body::Body for Squeezing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.worked >= TURN {
            this.worked = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while this.encoder.is_some() {
            match this.step(cx) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Some(part))) if !part.is_empty() => {
                    return Poll::Ready(Some(Ok(Frame::data(part))));
                }
                Ok(Poll::Ready(_)) => {}
                Err(error) => {
                    this.encoder = None;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        Poll::Ready(this.trailers.take().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
