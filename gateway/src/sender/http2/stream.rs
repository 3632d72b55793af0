//! How do one request and its answer pass over a stream?
//!
//! As over a connection of HTTP/1.1: both directions at once, inside whoever polls. Dropping a
//! stream that has not ended resets it, so a client that leaves ends the backend's work.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body::Body as _;

use super::super::answer::AnswerError;
use super::super::exchange::{MOST_INTERIM, Order, SendError, WaitsFor};
use super::channel::Slot;
use super::deadline;
use super::head::request;
use super::patience::Patience;
use crate::body::{Body, BodyError};
use crate::interim::Teller;

const CONTINUE: StatusCode = StatusCode::CONTINUE;

/// A request and its answer on their way over one stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// The stream's room on its connection.
    _slot: Slot,
    sending: SendStream<Bytes>,
    answering: ResponseFuture,
    body: Body,
    /// A part of the body that waits for the backend to read.
    chunk: Bytes,
    /// Whether nothing follows the chunk.
    last: bool,
    /// Whether all of the request is sent, or no more of it is wanted.
    sent: bool,
    teller: Option<Teller>,
    /// Interim answers so far.
    interim: usize,
    pub(super) patience: Patience,
    /// Whether the client reads a status behind the answer.
    pub(super) is_grpc: bool,
}

impl Stream {
    /// Opens a stream with `head`, written for HTTP/1.1.
    pub(super) fn open(
        slot: Slot,
        head: Vec<u8>,
        secure: bool,
        order: Order,
    ) -> Result<Self, SendError> {
        let mut request = request(head, secure).map_err(SendError::Head)?;
        deadline::tell(request.headers_mut(), order.deadline, slot.alarms().now());
        let media = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_grpc = media.is_some_and(|media| media.starts_with(b"application/grpc"));
        let bodiless = order.body.is_empty();
        let (answering, sending) =
            slot.requests().send_request(request, bodiless).map_err(SendError::of)?;
        let patience = Patience::new(slot.alarms(), &order);
        let (body, teller, chunk) = (order.body, order.teller, Bytes::new());
        Ok(Self {
            _slot: slot,
            sending,
            answering,
            body,
            chunk,
            last: false,
            sent: bodiless,
            teller,
            interim: 0,
            patience,
            is_grpc,
        })
    }

    /// The head of the answer. The request goes on meanwhile.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvStream>, SendError>> {
        let turn = self.poll_send(cx).map_err(SendError::RequestBody)?;
        self.hear_interim(cx)?;
        match Pin::new(&mut self.answering).poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer.map_err(SendError::of)),
            Poll::Pending => self.patience.poll(turn, cx).map(|()| Err(SendError::Timeout)),
        }
    }

    /// Hands on what the backend says before its answer.
    fn hear_interim(&mut self, cx: &mut Context<'_>) -> Result<(), SendError> {
        // An error is told by the answer, too.
        while let Poll::Ready(Some(Ok(said))) = self.answering.poll_informational(cx) {
            self.interim += 1;
            if self.interim > MOST_INTERIM {
                return Err(SendError::Protocol(AnswerError::Interim));
            }
            // The body of a request is never held back here, so nobody waits for the word to go on.
            if let Some(teller) = self.teller.as_ref().filter(|_| said.status() != CONTINUE) {
                let (parts, ()) = said.into_parts();
                teller.tell(parts.status, parts.headers);
            }
        }
        Ok(())
    }

    /// Sends what can be sent, and says whose turn it is then.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<WaitsFor, BodyError> {
        while !self.sent {
            if !self.chunk.is_empty() {
                if self.poll_chunk(cx).is_pending() {
                    return Ok(WaitsFor::Reader);
                }
                continue;
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return Ok(WaitsFor::Client),
                Poll::Ready(None) => self.end(),
                Poll::Ready(Some(Err(error))) => {
                    // The backend must not take what came so far for the whole.
                    self.sending.send_reset(Reason::CANCEL);
                    self.sent = true;
                    return Err(error);
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        self.last = self.body.is_end_stream();
                        self.chunk = data;
                    }
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        // Who wants no more will say so in its answer.
                        let _ = self.sending.send_trailers(trailers);
                        self.sent = true;
                    }
                },
            }
        }
        Ok(WaitsFor::Answer)
    }

    /// Sends of the chunk what the backend has room for; ready when it is gone, or not wanted.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sending.reserve_capacity(self.chunk.len());
        while self.sending.capacity() == 0 {
            if !matches!(ready!(self.sending.poll_capacity(cx)), Some(Ok(_))) {
                // It reads no more, and may have answered.
                self.give_up();
                return Poll::Ready(());
            }
        }
        let here = self.chunk.len().min(self.sending.capacity());
        let part = self.chunk.split_to(here);
        let last = self.last && self.chunk.is_empty();
        if self.sending.send_data(part, last).is_err() {
            self.give_up();
        } else if last {
            self.sent = true;
        }
        self.patience.progress();
        Poll::Ready(())
    }

    fn end(&mut self) {
        let _ = self.sending.send_data(Bytes::new(), true);
        self.sent = true;
    }

    fn give_up(&mut self) {
        self.chunk = Bytes::new();
        self.sent = true;
    }
}
