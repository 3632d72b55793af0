//! How do one request and its answer pass over a connection?
//!
//! Both directions run at once, inside whoever polls: an answer may begin while the request is
//! still being sent, and a backend that refuses early is heard although it stopped reading.
//! Dropping an exchange closes its connection, so a client that leaves ends the backend's work.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::io::AsyncReadExt as _;

use super::answer::{AnswerError, Head, take_head};
use super::head::frames;
use super::http2::HeadError;
use super::pool::{Connection, MOST_READ, Pool};
use crate::alarm::{Alarm, Alarms};
use crate::body::{Body, BodyError, Intake};
use crate::http1::{Flow, Outgoing};
use crate::interim::Teller;

/// How long a backend may keep a client waiting that asked before sending its body.
const CONTINUE_AFTER: Duration = Duration::from_secs(1);
/// More interim answers than this are no help to anybody.
pub(super) const MOST_INTERIM: usize = 32;

/// What to send after the head, and how to take the answer.
#[derive(Debug)]
pub struct Order {
    /// The body, as the head announced it.
    pub body: Body,
    /// The method was HEAD: the answer has no body, whatever it says.
    pub asked_with_head: bool,
    /// The head carries `expect: 100-continue`: the body waits for the backend's word, as long as
    /// the client does.
    pub waits: Option<Rc<Intake>>,
    /// Who tells the client what the backend says before its answer.
    pub teller: Option<Teller>,
    /// The head asks for a WebSocket: the backend may switch to it.
    pub upgrades: bool,
    /// How long the backend may take to answer.
    pub timeout: Duration,
    /// How long may pass between two parts of its answer.
    pub idle_timeout: Duration,
    /// When all of it has to be over.
    pub deadline: Option<Instant>,
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
    /// The head that was written is none of HTTP/2.
    #[error("the head is not one of HTTP/2")]
    Head(#[source] HeadError),
    /// The backend says that it has not looked at the request.
    #[error("the backend refused the stream")]
    Refused(#[source] Box<h2::Error>),
    /// The backend gave the request up.
    #[error("the backend reset the stream")]
    Reset(#[source] Box<h2::Error>),
    /// What was said is not HTTP/2.
    #[error("the backend does not speak HTTP/2")]
    Http2(#[source] Box<h2::Error>),
    /// The client's body broke off.
    #[error("the request body broke off")]
    RequestBody(#[source] BodyError),
}

impl SendError {
    /// What ended a stream of HTTP/2.
    pub(super) fn of(error: h2::Error) -> Self {
        let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
        // A stream that a GOAWAY ends is one that it says was not looked at (RFC 9113 §8.7).
        if error.is_remote() && (error.is_go_away() || error.is_reset() && refused) {
            Self::Refused(Box::new(error))
        } else if error.is_io() {
            Self::Closed(io::Error::other(error))
        } else if error.is_remote() && error.is_reset() {
            Self::Reset(Box::new(error))
        } else {
            Self::Http2(Box::new(error))
        }
    }
}

/// Whether an answer is a stream of server-sent events.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    let media = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let media = media.and_then(|media| media.get(..EVENTS.len()));
    media.is_some_and(|media| media.eq_ignore_ascii_case(EVENTS))
}

/// A request and its answer on their way over one connection.
#[derive(Debug)]
pub(super) struct Exchange {
    pool: Rc<Pool>,
    pub(super) connection: Box<Connection>,
    sending: Outgoing,
    /// The backend takes no more.
    deaf: Option<io::Error>,
    asked_with_head: bool,
    upgrades: bool,
    heard: bool,
    timeout: Duration,
    idle_timeout: Duration,
    deadline: Option<Instant>,
    pub(super) alarm: Alarm,
    waits_for: WaitsFor,
    waits: Option<Rc<Intake>>,
    teller: Option<Teller>,
    /// Interim answers so far.
    interim: usize,
}

/// Whose turn it is, as far as time limits care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitsFor {
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
    pub(super) fn new(
        pool: &Rc<Pool>,
        alarms: &Rc<Alarms>,
        mut connection: Box<Connection>,
        order: Order,
    ) -> Self {
        let frames = frames(&order.body);
        let flow = if order.waits.is_some() { Flow::Held } else { Flow::Going };
        let head = std::mem::take(&mut connection.output);
        Self {
            pool: Rc::clone(pool),
            connection,
            sending: Outgoing::new(head, order.body, frames, flow, true),
            deaf: None,
            asked_with_head: order.asked_with_head,
            upgrades: order.upgrades,
            heard: false,
            timeout: order.timeout,
            idle_timeout: order.idle_timeout,
            deadline: order.deadline,
            alarm: alarms.alarm(),
            waits_for: WaitsFor::Client,
            waits: order.waits,
            teller: order.teller,
            interim: 0,
        }
    }

    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, SendError>> {
        loop {
            let turn = self.poll_send(cx).map_err(SendError::RequestBody)?;
            let flow = self.sending.flow();
            if let Poll::Ready(head) = self.poll_read_head(cx)? {
                return Poll::Ready(Ok(head));
            }
            if self.sending.flow() != flow {
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
            self.sending.go_on();
        }
    }

    /// Reads until a head is there. Interim answers are handed on; the word to go on is for us.
    fn poll_read_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, SendError>> {
        loop {
            while !self.connection.input.is_empty() {
                let Connection { input, places, .. } = &mut *self.connection;
                let head = take_head(input, places, self.asked_with_head);
                match head.map_err(SendError::Protocol)? {
                    None => break,
                    Some(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                        let agreed = self.upgrades && head.upgrades;
                        let wrong = SendError::Protocol(AnswerError::Status);
                        return Poll::Ready(if agreed { Ok(head) } else { Err(wrong) });
                    }
                    Some(head) if head.status.is_informational() => {
                        self.interim += 1;
                        if self.interim > MOST_INTERIM {
                            return Poll::Ready(Err(SendError::Protocol(AnswerError::Interim)));
                        }
                        if head.status == StatusCode::CONTINUE {
                            self.sending.go_on();
                        } else if let Some(teller) = &self.teller {
                            teller.tell(head.status, head.headers);
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
                    let error = self.deaf.take();
                    let error = error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
                    return Poll::Ready(Err(SendError::Closed(error)));
                }
                Ok(_) => self.heard = true,
                Err(error) => return Poll::Ready(Err(SendError::Closed(error))),
            }
        }
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Connection { link, input, read_size, .. } = &mut *self.connection;
        if input.capacity() == 0 {
            *input = self.pool.spares().input();
        }
        input.reserve(*read_size);
        let room = input.capacity() - input.len();
        let read = std::pin::pin!(link.read_buf(input)).poll(cx);
        let Poll::Ready(read) = read else {
            // Others read meanwhile, into what the caches know.
            if input.is_empty() {
                self.pool.spares().keep_input(std::mem::take(input));
            }
            return Poll::Pending;
        };
        let read = read?;
        if read == room {
            *read_size = (*read_size * 2).min(MOST_READ);
        }
        Poll::Ready(Ok(read))
    }

    /// Sends what can be sent, and says whose turn it is then.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<WaitsFor, BodyError> {
        if self.waits.as_ref().is_some_and(|intake| !intake.asks()) {
            self.waits = None;
            self.sending.go_on();
        }
        while self.deaf.is_none() && !self.sending.is_over() {
            self.sending.poll_stage(cx)?;
            if !self.sending.has_output() {
                let held = self.sending.flow() == Flow::Held;
                return Ok(if held { WaitsFor::Continue } else { WaitsFor::Client });
            }
            match self.sending.poll_write(&mut self.connection.link, cx) {
                Poll::Ready(Ok(())) => {}
                // It may have answered before it stopped reading.
                Poll::Ready(Err(error)) => self.deaf = Some(error),
                Poll::Pending => return Ok(WaitsFor::Reader),
            }
        }
        Ok(WaitsFor::Answer)
    }

    /// Ready when it has been `turn`'s turn for too long.
    pub(super) fn poll_alarm(&mut self, turn: WaitsFor, cx: &Context<'_>) -> Poll<()> {
        if let Some(deadline) = self.deadline {
            return self.poll_deadline(deadline, turn, cx);
        }
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

    /// The same where all of it has to be over at some time, whoever's turn it is.
    fn poll_deadline(&mut self, deadline: Instant, turn: WaitsFor, cx: &Context<'_>) -> Poll<()> {
        let left = deadline.saturating_duration_since(self.alarm.now());
        if left.is_zero() {
            return Poll::Ready(());
        }
        if self.waits_for != turn || turn == WaitsFor::Client {
            self.waits_for = turn;
            self.alarm.set(match turn {
                WaitsFor::Client => left,
                WaitsFor::Continue => CONTINUE_AFTER.min(left),
                WaitsFor::Reader | WaitsFor::Answer => self.timeout.min(left),
            });
        }
        self.alarm.poll(cx)
    }

    /// The answer has begun with these fields. Events may be rare: between them no time runs.
    pub(super) fn begun(&mut self, headers: &HeaderMap) {
        let rare = is_event_stream(headers);
        self.timeout = if rare { Duration::MAX } else { self.idle_timeout };
        self.progress();
    }

    /// The clock starts anew: something was read or handed on.
    pub(super) fn progress(&mut self) {
        self.waits_for = WaitsFor::Client;
        self.alarm.clear();
    }

    /// Whether the backend has said anything.
    pub(super) const fn has_heard(&self) -> bool {
        self.heard
    }

    /// The answer is complete. The connection is kept if nothing speaks against it.
    pub(super) fn finish(mut self, keeps: bool) {
        let all_sent = self.sending.is_over() && self.deaf.is_none();
        if keeps && all_sent && self.connection.input.is_empty() {
            self.connection.output = self.sending.into_output();
            self.pool.spares().keep_input(std::mem::take(&mut self.connection.input));
            self.pool.put(self.connection, self.alarm.now());
        }
    }
}
