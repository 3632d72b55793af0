//! Who signs, and how is a token written by hand?

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{Algorithm, Expectation, KeySet, SigningKey};
use serde_json::{Value, json};

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const ISSUER: &str = "https://id.example.com";

/// Somebody who signs, and the set that their key stands in.
pub(crate) struct Holder {
    pub(crate) key: SigningKey,
    pub(crate) keys: KeySet,
}

/// One holder for each algorithm. Those of RSA have one pair: what is of one is shown to the other.
static HOLDERS: LazyLock<Vec<Holder>> = LazyLock::new(|| {
    let rsa = SigningKey::generate(Algorithm::RS256).unwrap().to_pkcs8().unwrap();
    let key = |algorithm: Algorithm| match algorithm.name().as_bytes() {
        [b'R' | b'P', ..] => SigningKey::from_pkcs8(algorithm, &rsa).unwrap(),
        _ => SigningKey::generate(algorithm).unwrap(),
    };
    Algorithm::ALL.map(|algorithm| Holder::of(key(algorithm))).into()
});

pub(crate) fn holders() -> &'static [Holder] {
    &HOLDERS
}

pub(crate) fn holder(algorithm: Algorithm) -> &'static Holder {
    HOLDERS.iter().find(|holder| holder.key.algorithm() == algorithm).unwrap()
}

impl Holder {
    pub(crate) fn of(key: SigningKey) -> Self {
        let set = json!({ "keys": [key.public_jwk()] });
        let keys = KeySet::parse(&set.to_string()).unwrap();
        Self { key, keys }
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "alg": self.key.algorithm().name(), "kid": self.key.kid(), "typ": "at+jwt" })
    }

    /// A good token.
    pub(crate) fn token(&self) -> String {
        self.written(self.header().to_string(), claims().to_string())
    }

    /// A good signature of these two texts, whatever they are.
    pub(crate) fn written(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.raw(&b64(header), &b64(payload))
    }

    /// The same of parts that were encoded already, in whichever way.
    pub(crate) fn raw(&self, header: &str, payload: &str) -> String {
        let message = format!("{header}.{payload}");
        let signature = self.key.signature(message.as_bytes()).unwrap();
        format!("{message}.{}", b64(signature))
    }
}

pub(crate) fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "ann", "exp": NOW + 60, "client_id": "app" })
}

pub(crate) fn expect(algorithms: &[Algorithm]) -> Expectation {
    Expectation { algorithms: algorithms.to_vec(), ..Expectation::access_token(ISSUER) }
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The three parts as they are written.
pub(crate) fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().unwrap()
}

pub(crate) fn signature(token: &str) -> Vec<u8> {
    bytes(parts(token)[2])
}

/// The same token with another third part.
pub(crate) fn with_signature(token: &str, signature: impl AsRef<[u8]>) -> String {
    let (message, _) = token.rsplit_once('.').unwrap();
    format!("{message}.{}", b64(signature))
}

/// With `changes`; `null` takes a member away.
pub(crate) fn changed(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    value.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    value
}
