//! How does a question become SQL?
//!
//! `columns` knows where every dimension and amount lies, `dialect` the words that only one
//! engine understands. `condition` writes what must hold, `count` a question, `find` a search.
//! What a caller says becomes a parameter, everything else is text of ours.

pub mod columns;
pub mod condition;
pub mod count;
pub mod dialect;
pub mod find;
pub mod refused;

pub use count::{Counting, Known, count};
pub use dialect::Dialect;
pub use find::Finding;
pub use refused::Refused;
