//! Tokens as an attacker writes them, byte by byte.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jose::{Algorithm, SigningKey};
use key_manager::domain::TokenAlgorithm;
use key_manager::issue::Signer;
use serde_json::{Value, json};

use crate::stand::Stand;

pub(crate) fn key() -> SigningKey {
    SigningKey::generate(Algorithm::ES256).expect("a key")
}

/// The key that the key manager signs with, as if it were lost.
pub(crate) fn own(stand: &Stand) -> SigningKey {
    let ring = stand.authority.keeper.ring();
    match ring.signer(TokenAlgorithm::Es256).expect("a key") {
        Signer::Here(key) => copy(key),
        Signer::Device(_) => panic!("it is in a device"),
    }
}

/// Another holder of the same key.
pub(crate) fn copy(key: &SigningKey) -> SigningKey {
    let der = key.to_pkcs8().expect("a key");
    SigningKey::from_pkcs8(key.algorithm(), &der).expect("a key")
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn sign(key: &SigningKey, message: &str) -> Vec<u8> {
    let der = key.to_pkcs8().expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).expect("a key");
    pair.sign(&SystemRandom::new(), message.as_bytes()).expect("signed").as_ref().to_vec()
}

/// Two parts that were encoded already, in whichever way, and a good ES256 signature of them.
pub(crate) fn raw(key: &SigningKey, header: &str, payload: &str) -> String {
    let message = format!("{header}.{payload}");
    let signature = b64(sign(key, &message));
    format!("{message}.{signature}")
}

/// The same of the JSON texts of the parts, which need not be JSON.
pub(crate) fn written(
    key: &SigningKey,
    header: impl AsRef<[u8]>,
    payload: impl AsRef<[u8]>,
) -> String {
    raw(key, &b64(header), &b64(payload))
}

/// The two first parts with another third one.
pub(crate) fn with_signature(token: &str, signature: &[u8]) -> String {
    let (message, _) = token.rsplit_once('.').expect("parts");
    format!("{message}.{}", b64(signature))
}

pub(crate) fn signature(token: &str) -> Vec<u8> {
    let (_, signature) = token.rsplit_once('.').expect("parts");
    URL_SAFE_NO_PAD.decode(signature).expect("base64url")
}

/// The other signature that holds wherever an ES256 signature does: `(r, n - s)`.
pub(crate) fn twin(token: &str) -> String {
    /// The order of P-256 (FIPS 186-5).
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x51,
    ];
    let mut signature = signature(token);
    let mut borrow = 0_i32;
    for at in (0..32).rev() {
        let left = i32::from(ORDER[at]) - i32::from(signature[32 + at]) - borrow;
        borrow = i32::from(left < 0);
        signature[32 + at] = u8::try_from(left.rem_euclid(256)).expect("a byte");
    }
    with_signature(token, &signature)
}

/// The same signature in ASN.1, as most libraries outside JOSE write it.
pub(crate) fn der(token: &str) -> String {
    let signature = signature(token);
    let number = |half: &[u8]| {
        let zeros = half.iter().take_while(|byte| **byte == 0).count();
        let mut bytes = half[zeros..].to_vec();
        if bytes.first().is_none_or(|first| *first >= 0x80) {
            bytes.insert(0, 0);
        }
        [&[2, u8::try_from(bytes.len()).expect("short")], bytes.as_slice()].concat()
    };
    let (r, s) = signature.split_at(32);
    let numbers = [number(r), number(s)].concat();
    let length = u8::try_from(numbers.len()).expect("short");
    with_signature(token, &[&[0x30, length], numbers.as_slice()].concat())
}

/// A token that is made with `secret`, whatever its header says of keys.
pub(crate) fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let mut header = header.clone();
    header["alg"] = json!("HS256");
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", b64(tag))
}

/// The texts in which a public key may be found, each of which a careless verifier could take for a
/// secret.
pub(crate) fn spellings(key: &SigningKey) -> Vec<Vec<u8>> {
    /// `SubjectPublicKeyInfo` of a point on P-256.
    const PREFIX: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let jwk = key.public_jwk();
    let member = |name: &str| jwk[name].as_str().expect("a member").to_owned();
    let number = |name: &str| URL_SAFE_NO_PAD.decode(member(name)).expect("base64url");
    let point = [vec![4], number("x"), number("y")].concat();
    let spki = [PREFIX.to_vec(), point.clone()].concat();
    let base64 = STANDARD.encode(&spki);
    let lines: Vec<&str> =
        base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("text")).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    let set = json!({ "keys": [jwk.clone()] });
    [
        pem.clone(),
        format!("{pem}\n"),
        pem.replace('\n', "\r\n"),
        base64,
        jwk.to_string(),
        format!("{jwk}\n"),
        serde_json::to_string_pretty(&jwk).expect("JSON"),
        set.to_string(),
        member("x"),
        member("y"),
        member("kid"),
        "EC".to_owned(),
        "P-256".to_owned(),
        "null".to_owned(),
        String::new(),
        "secret".to_owned(),
    ]
    .map(String::into_bytes)
    .into_iter()
    .chain([spki, point, number("x"), vec![0; 32]])
    .collect()
}

/// A `DPoP` proof with these claims and header fields instead of the right ones; `null` leaves one out.
pub(crate) fn proof(key: &SigningKey, claims: &Value, header: &Value) -> String {
    let mut jwk = key.public_jwk();
    for name in ["kid", "alg", "use"] {
        jwk.as_object_mut().expect("a key").remove(name);
    }
    let right = json!({ "typ": "dpop+jwt", "alg": key.algorithm().name(), "jwk": jwk });
    let header = changed(right, header).to_string();
    let right = json!({ "jti": chassis::random::token(16), "htm": "POST" });
    key.sign_under(&header, &changed(right, claims)).expect("signed")
}

/// With `changes`; `null` takes a member away.
pub(crate) fn changed(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().expect("changes") {
        value[name] = change.clone();
    }
    value.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    value
}

/// All but the last character.
pub(crate) fn cut(text: &str) -> &str {
    text.get(..text.len() - 1).expect("a character")
}

/// All but the first character: what stands behind a brace.
pub(crate) fn rest(text: &str) -> &str {
    text.get(1..).expect("a character")
}
