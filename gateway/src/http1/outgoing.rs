//! How does a message get onto the wire?
//!
//! A head that is written already, and the body behind it: framed as the head has announced, and
//! joined with the head in one system call where both are there.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http_body::{Body as _, Frame};
use tokio::io::AsyncWrite;

use crate::body::{Body, BodyError};

/// Parts of a body up to this size are copied behind what stands before them: that costs less than
/// a system call that gathers them.
const JOINED: usize = 2048;

/// A message on its way.
#[derive(Debug)]
pub struct Outgoing {
    body: Body,
    /// The head, and the framing of the body.
    output: Vec<u8>,
    /// How much of the output is gone.
    written: usize,
    /// Body bytes that come after the output.
    chunk: Bytes,
    /// Whether something may have been written to a buffer below and no further.
    unflushed: bool,
    /// Whether anything was written at all.
    begun: bool,
    frames: Frames,
    trailers: bool,
    flow: Flow,
    body_bytes: u64,
}

/// How the head says that the body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// There is none, whatever the body says.
    Nothing,
    /// By its length, of which so much is still owed.
    Length(u64),
    /// In chunks; `true` once there was one.
    Chunks(bool),
    /// By the end of the connection.
    UntilClose,
}

/// What the body is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It waits until it is asked for.
    Held,
    /// It is on its way.
    Going,
    /// It is on its way whole.
    Ended,
}

impl Outgoing {
    /// A message with the head `output`, which announces `frames`; without `trailers` for somebody
    /// who does not want any.
    pub fn new(output: Vec<u8>, body: Body, frames: Frames, flow: Flow, trailers: bool) -> Self {
        let nothing = matches!(frames, Frames::Nothing | Frames::Length(0));
        let (body, flow) = if nothing { (Body::Empty, Flow::Ended) } else { (body, flow) };
        Self {
            body,
            output,
            written: 0,
            chunk: Bytes::new(),
            unflushed: false,
            begun: false,
            frames,
            trailers,
            flow,
            body_bytes: 0,
        }
    }

    /// What the body is doing.
    pub const fn flow(&self) -> Flow {
        self.flow
    }

    /// Somebody asks for a body that was held.
    pub fn go_on(&mut self) {
        if self.flow == Flow::Held {
            self.flow = Flow::Going;
        }
    }

    /// Whether anything waits to be written.
    pub fn has_output(&self) -> bool {
        self.unflushed || self.has_bytes()
    }

    fn has_bytes(&self) -> bool {
        self.written < self.output.len() || !self.chunk.is_empty()
    }

    /// Whether any of it is gone.
    pub const fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether all of it is gone.
    pub fn is_over(&self) -> bool {
        self.flow == Flow::Ended && !self.has_output()
    }

    /// How many bytes of the body were taken so far.
    pub const fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Gives the buffer of the head back. While nothing but a head was sent, it still holds it.
    pub fn into_output(self) -> Vec<u8> {
        self.output
    }

    /// Takes the next part of the body, if there is room for it and it is there.
    pub fn poll_stage(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        if self.chunk.is_empty()
            && self.flow == Flow::Going
            && let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx)
        {
            self.stage(frame.transpose()?)?;
        }
        Ok(())
    }

    /// Writes what waits; ready when nothing is left.
    pub fn poll_write(
        &mut self,
        link: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.has_bytes() {
            let head = self.output.get(self.written..).unwrap_or_default();
            let link = Pin::new(&mut *link);
            let wrote = if self.chunk.is_empty() {
                ready!(link.poll_write(cx, head))?
            } else if head.is_empty() {
                ready!(link.poll_write(cx, &self.chunk))?
            } else {
                let both = [IoSlice::new(head), IoSlice::new(&self.chunk)];
                ready!(link.poll_write_vectored(cx, &both))?
            };
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = wrote.min(head.len());
            self.written += of_head;
            self.chunk.advance(wrote - of_head);
            if self.chunk.is_empty() {
                // What it was read into is free for what follows.
                self.chunk = Bytes::new();
            }
            self.unflushed = true;
            self.begun = true;
        }
        if self.unflushed {
            ready!(Pin::new(link).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Puts a part of the body, with its framing, behind what waits to be written; `None`: the end.
    fn stage(&mut self, frame: Option<Frame<Bytes>>) -> Result<(), BodyError> {
        // A head without a body is left in the buffer: it may have to be sent again.
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        }
        match frame.map(Frame::into_data) {
            Some(Ok(data)) if data.is_empty() => {}
            Some(Ok(data)) => self.data(data)?,
            Some(Err(frame)) => {
                if let Frames::Chunks(begun) = self.frames {
                    self.last_chunk(begun);
                    let trailers = frame.into_trailers().unwrap_or_default();
                    for (name, value) in trailers.iter().filter(|_| self.trailers) {
                        let lines = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"];
                        for part in lines {
                            self.output.extend_from_slice(part);
                        }
                    }
                    self.output.extend_from_slice(b"\r\n");
                    self.flow = Flow::Ended;
                }
                // Trailers have no place behind a body that is not chunked.
            }
            None => match self.frames {
                Frames::Chunks(begun) => {
                    self.last_chunk(begun);
                    self.output.extend_from_slice(b"\r\n");
                    self.flow = Flow::Ended;
                }
                Frames::Length(owed) if owed > 0 => return Err(miscounted("fewer")),
                _ => self.flow = Flow::Ended,
            },
        }
        Ok(())
    }

    fn data(&mut self, data: Bytes) -> Result<(), BodyError> {
        let length = data.len() as u64;
        match &mut self.frames {
            Frames::Nothing | Frames::UntilClose => {}
            Frames::Length(owed) => {
                *owed = owed.checked_sub(length).ok_or_else(|| miscounted("more"))?;
                if *owed == 0 {
                    self.flow = Flow::Ended;
                }
            }
            Frames::Chunks(begun) => {
                let lead = if *begun { "\r\n" } else { "" };
                // Writing to a vector cannot fail.
                let _ = write!(self.output, "{lead}{length:x}\r\n");
                *begun = true;
            }
        }
        self.body_bytes += length;
        if data.len() <= JOINED {
            self.output.extend_from_slice(&data);
        } else {
            self.chunk = data;
        }
        Ok(())
    }

    fn last_chunk(&mut self, begun: bool) {
        self.output.extend_from_slice(if begun { b"\r\n0\r\n" } else { b"0\r\n" });
    }
}

fn miscounted(how: &str) -> BodyError {
    BodyError::Client(format!("{how} bytes than announced").into())
}
