//! What does a file of resources say, and what is wrong with it?

mod read;
mod scalar;
mod tree;
mod walk;

pub use read::{from_json, message_from_json, read_document, read_values};

pub(crate) use read::MAX_FILE_BYTES;
pub(crate) use tree::{Tree, parse};
