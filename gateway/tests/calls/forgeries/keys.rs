//! Attacks 5 to 8 and 14: the key that a token brings along or names.

use jose::{Algorithm, SigningKey};
use plan::Plan;
use serde_json::{Value, json};

use super::forge::{Signer, b64, changed, spellings};
use super::ground::{Ground, Group};

/// Another key of the same kind, that says it is of `signer`.
fn thief(signer: &Signer) -> Signer {
    let key = SigningKey::generate(signer.key.algorithm()).unwrap();
    Signer { iss: signer.iss.clone(), key, now: signer.now }
}

#[tokio::test]
async fn a_key_that_a_token_brings_is_not_looked_at() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "5 and 7, jwk and x5c").await;
    let stranger = crate::tls::Stranger::new();
    // The base64 of the PEM is what an `x5c` holds (RFC 7515 §4.1.6).
    let [leaf, authority] = ["caller.pem", "ca.pem"].map(|file| {
        let pem = stranger.read(file);
        pem.lines().take_while(|line| !line.starts_with("-----END")).skip(1).collect::<String>()
    });
    for signer in &ground.signers {
        let thief = thief(signer);
        let info = spellings(&thief.key).into_iter().find(|(name, _)| name.starts_with("DER"));
        let jwk = thief.key.public_jwk();
        let private = changed(jwk.clone(), &json!({ "d": "AAAA" }));
        let own_kid = json!(signer.key.kid());
        for (case, header) in [
            ("jwk", json!({ "jwk": jwk })),
            ("jwk under the right kid", json!({ "jwk": jwk, "kid": own_kid })),
            ("jwk without kid", json!({ "jwk": jwk, "kid": null })),
            ("private jwk", json!({ "jwk": private, "kid": own_kid })),
            ("jwk as text", json!({ "jwk": jwk.to_string(), "kid": own_kid })),
            ("jwk list", json!({ "jwk": [jwk], "kid": own_kid })),
            ("jwks", json!({ "jwks": { "keys": [jwk] }, "kid": own_kid })),
            ("symmetric jwk", json!({ "jwk": { "kty": "oct", "k": b64([0; 32]) } })),
            ("x5c", json!({ "x5c": [leaf], "kid": own_kid })),
            ("x5c, the trusted one first", json!({ "x5c": [authority, leaf], "kid": own_kid })),
            ("x5c, the untrusted one first", json!({ "x5c": [leaf, authority], "kid": own_kid })),
            ("x5c of a bare key", json!({ "x5c": [b64(info.unwrap().1)], "kid": own_kid })),
            ("x5c empty", json!({ "x5c": [], "kid": own_kid })),
            ("x5t", json!({ "x5t": "AAAA", "x5t#S256": "AAAA", "kid": own_kid })),
        ] {
            group.refused(case, &thief.signed(&header, &json!({}))).await;
        }
    }
    group.ends(48).await;
}

#[tokio::test]
async fn nobody_is_asked_for_a_key() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "6, jku, x5u and other addresses").await;
    let there = ground.elsewhere.clone();
    let spellings = [
        there.clone(),
        there.replace("http", "HTTP"),
        format!("{there}#{}", "https://rs.example/keys"),
        format!("https://rs.example@{}", there.trim_start_matches("http://")),
        there.replace("127.0.0.1", "[::ffff:127.0.0.1]"),
        there.replace("127.0.0.1", "2130706433"),
        there.replace("127.0.0.1", "localhost"),
        "file:///dev/zero".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
    ];
    for signer in &ground.signers {
        let thief = thief(signer);
        for address in &spellings {
            for name in ["jku", "x5u", "iss", "jwks_uri", "url"] {
                for kid in [signer.key.kid(), thief.key.kid()] {
                    let header = json!({ name: address, "kid": kid });
                    let token = thief.signed(&header, &json!({}));
                    group.refused(&format!("{name} {address}"), &token).await;
                }
            }
            // Nor is an issuer that nobody trusts.
            let token = thief.signed(&json!({}), &json!({ "iss": address }));
            group.refused(&format!("issuer {address}"), &token).await;
        }
        // With the right key, the address is not looked at either.
        let token = signer.signed(&json!({ "jku": there, "x5u": there }), &json!({}));
        group.check("the right key and an address", &token, "200").await;
    }
    group.ends(290).await;
}

