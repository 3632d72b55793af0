//! How long does a shared connection live, and who notices when it is dead?
//!
//! A task drives it: reads and writes frames for all its streams, and asks a backend that says
//! nothing whether it is still there. It ends when nobody holds the connection any more.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};

use super::super::tunnel::Tunnel;
use crate::alarm::{Alarm, Alarms};

/// What a backend may send ahead per stream and per connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
/// Bytes of an answer's head, uncompressed, as the library counts them.
const MAX_HEAD: u32 = 128 * 1024;
/// What waits to be sent, per stream.
const MAX_AHEAD: usize = 64 * 1024;
/// How long the answer to a ping may take.
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// One connection of HTTP/2.
pub(super) struct Channel {
    requests: SendRequest<Bytes>,
    streams: Cell<usize>,
    /// When the last stream ended.
    rested: Cell<Instant>,
    /// Set by who drives it when it has ended.
    gone: Rc<Cell<bool>>,
}

/// Room for one stream, given back when dropped.
#[derive(Debug)]
pub struct Slot {
    channel: Rc<Channel>,
    alarms: Rc<Alarms>,
}

impl Channel {
    /// Begins to speak on a new connection. The future that comes with it drives the connection and
    /// has to be run. A backend is asked with a ping after `ping_every` without a word; zero: never.
    pub(super) async fn open(
        link: Tunnel,
        most_streams: usize,
        ping_every: Duration,
        alarms: &Rc<Alarms>,
    ) -> Result<(Self, impl Future<Output = ()> + 'static), h2::Error> {
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(most_streams)
            .max_header_list_size(MAX_HEAD)
            .max_send_buffer_size(MAX_AHEAD);
        let (requests, mut connection) = builder.handshake(link).await?;
        let gone = Rc::new(Cell::new(false));
        let pings =
            connection.ping_pong().map(|pings| Pings::new(pings, ping_every, alarms.alarm()));
        let driven = Driven { connection, pings, gone: Rc::clone(&gone) };
        let (streams, rested) = (Cell::new(0), Cell::new(alarms.now()));
        Ok((Self { requests, streams, rested, gone }, driven))
    }

    /// Whether no stream can be opened any more: the backend is about to close it, or it is closed.
    pub(super) fn is_gone(&self) -> bool {
        let mut requests = self.requests.clone();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        self.gone.get() || matches!(requests.poll_ready(&mut cx), Poll::Ready(Err(_)))
    }

    /// Whether one stream more may be opened, of `most` that we want and the backend's own limit.
    pub(super) fn has_room(&self, most: usize) -> bool {
        self.streams.get() < most.min(self.requests.current_max_send_streams())
    }

    /// Whether it has had no stream for `span`.
    pub(super) fn is_idle(&self, now: Instant, span: Duration) -> bool {
        self.streams.get() == 0 && now.saturating_duration_since(self.rested.get()) >= span
    }

    /// How many streams it has.
    pub(super) fn streams(&self) -> usize {
        self.streams.get()
    }
}

impl Slot {
    /// Takes room on `channel`.
    pub(super) fn take(channel: &Rc<Channel>, alarms: &Rc<Alarms>) -> Self {
        channel.streams.set(channel.streams.get() + 1);
        Self { channel: Rc::clone(channel), alarms: Rc::clone(alarms) }
    }

    /// The way to open the stream.
    pub(super) fn requests(&self) -> SendRequest<Bytes> {
        self.channel.requests.clone()
    }

    pub(super) const fn alarms(&self) -> &Rc<Alarms> {
        &self.alarms
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let channel = &self.channel;
        channel.streams.set(channel.streams.get().saturating_sub(1));
        channel.rested.set(self.alarms.now());
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (streams, gone) = (self.streams.get(), self.gone.get());
        f.debug_struct("Channel")
            .field("streams", &streams)
            .field("gone", &gone)
            .finish_non_exhaustive()
    }
}

/// A connection that is being driven; ready when it has ended.
struct Driven {
    connection: Connection<Tunnel, Bytes>,
    pings: Option<Pings>,
    gone: Rc<Cell<bool>>,
}

impl Future for Driven {
    type Output = ();

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Poll::Ready(ended) = std::pin::Pin::new(&mut this.connection).poll(cx) {
            if let Err(error) = ended {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "HTTP/2 connection ended"
                );
            }
            return Poll::Ready(());
        }
        match &mut this.pings {
            Some(pings) => pings.poll(cx),
            None => Poll::Pending,
        }
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.gone.set(true);
    }
}

/// Asks whether the backend is still there.
struct Pings {
    asks: PingPong,
    every: Duration,
    alarm: Alarm,
    asked: bool,
}

impl Pings {
    fn new(pings: PingPong, every: Duration, alarm: Alarm) -> Self {
        if !every.is_zero() {
            alarm.set(every);
        }
        Self { asks: pings, every, alarm, asked: false }
    }

    /// Ready when an answer is overdue.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.asked && matches!(self.asks.poll_pong(cx), Poll::Ready(Ok(_))) {
                self.asked = false;
                self.alarm.set(self.every);
            }
            std::task::ready!(self.alarm.poll(cx));
            if self.asked {
                tracing::warn!("a backend of HTTP/2 answers no ping and is given up");
                return Poll::Ready(());
            }
            self.asked = self.asks.send_ping(Ping::opaque()).is_ok();
            self.alarm.set(PONG_WITHIN);
        }
    }
}
