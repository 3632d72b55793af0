//! Keys that are kept, and what they show of themselves.

use serde_json::json;

use super::*;
use crate::{Expectation, KeySet, verify};

#[track_caller]
fn check(algorithm: Algorithm) {
    let made = SigningKey::generate(algorithm).unwrap();
    let kept = SigningKey::from_pkcs8(algorithm, &made.to_pkcs8().unwrap()).unwrap();
    assert_eq!(made.kid(), kept.kid());
    assert_eq!(made.public_jwk(), kept.public_jwk());

    let claims = json!({ "iss": "i", "exp": 10 });
    let token = kept.sign("at+jwt", &claims).unwrap();
    let keys = KeySet::parse(&json!({ "keys": [made.public_jwk()] }).to_string()).unwrap();
    let expect = Expectation { algorithms: vec![algorithm], ..Expectation::access_token("i") };
    verify(&token, &keys, &expect, 5).unwrap();
    assert_eq!(keys.keys()[0].thumbprint(), made.kid());
    assert_eq!(keys.keys()[0].kid(), Some(made.kid()));

    let shown = format!("{made:?}");
    assert!(shown.contains(made.kid()) && !shown.contains("pair"), "{shown}");
}

#[test]
fn a_kept_key_is_the_same_key() {
    use Algorithm::{ES256, ES384, ES512, EdDSA, RS256};
    for algorithm in [ES256, ES384, ES512, RS256, EdDSA] {
        check(algorithm);
    }
}

#[test]
fn a_key_of_another_algorithm_is_refused() {
    let der = SigningKey::generate(Algorithm::ES256).unwrap().to_pkcs8().unwrap();
    for algorithm in [Algorithm::ES384, Algorithm::RS256, Algorithm::EdDSA] {
        let refused = SigningKey::from_pkcs8(algorithm, &der).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("the bytes are no PKCS#8 private key for {algorithm}")
        );
    }
    assert!(SigningKey::from_pkcs8(Algorithm::ES256, b"garbage").is_err());
    assert!(SigningKey::from_pkcs8(Algorithm::ES256, &der[..der.len() - 1]).is_err());
}

#[test]
fn every_name_is_read_back() {
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
    }
    assert!("HS256".parse::<Algorithm>().is_err());
    assert!("none".parse::<Algorithm>().is_err());
}
