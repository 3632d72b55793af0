//! Which keys does a provider publish?
//!
//! At most a hundred, of which those are passed on that verify what its tokens may be signed with. A
//! broken or private key refuses the whole set, as the set is not what its writer believes.

use jose::{Algorithm, KeySet};
use serde_json::{Value, json};

use super::error::FederationError;

/// The most keys of a set.
const MOST_KEYS: usize = 100;

/// The keys of a provider.
#[derive(Debug)]
pub struct PublishedKeys {
    /// As a JWK Set, for gateways.
    pub text: String,
    /// The same, to verify with.
    pub set: KeySet,
}

impl PublishedKeys {
    /// Reads a JWK Set.
    pub fn parse(json: &[u8], algorithms: &[Algorithm]) -> Result<Self, FederationError> {
        let what = "the address of the keys";
        let value: Value =
            serde_json::from_slice(json).map_err(|_| FederationError::Json { what })?;
        let list = value.get("keys").and_then(Value::as_array);
        let list = list.ok_or(FederationError::Json { what })?;
        if list.len() > MOST_KEYS {
            return Err(FederationError::ManyKeys(MOST_KEYS));
        }
        let one = |jwk: &Value| KeySet::parse(&json!({ "keys": [jwk] }).to_string());
        let mut usable = Vec::new();
        for jwk in list {
            let set = one(jwk)?;
            let fits = |algorithm: &Algorithm| set.keys().iter().any(|key| key.fits(*algorithm));
            if algorithms.iter().any(fits) {
                usable.push(jwk.clone());
            }
        }
        let text = json!({ "keys": usable }).to_string();
        let set = KeySet::parse(&text)?;
        Ok(Self { text, set })
    }

    /// Whether there is a key of this name.
    pub fn has(&self, kid: &str) -> bool {
        self.set.keys().iter().any(|key| key.kid() == Some(kid))
    }
}

#[cfg(test)]
mod tests {
    use jose::SigningKey;

    use super::*;

    fn key(algorithm: Algorithm) -> Value {
        SigningKey::generate(algorithm).unwrap().public_jwk()
    }

    #[test]
    fn only_keys_for_the_accepted_algorithms_are_passed_on() {
        let set = json!({ "keys": [key(Algorithm::ES256), key(Algorithm::RS256)] }).to_string();
        let read = |algorithms: &[Algorithm]| {
            PublishedKeys::parse(set.as_bytes(), algorithms).unwrap().set.keys().len()
        };
        assert_eq!(read(&[Algorithm::ES256]), 1);
        assert_eq!(read(&[Algorithm::ES256, Algorithm::RS256]), 2);
        assert_eq!(read(&[Algorithm::EdDSA]), 0);
    }

    #[test]
    fn too_many_keys_and_keys_that_are_none_are_refused() {
        let many = vec![key(Algorithm::ES256); 101];
        let refused = |set: &Value| {
            PublishedKeys::parse(set.to_string().as_bytes(), &[Algorithm::ES256]).is_err()
        };
        assert!(refused(&json!({ "keys": many })));
        assert!(!refused(&json!({ "keys": many[..100] })));
        assert!(refused(&json!({ "keys": 1 })) && refused(&json!([])));
        let mut private = key(Algorithm::ES256);
        private["d"] = json!("AAAA");
        assert!(refused(&json!({ "keys": [private] })));
    }
}
