//! What are our own tokens made with, and recognised by?

use super::access_token::TokenRules;
use super::ring::Ring;
use crate::vault::OpaqueTokens;

/// The rules and the keys in force.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'o> {
    pub rules: &'o TokenRules,
    pub ring: &'o Ring,
    pub opaque: &'o OpaqueTokens,
}

impl<'o> Origin<'o> {
    /// The `iss`.
    pub fn issuer(&self) -> &'o str {
        &self.rules.issuer
    }
}
