//! How do people and programs reach the control plane, and who may do what?
//!
//! `authorize` is the one table of operations. `admin` serves gRPC and `rest` JSON over HTTPS;
//! both ask the `desk` (with `life` and `approvals`; about the past: `past`), which turns a request into
//! use cases, `blocks` has callers turned away for alerts, and both tell the same errors, each in its own words (`status`, `rest/fault`); `to_proto`
//! tells who is known. What REST has
//! no words of its own for it asks of the gRPC services through `inside`, and so through their doors.

mod admin;
mod approvals;
mod authorize;
mod blocks;
mod desk;
mod inside;
mod json;
mod life;
mod past;
mod rest;
mod status;
mod to_proto;

pub use admin::{Streams, services};
pub use desk::Desk;
pub use inside::Inside;
pub use rest::Rest;
