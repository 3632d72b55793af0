//! Which calls are still open, and may they go on?
//!
//! A WebSocket or a stream may outlive the right that it was opened with. A call that lasts is kept
//! here with what it was let in by, and ends as soon as the same call would be refused, were it
//! made now.

mod registry;
mod terms;

pub use registry::{OpenCall, OpenCalls};
pub use terms::{Asked, Terms, pages};
