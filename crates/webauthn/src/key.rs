//! With which key does a passkey sign? (RFC 9052 §7, RFC 9053)

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use crate::Refusal;
use crate::cbor;

/// The COSE algorithms that are taken, the one that is liked best first: ES256, Ed25519, and
/// RS256, which older computers have.
pub const ALGORITHMS: [i64; 3] = [-7, -8, -257];

/// A public key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Key<'b> {
    /// P-256, uncompressed.
    Es256([u8; 65]),
    Ed25519(&'b [u8]),
    Rs256 {
        modulus: &'b [u8],
        exponent: &'b [u8],
    },
}

impl<'b> Key<'b> {
    /// Reads a `COSE_Key`.
    pub(crate) fn read(bytes: &'b [u8]) -> Result<Self, Refusal> {
        Self::find(bytes).ok_or(Refusal::Key)
    }

    fn find(bytes: &'b [u8]) -> Option<Self> {
        let (map, rest) = cbor::read(bytes)?;
        if !rest.is_empty() {
            return None;
        }
        // Kind, algorithm, and the curve where there is one.
        match (map.number(1)?, map.number(3)?) {
            (2, -7) if map.number(-1)? == 1 => {
                let (x, y) = (map.bytes(-2)?, map.bytes(-3)?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                let point = [&[4], x, y].concat();
                Some(Self::Es256(point.try_into().ok()?))
            }
            (1, -8) if map.number(-1)? == 6 => {
                Some(Self::Ed25519(map.bytes(-2).filter(|x| x.len() == 32)?))
            }
            (3, -257) => {
                let (modulus, exponent) = (map.bytes(-1)?, map.bytes(-2)?);
                (256..=1024).contains(&modulus.len()).then_some(Self::Rs256 { modulus, exponent })
            }
            _ => None,
        }
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        let verified = match self {
            Self::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::Rs256 { modulus, exponent } => {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        };
        verified.map_err(|_| Refusal::Signature)
    }
}
