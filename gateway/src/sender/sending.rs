//! How does a request get from here to the backend?
//!
//! The head that stands in the connection's output, and the body behind it: framed as the head has
//! announced, and joined with the head in one system call where both are there.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http_body::{Body as _, Frame};
use tokio::io::AsyncWrite as _;

use super::pool::Connection;
use crate::body::{Body, BodyError};

/// What is left of a request to be sent.
#[derive(Debug)]
pub(super) struct Sending {
    body: Body,
    /// How much of the connection's output is on its way.
    written: usize,
    /// Body bytes that come after the output.
    chunk: Bytes,
    /// Body bytes that are still owed; `None`: the body is chunked.
    owed: Option<u64>,
    chunks: bool,
    pub(super) flow: Flow,
    pub(super) failed: Option<io::Error>,
    /// Whether the request may be sent again from its head alone: it has no body.
    pub(super) repeatable: bool,
}

/// What the body is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// It waits for `100 (Continue)`.
    Held,
    /// It is on its way.
    Going,
    /// It is on its way whole.
    Ended,
}

/// Why a request cannot be sent to its end.
pub(super) enum Broken {
    /// The client's body broke off.
    Body(BodyError),
    /// The backend takes no more.
    Link(io::Error),
}

impl Sending {
    /// All of a request, the head of which stands in the connection's output. `asks`: the body waits
    /// for the backend's word.
    pub(super) fn new(body: Body, asks: bool) -> Self {
        let empty = body.is_empty();
        Self {
            owed: body.length(),
            body,
            written: 0,
            chunk: Bytes::new(),
            chunks: false,
            flow: match (empty, asks) {
                (true, _) => Flow::Ended,
                (false, true) => Flow::Held,
                (false, false) => Flow::Going,
            },
            failed: None,
            repeatable: empty,
        }
    }

    pub(super) fn is_over(&self, connection: &Connection) -> bool {
        self.failed.is_some() || (self.flow == Flow::Ended && !self.has_output(connection))
    }

    pub(super) fn go_on(&mut self) {
        if self.flow == Flow::Held {
            self.flow = Flow::Going;
        }
    }

    pub(super) fn has_output(&self, connection: &Connection) -> bool {
        self.written < connection.output.len() || !self.chunk.is_empty()
    }

    pub(super) fn poll(
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
