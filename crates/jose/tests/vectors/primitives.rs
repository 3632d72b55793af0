//! Does a signature count for the algorithm and the key that it was made with alone?

use aws_lc_rs::hmac;
use jose::{Algorithm, KeySet, SigningKey, verify};
use serde_json::{Value, json};

use crate::group::Group;
use crate::made::{NOW, b64, changed, claims, expect, holder, holders};

/// Every key without a word on its algorithm, all together.
fn all_keys() -> KeySet {
    let bare = |key: &SigningKey| changed(key.public_jwk(), &json!({ "alg": null, "use": null }));
    let rsa = |algorithm: &Algorithm| algorithm.name().starts_with(['R', 'P']);
    let mut keys: Vec<Value> = Vec::new();
    for holder in holders() {
        let algorithm = holder.key.algorithm();
        if !rsa(&algorithm) || algorithm == Algorithm::RS256 {
            keys.push(bare(&holder.key));
        }
    }
    KeySet::parse(&json!({ "keys": keys }).to_string()).unwrap()
}

#[test]
fn a_signature_of_one_algorithm_is_none_of_another() {
    let mut group = Group::of("wrong primitive");
    let keys = all_keys();
    for signer in holders() {
        for said in holders() {
            let (made, named) = (signer.key.algorithm(), said.key.algorithm());
            for kid in [json!(signer.key.kid()), json!(said.key.kid()), json!(null)] {
                let header = changed(said.header(), &json!({ "kid": kid })).to_string();
                let token = signer.written(header, claims().to_string());
                let judged = verify(&token, &keys, &expect(&Algorithm::ALL), NOW);
                let case = format!("signed {made}, says {named}, kid {kid}: {judged:?}");
                group.note(&case, judged.is_ok() == (made == named));
            }
        }
    }
    group.ends(300);
}

#[test]
fn an_algorithm_that_was_not_agreed_is_refused() {
    let mut group = Group::of("algorithm not agreed");
    let keys = all_keys();
    for holder in holders() {
        for agreed in Algorithm::ALL {
            let judged = verify(&holder.token(), &keys, &expect(&[agreed]), NOW);
            let made = holder.key.algorithm();
            let case = format!("{made} where {agreed} was agreed: {judged:?}");
            group.note(&case, judged.is_ok() == (made == agreed));
        }
        let judged = verify(&holder.token(), &keys, &expect(&[]), NOW);
        group.note(&format!("nothing was agreed: {judged:?}"), judged.is_err());
    }
    group.ends(110);
}

#[test]
fn a_key_of_another_algorithm_verifies_nothing() {
    let mut group = Group::of("key of another algorithm");
    for holder in holders() {
        let made = holder.key.algorithm();
        for said in Algorithm::ALL {
            let jwk = changed(holder.key.public_jwk(), &json!({ "alg": said.name() }));
            let believed = KeySet::parse(&json!({ "keys": [jwk] }).to_string())
                .is_ok_and(|keys| verify(&holder.token(), &keys, &expect(&[made]), NOW).is_ok());
            group.note(&format!("{made} with a key for {said}"), believed == (made == said));
        }
    }
    group.ends(100);
}

/// The texts of a public key that a careless verifier could take for a secret.
fn secrets(holder: &super::made::Holder) -> Vec<Vec<u8>> {
    let jwk = holder.key.public_jwk();
    let mut all = vec![
        jwk.to_string(),
        format!("{jwk}\n"),
        serde_json::to_string_pretty(&jwk).unwrap(),
        json!({ "keys": [jwk] }).to_string(),
        holder.key.kid().to_owned(),
        "null".to_owned(),
        "\0".repeat(32),
        String::new(),
    ];
    for name in ["n", "e", "x", "y", "kty", "crv", "alg"] {
        all.extend(jwk.get(name).and_then(Value::as_str).map(str::to_owned));
    }
    let mut all: Vec<Vec<u8>> = all.into_iter().map(String::into_bytes).collect();
    for name in ["n", "x", "y"] {
        all.extend(jwk.get(name).and_then(Value::as_str).map(super::made::bytes));
    }
    all
}

#[test]
fn a_public_key_is_no_secret() {
    let mut group = Group::of("public key as a secret");
    for holder in holders() {
        for (at, secret) in secrets(holder).into_iter().enumerate() {
            for (name, algorithm) in [
                ("HS256", hmac::HMAC_SHA256),
                ("HS384", hmac::HMAC_SHA384),
                ("HS512", hmac::HMAC_SHA512),
                (holder.key.algorithm().name(), hmac::HMAC_SHA256),
            ] {
                let header = changed(holder.header(), &json!({ "alg": name })).to_string();
                let message = format!("{}.{}", b64(header), b64(claims().to_string()));
                let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), message.as_bytes());
                let token = format!("{message}.{}", b64(tag));
                group.check(&format!("{name} with spelling {at}"), &token, holder, false);
            }
        }
    }
    group.ends(300);
}

#[test]
fn nothing_is_believed_unsigned() {
    let mut group = Group::of("no signature");
    for holder in holders() {
        for none in ["none", "None", "NONE", "nOnE", "", holder.key.algorithm().name()] {
            let header = changed(holder.header(), &json!({ "alg": none })).to_string();
            let message = format!("{}.{}", b64(header), b64(claims().to_string()));
            for end in ["", ".", "..", ".AA", ".AAAA", ". ", ".null", ".e30"] {
                let case = format!("alg {none:?} and {end:?}");
                group.check(&case, &format!("{message}{end}"), holder, false);
            }
        }
    }
    // RFC 7515 A.4: a signature that holds, over a payload that is no token; changed, it does not hold.
    let jwk = json!({ "kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2" });
    let example = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    let keys = KeySet::parse(&json!({ "keys": [jwk] }).to_string()).unwrap();
    let expect = expect(&[Algorithm::ES512]).any_jwt_type();
    let said = |token: &str| format!("{:?}", verify(token, &keys, &expect, NOW).unwrap_err());
    group.note("RFC 7515 A.4", said(example) == "Malformed");
    group.note("RFC 7515 A.4, changed", said(&example.replace("AdwM", "AdwN")) == "Signature");
    let other = holder(Algorithm::ES512);
    group.check("RFC 7515 A.4 with another key", example, other, false);
    group.ends(450);
}
