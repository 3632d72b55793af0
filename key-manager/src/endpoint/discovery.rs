//! Discovery (RFC 8414, OpenID Connect Discovery 1.0, KM-002, KM-003): what is there, and where?
//!
//! One document under both names, and only what works.

use jose::{Algorithm, PROOF_ALGORITHMS};
use serde_json::{Value, json};

use super::response::Mode;
use super::{Authority, Mfa, PasskeyUse, Reply, SignUp, reply};
use crate::client_auth::ASSERTION_ALGORITHMS;
use crate::domain::{AuthMethod, LoginMethod, Profile, ResponseType, TokenAlgorithm};
use crate::grant::{GrantKind, PKCE_METHOD};
use crate::registration::{Access, IMPLICIT};

/// The claims beside those of a profile.
const OUR_CLAIMS: [&str; 13] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "acr",
    "amr",
    "nonce",
    "at_hash",
    "sid",
    "preferred_username",
    "updated_at",
];
const CACHE: &str = "public, max-age=3600";

pub(super) fn discovery(authority: &Authority) -> Reply {
    let issuer = &authority.issuer;
    let public = GrantKind::ALL.into_iter().any(GrantKind::is_for_public_clients);
    let all = || authority.clients.methods();
    let proving: Vec<_> =
        all().filter(|of| *of != AuthMethod::None).map(AuthMethod::name).collect();
    let methods: Vec<_> =
        all().filter(|of| public || *of != AuthMethod::None).map(AuthMethod::name).collect();
    let signing: Vec<_> =
        ASSERTION_ALGORITHMS.into_iter().map(Algorithm::name).chain(["HS256"]).collect();
    let scopes: Vec<_> = ["openid"].into_iter().chain(Profile::SCOPES).collect();
    let claims: Vec<_> = OUR_CLAIMS.into_iter().chain(Profile::names()).collect();
    let creates = (authority.login.signup != SignUp::Off).then_some("create");
    let prompts: Vec<_> =
        ["none", "login", "consent", "select_account"].into_iter().chain(creates).collect();
    let objects = ASSERTION_ALGORITHMS.map(Algorithm::name);
    let mut document = json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": issuer.address("authorize"),
        "token_endpoint": issuer.address("token"),
        "pushed_authorization_request_endpoint": issuer.address("par"),
        "require_pushed_authorization_requests": authority.require_pushed,
        "device_authorization_endpoint": issuer.address("device_authorization"),
        "backchannel_authentication_endpoint": issuer.address("bc-authorize"),
        "backchannel_token_delivery_modes_supported": ["poll", "ping"],
        "backchannel_user_code_parameter_supported": false,
        "userinfo_endpoint": issuer.address("userinfo"),
        "end_session_endpoint": issuer.address("logout"),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "frontchannel_logout_supported": true,
        "frontchannel_logout_session_supported": true,
        "jwks_uri": issuer.address("jwks"),
        "introspection_endpoint": issuer.address("introspect"),
        "revocation_endpoint": issuer.address("revoke"),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": signing,
        "introspection_signing_alg_values_supported": TokenAlgorithm::ALL.map(TokenAlgorithm::name),
        "introspection_endpoint_auth_methods_supported": proving,
        "introspection_endpoint_auth_signing_alg_values_supported": signing,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": signing,
        "dpop_signing_alg_values_supported": PROOF_ALGORITHMS.map(Algorithm::name),
        "tls_client_certificate_bound_access_tokens":
            authority.clients.certificates.are_accepted(),
    });
    // In two parts, because the macro has a bound.
    let asked = json!({
        "userinfo_signing_alg_values_supported": TokenAlgorithm::ALL.map(TokenAlgorithm::name),
        "authorization_details_types_supported": authority.details.names().collect::<Vec<_>>(),
        "grant_types_supported": grant_types(authority),
        "response_types_supported": response_types(authority),
        "response_modes_supported": Mode::names(),
        "authorization_signing_alg_values_supported": TokenAlgorithm::ALL.map(TokenAlgorithm::name),
        "code_challenge_methods_supported": [PKCE_METHOD],
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": prompts,
        "scopes_supported": scopes,
        "claims_supported": claims,
        "acr_values_supported": acr(authority),
        "claims_parameter_supported": true,
        "request_parameter_supported": true,
        "request_object_signing_alg_values_supported": objects,
        "request_uri_parameter_supported": true,
        "require_request_uri_registration": true,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": TokenAlgorithm::ALL.map(TokenAlgorithm::name),
    });
    if let (Some(map), Value::Object(asked)) = (document.as_object_mut(), asked) {
        map.extend(asked);
    }
    if let (Some(map), true) =
        (document.as_object_mut(), authority.registration.access != Access::Nobody)
    {
        map.insert("registration_endpoint".to_owned(), json!(issuer.address("register")));
    }
    // RFC 8705 section 5.
    if let (Some(map), Some(base)) = (document.as_object_mut(), &authority.certificate_base) {
        let aliases = json!({
            "token_endpoint": base.address("token"),
            "pushed_authorization_request_endpoint": base.address("par"),
            "device_authorization_endpoint": base.address("device_authorization"),
            "backchannel_authentication_endpoint": base.address("bc-authorize"),
            "userinfo_endpoint": base.address("userinfo"),
            "introspection_endpoint": base.address("introspect"),
            "revocation_endpoint": base.address("revoke"),
        });
        map.insert("mtls_endpoint_aliases".to_owned(), aliases);
    }
    reply::public(document.to_string(), CACHE)
}

fn response_types(authority: &Authority) -> Vec<&'static str> {
    let legacy = ResponseType::LEGACY.into_iter().filter(|_| authority.legacy_response_types);
    [ResponseType::CODE].into_iter().chain(legacy).map(ResponseType::name).collect()
}

/// Beside those of the token endpoint the one that stands for its absence (OpenID Connect Discovery
/// section 3).
fn grant_types(authority: &Authority) -> Vec<String> {
    let implicit = authority.legacy_response_types.then(|| IMPLICIT.to_owned());
    authority.grants.names().into_iter().chain(implicit).collect()
}

/// What a login can prove here (OpenID Connect Discovery section 3).
fn acr(authority: &Authority) -> &'static [&'static str] {
    let alone = authority.passkeys.is_some() && authority.login.passkeys == PasskeyUse::Login;
    match authority.login.mfa {
        Mfa::Off if !alone => &[LoginMethod::ONE_FACTOR],
        Mfa::Off | Mfa::Optional => &[LoginMethod::ONE_FACTOR, LoginMethod::TWO_FACTORS],
        Mfa::Required => &[LoginMethod::TWO_FACTORS],
    }
}
