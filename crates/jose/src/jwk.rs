//! Which public keys does an issuer sign with?
//!
//! JWK Sets (RFC 7517). Keys are parsed once and kept parsed, one per algorithm that they fit,
//! because building a key costs a quarter of an RSA verification. As RFC 7517 §5 asks, keys of
//! other kinds and uses are skipped; a private or a broken key is refused, because it shows that
//! the set is not what its writer believes.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use serde_json::{Map, Value};

use crate::Algorithm;
use crate::algorithm::Family;
use crate::encoding::{decode, encode, parse_strictly};
use crate::weak;

/// The largest key set that is read, in bytes.
pub(crate) const MAX_SET_BYTES: usize = 1024 * 1024;
/// The most keys in a set.
pub(crate) const MAX_KEYS: usize = 128;

/// Why a text is no key set. Positions count from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not JSON.
    #[error("it is not JSON (line {line}, column {column})")]
    Json {
        /// Where the parser stopped.
        line: usize,
        /// Where the parser stopped.
        column: usize,
    },
    /// JSON in which an object says a name twice, so that it has two meanings.
    #[error("a name stands twice in an object (line {line}, column {column})")]
    Twice {
        /// Where the parser stopped.
        line: usize,
        /// Where the parser stopped.
        column: usize,
    },
    /// JSON without a list `keys`.
    #[error("it is no JWK Set: an object with a list `keys` is expected")]
    Shape,
    /// Over the limits of this crate.
    #[error("it is larger than {MAX_SET_BYTES} bytes or has more than {MAX_KEYS} keys")]
    TooLarge,
    /// A private key.
    #[error("keys[{position}] holds a private or symmetric key; only public keys belong here")]
    Private {
        /// Which one.
        position: usize,
    },
    /// A key that cannot be what it says.
    #[error("keys[{position}] is broken: {reason}")]
    Key {
        /// Which one.
        position: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// One public key, ready to verify.
pub struct Key {
    kid: Option<String>,
    thumbprint: String,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl Key {
    /// The `kid` of the JWK.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The RFC 7638 thumbprint, SHA-256.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Whether the key may verify signatures of `algorithm`.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.verifier(algorithm).is_some()
    }

    pub(crate) fn verifier(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.verifiers.iter().find(|(of, _)| *of == algorithm).map(|(_, key)| key)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.verifiers.iter().map(|(algorithm, _)| algorithm).collect();
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithms", &algorithms)
            .finish_non_exhaustive()
    }
}

/// The public keys of an issuer.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

impl KeySet {
    /// Reads a JWK Set.
    pub fn parse(json: &str) -> Result<Self, KeySetError> {
        if json.len() > MAX_SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let value = parse_strictly(json.as_bytes()).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            // The grammar holds, so the names do not.
            if error.is_data() {
                KeySetError::Twice { line, column }
            } else {
                KeySetError::Json { line, column }
            }
        })?;
        let list = value.get("keys").and_then(Value::as_array).ok_or(KeySetError::Shape)?;
        if list.len() > MAX_KEYS {
            return Err(KeySetError::TooLarge);
        }
        let mut keys = Vec::with_capacity(list.len());
        for (position, jwk) in list.iter().enumerate() {
            let jwk = jwk.as_object().ok_or(KeySetError::Shape)?;
            keys.extend(parse_key(jwk, position)?);
        }
        Ok(Self { keys })
    }

    /// The key for a token's `kid` and `alg`. A token without `kid` is served only where exactly
    /// one key fits its algorithm, and so is a `kid` that several keys go by (RFC 7517 §4.5): which of
    /// them is meant would be a guess. The same key may stand there twice.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let named = |key: &&Key| kid.is_none() || key.kid.as_deref() == kid;
        let mut fitting = self.keys.iter().filter(|key| key.fits(algorithm)).filter(named);
        let found = fitting.next()?;
        fitting.all(|other| other.thumbprint == found.thumbprint).then_some(found)
    }

    /// Every usable key.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Whether no key of the set can verify anything.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// One key that may verify signatures; `None`: it may not, or is no public key.
pub(crate) fn public_key(jwk: &Map<String, Value>) -> Option<Key> {
    parse_key(jwk, 0).ok().flatten()
}

