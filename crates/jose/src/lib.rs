//! Is this token what it says, and who signed it?
//!
//! JSON Web Tokens (RFC 7519) as signed compact JWS (RFC 7515), and key sets (RFC 7517). Pure: no
//! I/O, no clock; whoever calls says what time it is. The header is read strictly before any
//! cryptography happens, a key only ever serves the algorithms that fit it, and `none` does not
//! exist here. HMAC has a door of its own (`verify_hs256`), to which no public key leads; so has a
//! proof that carries its own key (`verify_proof`, RFC 9449).
#![warn(missing_docs)]

mod algorithm;
mod claims;
mod encoding;
mod jwk;
mod jws;
mod mac;
mod proof;
mod public;
mod signing;
mod weak;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claims::{Claims, Expectation};
pub use jwk::{Key, KeySet, KeySetError};
pub use jws::{Refusal, algorithm, issuer_unverified, verify};
pub use mac::verify_hs256;
pub use proof::{Freshness, PROOF_ALGORITHMS, Proof, ProofMisfit, token_hash, verify_proof};
pub use public::{PublicHalf, signed};
pub use signing::{SigningError, SigningKey};
