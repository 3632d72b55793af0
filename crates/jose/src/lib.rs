//! Is this token what it says, and who signed it?
//!
//! JSON Web Tokens (RFC 7519) as signed compact JWS (RFC 7515), and key sets (RFC 7517). Pure: no
//! I/O, no clock; whoever calls says what time it is. The header is read strictly before any
//! cryptography happens, a key only ever serves the algorithms that fit it, and symmetric
//! algorithms and `none` do not exist here.
#![warn(missing_docs)]

mod algorithm;
mod claims;
mod encoding;
mod jwk;
mod jws;
mod signing;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claims::{Claims, Expectation};
pub use jwk::{Key, KeySet, KeySetError};
pub use jws::{Refusal, issuer_unverified, verify};
pub use signing::{SigningError, SigningKey};