#[tokio::test]
async fn a_kid_is_a_name_and_no_more() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "8, kid").await;
    for signer in &ground.signers {
        let jwk = signer.key.public_jwk().to_string();
        let long = "k".repeat(9_000);
        let kids = [
            "../../../../dev/null",
            "/dev/null",
            "/proc/sys/kernel/randomize_va_space",
            "C:\\boot.ini",
            "' OR '1'='1",
            "x' UNION SELECT 'secret' --",
            "1; DROP TABLE keys",
            "$(touch /tmp/kid)",
            "|touch /tmp/kid",
            "`id`",
            &ground.elsewhere,
            "file:///etc/passwd",
            &jwk,
            &long,
            "ключ",
            "\u{202e}kid",
            "\0",
            "a\0b",
            "\u{feff}",
            "",
            " ",
            "*",
            "%00",
            "null",
            "__proto__",
        ];
        for kid in kids {
            let shown: String = kid.chars().take(40).collect();
            for secret in [&b""[..], b"null", &[0; 32], b"secret"] {
                // The file that is named may be empty, and its content the secret.
                let shared = signer.shared(&json!({ "alg": "HS256", "kid": kid }), secret);
                group.refused(&format!("kid {shown:?}, HS256"), &shared).await;
            }
            let token = signer.signed(&json!({ "kid": kid }), &json!({}));
            group.refused(&format!("kid {shown:?}"), &token).await;
        }
        for kid in
            [json!(["a"]), json!({ "a": 1 }), json!(1), json!(true), json!([signer.key.kid()])]
        {
            let token = signer.signed(&json!({ "kid": kid }), &json!({}));
            group.refused(&format!("kid {kid}"), &token).await;
        }
        let huge = signer.signed(&json!({ "kid": "k".repeat(1 << 20) }), &json!({}));
        group.check("kid of 1 MB", &huge, "431 431").await;
    }
    group.ends(380).await;
}

/// What is said of a `KeyManager` with this key; empty: it is taken.
fn judged(key: &Value) -> String {
    let set = json!({ "keys": [key] });
    let resource = format!(
        "{{ apiVersion: turnpike/v1, kind: KeyManager, metadata: {{ name: x }}, spec: {{ issuer: \
         'https://x.example', jwks: '{set}', anyAudience: true, algorithms: [RS256, ES256, EdDSA] }} }}"
    );
    let (resources, problems) = plan::read_document(&resource, "x.yaml");
    assert!(problems.is_empty(), "{problems:?}");
    let wire: Vec<_> =
        resources.iter().map(|one| (plan::key(one).unwrap(), plan::encode(one))).collect();
    let (_, rejected) = Plan::empty().replaced(&wire);
    let rejected: Vec<String> = rejected.iter().map(|one| format!("{one:?}")).collect();
    rejected.concat()
}

#[test]
fn a_weak_key_is_not_taken_from_anybody() {
    let rsa = |n: &[u8], e: &[u8]| json!({ "kty": "RSA", "n": b64(n), "e": b64(e) });
    let long: Vec<u8> = [&[0xff; 255][..], &[0x01]].concat();
    let identity = [&[1_u8][..], &[0; 31]].concat();
    let mut wrong = Vec::new();
    let weak = [
        ("1024 bits", rsa(&long[128..], &[1, 0, 1])),
        ("2040 bits", rsa(&long[1..], &[1, 0, 1])),
        ("e = 1", rsa(&long, &[1])),
        ("even e", rsa(&long, &[2])),
        ("even modulus", rsa(&[&long[..255], &[2]].concat(), &[1, 0, 1])),
        ("point of order 1", json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(&identity) })),
        ("point of order 4", json!({ "kty": "OKP", "crv": "Ed25519", "x": b64([0; 32]) })),
        (
            "off the curve",
            json!({ "kty": "EC", "crv": "P-256", "x": b64([1; 32]), "y": b64([1; 32]) }),
        ),
        ("symmetric", json!({ "kty": "oct", "k": b64([1; 32]) })),
        (
            "private",
            json!({ "kty": "OKP", "crv": "Ed25519", "x": b64([2; 32]), "d": b64([3; 32]) }),
        ),
    ];
    for (case, key) in &weak {
        if judged(key).is_empty() {
            wrong.push(*case);
        }
    }
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert_eq!(judged(&SigningKey::generate(algorithm).unwrap().public_jwk()), "");
    }
    eprintln!("attack 14, weak keys: {} passed, {} failed", weak.len() - wrong.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:?}");
}
