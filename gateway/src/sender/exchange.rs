//! How do one request and its answer pass over a connection?
//!
//! Both directions run at once, inside whoever polls: an answer may begin while the request is
//! still being sent, and a backend that refuses early is heard although it stopped reading.
//! Dropping an exchange closes its connection, so a client that leaves ends the backend's work.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::{Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};

use super::answer::{AnswerError, Framing, Head, take_head};
use super::chunked::{Decoder, Part};
use super::pool::{Connection, MOST_READ, Pool};
use crate::alarm::{Alarm, Alarms};
use crate::body::{Body, BodyError};

/// How long a backend may keep a client waiting that asked before sending its body.
const CONTINUE_AFTER: Duration = Duration::from_secs(1);

/// What to send after the head, and how to take the answer.
#[derive(Debug)]
pub struct Order {
    /// The body, as the head announced it.
    pub body: Body,
    /// The method was HEAD: the answer has no body, whatever it says.
    pub asked_with_head: bool,
    /// The head carries `expect: 100-continue`: the body waits for the backend's word.
    pub expects_continue: bool,
    /// How long the backend may take to answer, and between two parts of its answer.
    pub timeout: Duration,
}

/// The exchange failed before the backend's answer began.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: SendError,
    /// The request head, given back when the backend said nothing and no body had to be sent: the
    /// same request may go out again if it may be repeated.
    pub unheard: Option<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It did not come in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection closed before anything was said.
    #[error("the backend closed the connection")]
    Closed(#[source] io::Error),
    /// What was said is not HTTP/1.1.
    #[error("the backend does not speak HTTP/1.1")]
    Protocol(#[source] AnswerError),
    /// The client's body broke off.
    #[error("the request body broke off")]
    RequestBody(#[source] BodyError),
}

/// An answer that has begun.
pub type Answered = Response<Body>;

/// Sends the head that stands in the connection's output, and `order`'s body, and returns once the
/// answer's head is there.
pub async fn run(
    pool: &Rc<Pool>,
    alarms: &Rc<Alarms>,
    connection: Connection,
    order: Order,
) -> Result<Answered, Failure> {
    let mut exchange = Exchange::new(pool, alarms, connection, order);
    match std::future::poll_fn(|cx| exchange.poll_head(cx)).await {
        Ok(head) => Ok(exchange.deliver(head)),
        Err(error) => Err(exchange.fail(error)),
    }
}

#[derive(Debug)]
struct Exchange {
    pool: Rc<Pool>,
    connection: Connection,
    sending: Sending,
    asked_with_head: bool,
    heard: bool,
    timeout: Duration,
    alarm: Alarm,
    waits_for: WaitsFor,
}

/// What is left of a request to be sent.
#[derive(Debug)]
struct Sending {
    body: Body,
    /// How much of the connection's output is on its way.
    written: usize,
    /// Body bytes that come after the output.
    chunk: Bytes,
    /// Body bytes that are still owed; `None`: the body is chunked.
    owed: Option<u64>,
    chunks: bool,
    flow: Flow,
    failed: Option<io::Error>,
    repeatable: bool,
}

/// What the body is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// It waits for `100 (Continue)`.
    Held,
    Going,
    Ended,
}

/// Whose turn it is, as far as time limits care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitsFor {
    /// The client's: the backend is not to blame.
    Client,
    /// The backend's, to say that the body is welcome.
    Continue,
    /// The backend's, to read.
    Reader,
    /// The backend's, to answer.
    Answer,
}

