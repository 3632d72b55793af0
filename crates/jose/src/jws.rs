//! Is this compact token genuine, and is it meant for us, now?
//!
//! RFC 7515 §5.2 with the advice of RFC 8725: three parts, the header read strictly, the algorithm
//! taken from what was expected and never from the token alone, the key only used for what it
//! fits, and no claim looked at before the signature holds.

use serde_json::{Map, Value};

use crate::encoding::{decode, parse_object};
use crate::{Algorithm, Claims, Expectation, KeySet};

/// The longest token that is read, in bytes.
pub(crate) const MAX_TOKEN_BYTES: usize = 32 * 1024;

/// Why a token is not believed. Says nothing that the token's bearer does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a signed compact JWT.
    #[error("the token is not a well-formed JWT")]
    Malformed,
    /// Longer than any header line.
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// `none`, symmetric, unknown or not accepted from this issuer.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// `crit` names extensions, and there are none that we understand.
    #[error("the token asks for critical extensions")]
    Critical,
    /// Another kind of token, for example an ID token.
    #[error("the token is of another type")]
    Type,
    /// No key of the set has this `kid` and fits the algorithm.
    #[error("no key of the issuer fits the token")]
    UnknownKey {
        /// The `kid` of the token; empty when it has none.
        kid: String,
    },
    /// The signature does not hold.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim has the wrong type, or is a name with control characters.
    #[error("the token's claim `{0}` has the wrong type")]
    Claim(&'static str),
    /// There is no `exp`.
    #[error("the token never expires")]
    NoExpiry,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iss` is missing or another one.
    #[error("the token is of another issuer")]
    Issuer,
    /// `aud` names none of the expected.
    #[error("the token is meant for another audience")]
    Audience,
}

struct Header {
    algorithm: Algorithm,
    kid: Option<String>,
    typ: Option<String>,
}

pub(crate) struct Parts<'t> {
    pub(crate) header: &'t str,
    pub(crate) payload: &'t str,
    pub(crate) signature: &'t str,
    /// What was signed: header, dot, payload.
    pub(crate) message: &'t str,
}

/// Believes `token` or says why not.
///
/// `now_unix` is in seconds since the Unix epoch.
pub fn verify(
    token: &str,
    keys: &KeySet,
    expect: &Expectation,
    now_unix: i64,
) -> Result<Claims, Refusal> {
    let parts = split(token)?;
    let header = read_header(parts.header)?;
    if !expect.algorithms.contains(&header.algorithm) {
        return Err(Refusal::Algorithm);
    }
    if !expect.accepts_type(header.typ.as_deref()) {
        return Err(Refusal::Type);
    }
    let key = keys
        .find(header.kid.as_deref(), header.algorithm)
        .and_then(|key| key.verifier(header.algorithm))
        .ok_or_else(|| Refusal::UnknownKey { kid: header.kid.clone().unwrap_or_default() })?;
    let signature = decode(parts.signature).ok_or(Refusal::Malformed)?;
    key.verify_sig(parts.message.as_bytes(), &signature).map_err(|_| Refusal::Signature)?;

    let claims = Claims::from_map(read_object(parts.payload)?)?;
    claims.check(expect, now_unix)?;
    Ok(claims)
}

/// The `iss` that a token claims, before anything is believed: only good for choosing whose keys
/// to verify it with.
pub fn issuer_unverified(token: &str) -> Option<String> {
    let parts = split(token).ok()?;
    let map = read_object(parts.payload).ok()?;
    map.get("iss")?.as_str().map(str::to_owned)
}

/// How a token says it is signed; only true of one that was verified.
pub fn algorithm(token: &str) -> Option<Algorithm> {
    read_header(split(token).ok()?.header).ok().map(|header| header.algorithm)
}

pub(crate) fn split(token: &str) -> Result<Parts<'_>, Refusal> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Refusal::TooLong);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(Refusal::Malformed)?;
    if payload.contains('.') || header.is_empty() || payload.is_empty() || signature.is_empty() {
        return Err(Refusal::Malformed);
    }
    Ok(Parts { header, payload, signature, message })
}

pub(crate) fn read_object(part: &str) -> Result<Map<String, Value>, Refusal> {
    decode(part).and_then(|bytes| parse_object(&bytes)).ok_or(Refusal::Malformed)
}

fn read_header(part: &str) -> Result<Header, Refusal> {
    let mut map = read_fields(part)?;
    let algorithm = take_text(&mut map, "alg")?
        .ok_or(Refusal::Malformed)?
        .parse()
        .map_err(|_: crate::UnknownAlgorithm| Refusal::Algorithm)?;
    let (kid, typ) = (take_text(&mut map, "kid")?, take_text(&mut map, "typ")?);
    Ok(Header { algorithm, kid, typ })
}

/// The fields of a header that asks for nothing that we do not understand.
pub(crate) fn read_fields(part: &str) -> Result<Map<String, Value>, Refusal> {
    let map = read_object(part)?;
    if map.contains_key("crit") || map.contains_key("b64") {
        return Err(Refusal::Critical);
    }
    Ok(map)
}

pub(crate) fn take_text(
    map: &mut Map<String, Value>,
    name: &str,
) -> Result<Option<String>, Refusal> {
    match map.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::Malformed),
    }
}

#[cfg(test)]
#[path = "jws_tests.rs"]
mod tests;
