//! Discovery (RFC 8414, OpenID Connect Discovery 1.0, KM-002): what is there, and where?
//!
//! One document under both names, and only what works: no authorization endpoint, no identity
//! tokens.

use serde_json::json;

use super::{Authority, Reply, reply};
use crate::client_auth::SecretMethod;
use crate::grant::GrantKind;

const CACHE: &str = "public, max-age=3600";

pub(super) fn discovery(authority: &Authority) -> Reply {
    let issuer = &authority.issuer;
    let methods = SecretMethod::ALL.map(SecretMethod::name);
    let document = json!({
        "issuer": issuer.as_str(),
        "token_endpoint": issuer.address("token"),
        "jwks_uri": issuer.address("jwks"),
        "introspection_endpoint": issuer.address("introspect"),
        "revocation_endpoint": issuer.address("revoke"),
        "grant_types_supported": GrantKind::ALL.map(GrantKind::name),
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [],
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
    });
    reply::public(document.to_string(), CACHE)
}
