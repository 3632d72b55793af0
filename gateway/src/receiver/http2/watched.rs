//! What lies between a client's connection and the HTTP/2 library?
//!
//! Bytes pass as they are; the heads of the frames among them are seen on the way, and a connection
//! whose frames are beyond their budget is told so and ends. Where the library overlooks an error
//! of a stream, a frame of our own is put between two of its.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::socket::{PREFACE, Socket};
use super::budget::{Abuse, Budget, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, Limits};
use super::frames::{Cursor, kind};
use crate::worker::Worker;

/// A connection that speaks HTTP/2.
#[derive(Debug)]
pub(in super::super) struct Watched {
    socket: Socket,
    worker: Rc<Worker>,
    inbound: Cursor,
    outbound: Cursor,
    budget: Budget,
    /// What was found on the way out.
    found: Option<Abuse>,
    /// A frame of our own, or what is left of it; it is sent between two of the library's.
    own: Vec<u8>,
}

/// What a client that is cut off may still send without losing what it was told.
const MOST_DISCARDED: usize = 256 * 1024;

impl Watched {
    /// Watches a connection of which the library has seen nothing yet.
    pub(in super::super) fn new(
        socket: Socket,
        worker: Rc<Worker>,
        control_frames: u32,
        resets: u32,
    ) -> Self {
        let budget = Budget::new(Limits { control_frames, resets }, worker.alarms.now());
        let preface = u32::try_from(PREFACE.len()).unwrap_or_default();
        let (inbound, outbound) = (Cursor::after(preface), Cursor::after(0));
        Self { socket, worker, inbound, outbound, budget, found: None, own: Vec::new() }
    }

    fn see(&mut self, read: &[u8], cx: &mut Context<'_>) -> Result<(), Abuse> {
        self.budget.refill(self.worker.alarms.now());
        let Self { inbound, budget, .. } = self;
        inbound.follow(read, |frame| budget.received(frame))?;
        if let Some(stream) = self.budget.overflowed() {
            self.say(frame(kind::RST_STREAM, stream, &FLOW_CONTROL_ERROR.to_be_bytes()), cx);
        }
        Ok(())
    }

    /// Sends a frame of our own, at once or when there is room; an earlier one that is still waiting
    /// goes first, and then this one is left out.
    fn say(&mut self, frame: Vec<u8>, cx: &mut Context<'_>) {
        if self.own.is_empty() {
            self.own = frame;
        }
        // What went wrong with the socket the library will find out itself.
        let _ = self.poll_own(cx);
    }

    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.own.is_empty() && self.outbound.is_between_frames() {
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.own))?;
            self.own.drain(..written.min(self.own.len()));
            if self.own.is_empty() {
                let _ = Pin::new(&mut self.socket).poll_flush(cx)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The way out is open for the library, and nothing was found on it.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(abuse) = self.found {
            return Poll::Ready(Err(self.end(abuse, cx)));
        }
        if self.own.is_empty() { Poll::Ready(Ok(())) } else { self.poll_own(cx) }
    }

    /// Ends the connection; the client learns why when it can be told without breaking a frame, as
    /// far as it reads.
    fn end(&mut self, abuse: Abuse, cx: &mut Context<'_>) -> io::Error {
        self.worker.cells.calmed.add(1);
        let mut payload = self.budget.last_stream().to_be_bytes().to_vec();
        payload.extend(ENHANCE_YOUR_CALM.to_be_bytes());
        self.say(frame(kind::GOAWAY, 0, &payload), cx);
        let _ = Pin::new(&mut self.socket).poll_shutdown(cx);
        // Closing on unread bytes would make the kernel throw away what was said.
        let mut scratch = [0; 4096];
        for _ in 0..MOST_DISCARDED / scratch.len() {
            let mut buf = ReadBuf::new(&mut scratch);
            let read = Pin::new(&mut self.socket).poll_read(cx, &mut buf);
            if !matches!(read, Poll::Ready(Ok(()))) || buf.filled().is_empty() {
                break;
            }
        }
        io::Error::other(abuse)
    }

    /// Sees the first `written` bytes of `parts`.
    fn wrote<'a>(&mut self, written: usize, parts: impl Iterator<Item = &'a [u8]>) {
        let mut left = written;
        for part in parts {
            let some = part.get(..left).unwrap_or(part);
            left -= some.len();
            let Self { outbound, budget, found, .. } = self;
            let seen = outbound.follow(some, |frame| {
                if let Err(abuse) = budget.sent(frame) {
                    *found = Some(abuse);
                }
                Ok::<_, std::convert::Infallible>(())
            });
            let Ok(()) = seen;
            if left == 0 {
                break;
            }
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(abuse) = this.found {
            return Poll::Ready(Err(this.end(abuse, cx)));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        let seen = this.see(buf.filled().get(before..).unwrap_or_default(), cx);
        Poll::Ready(seen.map_err(|abuse| {
            buf.set_filled(before);
            this.end(abuse, cx)
        }))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_open(cx))?;
        let written = ready!(Pin::new(&mut this.socket).poll_write(cx, buf))?;
        this.wrote(written, std::iter::once(buf));
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_open(cx))?;
        let written = ready!(Pin::new(&mut this.socket).poll_write_vectored(cx, bufs))?;
        this.wrote(written, bufs.iter().map(|part| &**part));
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_open(cx))?;
        Pin::new(&mut this.socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

/// A frame without flags in its form on the wire.
fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or_default();
    let mut frame = vec![0, 0, length, kind, 0];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}
