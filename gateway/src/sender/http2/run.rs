//! What comes of a request that is sent as a stream of HTTP/2?

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use h2::RecvStream;
use http::Response;
use http::header::CONTENT_LENGTH;

use super::super::exchange::{Order, SendError, is_event_stream};
use super::super::run::{Answered, Failure};
use super::answer_body::AnswerBody;
use super::channel::Slot;
use super::stream::Stream;
use crate::body::Body;
use crate::http1::one_length;

/// Sends `head`, written for HTTP/1.1, and `order`'s body over the stream that there is room for.
/// The future is ready once the answer's head is there.
pub fn run(slot: Slot, head: Vec<u8>, secure: bool, order: Order) -> Running {
    let asked_with_head = order.asked_with_head;
    Running { stream: Some(Stream::open(slot, head, secure, order)), asked_with_head }
}

/// A stream whose answer has not begun yet.
#[derive(Debug)]
pub struct Running {
    stream: Option<Result<Stream, SendError>>,
    asked_with_head: bool,
}

impl Future for Running {
    type Output = Result<Answered, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let head = match &mut self.stream {
            Some(Ok(stream)) => ready!(stream.poll_head(cx)),
            Some(Err(_)) => Err(SendError::Timeout),
            // A future that is polled after its end stays pending for ever.
            None => return Poll::Pending,
        };
        let asked_with_head = self.asked_with_head;
        let done = match (self.stream.take(), head) {
            (Some(Ok(stream)), Ok(head)) => Ok(delivered(stream, head, asked_with_head)),
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (None, Ok(_)) => return Poll::Pending,
        };
        Poll::Ready(done.map_err(|error| Failure { error, heard: false }))
    }
}

fn delivered(mut stream: Stream, head: Response<RecvStream>, asked_with_head: bool) -> Answered {
    let (mut parts, receiving) = head.into_parts();
    if is_event_stream(&parts.headers) {
        stream.patience.wait_for_ever();
    }
    stream.patience.begun();
    // As with HTTP/1.1: where a body follows, its length is written anew.
    let mut length = None;
    if !asked_with_head && !receiving.is_end_stream() {
        let told = parts.headers.remove(CONTENT_LENGTH);
        length = told.and_then(|told| one_length(told.as_bytes()));
    }
    let body = if receiving.is_end_stream() {
        Body::Empty
    } else {
        Body::stream(AnswerBody::new(stream, receiving, length))
    };
    Response::from_parts(parts, body)
}
