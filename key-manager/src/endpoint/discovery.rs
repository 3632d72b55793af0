//! Discovery (RFC 8414, OpenID Connect Discovery 1.0, KM-002): what is there, and where?
//!
//! One document under both names, and only what works.

use serde_json::json;

use super::{Authority, Reply, reply};
use crate::client_auth::SecretMethod;
use crate::grant::{GrantKind, PKCE_METHOD};

const CACHE: &str = "public, max-age=3600";

pub(super) fn discovery(authority: &Authority) -> Reply {
    let issuer = &authority.issuer;
    let secret = SecretMethod::ALL.map(SecretMethod::name);
    // A public client names itself and no more; nobody introspects so.
    let methods: Vec<&str> = secret.into_iter().chain(["none"]).collect();
    let document = json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": issuer.address("authorize"),
        "token_endpoint": issuer.address("token"),
        "userinfo_endpoint": issuer.address("userinfo"),
        "jwks_uri": issuer.address("jwks"),
        "introspection_endpoint": issuer.address("introspect"),
        "revocation_endpoint": issuer.address("revoke"),
        "grant_types_supported": GrantKind::ALL.map(GrantKind::name),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": [PKCE_METHOD],
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "scopes_supported": ["openid", "profile"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid",
            "preferred_username",
        ],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": secret,
        "revocation_endpoint_auth_methods_supported": methods,
    });
    reply::public(document.to_string(), CACHE)
}
