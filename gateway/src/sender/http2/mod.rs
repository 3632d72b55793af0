//! How is HTTP/2 spoken to a backend?
//!
//! Frames are the library's. A connection is shared by many calls and driven by a task of its own;
//! a call runs its stream itself, as it would run an exchange of HTTP/1.1: body and answer at once,
//! each side no faster than the other takes it.

mod answer_body;
mod channel;
mod channels;
mod deadline;
mod head;
mod patience;
mod run;
mod stream;

pub use channel::Slot;
pub use channels::Channels;
pub use deadline::told as told_timeout;
pub use head::HeadError;
pub use run::{Running, run};
