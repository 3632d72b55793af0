//! How does one key write a JWT?

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, URL_SAFE_NO_PAD};
use jose::{Algorithm, SigningError, SigningKey};
use plan::Encoding;

/// A key that signs what backends are told.
#[derive(Debug)]
pub(super) struct Signer {
    key: SigningKey,
    /// The header of every JWT, written in both ways.
    heads: [String; 2],
}

impl Signer {
    /// A new one. Takes long for RSA.
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self, SigningError> {
        SigningKey::generate(algorithm).map(Self::new)
    }

    pub(super) fn new(key: SigningKey) -> Self {
        let (algorithm, kid) = (key.algorithm().name(), key.kid());
        let head = format!(r#"{{"alg":"{algorithm}","kid":"{kid}","typ":"JWT"}}"#);
        let heads = [URL_SAFE_NO_PAD.encode(&head), STANDARD.encode(&head)];
        Self { key, heads }
    }

    /// The key itself.
    pub(super) const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The JWT that says `claims`, a JSON object.
    pub(super) fn sign(&self, claims: &[u8], encoding: Encoding) -> Result<String, SigningError> {
        let [url, standard] = &self.heads;
        match encoding {
            Encoding::Base64url => self.write(url, claims, &URL_SAFE_NO_PAD),
            // As the WSO2 gateway does it: what is signed are the parts as they are sent.
            Encoding::Base64 => self.write(standard, claims, &STANDARD),
        }
    }

    fn write(
        &self,
        head: &str,
        claims: &[u8],
        alphabet: &GeneralPurpose,
    ) -> Result<String, SigningError> {
        let mut text = String::with_capacity(head.len() + claims.len() * 2 + 128);
        text.push_str(head);
        text.push('.');
        alphabet.encode_string(claims, &mut text);
        let signature = self.key.signature(text.as_bytes())?;
        text.push('.');
        alphabet.encode_string(signature, &mut text);
        Ok(text)
    }
}
