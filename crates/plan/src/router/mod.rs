//! Which API, and which of its operations, does a request mean?

mod condition;
mod contexts;
mod edges;
mod grow;
mod pack;
mod parameters;
mod segment;
mod template;
mod trie;

pub use condition::{Asked, query_values};
pub(crate) use condition::{Bare, Condition, Conditions, Part, Test};
pub(crate) use contexts::{Contexts, check_context, served_paths};
pub(crate) use grow::Growing;
pub(crate) use parameters::Parameters;
pub(crate) use segment::Constraints;
pub(crate) use template::Template;
pub(crate) use trie::{Match, Trie};
