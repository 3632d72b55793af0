//! What does a message carry, and how much of it is there already?
//!
//! Nothing is collected here: a stream hands on part by part what its source gives.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite};

/// The body of a request or of an answer.
#[derive(Default)]
pub enum Body {
    /// There is none.
    #[default]
    Empty,
    /// All of it is here.
    Full(Bytes),
    /// It comes as it comes.
    Stream(Stream),
    /// None, and no more HTTP either: behind this answer bytes pass in both directions.
    Tunnel(Tunnel),
}

/// A body whose parts are still on their way.
pub type Stream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError>>>;

/// The far end of a connection that has left HTTP.
pub type Tunnel = Pin<Box<dyn Duplex>>;

/// What can be read and written.
pub trait Duplex: AsyncRead + AsyncWrite + fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug> Duplex for T {}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Whoever sends the request stopped or broke the framing.
    #[error("the request body broke off")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Whoever sends the request sends more than it may.
    #[error("the request body is larger than it may be")]
    TooLarge,
    /// Whoever sends the request sends it too slowly.
    #[error("the request body comes too slowly")]
    TooSlow,
    /// Whoever asked would not be let in any more.
    #[error("the call may not go on")]
    Ended,
    /// The backend stopped or broke the framing.
    #[error("the body of the answer broke off")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What is known of a request's body while it is read: shared by its reader and by the call.
#[derive(Debug)]
pub struct Intake {
    read: Cell<u64>,
    most: Cell<u64>,
    asks: Cell<bool>,
}

impl Intake {
    /// Nothing has been read. `asks`: the client waits for a word before it sends.
    pub const fn new(asks: bool) -> Self {
        Self { read: Cell::new(0), most: Cell::new(u64::MAX), asks: Cell::new(asks) }
    }

    /// How much has been read.
    pub const fn read(&self) -> u64 {
        self.read.get()
    }

    /// Takes note of a part that was read.
    pub fn take(&self, part: &Bytes) -> Result<(), BodyError> {
        self.asks.set(false);
        self.read.set(self.read.get().saturating_add(part.len() as u64));
        if self.read.get() > self.most.get() { Err(BodyError::TooLarge) } else { Ok(()) }
    }

    /// So much has been read in all, of whatever is no body any more.
    pub fn carried(&self, bytes: u64) {
        self.read.set(bytes);
    }

    /// No more than this is read from now on.
    pub fn limit(&self, most: u64) {
        self.most.set(most.min(self.most.get()));
    }

    /// Whether the client waits for a word before it sends.
    pub const fn asks(&self) -> bool {
        self.asks.get()
    }

    /// The client does not wait, or no more.
    pub fn goes_on(&self) {
        self.asks.set(false);
    }
}

impl Body {
    /// All of a body that is here already.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }

    /// A body that comes part by part.
    pub fn stream(source: impl http_body::Body<Data = Bytes, Error = BodyError> + 'static) -> Self {
        Self::Stream(Box::pin(source))
    }

    /// Whether there is none: neither now nor later.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty | Self::Tunnel(_) => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    /// How long it is, where that is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty | Self::Tunnel(_) => Some(0),
            Self::Full(bytes) => Some(bytes.len() as u64),
            Self::Stream(stream) => stream.size_hint().exact(),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this {
            Self::Empty | Self::Tunnel(_) => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Tunnel(_) => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
            Self::Tunnel(_) => f.write_str("Tunnel"),
        }
    }
}
