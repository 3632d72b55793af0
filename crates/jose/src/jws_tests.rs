//! Forged, foreign and stale tokens, and the vectors of the RFCs.

use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::encoding::encode;
use crate::{SigningKey, encoding};

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://id.example.com";

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::ES256).unwrap()
}

fn set(keys: &[&SigningKey]) -> KeySet {
    let keys: Vec<Value> = keys.iter().map(|key| key.public_jwk()).collect();
    KeySet::parse(&json!({ "keys": keys }).to_string()).unwrap()
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "sub": "ann", "exp": NOW + 60, "iat": NOW, "client_id": "app" })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn expect() -> Expectation {
    Expectation::access_token(ISSUER)
}

fn outcome(result: Result<Claims, Refusal>) -> String {
    match result {
        Ok(claims) => format!("ok {}", claims.subject.unwrap_or_default()),
        Err(refusal) => format!("{refusal:?}"),
    }
}

/// A genuine token with these claims, judged under `expect`.
#[track_caller]
fn check(claims: &Value, expect: &Expectation, said: &str) {
    let key = key();
    let token = key.sign("at+jwt", claims).unwrap();
    assert_eq!(outcome(verify(&token, &set(&[&key]), expect, NOW)), said);
}

/// A token changed by `forge` from a genuine one.
#[track_caller]
fn check_forged(forge: impl Fn(&str, &SigningKey) -> String, said: &str) {
    let key = key();
    let token = forge(&key.sign("at+jwt", &claims()).unwrap(), &key);
    let judged = outcome(verify(&token, &set(&[&key]), &expect(), NOW));
    assert_eq!(judged.replace(key.kid(), "…"), said, "{token}");
}

fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", encode(header.to_string().as_bytes()))
}

#[test]
fn a_genuine_token_is_believed_and_read() {
    let key = key();
    let claims = json!({
        "iss": ISSUER, "sub": "ann", "aud": ["a", "b"], "exp": NOW + 60, "nbf": NOW, "iat": NOW,
        "jti": "7", "client_id": "app", "scope": "read  write", "team": "sales",
    });
    let token = key.sign("at+jwt", &claims).unwrap();
    let read = verify(&token, &set(&[&key]), &expect(), NOW).unwrap();
    assert_eq!(read.audience, ["a", "b"]);
    assert_eq!(read.scopes, ["read", "write"]);
    assert_eq!(read.client_id.as_deref(), Some("app"));
    assert_eq!(read.text("team"), Some("sales"));
    assert_eq!(
        (read.expires_at, read.issued_at, read.not_before),
        (NOW + 60, Some(NOW), Some(NOW))
    );
    assert_eq!(issuer_unverified(&token).as_deref(), Some(ISSUER));
}

#[test]
fn the_client_is_azp_where_client_id_is_missing() {
    let key = key();
    let claims = json!({ "iss": ISSUER, "exp": NOW + 60, "azp": "web", "scp": ["a", "b"] });
    let token = key.sign("at+jwt", &claims).unwrap();
    let read = verify(&token, &set(&[&key]), &expect(), NOW).unwrap();
    assert_eq!(read.client_id.as_deref(), Some("web"));
    assert_eq!(read.text("azp"), Some("web"));
    assert_eq!(read.scopes, ["a", "b"]);
}

#[test]
fn times_are_kept_with_skew_on_both_sides() {
    check(&with("exp", json!(NOW - 4)), &expect(), "ok ann");
    check(&with("exp", json!(NOW - 5)), &expect(), "Expired");
    check(&with("nbf", json!(NOW + 5)), &expect(), "ok ann");
    check(&with("nbf", json!(NOW + 6)), &expect(), "NotYetValid");
    check(&with("iat", json!(NOW + 6)), &expect(), "NotYetValid");
    check(&with("exp", json!(i64::MAX)), &expect(), "ok ann");
    check(&with("exp", json!(i64::MIN)), &expect(), "Expired");
    check(&with("exp", json!(1.800_000_001e9)), &expect(), "ok ann");
}

