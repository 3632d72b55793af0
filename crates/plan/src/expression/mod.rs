//! Is an expression over a call true?
//!
//! Expressions are written in the Common Expression Language. They are read, checked and cut when
//! they are published: what they name becomes one look-up each, regular expressions and networks are
//! compiled, and what could run long or fail in any case is refused. Nothing of a call is made for an
//! expression but what it names.

mod compile;
mod engine;
mod fact;
mod functions;
mod kind;
mod rewrite;
mod wanted;

pub use compile::{EvaluationError, Expression, TextExpression};
pub use fact::{Fact, Facts};
pub use wanted::Wanted;
