//! Which API, and which of its operations, does a request mean?

mod contexts;
mod edges;
mod grow;
mod segment;
mod template;
mod trie;

pub(crate) use contexts::{Contexts, check_context};
pub(crate) use grow::Growing;
pub(crate) use segment::Constraints;
pub(crate) use template::Template;
pub(crate) use trie::{Match, Trie};
