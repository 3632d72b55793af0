//! What does a backend get to see that shows who the gateway is?

mod credential;
mod fields;
mod renew;
mod sigv4;

pub(super) use credential::{Shown, prepare, writes};
pub(super) use fields::Fields;
pub(super) use renew::{is_refusal, renewed};
