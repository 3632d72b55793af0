//! Which signature algorithms exist?
//!
//! Only asymmetric ones (RFC 7518 §3.1, RFC 8037): a gateway holds public keys, and a list without
//! HMAC and `none` cannot be talked into using them.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING,
    ED25519, EcdsaSigningAlgorithm, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaParameters, RsaSignatureEncoding, VerificationAlgorithm,
};

/// A JWS signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// Ed25519.
    EdDSA,
}

/// The `kty` (and `crv`) that an algorithm asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    P256,
    P384,
    P521,
    Rsa,
    Ed25519,
}

/// A name that is no algorithm of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an accepted signature algorithm; accepted are ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512, EdDSA"
)]
pub struct UnknownAlgorithm(pub String);

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 10] = [
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::EdDSA,
    ];

    /// The name in the `alg` header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::EdDSA => "EdDSA",
        }
    }

    pub(crate) const fn family(self) -> Family {
        match self {
            Self::ES256 => Family::P256,
            Self::ES384 => Family::P384,
            Self::ES512 => Family::P521,
            Self::EdDSA => Family::Ed25519,
            _ => Family::Rsa,
        }
    }

    /// How signatures of non-RSA algorithms are verified.
    pub(crate) fn curve_verification(self) -> Option<&'static dyn VerificationAlgorithm> {
        match self {
            Self::ES256 => Some(&ECDSA_P256_SHA256_FIXED),
            Self::ES384 => Some(&ECDSA_P384_SHA384_FIXED),
            Self::ES512 => Some(&ECDSA_P521_SHA512_FIXED),
            Self::EdDSA => Some(&ED25519),
            _ => None,
        }
    }

    pub(crate) fn rsa_verification(self) -> Option<&'static RsaParameters> {
        match self {
            Self::RS256 => Some(&RSA_PKCS1_2048_8192_SHA256),
            Self::RS384 => Some(&RSA_PKCS1_2048_8192_SHA384),
            Self::RS512 => Some(&RSA_PKCS1_2048_8192_SHA512),
            Self::PS256 => Some(&RSA_PSS_2048_8192_SHA256),
            Self::PS384 => Some(&RSA_PSS_2048_8192_SHA384),
            Self::PS512 => Some(&RSA_PSS_2048_8192_SHA512),
            _ => None,
        }
    }

    pub(crate) fn ecdsa_signing(self) -> Option<&'static EcdsaSigningAlgorithm> {
        match self {
            Self::ES256 => Some(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Self::ES384 => Some(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Self::ES512 => Some(&ECDSA_P521_SHA512_FIXED_SIGNING),
            _ => None,
        }
    }

    pub(crate) fn rsa_signing(self) -> Option<&'static RsaSignatureEncoding> {
        match self {
            Self::RS256 => Some(&RSA_PKCS1_SHA256),
            Self::RS384 => Some(&RSA_PKCS1_SHA384),
            Self::RS512 => Some(&RSA_PKCS1_SHA512),
            Self::PS256 => Some(&RSA_PSS_SHA256),
            Self::PS384 => Some(&RSA_PSS_SHA384),
            Self::PS512 => Some(&RSA_PSS_SHA512),
            _ => None,
        }
    }

    /// The RSA key size that a new key of this algorithm gets: as strong as its hash asks for and
    /// not stronger, because every verification pays for it.
    pub(crate) const fn rsa_size(self) -> KeySize {
        match self {
            Self::RS384 | Self::PS384 => KeySize::Rsa3072,
            Self::RS512 | Self::PS512 => KeySize::Rsa4096,
            _ => KeySize::Rsa2048,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == text)
            .ok_or_else(|| UnknownAlgorithm(text.to_owned()))
    }
}
