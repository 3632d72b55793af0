//! How is a client told who logged in? (OpenID Connect Core section 2, KM-044)
//!
//! An ID token is for the client alone: its type is not that of access tokens, so no API takes it
//! for one.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{IssueError, Origin};
use crate::domain::{Client, TokenAlgorithm};
use crate::store::Grant;

/// Long enough for a client to read it, once.
const SECONDS: i64 = 600;

/// One ID token to be made.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'i> {
    pub client: &'i Client,
    pub grant: &'i Grant,
    /// As the client asked.
    pub nonce: Option<&'i str>,
    /// The access token that goes out with it.
    pub access_token: Option<&'i str>,
    /// The code that does.
    pub code: Option<&'i str>,
    /// The `state`, where the answer could be mixed up with another.
    pub state: Option<&'i str>,
    /// What else is said of the person.
    pub claims: &'i Map<String, Value>,
    /// Unix seconds.
    pub now: i64,
}

#[derive(Serialize)]
struct IdClaims<'i> {
    iss: &'i str,
    sub: &'i str,
    aud: &'i str,
    iat: i64,
    exp: i64,
    auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'i str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<&'i str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    sid: &'i str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    c_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'i str>,
    #[serde(flatten)]
    claims: &'i Map<String, Value>,
}

pub async fn identify(identity: Identity<'_>, origin: Origin<'_>) -> Result<String, IssueError> {
    let Origin { rules, ring, .. } = origin;
    let Identity { client, grant, nonce, access_token, code, state, claims, now } = identity;
    let algorithm = client.algorithm.unwrap_or(rules.algorithm);
    let half = |text| half_hash(algorithm, text);
    let claims = IdClaims {
        iss: &rules.issuer,
        sub: &grant.user_id,
        aud: client.id.as_str(),
        iat: now,
        exp: now.saturating_add(SECONDS),
        auth_time: grant.logged_in_at,
        acr: grant.method.acr(),
        amr: grant.method.amr(),
        sid: &grant.session_id,
        at_hash: access_token.map(half),
        c_hash: code.map(half),
        s_hash: state.map(half),
        nonce,
        claims,
    };
    ring.signer(algorithm)?.sign("JWT", &claims).await
}

/// Section 3.1.3.6: the left half of the hash that the signature uses.
fn half_hash(algorithm: TokenAlgorithm, text: &str) -> String {
    let with = match algorithm {
        TokenAlgorithm::Es256 | TokenAlgorithm::Rs256 | TokenAlgorithm::Ps256 => &digest::SHA256,
        TokenAlgorithm::Es384 => &digest::SHA384,
        // Ed25519 hashes with SHA-512 inside.
        TokenAlgorithm::EdDsa => &digest::SHA512,
    };
    let hash = digest::digest(with, text.as_bytes());
    let half = hash.as_ref().get(..hash.as_ref().len() / 2);
    URL_SAFE_NO_PAD.encode(half.unwrap_or_default())
}