/// The key, or `None` where the JWK is of a kind or use that does not concern us.
fn parse_key(jwk: &Map<String, Value>, position: usize) -> Result<Option<Key>, KeySetError> {
    let broken = |reason| KeySetError::Key { position, reason };
    let member = |name: &str| jwk.get(name).and_then(Value::as_str);
    if ["d", "k", "p", "q", "dp", "dq", "qi", "oth"].iter().any(|name| jwk.contains_key(*name)) {
        return Err(KeySetError::Private { position });
    }
    let kty = member("kty").ok_or(broken("`kty` is missing"))?;
    if !for_signatures(jwk) {
        return Ok(None);
    }
    let family = match (kty, member("crv")) {
        ("RSA", _) => Family::Rsa,
        ("EC", Some("P-256")) => Family::P256,
        ("EC", Some("P-384")) => Family::P384,
        ("EC", Some("P-521")) => Family::P521,
        ("OKP", Some("Ed25519")) => Family::Ed25519,
        _ => return Ok(None),
    };
    let algorithms = match jwk.get("alg") {
        None => Algorithm::ALL.into_iter().filter(|one| one.family() == family).collect(),
        Some(alg) => match alg.as_str().map(str::parse::<Algorithm>) {
            Some(Ok(one)) if one.family() == family => vec![one],
            Some(Ok(_)) => return Err(broken("`alg` does not fit `kty` and `crv`")),
            _ => return Ok(None),
        },
    };
    let thumbprint = thumbprint(jwk).ok_or(broken("a member of its public key is missing"))?;
    let verifiers = match family {
        Family::Rsa => rsa_verifiers(jwk, &algorithms),
        _ => curve_verifiers(jwk, family, &algorithms),
    }
    .map_err(broken)?;
    Ok(Some(Key { kid: member("kid").map(str::to_owned), thumbprint, verifiers }))
}

/// RFC 7517 §4.2 and §4.3: a key that is meant for something else verifies no signatures.
fn for_signatures(jwk: &Map<String, Value>) -> bool {
    let of_use = jwk.get("use").is_none_or(|of| of.as_str() == Some("sig"));
    let of_operations = jwk.get("key_ops").is_none_or(|list| {
        list.as_array().is_some_and(|list| list.iter().any(|one| one.as_str() == Some("verify")))
    });
    of_use && of_operations
}

type Verifiers = Vec<(Algorithm, ParsedPublicKey)>;

fn rsa_verifiers(
    jwk: &Map<String, Value>,
    algorithms: &[Algorithm],
) -> Result<Verifiers, &'static str> {
    let n = bytes(jwk, "n").ok_or("`n` is not base64url")?;
    let e = bytes(jwk, "e").ok_or("`e` is not base64url")?;
    // Some writers keep the sign byte of ASN.1; the number is the same.
    let (n, e) = (without_zeros(&n), without_zeros(&e));
    // The highest bit of the 2048 has to be set, or they are fewer.
    let short = n.len() < 256 || (n.len() == 256 && n.first().is_some_and(|top| *top < 0x80));
    if short || n.len() > 1024 {
        return Err("an RSA key has 2048 to 8192 bits");
    }
    if n.last().is_some_and(|low| low % 2 == 0) {
        return Err("`n` is no modulus");
    }
    if e.len() > 4 || e == [1] || e.last().is_none_or(|low| low % 2 == 0) {
        return Err("`e` is no public exponent");
    }
    if weak::is_roca(n) {
        return Err("its modulus is of a kind that can be factored (CVE-2017-15361)");
    }
    let components = RsaPublicKeyComponents { n, e };
    let parse = |algorithm: &Algorithm| {
        let parameters = algorithm.rsa_verification().ok_or("`alg` does not fit `kty`")?;
        let key = components.to_parsed_public_key(parameters).map_err(|_| "`n` is no modulus")?;
        Ok((*algorithm, key))
    };
    algorithms.iter().map(parse).collect()
}

fn curve_verifiers(
    jwk: &Map<String, Value>,
    family: Family,
    algorithms: &[Algorithm],
) -> Result<Verifiers, &'static str> {
    let x = bytes(jwk, "x").ok_or("`x` is not base64url")?;
    let point = match family {
        Family::Ed25519 if weak::is_small_order(&x) => {
            return Err("anybody can sign under its point");
        }
        Family::Ed25519 if x.len() == 32 => x,
        Family::P256 | Family::P384 | Family::P521 => {
            let size = match family {
                Family::P256 => 32,
                Family::P384 => 48,
                _ => 66,
            };
            let y = bytes(jwk, "y").ok_or("`y` is not base64url")?;
            if x.len() != size || y.len() != size {
                return Err("`x` and `y` have the wrong length for the curve");
            }
            // SEC 1 §2.3.3, the uncompressed form.
            [&[4], x.as_slice(), y.as_slice()].concat()
        }
        _ => return Err("`x` has the wrong length for the curve"),
    };
    let parse = |algorithm: &Algorithm| {
        let verification = algorithm.curve_verification().ok_or("`alg` does not fit `crv`")?;
        let key = ParsedPublicKey::new(verification, &point)
            .map_err(|_| "its point is not on the curve")?;
        Ok((*algorithm, key))
    };
    algorithms.iter().map(parse).collect()
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    decode(jwk.get(name)?.as_str()?)
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// RFC 7638 §3: SHA-256 over the required members in lexicographic order.
pub(crate) fn thumbprint(jwk: &Map<String, Value>) -> Option<String> {
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let mut text = String::from("{");
    for (position, name) in names.iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        let value = Value::from(jwk.get(*name)?.as_str()?);
        text.extend(["\"", name, "\":", &value.to_string()]);
    }
    text.push('}');
    Some(encode(digest(&SHA256, text.as_bytes()).as_ref()))
}

#[cfg(test)]
#[path = "jwk_tests.rs"]
mod tests;
