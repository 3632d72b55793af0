//! Attacks 9 to 12, 16 and 20: what a token looks like.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE};
use serde_json::{Value, json};

use super::forge::{b64, cut};
use super::ground::{Ground, Group};

#[tokio::test]
async fn a_token_says_everything_once() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "9 and 10, names twice, crit, b64").await;
    for signer in &ground.signers {
        let (header, claims) = (signer.header().to_string(), signer.claims().to_string());
        let alg = signer.key.algorithm();
        let inside = |text: &str| cut(text, 1).trim_start_matches('{').to_owned();
        for first in [true, false] {
            let twice = |text: &str, more: &str| {
                if first {
                    format!("{{{more},{}}}", inside(text))
                } else {
                    format!("{{{},{more}}}", inside(text))
                }
            };
            for more in [
                r#""alg":"none""#.to_owned(),
                format!(r#""alg":"{alg}""#),
                r#""kid":"a""#.to_owned(),
                r#""typ":"JWT""#.to_owned(),
                r#""\u0061lg":"none""#.to_owned(),
                r#""x":{"a":1,"a":2}"#.to_owned(),
            ] {
                let token = signer.written(twice(&header, &more), &claims);
                group.refused(&format!("header {more}, first {first}"), &token).await;
            }
            for more in [
                r#""sub":"root""#,
                r#""client_id":"live""#,
                r#""exp":9999999999"#,
                r#""iss":"a""#,
                r#""s\u0075b":"root""#,
                r#""cnf":{"jkt":"a","jkt":"b"}"#,
                r#""x":[{"a":1,"a":1}]"#,
            ] {
                let token = signer.written(&header, twice(&claims, more));
                group.refused(&format!("payload {more}, first {first}"), &token).await;
            }
        }
        for odd in [
            json!({ "crit": ["exp"] }),
            json!({ "crit": [] }),
            json!({ "crit": "b64" }),
            json!({ "crit": ["b64"], "b64": false }),
            json!({ "b64": false }),
            json!({ "b64": true }),
            json!({ "crit": ["http://example.com/x"], "http://example.com/x": 1 }),
        ] {
            group.refused(&odd.to_string(), &signer.signed(&odd, &json!({}))).await;
        }
    }
    group.ends(95).await;
}

#[tokio::test]
async fn nothing_is_decrypted_unpacked_or_nested() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "11 and 12, JWE, zip, PBES2, other serialisations").await;
    for signer in &ground.signers {
        let good = signer.good();
        let parts: Vec<&str> = good.split('.').collect();
        let [header, payload, signature] = parts[..] else { panic!("three parts") };
        let jwe =
            |header: Value| format!("{}.AAAA.{}.AAAA.AAAA", b64(header.to_string()), b64([0; 12]));
        for header in [
            json!({ "alg": "dir", "enc": "A256GCM", "zip": "DEF" }),
            json!({ "alg": "RSA-OAEP", "enc": "A128GCM", "kid": signer.key.kid() }),
            json!({ "alg": "RSA1_5", "enc": "A128CBC-HS256" }),
            json!({ "alg": "ECDH-ES", "enc": "A128GCM", "epk": signer.key.public_jwk() }),
            json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_147_483_647, "p2s": "AAAA" }),
        ] {
            group.refused(&format!("JWE {header}"), &jwe(header.clone())).await;
            // In three parts, with the right key.
            group.refused(&format!("JWS {header}"), &signer.signed(&header, &json!({}))).await;
        }
        // A list of values in one field is parted at commas, so that JSON is no token in any case.
        let flat = format!("{{\"payload\":\"{payload}\"}}");
        group.refused("JSON", &flat).await;
        let whole = json!({ "payload": payload, "protected": header, "signature": signature });
        let said = ground.verdict("/orders/1.0/echo", &whole.to_string()).await;
        assert_ne!(said, "200", "JSON serialisation");
        let many = json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature }] });
        let said = ground.verdict("/orders/1.0/echo", &many.to_string()).await;
        assert_ne!(said, "200", "several signatures");
        let nested = signer.written(
            json!({ "alg": signer.key.algorithm().name(), "cty": "JWT", "kid": signer.key.kid() })
                .to_string(),
            &good,
        );
        group.refused("nested", &nested).await;
        let zipped = signer.signed(&json!({ "zip": "DEF" }), &json!({ "x": "a".repeat(4_000) }));
        // Nothing is unpacked: the payload is what it is.
        group.check("zip on a plain payload", &zipped, "200").await;
        let packed = signer.written(
            json!({ "alg": signer.key.algorithm().name(), "zip": "DEF", "kid": signer.key.kid() })
                .to_string(),
            [0x4b, 0x4c, 0x4a, 0x06, 0x00],
        );
        group.refused("zip on a packed payload", &packed).await;
        for (case, token) in [
            ("two tokens", format!("{good}.{good}")),
            ("four parts", format!("{good}.{signature}")),
            ("detached", format!("{header}..{signature}")),
        ] {
            group.refused(case, &token).await;
        }
    }
    group.ends(50).await;
}

