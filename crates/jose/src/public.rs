//! What does the world know of a signing key?
//!
//! Its public half as a JWK, named by its RFC 7638 thumbprint. Where the private half is kept by a
//! device that only signs, a token is written in two steps: `unsigned` says what is to be signed, and
//! `signed` puts the signature behind it.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::encoding::encode;
use crate::jwk::thumbprint;
use crate::{Algorithm, SigningError};

/// The public half of a key that signs with one algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicHalf {
    algorithm: Algorithm,
    members: Map<String, Value>,
    kid: String,
}

impl PublicHalf {
    /// A point of the algorithm's curve, uncompressed (SEC 1 §2.3.3).
    pub fn of_point(algorithm: Algorithm, point: &[u8]) -> Option<Self> {
        let (curve, bytes) = match algorithm {
            Algorithm::ES256 => ("P-256", 32),
            Algorithm::ES384 => ("P-384", 48),
            Algorithm::ES512 => ("P-521", 66),
            _ => return None,
        };
        let (x, y) = point.strip_prefix(&[4])?.split_at_checked(bytes)?;
        if y.len() != bytes {
            return None;
        }
        Self::new(algorithm, json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) }))
    }

    /// The two numbers of an RSA key, big-endian; leading zeros do not count.
    pub fn of_numbers(algorithm: Algorithm, modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        algorithm.rsa_signing()?;
        let (n, e) = (encode(without_zeros(modulus)), encode(without_zeros(exponent)));
        Self::new(algorithm, json!({ "kty": "RSA", "n": n, "e": e }))
    }

    /// An Ed25519 key.
    pub fn of_ed25519(key: &[u8]) -> Option<Self> {
        let x = Some(encode(key)).filter(|_| key.len() == 32)?;
        Self::new(Algorithm::EdDSA, json!({ "kty": "OKP", "crv": "Ed25519", "x": x }))
    }

    /// What [`PublicHalf::jwk`] wrote.
    pub fn from_jwk(jwk: &Value) -> Option<Self> {
        let algorithm = jwk.get("alg")?.as_str()?.parse().ok()?;
        let mut members = jwk.as_object()?.clone();
        members.retain(|name, _| !matches!(name.as_str(), "kid" | "alg" | "use"));
        Self::new(algorithm, Value::Object(members))
    }

    fn new(algorithm: Algorithm, members: Value) -> Option<Self> {
        let Value::Object(members) = members else { return None };
        let kid = thumbprint(&members)?;
        Some(Self { algorithm, members, kid })
    }

    /// The RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What its private half signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key as it stands in a key set, with `kid`, `alg` and `use`.
    pub fn jwk(&self) -> Value {
        let mut jwk = self.members.clone();
        jwk.insert("kid".to_owned(), json!(self.kid));
        jwk.insert("alg".to_owned(), json!(self.algorithm.name()));
        jwk.insert("use".to_owned(), json!("sig"));
        Value::Object(jwk)
    }

    /// What is to be signed for a JWT of type `typ` (RFC 7515 §5.1).
    pub fn unsigned(&self, typ: &str, claims: &impl Serialize) -> Result<String, SigningError> {
        let header = json!({ "alg": self.algorithm.name(), "kid": self.kid, "typ": typ });
        unsigned_under(&header.to_string(), claims)
    }
}

/// The same under a header that the caller wrote.
pub(crate) fn unsigned_under(
    header: &str,
    claims: &impl Serialize,
) -> Result<String, SigningError> {
    let payload = serde_json::to_vec(claims).map_err(SigningError::Claims)?;
    let mut text = encode(header.as_bytes());
    text.push('.');
    text.push_str(&encode(&payload));
    Ok(text)
}

/// The compact JWT of what was to be signed and the signature of it, which for ECDSA is the two
/// numbers one behind the other (RFC 7518 §3.4).
pub fn signed(mut unsigned: String, signature: &[u8]) -> String {
    unsigned.push('.');
    unsigned.push_str(&encode(signature));
    unsigned
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    /// The algorithm by its name.
    #[track_caller]
    fn check(name: &str) {
        let key = SigningKey::generate(name.parse().expect("an algorithm")).expect("a key");
        let half = PublicHalf::from_jwk(&key.public_jwk()).expect("a public half");
        assert_eq!((half.kid(), half.algorithm().name()), (key.kid(), name));
        assert_eq!(half.jwk(), key.public_jwk());
        let claims = json!({ "sub": "ann" });
        let token = key.sign("JWT", &claims).expect("a token");
        let (before, signature) = token.rsplit_once('.').expect("a signature");
        let unsigned = half.unsigned("JWT", &claims).expect("text");
        assert_eq!(unsigned, before, "another one signs what the key would sign");
        let bytes = crate::encoding::decode(signature).expect("base64url");
        assert_eq!(signed(unsigned, &bytes), token);
    }

    #[test]
    fn a_public_half_is_read_back_and_says_what_is_signed() {
        for name in ["ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA"] {
            check(name);
        }
    }

    #[test]
    fn what_is_no_key_of_the_algorithm_has_no_public_half() {
        assert!(PublicHalf::of_point(Algorithm::ES256, &[4; 97]).is_none());
        assert!(PublicHalf::of_point(Algorithm::ES384, &[4; 65]).is_none());
        assert!(PublicHalf::of_point(Algorithm::ES256, &[3; 65]).is_none());
        assert!(PublicHalf::of_point(Algorithm::RS256, &[4; 65]).is_none());
        assert!(PublicHalf::of_numbers(Algorithm::ES256, &[1], &[3]).is_none());
        assert!(PublicHalf::of_ed25519(&[1; 31]).is_none());
    }
}
