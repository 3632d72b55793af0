//! How do bytes pass in one direction?
//!
//! Read, stepped over, written: what the sink does not take at once is kept, and nothing more is
//! read until it is gone. So a direction never holds more than one reading, and while it rests no
//! more than the start of a head. Where frames count, one that has to wait for its unit holds up its
//! direction, and with it whoever sends.

use std::borrow::Cow;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::alarm::Alarm;
use crate::fault::Fault;
use crate::handlers::Gate;
use crate::websocket::{self, CloseCode, Frames, MOST_HEAD};

/// What is looked at at once.
const READ: usize = 8 * 1024;
/// A buffer of ours that has grown beyond this is not kept while nothing waits.
const KEPT: usize = 0;

/// One direction, from a source to a sink.
#[derive(Debug)]
pub(super) struct Way {
    frames: Frames,
    phase: Phase,
    /// The start of a head whose rest has not come, and how long it is.
    head: ([u8; MOST_HEAD], usize),
    /// Read, or said by ourselves, and not yet taken by the sink.
    waiting: Vec<u8>,
    written: usize,
    unflushed: bool,
    /// What counts the frames of messages; absent: nobody does.
    gate: Option<Gate>,
    /// Read, and behind a frame that waits for its unit.
    held: Vec<u8>,
    refused: Option<Fault>,
    /// Bytes of the source that went to the sink.
    pub(super) bytes: u64,
    /// Whether frames of ours have to be masked: the sink is a server.
    masked: bool,
    alarm: Alarm,
    patience: Duration,
    /// The source was asked whether it is still there.
    pub(super) asked: bool,
}

/// What becomes of the source's bytes.
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// They pass.
    Open,
    /// They pass up to the end of the frame that has begun; then the gateway closes.
    Finishing(CloseCode, Reason),
    /// They are thrown away, from a frame on that does not pass; the sink has to be told.
    Stopped,
    /// They are thrown away: the sink was told the end already, or is gone.
    Said,
    /// There are no more; the sink is shut when it has all of them.
    Ended,
    /// There are no more, and nobody waits for them.
    Over,
}

/// The words of a close frame.
pub(super) type Reason = Cow<'static, str>;

/// What a direction cannot settle by itself.
#[derive(Debug)]
pub(super) enum Event {
    /// The source ended; with an error, or as connections do.
    Lost(Option<io::Error>),
    /// The sink takes nothing any more.
    Deaf,
    /// The source sends a message that is longer than it may be.
    TooLong,
    /// The source sends a frame for which a limit has no room.
    Refused(Fault),
    /// The source has said nothing for as long as it may.
    Quiet,
    /// The sink has taken nothing for as long as it may.
    Stalled,
    /// The sink has everything and was shut.
    Over,
}

impl Way {
    /// A direction whose source may be silent, and whose sink may be stuck, for `patience` (zero:
    /// for ever), and whose messages may have `most` bytes.
    /// Its frames are counted by `gate`.
    pub(super) fn new(
        alarm: Alarm,
        patience: Duration,
        (most, gate): (u64, Option<Gate>),
        masked: bool,
    ) -> Self {
        let mut frames = Frames::new(most);
        if gate.is_some() {
            frames.count();
        }
        let way = Self {
            frames,
            phase: Phase::Open,
            head: ([0; MOST_HEAD], 0),
            waiting: Vec::new(),
            written: 0,
            unflushed: false,
            gate,
            held: Vec::new(),
            refused: None,
            bytes: 0,
            masked,
            alarm,
            patience,
            asked: false,
        };
        way.rest();
        way
    }

    /// Lets bytes pass until none come, or until something has to be decided.
    pub(super) fn poll(
        &mut self,
        source: &mut (impl AsyncRead + Unpin),
        sink: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Event> {
        loop {
            match self.poll_write(sink, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Event::Deaf),
                Poll::Pending => return self.alarm.poll(cx).map(|()| Event::Stalled),
            }
            match &self.phase {
                Phase::Over => return Poll::Pending,
                Phase::Ended => {
                    // A sink that cannot be shut is shut.
                    let _ = ready!(Pin::new(&mut *sink).poll_shutdown(cx));
                    self.phase = Phase::Over;
                    return Poll::Ready(Event::Over);
                }
                Phase::Open | Phase::Finishing(..) | Phase::Stopped | Phase::Said => {}
            }
            if !self.held.is_empty() {
                let held = std::mem::take(&mut self.held);
                if self.take(&held, sink, cx).is_err() {
                    return Poll::Ready(Event::Deaf);
                }
                if let Some(event) = self.stopped() {
                    return Poll::Ready(event);
                }
                if !self.held.is_empty() {
                    return Poll::Pending;
                }
                continue;
            }
            let mut space = [MaybeUninit::uninit(); READ];
            let mut read = ReadBuf::uninit(&mut space);
            // A head is looked at whole.
            let (head, begun) = &self.head;
            read.put_slice(head.get(..*begun).unwrap_or_default());
            let begun = read.filled().len();
            match Pin::new(&mut *source).poll_read(cx, &mut read) {
                Poll::Pending => return self.alarm.poll(cx).map(|()| Event::Quiet),
                Poll::Ready(Err(error)) => return Poll::Ready(Event::Lost(Some(error))),
                Poll::Ready(Ok(())) if read.filled().len() == begun => {
                    return Poll::Ready(Event::Lost(None));
                }
                Poll::Ready(Ok(())) => {
                    self.asked = false;
                    self.rest();
                    if self.take(read.filled(), sink, cx).is_err() {
                        return Poll::Ready(Event::Deaf);
                    }
                    if let Some(event) = self.stopped() {
                        return Poll::Ready(event);
                    }
                }
            }
        }
    }

