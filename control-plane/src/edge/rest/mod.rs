//! How does the control plane speak JSON over HTTPS?
//!
//! `route` says which operation a request means, with the names of `kinds` and the `calls` that are made
//! of the gRPC services; `serve` asks whether its sender may and lets `resources`, `several`, `history`,
//! `life`, `approvals`, `limits` or `transcode` answer, the latter with a `stream` where there are several
//! answers; `waves` reads how a change is rolled out; `fault` is the only place that writes an error.
//! `openapi` describes it all from the same tables and messages, with `schemas`, `comments` and `examples`.

mod approvals;
mod calls;
mod comments;
mod examples;
mod fault;
mod history;
mod input;
mod kinds;
mod life;
mod limits;
mod openapi;
mod reply;
mod resources;
mod route;
mod schemas;
mod serve;
mod several;
mod stream;
mod transcode;
mod waves;

pub(super) use route::Operation;
#[cfg(test)]
pub(super) use route::routes;
pub use serve::Rest;
