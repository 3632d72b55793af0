//! What lies between a client's connection and the HTTP library?
//!
//! In the clear or under TLS, with the bytes that were read to see which protocol is spoken put
//! back in front, and with a pulse that notices whether the client reads and writes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::pulse::Pulse;

/// RFC 9113 §3.4: what a client says first that knows that HTTP/2 is spoken here.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A client's connection.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    /// Bytes that were read before the library asked; empty nearly always.
    ahead: Vec<u8>,
    taken: usize,
    pulse: Rc<Pulse>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    pub(super) const fn plain(stream: TcpStream, pulse: Rc<Pulse>) -> Self {
        Self { stream: Stream::Plain(stream), ahead: Vec::new(), taken: 0, pulse }
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>, pulse: Rc<Pulse>) -> Self {
        Self { stream: Stream::Tls(Box::new(stream)), ahead: Vec::new(), taken: 0, pulse }
    }

    /// Whether the client starts with the preface of HTTP/2. Reads no more than it must to tell.
    pub(super) async fn starts_with_preface(&mut self) -> io::Result<bool> {
        let mut seen = Vec::new();
        loop {
            if !PREFACE.starts_with(&seen) {
                break;
            }
            if seen.len() == PREFACE.len() {
                self.ahead = seen;
                return Ok(true);
            }
            // Nearly every client says something else with its first byte already, so a little
            // more than the preface is read at once.
            seen.reserve_exact(PREFACE.len() - seen.len());
            let room = (PREFACE.len() - seen.len()) as u64;
            if (&mut *self).take(room).read_buf(&mut seen).await? == 0 {
                break;
            }
        }
        self.ahead = seen;
        Ok(false)
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }

    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.pulse.unread(written.is_pending());
        if let Poll::Ready(Ok(bytes)) = written {
            self.pulse.earned(bytes);
        }
        written
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let ahead = this.ahead.get(this.taken..).unwrap_or_default();
        if !ahead.is_empty() {
            let some = ahead.get(..buf.remaining()).unwrap_or(ahead);
            buf.put_slice(some);
            this.taken += some.len();
            if this.taken == this.ahead.len() {
                this.ahead = Vec::new();
                this.taken = 0;
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(this.poll_stream(cx, buf))?;
        if buf.filled().len() > before {
            this.pulse.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        this.noted(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        this.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.stream {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(stream) => {
                let flushed = Pin::new(stream).poll_flush(cx);
                this.pulse.unread(flushed.is_pending());
                flushed
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
