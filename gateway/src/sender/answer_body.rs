//! How is the body of an answer read while the request may still be on its way?

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::answer::{AnswerError, Framing};
use super::exchange::{Exchange, SendError, WaitsFor};
use crate::body::BodyError;
use crate::http1::{Decoder, Part};

/// The body of an answer that is still being read.
pub(super) struct AnswerBody {
    /// Absent once it has ended.
    exchange: Option<Exchange>,
    rest: Rest,
    keeps: bool,
}

enum Rest {
    Length(u64),
    Chunked(Decoder),
    UntilClose,
}

impl AnswerBody {
    pub(super) fn new(exchange: Exchange, framing: Framing, keeps: bool) -> Self {
        let rest = match framing {
            Framing::Length(length) => Rest::Length(length),
            Framing::Chunked => Rest::Chunked(Decoder::default()),
            Framing::Nothing | Framing::Close => Rest::UntilClose,
        };
        Self { exchange: Some(exchange), rest, keeps }
    }

    fn end(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.finish(self.keeps);
        }
    }

    /// The next part that was read already.
    fn next(&mut self) -> Result<Part, AnswerError> {
        let Some(exchange) = &mut self.exchange else { return Ok(Part::End) };
        let input = &mut exchange.connection.input;
        match &mut self.rest {
            Rest::Chunked(decoder) => decoder.next(input).map_err(AnswerError::Body),
            _ if input.is_empty() => Ok(Part::Missing),
            Rest::UntilClose => Ok(Part::Data(input.split().freeze())),
            Rest::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= here as u64;
                let data = input.split_to(here).freeze();
                if *left == 0 {
                    self.end();
                }
                Ok(Part::Data(data))
            }
        }
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Part, BodyError>> {
        loop {
            let part = self.next().map_err(broken)?;
            if part != Part::Missing {
                if let Some(exchange) = &mut self.exchange {
                    exchange.progress();
                }
                return Poll::Ready(Ok(part));
            }
            let Some(exchange) = &mut self.exchange else {
                return Poll::Ready(Ok(Part::End));
            };
            // The request may still be on its way while its answer is.
            exchange.poll_send(cx)?;
            match exchange.poll_read(cx) {
                Poll::Ready(Ok(0)) if matches!(self.rest, Rest::UntilClose) => {
                    self.exchange = None;
                    return Poll::Ready(Ok(Part::End));
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(broken(AnswerError::Incomplete))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(broken(error))),
                Poll::Pending => {
                    ready!(exchange.poll_alarm(WaitsFor::Answer, cx));
                    return Poll::Ready(Err(broken(SendError::Timeout)));
                }
            }
        }
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> BodyError {
    BodyError::Backend(Box::new(error))
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        Poll::Ready(match ready!(this.poll_part(cx)) {
            Ok(Part::Data(data)) => Some(Ok(Frame::data(data))),
            Ok(Part::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(Part::End | Part::Missing) => {
                this.end();
                None
            }
            Err(error) => {
                this.exchange = None;
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest {
            Rest::Length(left) => SizeHint::with_exact(left),
            _ => SizeHint::default(),
        }
    }
}
