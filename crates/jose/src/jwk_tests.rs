//! Key sets as issuers publish them, and as nobody should.

use super::*;

#[test]
fn the_thumbprint_of_rfc_7638_is_reproduced() {
    let json = r#"{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}]}"#;
    let keys = KeySet::parse(json).unwrap();
    assert_eq!(keys.keys()[0].thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(keys.keys()[0].kid(), Some("2011-04-29"));
    assert!(keys.find(Some("2011-04-29"), Algorithm::RS256).is_some());
    assert!(keys.find(Some("2011-04-29"), Algorithm::PS256).is_none(), "its alg is RS256");
}

#[track_caller]
fn check_set(json: &str, said: &str) {
    let shown = match KeySet::parse(json) {
        Ok(keys) => format!("{} keys", keys.keys().len()),
        Err(error) => error.to_string(),
    };
    assert_eq!(shown, said);
}

#[test]
fn a_key_set_skips_foreign_keys_and_refuses_broken_and_private_ones() {
    check_set("[]", "it is no JWK Set: an object with a list `keys` is expected");
    check_set("{", "it is not JSON (line 1, column 1)");
    let twice = r#"{"keys":[{"kty":"RSA","kty":"EC"}]}"#;
    check_set(twice, "a name stands twice in an object (line 1, column 33)");
    check_set(r#"{"keys":[]}"#, "0 keys");
    check_set(r#"{"keys":[{"kty":"XX"},{"kty":"EC","crv":"secp256k1"}]}"#, "0 keys");
    check_set(r#"{"keys":[{"kty":"RSA","use":"enc","n":"AA","e":"AQAB"}]}"#, "0 keys");
    check_set(r#"{"keys":[{}]}"#, "keys[0] is broken: `kty` is missing");
    check_set(
        r#"{"keys":[{"kty":"oct","k":"AA"}]}"#,
        "keys[0] holds a private or symmetric key; only public keys belong here",
    );
    check_set(
        r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#,
        "keys[0] is broken: an RSA key has 2048 to 8192 bits",
    );
    check_set(
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}"#,
        "keys[0] is broken: `x` has the wrong length for the curve",
    );
    let off_curve = format!(
        r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}}]}}"#,
        encode(&[1; 32])
    );
    check_set(&off_curve, "keys[0] is broken: its point is not on the curve");
    let huge = format!(r#"{{"keys":[{}{{}}]}}"#, "{\"kty\":\"XX\"},".repeat(200));
    check_set(&huge, "it is larger than 1048576 bytes or has more than 128 keys");
}
