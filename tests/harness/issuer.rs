//! A third-party issuer whose private key the test holds, so that it can also make bad tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

/// An issuer with one ES256 key.
#[derive(Debug)]
pub struct Issuer {
    pub url: String,
    key: SigningKey,
}

impl Issuer {
    pub fn new(url: &str) -> Self {
        let key = SigningKey::generate(Algorithm::ES256).expect("a key");
        Self { url: url.to_owned(), key }
    }

    /// The `KeyManager` resource that makes gateways believe it.
    pub fn resource(&self, name: &str) -> String {
        let jwks = json!({ "keys": [self.key.public_jwk()] });
        json!({
            "apiVersion": "turnpike/v1",
            "kind": "KeyManager",
            "metadata": { "name": name },
            "spec": { "issuer": self.url, "jwks": jwks.to_string(), "anyAudience": true },
        })
        .to_string()
    }

    /// A good token for this client; `changes` overwrite single claims.
    pub fn token(&self, client: &str, changes: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let mut claims = json!({
            "iss": self.url, "sub": client, "client_id": client, "aud": "turnpike",
            "iat": now, "exp": now + 600, "jti": format!("{client}-{now}"),
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        self.key.sign("at+jwt", &claims).expect("a token")
    }
}
