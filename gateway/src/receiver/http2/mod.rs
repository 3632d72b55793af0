//! How does an HTTP/2 connection become calls, and who sees that nobody abuses it?
//!
//! Frames are the library's. Around it stands what it does not do by itself: every frame is seen on
//! its way in and out (`frames`, `watched`) and paid for from a `budget`; a stream that waits for
//! its client is given up in time (`stall`, by the `streams` that run it). A `call` is one stream, which may
//! become a tunnel (`upgraded`).

mod budget;
mod call;
mod frames;
mod stall;
mod streams;
mod upgraded;
mod watched;

pub(super) use call::call;
pub(super) use stall::Stall;
pub(super) use streams::Streams;
pub(super) use watched::Watched;
