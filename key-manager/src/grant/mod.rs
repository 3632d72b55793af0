//! For which reason may a client get a token?
//!
//! A closed enum with small questions. Client authentication, scopes, audience and issuance stand
//! outside, so a new grant cannot forget them (decision D8).
//!
//! Adding a grant: a file here, a variant in `kind`, a line in `default.toml`'s list of grants.

mod client_credentials;
mod kind;

pub use kind::{Approval, GrantKind, UnknownGrant};
