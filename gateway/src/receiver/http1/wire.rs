//! What has been read from a client's connection, and what of it is still unread?
//!
//! One connection's reading side, shared by the loop that reads heads and the body of the request
//! that is being answered. Neither holds it while the other runs.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};

use super::head::{self, Framing, Head};
use super::writer::write_interim;
use crate::fault::Fault;
use crate::http1::{Decoder, FramingError, Part, Places};
use crate::interim::Interim;
use crate::receiver::socket::Socket;
use crate::spares::Spares;
use crate::worker::Worker;

/// What a connection's buffer starts with: a head and a small body.
const FIRST_READ: usize = 8 * 1024;
/// A head of this size is looked at with every part of it that comes.
const SHORT_HEAD: usize = 4 * 1024;
/// What it may grow to while a large body passes.
const MOST_READ: usize = 128 * 1024;
/// What is read of a body that nobody wants, to keep the connection for the next call.
pub(super) const MOST_UNWANTED: u64 = 64 * 1024;
/// What a client that waits for a word is told before it sends its body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// What is read ahead while a call is answered: the rest has to wait in the kernel.
const MOST_AHEAD: usize = 16 * 1024;

/// The connection and what was read from it.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) socket: Socket,
    input: BytesMut,
    spares: Rc<Spares>,
    places: Places,
    read_size: usize,
    /// How much of a head was looked at, and how much of it holds no empty line.
    looked: usize,
    searched: usize,
    unread: Unread,
    /// Whether the client waits for a word before it sends its body.
    asks: bool,
    /// What the backend says before its answer.
    pub(super) interim: Rc<Interim>,
    /// What is being said before the answer, and how much of it is gone.
    saying: Cow<'static, [u8]>,
    said: usize,
}

/// What is left of the request's body.
#[derive(Debug)]
enum Unread {
    Nothing,
    Length(u64),
    Chunked(Decoder),
}

/// What comes next on a connection: a head, something that is none, or (`None`) nothing more.
pub(super) type Next = Option<Result<Head, Fault>>;

