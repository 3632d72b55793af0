//! Who is asked whether a call may be made, once everything here speaks for it?
//!
//! One question and one answer, whoever decides: the protocols translate both, and nothing else here
//! knows which of them is spoken. What decides without being asked over the network will answer the
//! same question.

mod alter;
mod answer;
mod authzen;
mod decide;
mod ext_authz;
mod json;
mod opa;
mod question;

pub use alter::Decided;
pub use answer::{Change, Decision, How, Obligations, Undecided};
pub use decide::{Call, decide};
pub use question::{Attribute, Question, Value};