    /// What stopped the direction, said once.
    fn stopped(&mut self) -> Option<Event> {
        if self.phase != Phase::Stopped {
            return None;
        }
        Some(self.refused.take().map_or(Event::TooLong, Event::Refused))
    }

    /// How much of what was read may pass, as far as frames get their units.
    fn pass(&mut self, read: &[u8], cx: &mut Context<'_>) -> usize {
        let mut passed = self.frames.pass(read);
        while self.frames.awaits()
            && let Some(gate) = &mut self.gate
        {
            match gate.poll(cx) {
                Poll::Ready(Ok(())) => {
                    self.frames.allow();
                    passed += self.frames.pass(read.get(passed..).unwrap_or_default());
                }
                Poll::Ready(Err(fault)) => {
                    self.refused = Some(fault);
                    break;
                }
                Poll::Pending => break,
            }
        }
        passed
    }

    /// Takes what was read, as far as the phase lets it pass.
    fn take(
        &mut self,
        read: &[u8],
        sink: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let passed = match self.phase {
            Phase::Finishing(..) => self.frames.pass_one(read),
            Phase::Open => self.pass(read, cx),
            _ => 0,
        };
        let (passed, mut rest) = read.split_at_checked(passed).unwrap_or((read, &[]));
        self.pass_on(passed, sink, cx)?;
        match &self.phase {
            Phase::Finishing(code, reason) if self.frames.is_between() => {
                let (code, reason) = (*code, reason.clone());
                self.say_close(code, &reason);
            }
            Phase::Open if self.frames.is_too_long() || self.refused.is_some() => {
                self.frames.unbound();
                self.phase = Phase::Stopped;
            }
            Phase::Open if self.frames.awaits() => {
                self.hold(&[]);
                self.held.extend_from_slice(rest);
                return Ok(());
            }
            _ => {}
        }
        if self.phase != Phase::Open {
            // It may be the source's own goodbye, which is waited for.
            rest = rest.get(self.frames.pass(rest)..).unwrap_or_default();
        }
        self.hold(rest);
        Ok(())
    }

    /// Keeps the start of a head for when more of it comes.
    fn hold(&mut self, start: &[u8]) {
        let (head, begun) = &mut self.head;
        head.iter_mut().zip(start).for_each(|(place, byte)| *place = *byte);
        *begun = start.len().min(MOST_HEAD);
    }

    fn pass_on(
        &mut self,
        mut bytes: &[u8],
        sink: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() && self.waiting.is_empty() {
            match Pin::new(&mut *sink).poll_write(cx, bytes)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(wrote) => {
                    self.unflushed = true;
                    bytes = bytes.get(wrote..).unwrap_or_default();
                }
                Poll::Pending => break,
            }
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    fn poll_write(
        &mut self,
        sink: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(bytes) = self.waiting.get(self.written..)
            && !bytes.is_empty()
        {
            let wrote = ready!(Pin::new(&mut *sink).poll_write(cx, bytes))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += wrote;
            self.unflushed = true;
            self.rest();
        }
        self.waiting.clear();
        self.waiting.shrink_to(KEPT);
        self.written = 0;
        if self.unflushed {
            ready!(Pin::new(sink).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Patience starts anew.
    pub(super) fn rest(&self) {
        if self.patience.is_zero() {
            self.alarm.clear();
        } else {
            self.alarm.set(self.patience);
        }
    }

    /// Asks the sink whether it is still there; false: it has to be asked later, because it is just
    /// being told something else. Who was told the end is asked no more, and owes an answer to that.
    pub(super) fn ask(&mut self) -> bool {
        if self.phase != Phase::Open || self.frames.has_closed() {
            return true;
        }
        let may = self.frames.is_between() && self.waiting.is_empty();
        if may {
            websocket::ping(&mut self.waiting, self.masked);
        }
        may
    }

    /// Tells the sink the end, as soon as nobody is within a frame.
    pub(super) fn close(&mut self, code: CloseCode, reason: impl Into<Reason>) {
        let reason = reason.into();
        match self.phase {
            Phase::Stopped => self.say_close(code, &reason),
            Phase::Open if self.frames.is_between() => self.say_close(code, &reason),
            Phase::Open => self.phase = Phase::Finishing(code, reason),
            _ => {}
        }
    }

    fn say_close(&mut self, code: CloseCode, reason: &str) {
        // Where the source has said goodbye itself, that has passed already, unless nothing passes.
        if !self.frames.has_closed() || self.phase == Phase::Stopped {
            websocket::close(&mut self.waiting, code, reason, self.masked);
        }
        self.said();
    }

    fn said(&mut self) {
        self.phase = Phase::Said;
        self.frames.unbound();
    }

    /// The sink gets what waits for it, and then the end.
    pub(super) fn end(&mut self) {
        if self.phase != Phase::Over {
            self.phase = Phase::Ended;
        }
    }

    /// The sink gets nothing any more.
    pub(super) fn give_up(&mut self) {
        self.waiting.clear();
        self.written = 0;
        self.unflushed = false;
        if self.phase != Phase::Over {
            self.said();
        }
    }

    /// Whether all is said: the source has closed or ended, and the sink knows.
    pub(super) fn is_over(&self) -> bool {
        let told = self.waiting.is_empty() && !self.unflushed;
        self.phase == Phase::Over || self.phase == Phase::Said && self.has_closed() && told
    }

    /// Whether the source has said goodbye.
    pub(super) const fn has_closed(&self) -> bool {
        self.frames.has_closed()
    }
}
