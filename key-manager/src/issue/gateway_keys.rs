//! Which keys may a gateway sign with when it tells backends who calls?
//!
//! The key manager never has them: it reads public halves, and says them to all gateways.

use jose::{Algorithm, KeySet, PublicHalf};
use serde_json::Value;

use crate::store::{GatewayKey, Room};

/// How many keys there may be: a gateway has a few per algorithm, and new ones where it starts on an
/// empty disk.
pub const ROOM: Room = Room { of_instance: 32, of_all: 4096 };
/// The most keys that are enrolled at once.
const MAX_AT_ONCE: usize = 16;
/// The longest JWK, in bytes; one of RSA with 8192 bits has 1500.
const MAX_JWK_BYTES: usize = 4096;
const DAY: u32 = 86_400;
const MOST_KEPT: u32 = 30 * DAY;

/// Why keys are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("jwks: there are {0}, from 1 to {MAX_AT_ONCE}")]
    Count(usize),
    #[error("jwks[{0}]: it is no public key for ES256, ES384, EdDSA or RS256")]
    Key(usize),
    #[error("keep_seconds: at most {MOST_KEPT}")]
    Keep,
}

/// The keys that stand in these JWKs, each as it is published.
pub fn gateway_keys(jwks: &[String]) -> Result<Vec<GatewayKey>, Unfit> {
    if jwks.is_empty() || jwks.len() > MAX_AT_ONCE {
        return Err(Unfit::Count(jwks.len()));
    }
    let read = |(place, text): (usize, &String)| key(text).ok_or(Unfit::Key(place));
    let mut keys = jwks.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    keys.sort_by(|one, other| one.kid.cmp(&other.kid));
    keys.dedup();
    Ok(keys)
}

/// How long they are kept, in seconds.
pub fn kept(seconds: u32) -> Result<i64, Unfit> {
    match seconds {
        0 => Ok(DAY.into()),
        1..=MOST_KEPT => Ok(seconds.into()),
        _ => Err(Unfit::Keep),
    }
}

fn key(text: &str) -> Option<GatewayKey> {
    use Algorithm::{ES256, ES384, EdDSA, RS256};
    if text.len() > MAX_JWK_BYTES {
        return None;
    }
    // A set refuses private keys and what is not on its curve.
    let set = KeySet::parse(&format!("{{\"keys\":[{text}]}}")).ok()?;
    let jwk: Value = serde_json::from_str(text).ok()?;
    let half = PublicHalf::from_jwk(&jwk)?;
    let fits = [ES256, ES384, EdDSA, RS256].contains(&half.algorithm());
    let same = set.keys().first().is_some_and(|key| key.thumbprint() == half.kid());
    let key = GatewayKey { kid: half.kid().to_owned(), jwk: half.jwk().to_string() };
    (fits && same && set.keys().len() == 1).then_some(key)
}

#[cfg(test)]
mod tests {
    use jose::SigningKey;

    use super::*;

    /// What becomes of JWKs, in which `KEY` stands for a public one.
    #[track_caller]
    fn check(jwks: &[&str], expected: Result<usize, Unfit>) {
        let key = SigningKey::generate(ES256).expect("a key");
        let jwk = key.public_jwk().to_string();
        let jwks: Vec<String> = jwks.iter().map(|text| text.replace("KEY", &jwk)).collect();
        assert_eq!(gateway_keys(&jwks).map(|keys| keys.len()), expected);
    }

    const ES256: Algorithm = Algorithm::ES256;

    #[test]
    fn public_keys_are_taken_once_each() {
        check(&["KEY"], Ok(1));
        check(&["KEY", "KEY"], Ok(1));
    }

    #[test]
    fn what_is_no_public_key_that_may_sign_is_refused() {
        for text in [
            "",
            "{}",
            "KEY,KEY",
            "{\"kty\":\"oct\",\"k\":\"AAAA\",\"alg\":\"HS256\"}",
            "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\",\"alg\":\"ES256\"}",
        ] {
            check(&["KEY", text], Err(Unfit::Key(1)));
        }
        for algorithm in [Algorithm::PS256, Algorithm::RS512] {
            let key = SigningKey::generate(algorithm).expect("a key").public_jwk().to_string();
            check(&[&key], Err(Unfit::Key(0)));
        }
        let secret = SigningKey::generate(ES256).expect("a key").public_jwk();
        check(&[&secret.to_string().replacen('{', "{\"d\":\"AA\",", 1)], Err(Unfit::Key(0)));
    }

    #[test]
    fn there_are_neither_none_nor_many() {
        check(&[], Err(Unfit::Count(0)));
        check(&["KEY"; 17], Err(Unfit::Count(17)));
    }

    #[test]
    fn nothing_is_kept_for_ever() {
        assert_eq!(kept(0), Ok(86_400));
        assert_eq!(kept(2_592_000), Ok(2_592_000));
        assert_eq!(kept(2_592_001), Err(Unfit::Keep));
    }
}
