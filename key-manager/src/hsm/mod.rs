//! What does a device sign that keeps the private keys to itself?
//!
//! A hardware security module, or a program that stands for one, behind PKCS#11 (KM-082). Keys are made in
//! it, cannot be read out, and are used in it; where it is away, nothing is signed.

mod error;
mod link;
mod pool;
mod rules;

pub use error::HsmError;
pub use pool::{Hsm, Made};
pub use rules::{HsmRules, HsmRulesError, Which};