#[tokio::test]
async fn a_token_has_one_spelling() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "16, base64").await;
    for signer in &ground.signers {
        // Bytes of which some are `-` and `_` in base64url.
        let claims =
            super::forge::changed(signer.claims(), &json!({ "x": "\u{fff}\u{3ff}~~~>>>???" }));
        let header = signer.header().to_string();
        let good = signer.written(&header, claims.to_string());
        group.check("the good one", &good, "200").await;
        let payload = good.split('.').nth(1).unwrap();
        let head = good.split('.').next().unwrap();
        let other = STANDARD_NO_PAD.encode(claims.to_string());
        group.refused("the other alphabet, signed", &signer.raw(head, &other)).await;
        let padded = URL_SAFE.encode(format!("{claims} "));
        group
            .refused(
                "padding, signed",
                &signer.raw(head, &format!("{}=", padded.trim_end_matches('='))),
            )
            .await;
        for stray in ["=", "==", "%3D", "+", "/", "~", ":"] {
            group.refused("stray, signed", &signer.raw(head, &format!("{payload}{stray}"))).await;
            group.refused("stray, signed", &signer.raw(&format!("{head}{stray}"), payload)).await;
            group
                .refused("stray before, signed", &signer.raw(head, &format!("{stray}{payload}")))
                .await;
            group.refused("stray behind", &format!("{good}{stray}")).await;
            group.refused("stray before", &format!("{stray}{good}")).await;
        }
        for stray in [" ", "\t"] {
            // Inside a field they part words; at its ends they are no part of it.
            let (front, rest) = good.split_at(good.len() / 2);
            group.refused("white space inside", &format!("{front}{stray}{rest}")).await;
            group
                .refused("white space, signed", &signer.raw(head, &format!("{payload}{stray}")))
                .await;
        }
        let (front, rest) = good.split_at(good.len() / 2);
        group.check("a comma inside", &format!("{front},{rest}"), "401 900901").await;
        // A last character with other bits that nobody reads.
        let last = good.chars().last().unwrap();
        for twin in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
            if twin != last {
                let bent = format!("{}{twin}", cut(&good, 1));
                group.refused("another last character", &bent).await;
            }
        }
    }
    group.ends(290).await;
}

#[tokio::test]
async fn what_is_too_much_is_refused_at_once() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "20, size and depth").await;
    let begun = ground.stand.host.clock.instant();
    for signer in &ground.signers {
        let with = |value: Value| signer.signed(&json!({}), &json!({ "x": value }));
        let header = signer.header().to_string();
        let inside = |text: &str| {
            let claims = signer.claims().to_string();
            signer.written(&header, format!("{},\"x\":{text}}}", cut(&claims, 1)))
        };
        group.check("64 kB", &with(json!("a".repeat(64 * 1024))), "431 431").await;
        group.check("1 MB", &"a".repeat(1 << 20), "431 431").await;
        let many: serde_json::Map<String, Value> =
            (0..10_000).map(|at| (format!("c{at}"), json!(at))).collect();
        group.check("10,000 claims", &with(json!(many)), "431 431").await;
        for depth in [127, 500, 4_000] {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            group.refused(&format!("{depth} lists deep"), &inside(&format!("{open}{close}"))).await;
            let open = "{\"a\":".repeat(depth.min(1_500));
            let close = "}".repeat(depth.min(1_500));
            group
                .refused(&format!("{depth} objects deep"), &inside(&format!("{open}1{close}")))
                .await;
            // Before any signature is looked at, too.
            let nested = format!("{}.{}.AAAA", b64("[".repeat(depth)), b64("[".repeat(depth)));
            group.refused(&format!("{depth} open lists"), &nested).await;
        }
        group.check("many that fit", &with(json!(vec![1; 4_000])), "200").await;
    }
    let took = ground.stand.host.clock.instant().duration_since(begun);
    // Some 40 calls, each on a connection of its own and most with far too much, unoptimised.
    assert!(took < Duration::from_secs(5), "took {took:?}");
    group.ends(38).await;
}

#[tokio::test]
async fn a_gateway_with_long_fields_reads_tokens_of_32_kb_at_most() {
    let resources = r#"
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: "1.0" }
spec:
  context: /orders
  lifecycle: PROTOTYPED
  endpoints: { production: { urls: ["http://BACKEND/base"] } }
"#;
    let stand = crate::stand::Stand::with(resources, |settings| {
        settings.receiver.max_header_bytes = 256 * 1024;
    })
    .await;
    for (bytes, expected) in [(20_000, "200"), (32_000, "401 900901"), (150_000, "401 900901")] {
        let token = stand.token("live", &json!({ "x": "a".repeat(bytes) }));
        let fields = format!("authorization: Bearer {token}\r\n");
        let answer = stand.call("GET /orders/1.0/echo", &fields, "").await;
        let said = if answer.status == 200 { "200".to_owned() } else { answer.fault() };
        assert_eq!(said, expected, "{bytes} bytes");
    }
}
