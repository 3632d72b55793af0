//! How do requests get in and answers out?
//!
//! HTTPS for clients, gRPC for our other services; both hand the same values to `endpoint` and
//! `registration`.

mod grpc;
mod http;

pub use grpc::rpc;
pub use http::{https, https_with_certificates};
