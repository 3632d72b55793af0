//! Which credential does a caller show, and is it good?

pub mod revoked;

pub use revoked::Revocations;
