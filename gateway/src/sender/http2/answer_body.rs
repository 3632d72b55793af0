//! How is the body of an answer read from a stream?

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, HeaderValue};
use http_body::{Frame, SizeHint};

use super::super::exchange::{SendError, WaitsFor};
use super::stream::Stream;
use crate::body::BodyError;
use crate::trailers::welcome;

/// The body of an answer that is still being read.
pub(super) struct AnswerBody {
    /// Absent once it has ended.
    stream: Option<Stream>,
    receiving: RecvStream,
    /// What is left of the length that was told.
    left: Option<u64>,
    /// Whether only trailers may follow.
    read: bool,
}

impl AnswerBody {
    pub(super) const fn new(stream: Stream, receiving: RecvStream, length: Option<u64>) -> Self {
        Self { stream: Some(stream), receiving, left: length, read: false }
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        while !self.read {
            match ready!(self.receiving.poll_data(cx)) {
                None => self.read = true,
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => {
                    // Whoever asks has room for it; what comes next is asked for by the same.
                    let _ = self.receiving.flow_control().release_capacity(data.len());
                    let length = data.len() as u64;
                    self.left = self.left.map(|left| left.saturating_sub(length));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(SendError::of(error)))),
            }
        }
        let trailers = ready!(self.receiving.poll_trailers(cx)).map_err(SendError::of);
        let known = |trailers| Frame::trailers(welcome(trailers));
        Poll::Ready(trailers.map(|trailers| trailers.map(known)).transpose())
    }
}

/// The end of a gRPC answer whose time is over (status 4).
fn deadline_exceeded() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert("grpc-status", HeaderValue::from_static("4"));
    trailers.insert("grpc-message", HeaderValue::from_static("The deadline is over"));
    trailers
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
        // The request may still be on its way while its answer is.
        stream.poll_send(cx)?;
        let frame = match this.poll_part(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
                ready!(stream.patience.poll(WaitsFor::Answer, cx));
                if stream.is_grpc && stream.patience.is_over() {
                    // Its client gave up as well, and is told so as it understands it.
                    Some(Ok(Frame::trailers(deadline_exceeded())))
                } else {
                    Some(Err(SendError::Timeout))
                }
            }
        };
        match &frame {
            Some(Ok(frame)) if frame.is_data() => {
                if let Some(stream) = &mut this.stream {
                    stream.patience.progress();
                }
            }
            // Nothing follows trailers, and an error ends everything.
            _ => this.stream = None,
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| BodyError::Backend(Box::new(error)))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_none() || self.receiving.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