/// Why a body cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("the connection failed")]
    Io(#[source] io::Error),
    #[error("the connection ended within the body")]
    Ended,
    #[error("the body is malformed")]
    Framing(#[source] FramingError),
}

impl Wire {
    pub(super) fn new(socket: Socket, worker: &Worker) -> Self {
        Self {
            socket,
            input: BytesMut::new(),
            spares: Rc::clone(&worker.spares),
            places: Places::new(Rc::clone(&worker.field_names), Rc::clone(&worker.spares)),
            read_size: FIRST_READ,
            looked: 0,
            searched: 0,
            unread: Unread::Nothing,
            asks: false,
            interim: Rc::default(),
            saying: Cow::Borrowed(&[]),
            said: 0,
        }
    }

    /// The next head, or the end of the connection.
    pub(super) fn poll_next(
        &mut self,
        most_bytes: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Next>> {
        loop {
            // Empty lines before a request are stepped over (RFC 9112 §2.2).
            while self.looked == 0 && self.input.starts_with(b"\r\n") {
                self.input.advance(2);
            }
            if self.is_worth_a_look(most_bytes) {
                match head::take(&mut self.input, &mut self.places, most_bytes) {
                    Ok(Some(head)) => {
                        self.looked = 0;
                        return Poll::Ready(Ok(Some(Ok(head))));
                    }
                    Ok(None) => {
                        self.looked = self.input.len();
                        self.searched = self.looked;
                    }
                    Err(fault) => return Poll::Ready(Ok(Some(Err(fault)))),
                }
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(None)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if self.is_between() {
                        self.spares.keep_input(std::mem::take(&mut self.input));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Whether a head may be there whole, or enough to say that none will be. Who sends a long head
    /// byte by byte does not make the gateway read every byte over and over again.
    fn is_worth_a_look(&mut self, most_bytes: usize) -> bool {
        let length = self.input.len();
        if length <= SHORT_HEAD || length >= self.looked * 2 || length > most_bytes {
            return length > 0;
        }
        let from = std::mem::replace(&mut self.searched, length).saturating_sub(2);
        let new = self.input.get(from..).unwrap_or_default();
        new.windows(2).any(|two| two == b"\n\n") || new.windows(3).any(|three| three == b"\n\r\n")
    }

    /// Whether nothing of a next head has been read.
    pub(super) fn is_between(&self) -> bool {
        self.input.is_empty()
    }

    /// A head was taken; what follows is its body.
    pub(super) fn begin(&mut self, framing: Framing, asks: bool) {
        self.unread = match framing {
            Framing::Nothing => Unread::Nothing,
            Framing::Length(length) => Unread::Length(length),
            Framing::Chunked => Unread::Chunked(Decoder::default()),
        };
        self.asks = asks;
        self.interim.begin();
    }

    /// Whether the body was read to its end.
    pub(super) const fn is_read(&self) -> bool {
        matches!(self.unread, Unread::Nothing)
    }

    /// Whether the rest of the body may be waited for although nobody wants it: it is short, and
    /// its client is sending it.
    pub(super) fn is_nearly_read(&self) -> bool {
        !self.asks && self.left().is_none_or(|left| left <= MOST_UNWANTED)
    }

    /// Whether the client waits for a word before it sends its body.
    pub(super) fn waits_for_word(&self) -> bool {
        self.asks && self.input.is_empty()
    }

    /// How many bytes of the body are left, where that is known.
    pub(super) const fn left(&self) -> Option<u64> {
        match self.unread {
            Unread::Nothing => Some(0),
            Unread::Length(left) => Some(left),
            Unread::Chunked(_) => None,
        }
    }

    /// Tells the client to go on, where more of the body can only come then. To be followed by
    /// [`Wire::poll_say`].
    pub(super) fn ask_for_body(&mut self) {
        if self.input.is_empty() && std::mem::take(&mut self.asks) {
            if self.saying.is_empty() {
                self.saying = Cow::Borrowed(CONTINUE);
            } else {
                self.saying.to_mut().extend_from_slice(CONTINUE);
            }
        }
    }

    /// Whether anything is to be said before the answer.
    pub(super) fn has_to_say(&self) -> bool {
        !self.saying.is_empty() || self.interim.waits()
    }

    /// Says what is to be said before the answer; ready when all of it is gone.
    pub(super) fn poll_say(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.has_to_say() {
            while let Some(rest) = self.saying.get(self.said..).filter(|rest| !rest.is_empty()) {
                let said = ready!(Pin::new(&mut self.socket).poll_write(cx, rest))?;
                if said == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.said += said;
            }
            if let Some((status, headers)) = self.interim.next() {
                let mut head = Vec::with_capacity(256);
                write_interim(&mut head, status, &headers);
                self.saying = Cow::Owned(head);
            } else {
                ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
                self.saying = Cow::Borrowed(&[]);
            }
            self.said = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// The next part of the body that was read already.
    pub(super) fn part(&mut self) -> Result<Part, Broken> {
        self.asks &= self.input.is_empty();
        let part = match &mut self.unread {
            Unread::Nothing => Part::End,
            Unread::Chunked(decoder) => decoder.next(&mut self.input).map_err(Broken::Framing)?,
            Unread::Length(_) if self.input.is_empty() => Part::Missing,
            Unread::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(self.input.len());
                *left -= here as u64;
                Part::Data(self.input.split_to(here).freeze())
            }
        };
        if part == Part::End || matches!(self.unread, Unread::Length(0)) {
            self.unread = Unread::Nothing;
        }
        Ok(part)
    }

    /// Reads more; `Ok(0)` is the end of the connection.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.capacity() == 0 {
            self.input = self.spares.input();
        }
        // What a call holds of the buffer cannot be had back yet: as long as half the room is left,
        // what follows is read behind it, and no other buffer is needed.
        if self.input.capacity() - self.input.len() < self.read_size / 2 {
            self.input.reserve(self.read_size);
        }
        let room = self.input.capacity() - self.input.len();
        let read = {
            let read = std::pin::pin!(self.socket.read_buf(&mut self.input));
            ready!(read.poll(cx))?
        };
        if read == room {
            self.read_size = (self.read_size * 2).min(MOST_READ);
        }
        Poll::Ready(Ok(read))
    }

    /// Reads as it comes, for those who have left HTTP.
    pub(super) fn poll_raw(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            return Pin::new(&mut self.socket).poll_read(cx, buffer);
        }
        let ahead = self.input.split_to(self.input.len().min(buffer.remaining()));
        buffer.put_slice(&ahead);
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Reads and throws away.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.clear();
        self.poll_read(cx)
    }

    /// Ready once the client has left. What it sends meanwhile is read, up to a bound.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.input.len() < MOST_AHEAD {
            match ready!(self.poll_read(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        // More is not read, so an end behind it is not seen before it is the client's turn again.
        Poll::Pending
    }
}
