//! How is HTTP/1.1 spoken with clients?
//!
//! By hand and strictly, because most calls come this way: one future per connection reads a head,
//! lets the call run in itself, and writes the answer. HTTP/2 is the library's.

mod head;
mod reader;
mod runner;
mod serve;
mod upgraded;
mod wire;
mod writer;

pub(super) use serve::serve;

/// The futures of a worker that run calls.
pub(super) type Callers = runner::Runners<serve::Begun, serve::Ended>;
