//! What lies between a client's connection and the HTTP/2 library?
//!
//! Bytes pass as they are; the heads of the frames among them are seen on the way, and a connection
//! whose frames are beyond their budget is told so and ends.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::socket::{PREFACE, Socket};
use super::budget::{Abuse, Budget, Limits};
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
}

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
        Self { socket, worker, inbound, outbound, budget, found: None }
    }

    fn see(&mut self, read: &[u8]) -> Result<(), Abuse> {
        if let Some(found) = self.found {
            return Err(found);
        }
        self.budget.refill(self.worker.alarms.now());
        let Self { inbound, budget, .. } = self;
        inbound.follow(read, |frame| budget.received(frame))
    }

    /// Ends the connection; the client learns why when it can be told without breaking a frame.
    fn end(&mut self, abuse: Abuse, cx: &mut Context<'_>) -> io::Error {
        self.worker.cells.calmed.add(1);
        if self.outbound.is_between_frames() {
            let mut frame = vec![0, 0, 8, kind::GOAWAY, 0, 0, 0, 0, 0];
            frame.extend(self.budget.last_stream().to_be_bytes());
            frame.extend(abuse.code().to_be_bytes());
            // As far as it goes: whoever does not read will not miss it.
            let mut socket = Pin::new(&mut self.socket);
            let _ = socket.as_mut().poll_write(cx, &frame);
            let _ = socket.as_mut().poll_flush(cx);
            let _ = socket.poll_shutdown(cx);
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
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        let seen = this.see(buf.filled().get(before..).unwrap_or_default());
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
        let written = ready!(Pin::new(&mut this.socket).poll_write_vectored(cx, bufs))?;
        this.wrote(written, bufs.iter().map(|part| &**part));
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
