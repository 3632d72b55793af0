//! How does a document become policies?
//!
//! `document` has the XML and the root; `policy` the sets, policies and rules; `target` and `expression` what
//! they ask; `outcome` what goes with a decision; `names` what must not stand twice or in circles.

mod document;
mod expression;
mod names;
mod outcome;
mod policy;
mod target;

pub use document::read;
pub(crate) use names::depths;
