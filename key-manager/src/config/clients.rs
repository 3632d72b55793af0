//! What may clients do, and what may their proofs say?

use std::path::PathBuf;
use std::time::Duration;

use chassis::outbound::Allowed;
use serde::Deserialize;

use super::value;
use crate::domain::Scopes;
use crate::endpoint::Issuer;
use crate::registration::{Access, Policy};

/// `[outbound]`: requests to servers that clients name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundConfig {
    /// What may be reached though it is not of the public internet.
    #[serde(deserialize_with = "value::exceptions")]
    pub allow: Vec<Allowed>,
    /// A PEM file of authorities, beside those of the operating system; empty: none.
    pub authorities: PathBuf,
    #[serde(deserialize_with = "value::span")]
    pub timeout: Duration,
    /// Bytes.
    pub largest: usize,
}

/// `[registration]`: clients that register themselves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationConfig {
    #[serde(deserialize_with = "value::access")]
    pub access: Access,
    #[serde(deserialize_with = "value::scopes")]
    pub scopes: Scopes,
    #[serde(deserialize_with = "value::grants")]
    pub grants: Vec<String>,
    pub without_pkce: bool,
}

impl RegistrationConfig {
    pub fn policy(&self) -> Policy {
        let Self { access, scopes, grants, without_pkce } = self.clone();
        Policy { access, scopes, grants, without_pkce }
    }
}

/// `[clients]`: what their assertions and proofs may say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientsConfig {
    /// Other addresses than the issuer's under which they reach the endpoints.
    #[serde(deserialize_with = "value::addresses")]
    pub addresses: Vec<Issuer>,
    /// Seconds.
    #[serde(deserialize_with = "value::life")]
    pub assertion: u32,
    /// Seconds.
    #[serde(deserialize_with = "value::skew")]
    pub skew: u32,
    pub remembered: u32,
    /// Wrong secrets of a client from one network that are free.
    pub failures: u32,
    /// Whether every client hands its authorization requests over first (RFC 9126).
    pub require_pushed: bool,
    /// Whether tokens may travel through the browser, for clients that are registered for it.
    pub legacy_response_types: bool,
}

/// `[dpop]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DpopConfig {
    /// Seconds.
    #[serde(deserialize_with = "value::life")]
    pub window: u32,
    pub nonces: bool,
    /// Seconds.
    #[serde(deserialize_with = "value::life")]
    pub nonce_life: u32,
}
