//! How is it counted what passes while a call lasts?
//!
//! A call is counted once, when it is let in. What streams bring afterwards (frames of `WebSocket`s,
//! events, messages of gRPC) is counted one by one, by those limits of the call that count events.
//! Nothing is collected for it and no payload is read: `event_stream` and `messages` find where one
//! begins, `counted` holds a body up there until the limits have said.

mod counted;
mod event_stream;
mod messages;

pub use counted::count;
