//! Is the caller the client that it says it is?
//!
//! Stands outside the grants, so that none of them can skip it (decision D8).

mod authenticate;
mod method;
mod secret;

pub use authenticate::{AuthError, authenticate};
pub use method::{Credentials, MethodError, Presented, SecretMethod};
pub use secret::{NewSecret, new_client_id, new_secret};
