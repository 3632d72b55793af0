//! How does a key manager sign what it issues?
//!
//! A signing key never leaves this type except as PKCS#8 in memory that is wiped; its `kid` is the
//! RFC 7638 thumbprint of its public half, so two replicas with the same key say the same `kid`.

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::Algorithm;
use crate::public::{PublicHalf, signed, unsigned_under};

/// Why a key cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The bytes are not a PKCS#8 key of the algorithm.
    #[error("the bytes are no PKCS#8 private key for {0}")]
    NotAKey(Algorithm),
    /// The cryptography library failed, for example for want of randomness.
    #[error("the cryptography library failed")]
    Crypto,
    /// The claims cannot be written as JSON.
    #[error("the claims cannot be written as JSON")]
    Claims(#[source] serde_json::Error),
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A private key and its algorithm.
pub struct SigningKey {
    pair: Pair,
    public: PublicHalf,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("kid", &self.kid())
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new random key.
    pub fn generate(algorithm: Algorithm) -> Result<Self, SigningError> {
        let pair = if let Some(signing) = algorithm.ecdsa_signing() {
            EcdsaKeyPair::generate(signing).map(Pair::Ecdsa)
        } else if algorithm.rsa_signing().is_some() {
            rsa::KeyPair::generate(algorithm.rsa_size()).map(Pair::Rsa)
        } else {
            Ed25519KeyPair::generate().map(Pair::Ed25519)
        };
        Self::new(algorithm, pair.map_err(|_| SigningError::Crypto)?)
    }

    /// A key that was kept.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, SigningError> {
        let pair = if let Some(signing) = algorithm.ecdsa_signing() {
            EcdsaKeyPair::from_pkcs8(signing, der).map(Pair::Ecdsa)
        } else if algorithm.rsa_signing().is_some() {
            rsa::KeyPair::from_pkcs8(der).map(Pair::Rsa)
        } else {
            Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed25519)
        };
        Self::new(algorithm, pair.map_err(|_| SigningError::NotAKey(algorithm))?)
    }

    fn new(algorithm: Algorithm, pair: Pair) -> Result<Self, SigningError> {
        let public = public_half(algorithm, &pair).ok_or(SigningError::Crypto)?;
        Ok(Self { pair, public })
    }

    /// The private key, in memory that is wiped when dropped.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, SigningError> {
        let bytes = match &self.pair {
            Pair::Ecdsa(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Pair::Rsa(pair) => pair.as_der().map(|der: Pkcs8V1Der<'_>| der.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair.to_pkcs8().map(|der| der.as_ref().to_vec()),
        };
        bytes.map(Zeroizing::new).map_err(|_| SigningError::Crypto)
    }

    /// The RFC 7638 thumbprint of the public key.
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// What the world knows of it.
    pub const fn public(&self) -> &PublicHalf {
        &self.public
    }

    /// The public key as a JWK for a key set, with `kid`, `alg` and `use`.
    pub fn public_jwk(&self) -> Value {
        self.public.jwk()
    }

    /// `claims` as a compact JWT of type `typ`.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SigningError> {
        self.finish(self.public.unsigned(typ, claims)?)
    }

    /// `claims` as a compact JWT under a header that the caller wrote: one that carries the key
    /// itself (RFC 9449 §4.2), or in a test whatever an attacker would write.
    pub fn sign_under(
        &self,
        header: &str,
        claims: &impl Serialize,
    ) -> Result<String, SigningError> {
        self.finish(unsigned_under(header, claims)?)
    }

    fn finish(&self, unsigned: String) -> Result<String, SigningError> {
        let signature = self.signature(unsigned.as_bytes())?;
        Ok(signed(unsigned, &signature))
    }

    /// The signature of `message` as a JWS carries it (RFC 7518 §3.3, §3.4), for who writes the text
    /// around it.
    pub fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, message).map(|made| made.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair.try_sign(message).map(|made| made.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let padding = self.algorithm().rsa_signing().ok_or(SigningError::Crypto)?;
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut made).map(|()| made)
            }
        }
        .map_err(|_| SigningError::Crypto)
    }
}

fn public_half(algorithm: Algorithm, pair: &Pair) -> Option<PublicHalf> {
    match pair {
        Pair::Ecdsa(pair) => PublicHalf::of_point(algorithm, pair.public_key().as_ref()),
        Pair::Ed25519(pair) => PublicHalf::of_ed25519(pair.public_key().as_ref()),
        Pair::Rsa(pair) => {
            let (n, e) = rsa_components(pair.public_key().as_ref())?;
            PublicHalf::of_numbers(algorithm, n, e)
        }
    }
}

/// The two numbers of a DER `RSAPublicKey` (RFC 8017 §A.1.1).
fn rsa_components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (content, _) = der_value(der, 0x30)?;
    let (n, rest) = der_value(content, 0x02)?;
    let (e, _) = der_value(rest, 0x02)?;
    Some((n, e))
}

/// The content of the DER value with this tag at the front, and what follows it.
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der {
        [first, length, rest @ ..] if *first == tag && *length < 0x80 => {
            (usize::from(*length), rest)
        }
        [first, 0x81, length, rest @ ..] if *first == tag => (usize::from(*length), rest),
        [first, 0x82, high, low, rest @ ..] if *first == tag => {
            (usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
#[path = "signing_tests.rs"]
mod tests;
