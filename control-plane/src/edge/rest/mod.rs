//! How does the control plane speak JSON over HTTPS?
//!
//! `route` says which operation a request means, `serve` asks whether its sender may and lets
//! `resources`, `several`, `history`, `life`, `approvals` or `limits` answer; `fault` is the only place that writes an error, and `openapi`
//! describes it all from the same messages.

mod approvals;
mod fault;
mod history;
mod input;
mod life;
mod limits;
mod openapi;
mod reply;
mod resources;
mod route;
mod serve;
mod several;

pub(super) use route::Operation;
#[cfg(test)]
pub(super) use route::ROUTES;
pub use serve::Rest;
