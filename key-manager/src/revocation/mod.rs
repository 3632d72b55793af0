//! Which tokens ended before their time, and who has heard of it?
//!
//! `log` writes, `follower` sees what every process on the store wrote, `reader` tells one
//! watcher. Nothing is queued for a watcher: it is read from the log at the watcher's own pace, so a
//! slow one costs one batch of memory and no more.

mod follower;
mod log;
mod mark;
mod reader;
mod view;

pub use follower::{Follower, STALE};
pub use log::RevocationLog;
pub use mark::Mark;
pub use reader::{Batch, Cursor, ReadError, Reader, SIGN_OF_LIFE};