impl Exchange {
    fn new(pool: &Rc<Pool>, alarms: &Rc<Alarms>, connection: Connection, order: Order) -> Self {
        let empty = order.body.is_empty();
        let sending = Sending {
            owed: order.body.length(),
            body: order.body,
            written: 0,
            chunk: Bytes::new(),
            chunks: false,
            flow: match (empty, order.expects_continue) {
                (true, _) => Flow::Ended,
                (false, true) => Flow::Held,
                (false, false) => Flow::Going,
            },
            failed: None,
            repeatable: empty,
        };
        Self {
            pool: Rc::clone(pool),
            connection,
            sending,
            asked_with_head: order.asked_with_head,
            heard: false,
            timeout: order.timeout,
            alarm: alarms.alarm(),
            waits_for: WaitsFor::Client,
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, SendError>> {
        loop {
            let turn = self.poll_send(cx).map_err(SendError::RequestBody)?;
            let flow = self.sending.flow;
            if let Poll::Ready(head) = self.poll_read_head(cx)? {
                return Poll::Ready(Ok(head));
            }
            if self.sending.flow != flow {
                // The backend wants the body.
                continue;
            }
            if self.poll_alarm(turn, cx).is_pending() {
                return Poll::Pending;
            }
            if turn != WaitsFor::Continue {
                return Poll::Ready(Err(SendError::Timeout));
            }
            // A backend that knows nothing of `Expect` says nothing; the body goes out all the
            // same (RFC 9110 §10.1.1).
            self.sending.flow = Flow::Going;
        }
    }

    /// Reads until a head is there. Interim answers are taken note of and left out.
    fn poll_read_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, SendError>> {
        loop {
            while !self.connection.input.is_empty() {
                let head = take_head(&mut self.connection.input, self.asked_with_head);
                match head.map_err(SendError::Protocol)? {
                    None => break,
                    Some(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                        return Poll::Ready(Err(SendError::Protocol(AnswerError::Status)));
                    }
                    Some(head) if head.status.is_informational() => {
                        if head.status == StatusCode::CONTINUE {
                            self.sending.go_on();
                        }
                    }
                    Some(head) => return Poll::Ready(Ok(head)),
                }
            }
            match ready!(self.poll_read(cx)) {
                Ok(0) if self.heard => {
                    return Poll::Ready(Err(SendError::Protocol(AnswerError::Incomplete)));
                }
                Ok(0) => {
                    let error = self.sending.failed.take();
                    let error = error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
                    return Poll::Ready(Err(SendError::Closed(error)));
                }
                Ok(_) => self.heard = true,
                Err(error) => return Poll::Ready(Err(SendError::Closed(error))),
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let connection = &mut self.connection;
        connection.input.reserve(connection.read_size);
        let room = connection.input.capacity() - connection.input.len();
        let read = {
            let read = std::pin::pin!(connection.link.read_buf(&mut connection.input));
            ready!(read.poll(cx))?
        };
        if read == room {
            connection.read_size = (connection.read_size * 2).min(MOST_READ);
        }
        Poll::Ready(Ok(read))
    }

    /// Sends what can be sent, and says whose turn it is then.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<WaitsFor, BodyError> {
        if self.sending.is_over(&self.connection) {
            return Ok(WaitsFor::Answer);
        }
        match self.sending.poll(&mut self.connection, cx) {
            Poll::Ready(Ok(())) => Ok(WaitsFor::Answer),
            Poll::Ready(Err(Broken::Body(error))) => Err(error),
            Poll::Ready(Err(Broken::Link(error))) => {
                // It may have answered before it stopped reading.
                self.sending.failed = Some(error);
                Ok(WaitsFor::Answer)
            }
            Poll::Pending if self.sending.has_output(&self.connection) => Ok(WaitsFor::Reader),
            Poll::Pending if self.sending.flow == Flow::Held => Ok(WaitsFor::Continue),
            Poll::Pending => Ok(WaitsFor::Client),
        }
    }

    /// Ready when it has been `turn`'s turn for too long.
    fn poll_alarm(&mut self, turn: WaitsFor, cx: &Context<'_>) -> Poll<()> {
        if self.waits_for != turn {
            self.waits_for = turn;
            match turn {
                WaitsFor::Client => self.alarm.clear(),
                WaitsFor::Continue => self.alarm.set(CONTINUE_AFTER),
                WaitsFor::Reader | WaitsFor::Answer => self.alarm.set(self.timeout),
            }
        }
        self.alarm.poll(cx)
    }

    /// The clock starts anew: something was read or handed on.
    fn progress(&mut self) {
        self.waits_for = WaitsFor::Client;
        self.alarm.clear();
    }

    fn fail(self, error: SendError) -> Failure {
        let unheard = !self.heard && self.sending.repeatable;
        let unheard = unheard.then_some(self.connection.output);
        Failure { error, unheard }
    }

    fn deliver(mut self, head: Head) -> Answered {
        self.progress();
        let mut answer = Response::new(Body::Empty);
        *answer.status_mut() = head.status;
        *answer.headers_mut() = head.headers;
        let here = self.connection.input.len() as u64;
        *answer.body_mut() = match head.framing {
            Framing::Nothing => {
                self.finish(head.keeps);
                Body::Empty
            }
            Framing::Length(length) if length <= here => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                let body = self.connection.input.split_to(length).freeze();
                self.finish(head.keeps);
                Body::Full(body)
            }
            framing => Body::stream(AnswerBody::new(self, framing, head.keeps)),
        };
        answer
    }

    /// The answer is complete. The connection is kept if nothing speaks against it.
    fn finish(self, keeps: bool) {
        let all_sent = self.sending.is_over(&self.connection) && self.sending.failed.is_none();
        if keeps && all_sent && self.connection.input.is_empty() {
            self.pool.put(self.connection, self.alarm.now());
        }
    }
}

enum Broken {
    Body(BodyError),
    Link(io::Error),
}

impl Sending {
    fn is_over(&self, connection: &Connection) -> bool {
        self.failed.is_some() || (self.flow == Flow::Ended && !self.has_output(connection))
    }

    fn go_on(&mut self) {
        if self.flow == Flow::Held {
            self.flow = Flow::Going;
        }
    }

    fn has_output(&self, connection: &Connection) -> bool {
        self.written < connection.output.len() || !self.chunk.is_empty()
    }

    fn poll(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        loop {
            if self.chunk.is_empty()
                && self.flow == Flow::Going
                && let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx)
            {
                self.stage(connection, frame).map_err(Broken::Body)?;
            }
            if !self.has_output(connection) {
                ready!(Pin::new(&mut connection.link).poll_flush(cx)).map_err(Broken::Link)?;
                let ended = self.flow == Flow::Ended;
                return if ended { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            let wrote = ready!(self.poll_write(connection, cx)).map_err(Broken::Link)?;
            let head = wrote.min(connection.output.len() - self.written);
            self.written += head;
            self.chunk.advance(wrote - head);
        }
    }

    /// Head and body leave in one system call where both are there.
    fn poll_write(
        &self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let head = connection.output.get(self.written..).unwrap_or_default();
        let link = Pin::new(&mut connection.link);
        let wrote = if self.chunk.is_empty() {
            ready!(link.poll_write(cx, head))?
        } else if head.is_empty() {
            ready!(link.poll_write(cx, &self.chunk))?
        } else {
            let both = [IoSlice::new(head), IoSlice::new(&self.chunk)];
            ready!(link.poll_write_vectored(cx, &both))?
        };
        if wrote == 0 {
            Poll::Ready(Err(io::ErrorKind::WriteZero.into()))
        } else {
            Poll::Ready(Ok(wrote))
        }
    }

    /// Puts the next part of the body, with its framing, behind what is to be written.
    fn stage(
        &mut self,
        connection: &mut Connection,
        frame: Option<Result<Frame<Bytes>, BodyError>>,
    ) -> Result<(), BodyError> {
        let frame = frame.transpose()?;
        let output = &mut connection.output;
        if self.written == output.len() {
            output.clear();
            self.written = 0;
        }
        let lead = if self.chunks { "\r\n" } else { "" };
        match (frame.map(Frame::into_data), self.owed) {
            (Some(Ok(data)), _) if data.is_empty() => {}
            (Some(Ok(data)), Some(owed)) => {
                let left = owed.checked_sub(data.len() as u64).ok_or_else(|| miscounted("more"))?;
                self.owed = Some(left);
                if left == 0 {
                    self.flow = Flow::Ended;
                }
                self.chunk = data;
            }
            (Some(Ok(data)), None) => {
                output.extend_from_slice(format!("{lead}{:x}\r\n", data.len()).as_bytes());
                self.chunks = true;
                self.chunk = data;
            }
            (Some(Err(frame)), None) => {
                output.extend_from_slice(format!("{lead}0\r\n").as_bytes());
                for (name, value) in frame.into_trailers().unwrap_or_default() {
                    let Some(name) = name else { continue };
                    output.extend_from_slice(name.as_str().as_bytes());
                    output.extend_from_slice(b": ");
                    output.extend_from_slice(value.as_bytes());
                    output.extend_from_slice(b"\r\n");
                }
                output.extend_from_slice(b"\r\n");
                self.flow = Flow::Ended;
            }
            (None, None) => {
                output.extend_from_slice(format!("{lead}0\r\n\r\n").as_bytes());
                self.flow = Flow::Ended;
            }
            // Trailers have no place behind a body of known length.
            (Some(Err(_)), Some(_)) => {}
            (None, Some(0)) => self.flow = Flow::Ended,
            (None, Some(_)) => return Err(miscounted("fewer")),
        }
        Ok(())
    }
}

fn miscounted(how: &str) -> BodyError {
    BodyError::Client(format!("{how} bytes than announced").into())
}

/// The body of an answer that is still being read.
struct AnswerBody {
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
    fn new(exchange: Exchange, framing: Framing, keeps: bool) -> Self {
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
            Rest::Chunked(decoder) => decoder.next(input),
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
            let Some(exchange) = &mut self.exchange else { return Poll::Ready(Ok(Part::End)) };
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

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