#[test]
fn a_claim_of_another_type_is_refused() {
    check(&with("exp", json!("tomorrow")), &expect(), r#"Claim("exp")"#);
    check(&with("exp", json!(1e300)), &expect(), r#"Claim("exp")"#);
    check(&with("iss", json!([ISSUER])), &expect(), r#"Claim("iss")"#);
    check(&with("aud", json!([1])), &expect(), r#"Claim("aud")"#);
    check(&with("scope", json!(1)), &expect(), r#"Claim("scope")"#);
    check(&json!({ "iss": ISSUER }), &expect(), "NoExpiry");
    check(&json!({ "exp": NOW + 1 }), &expect(), "Issuer");
    check(&json!([1]), &expect(), "Malformed");
}

#[test]
fn issuer_audience_and_algorithm_are_the_expected_ones() {
    check(&with("iss", json!("https://id.example.com/")), &expect(), "Issuer");
    let audience = Expectation { audiences: vec!["orders".into()], ..expect() };
    check(&claims(), &audience, "Audience");
    check(&with("aud", json!("orders")), &audience, "ok ann");
    check(&with("aud", json!(["x", "orders"])), &audience, "ok ann");
    let other = Expectation { algorithms: vec![Algorithm::RS256], ..expect() };
    check(&claims(), &other, "Algorithm");
    let none = Expectation { algorithms: Vec::new(), ..expect() };
    check(&claims(), &none, "Algorithm");
}

#[test]
fn the_type_is_the_expected_one() {
    let key = key();
    let judged = |typ: &str, expect: &Expectation| {
        outcome(verify(&key.sign(typ, &claims()).unwrap(), &set(&[&key]), expect, NOW))
    };
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        assert_eq!(judged(typ, &expect()), "ok ann", "{typ}");
    }
    assert_eq!(judged("JWT", &expect()), "Type");
    assert_eq!(judged("JWT", &expect().any_jwt_type()), "ok ann");
    assert_eq!(judged("id+jwt", &expect().any_jwt_type()), "Type");
    assert_eq!(judged("application/", &expect()), "Type");
}

#[test]
fn an_absent_type_is_refused_unless_it_may_be_absent() {
    let secret = key();
    let mut header = Header::new(jsonwebtoken::Algorithm::ES256);
    header.typ = None;
    header.kid = Some(secret.kid().to_owned());
    let token = jsonwebtoken::encode(&header, &claims(), &encoding_key(&secret)).unwrap();
    let keys = set(&[&secret]);
    assert_eq!(outcome(verify(&token, &keys, &expect(), NOW)), "Type");
    assert_eq!(outcome(verify(&token, &keys, &expect().any_jwt_type(), NOW)), "ok ann");
}

fn encoding_key(key: &SigningKey) -> EncodingKey {
    EncodingKey::from_ec_der(&key.to_pkcs8().unwrap())
}

#[test]
fn a_forged_header_is_refused() {
    let header = |header: Value| move |token: &str, _: &SigningKey| with_header(token, &header);
    check_forged(header(json!({ "alg": "none", "typ": "at+jwt" })), "Algorithm");
    check_forged(header(json!({ "alg": "None", "typ": "at+jwt" })), "Algorithm");
    check_forged(header(json!({ "alg": "HS256", "typ": "at+jwt" })), "Algorithm");
    check_forged(header(json!({ "alg": "es256", "typ": "at+jwt" })), "Algorithm");
    check_forged(header(json!({ "alg": ["ES256"], "typ": "at+jwt" })), "Malformed");
    check_forged(header(json!({ "typ": "at+jwt" })), "Malformed");
    check_forged(header(json!({ "alg": "ES256", "typ": "at+jwt", "crit": ["exp"] })), "Critical");
    check_forged(header(json!({ "alg": "ES256", "typ": "at+jwt", "crit": [] })), "Critical");
    check_forged(header(json!({ "alg": "ES256", "typ": "at+jwt", "b64": false })), "Critical");
    check_forged(
        header(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "other" })),
        r#"UnknownKey { kid: "other" }"#,
    );
    check_forged(header(json!({ "alg": "ES256", "typ": "at+jwt", "kid": 7 })), "Malformed");
    // The right key by default, and a header that was not signed.
    check_forged(header(json!({ "alg": "ES256", "typ": "at+jwt" })), "Signature");
    // Another algorithm than the key's.
    check_forged(
        |token, key| {
            let kid = key.kid();
            with_header(token, &json!({ "alg": "RS256", "typ": "at+jwt", "kid": kid }))
        },
        "UnknownKey { kid: \"…\" }",
    );
}

#[test]
fn a_name_that_stands_twice_is_refused() {
    check_forged(
        |token, _| {
            let (_, rest) = token.split_once('.').unwrap();
            format!("{}.{rest}", encode(br#"{"alg":"ES256","alg":"ES256","typ":"at+jwt"}"#))
        },
        "Malformed",
    );
}

#[test]
fn a_changed_payload_or_signature_is_refused() {
    check_forged(
        |token, _| {
            let parts: Vec<&str> = token.split('.').collect();
            let payload = encode(with("sub", json!("root")).to_string().as_bytes());
            format!("{}.{payload}.{}", parts[0], parts[2])
        },
        "Signature",
    );
    check_forged(
        |token, _| {
            let other = key().sign("at+jwt", &claims()).unwrap();
            let (message, _) = token.rsplit_once('.').unwrap();
            format!("{message}.{}", other.rsplit_once('.').unwrap().1)
        },
        "Signature",
    );
    // CVE-2022-21449: an all-zero ECDSA signature.
    check_forged(
        |token, _| {
            let (message, _) = token.rsplit_once('.').unwrap();
            format!("{message}.{}", encode(&[0; 64]))
        },
        "Signature",
    );
    // ASN.1 instead of the fixed form.
    check_forged(
        |token, _| {
            let (message, _) = token.rsplit_once('.').unwrap();
            format!("{message}.{}", encode(&[0x30; 70]))
        },
        "Signature",
    );
}

#[test]
fn what_is_not_three_clean_parts_is_malformed() {
    let cuts: [fn(&str) -> String; 8] = [
        |token| token.replace('.', ""),
        |token| format!("{token}."),
        |token| format!(".{token}"),
        |token| format!("{token}.e30"),
        |token| token.rsplit_once('.').unwrap().0.to_owned(),
        |token| format!("{}.", token.rsplit_once('.').unwrap().0),
        |token| format!("{token}="),
        |token| format!(" {token}"),
    ];
    for cut in cuts {
        check_forged(|token, _| cut(token), "Malformed");
    }
    check_forged(|token, _| token.repeat(200), "TooLong");
}

#[test]
fn hmac_with_the_public_key_as_secret_is_refused() {
    let key = SigningKey::generate(Algorithm::RS256).unwrap();
    let jwk = key.public_jwk().to_string();
    let mut header = Header::new(jsonwebtoken::Algorithm::HS256);
    header.typ = Some("at+jwt".into());
    header.kid = Some(key.kid().to_owned());
    let secret = EncodingKey::from_secret(jwk.as_bytes());
    let token = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
    assert_eq!(outcome(verify(&token, &set(&[&key]), &expect(), NOW)), "Algorithm");
}

#[test]
fn a_token_without_kid_needs_a_set_with_one_fitting_key() {
    let (one, two) = (key(), key());
    let mut header = Header::new(jsonwebtoken::Algorithm::ES256);
    header.typ = Some("at+jwt".into());
    let token = jsonwebtoken::encode(&header, &claims(), &encoding_key(&one)).unwrap();
    assert_eq!(outcome(verify(&token, &set(&[&one]), &expect(), NOW)), "ok ann");
    let said = outcome(verify(&token, &set(&[&one, &two]), &expect(), NOW));
    assert_eq!(said, r#"UnknownKey { kid: "" }"#);
}

#[test]
fn every_algorithm_agrees_with_another_implementation() {
    // The other one has no ES512; RFC 7515 A.4 stands for it in `tests/vectors`.
    for algorithm in Algorithm::ALL.into_iter().filter(|one| *one != Algorithm::ES512) {
        let key = SigningKey::generate(algorithm).unwrap();
        let token = key.sign("at+jwt", &claims()).unwrap();
        let expect = Expectation { algorithms: vec![algorithm], ..expect() };
        assert_eq!(outcome(verify(&token, &set(&[&key]), &expect, NOW)), "ok ann", "{algorithm}");

        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.public_jwk()).unwrap();
        let theirs = DecodingKey::from_jwk(&jwk).unwrap();
        let mut validation = jsonwebtoken::Validation::new(algorithm.name().parse().unwrap());
        validation.validate_exp = false;
        validation.validate_aud = false;
        jsonwebtoken::decode::<Value>(&token, &theirs, &validation).unwrap();
    }
}

#[test]
fn the_examples_of_rfc_7515_verify() {
    // Appendix A.3, ES256; A.2, RS256. Their payload has no typ and expired in 2011.
    let ec = r#"{"keys":[{"kty":"EC","crv":"P-256",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
    let es256 = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let rsa = r#"{"keys":[{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]}"#;
    let rs256 = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let expect = Expectation::access_token("joe").any_jwt_type();
    for (keys, token) in [(ec, es256), (rsa, rs256)] {
        let keys = KeySet::parse(keys).unwrap();
        assert_eq!(outcome(verify(token, &keys, &expect, 1_300_819_379)), "ok ");
        assert_eq!(outcome(verify(token, &keys, &expect, 1_300_819_385)), "Expired");
    }
    // Appendix A.5 of RFC 7515 and section 6.1 of RFC 7519: an unsecured token.
    let unsecured = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    let keys = KeySet::parse(ec).unwrap();
    assert_eq!(outcome(verify(unsecured, &keys, &expect, 0)), "Malformed");
    assert_eq!(outcome(verify(&format!("{unsecured}AA"), &keys, &expect, 0)), "Algorithm");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", parts in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,4}") {
        let keys = set(&[]);
        for token in [&text, &parts] {
            prop_assert!(verify(token, &keys, &expect(), NOW).is_err());
            issuer_unverified(token);
        }
        drop(KeySet::parse(&text));
    }

    #[test]
    fn no_header_or_payload_makes_it_panic(header in ".{0,80}", payload in ".{0,80}") {
        let token = format!("{}.{}.AAAA", encode(header.as_bytes()), encode(payload.as_bytes()));
        prop_assert!(verify(&token, &KeySet::default(), &expect(), NOW).is_err());
        issuer_unverified(&token);
        drop(encoding::parse_object(header.as_bytes()));
    }

    #[test]
    fn no_changed_byte_is_believed(at in 0_usize..400, bit in 0_u8..8) {
        thread_local! {
            static GENUINE: (String, KeySet) = {
                let key = key();
                (key.sign("at+jwt", &claims()).unwrap(), set(&[&key]))
            };
        }
        GENUINE.with(|(token, keys)| {
            let mut bytes = token.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(verify(&changed, keys, &expect(), NOW).is_err(), "{changed}");
            }
        });
    }
}
