//! Who, besides the client, has to be shown by whoever uses a token?
//!
//! Proofs of possession (RFC 9449) and certificates (RFC 8705) stand outside the grants: a client
//! that must bind its tokens never gets a bearer token, whatever grant it uses (decision D8).

mod confirm;
mod nonce;
mod proof;

pub use confirm::{BindError, confirm};
pub use nonce::Nonces;
pub use proof::{Possession, ProofError, ProofRules};
