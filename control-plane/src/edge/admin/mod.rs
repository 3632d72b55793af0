//! How does the control plane speak gRPC with administrators and gateways?
//!
//! `administrators` keeps everybody else out, `kinds` serves one service per kind and `several` the ones
//! that reach over kinds; `limits` is about counters, `rollouts` about changes in waves, `people` about who asks, `life` and `approvals` about steps that are taken and asked for,
//! and `services` registers each with the callers that the authorization table names.

mod administrators;
mod approvals;
mod history;
mod kinds;
mod life;
mod limits;
mod people;
mod rollouts;
mod services;
mod several;

pub use services::{Streams, services};
