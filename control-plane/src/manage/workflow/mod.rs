//! What waits for a decision, and who decides?
//!
//! `Workflow` resources say who is asked about what (`asked`). What has to wait is stored as a
//! `WorkflowRequest`, in one transaction with what it is about in its waiting form: `held` does so with
//! writes, `leaving` with removals, `step` with steps in the life of APIs, and `client` with clients of
//! applications. `decide` carries out or refuses, once, and `own` whether somebody may; `list` shows.
//! The `keeper` asks programs of the operator, lets requests expire, and forgets old ones.

mod asked;
mod client;
mod decide;
mod decider;
mod held;
mod keeper;
mod leaving;
mod list;
mod own;
mod request;
mod step;

pub(crate) use client::{WantedClient, permitted};
pub use decide::{Verdict, decide};
pub use decider::{Answer, Decider, DeciderError, Question};
pub(crate) use held::held;
pub use keeper::Keeper;
pub(crate) use leaving::leaving;
pub use list::{request, requests};
pub(crate) use request::waiting_about;
pub use step::{Stepped, change_state};
