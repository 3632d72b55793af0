//! Attacks 17 to 19 and 21: what a token says.

use jose::{Algorithm, SigningKey};
use serde_json::json;

use super::forge::cut;
use super::ground::{Ground, Group};

#[tokio::test]
async fn a_token_of_another_type_is_no_access_token() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "17, types").await;
    let [own, others @ ..] = &ground.signers;
    for typ in [
        json!("JWT"),
        json!("jwt"),
        json!("id+jwt"),
        json!("logout+jwt"),
        json!("dpop+jwt"),
        json!("secevent+jwt"),
        json!("oauth-authz-req+jwt"),
        json!("token-introspection+jwt"),
        json!("client-authentication+jwt"),
        json!("at+jwt+x"),
        json!(""),
        json!("at+jwt\0"),
        json!(null),
        json!(["at+jwt"]),
        json!(1),
    ] {
        let token = own.signed(&json!({ "typ": typ, "x": 1 }), &json!({}));
        group.refused(&format!("typ {typ} of our own key manager"), &token).await;
        // Other issuers say `JWT`, or nothing, of access tokens too.
        if ![json!("JWT"), json!("jwt"), json!(null)].contains(&typ) {
            for signer in others {
                let token = signer.signed(&json!({ "typ": typ, "x": 1 }), &json!({}));
                group.refused(&format!("typ {typ} of a provider"), &token).await;
            }
        }
    }
    // A proof of possession carries its own key; as a token it is nothing.
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": key.public_jwk() }).to_string();
    for signer in &ground.signers {
        let proof = key.sign_under(&header, &signer.claims()).unwrap();
        group.refused("a proof", &proof).await;
        // An ID token says for whom it is and no client; a logout token has events.
        let id = json!({ "client_id": null, "azp": null, "nonce": "n", "typ": "ID" });
        group.refused("an ID token without a client", &signer.signed(&json!({}), &id)).await;
    }
    group.ends(45).await;
}

#[tokio::test]
async fn an_issuer_is_named_byte_for_byte() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "18, issuer and audience").await;
    for signer in &ground.signers {
        let iss = &signer.iss;
        for odd in [
            format!("{iss}/"),
            iss.to_uppercase(),
            iss.replace("https", "http"),
            iss.replace("https", "HTTPS"),
            format!("{iss}:443"),
            format!(" {iss}"),
            format!("{iss} "),
            format!("{iss}?"),
            format!("{iss}#"),
            format!("{iss}/."),
            format!("{iss}\0"),
            iss.replace('e', "\u{435}"),
            iss.replace('.', "\u{3002}"),
            format!("{iss}.evil.example"),
            iss.replace("://", "://user@"),
            iss.replace('p', "\u{ff50}"),
            String::new(),
        ] {
            // Not every issuer has every letter that is changed.
            if odd != *iss {
                let token = signer.signed(&json!({}), &json!({ "iss": odd }));
                group.refused(&format!("issuer {odd:?}"), &token).await;
            }
        }
        for odd in [json!(null), json!([iss]), json!({ "a": iss }), json!(1)] {
            let token = signer.signed(&json!({}), &json!({ "iss": odd, "x": 1 }));
            group.refused(&format!("issuer {odd}"), &token).await;
        }
        for odd in [json!([1]), json!({ "a": "any" }), json!(1), json!(["any", null])] {
            let token = signer.signed(&json!({}), &json!({ "aud": odd }));
            group.refused(&format!("audience {odd}"), &token).await;
        }
    }
    group.ends(75).await;
}

#[tokio::test]
async fn a_token_counts_in_its_time() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "19, times").await;
    for signer in &ground.signers {
        let now = ground.stand.host.clock.unix_seconds();
        for odd in [
            json!({ "exp": null, "x": 1 }),
            json!({ "exp": "9999999999" }),
            json!({ "exp": "" }),
            json!({ "exp": -1 }),
            json!({ "exp": 0 }),
            json!({ "exp": [now + 60] }),
            json!({ "exp": true }),
            json!({ "exp": 1e300 }),
            json!({ "exp": i64::MIN }),
            json!({ "exp": now - 6 }),
            json!({ "exp": 1.5 }),
            json!({ "nbf": now + 60 }),
            json!({ "nbf": "x" }),
            json!({ "nbf": i64::MAX }),
            json!({ "iat": now + 60 }),
            json!({ "iat": [] }),
            json!({ "iat": 1e300 }),
        ] {
            group.refused(&odd.to_string(), &signer.signed(&json!({}), &odd)).await;
        }
        // The edges that do not move while the test runs: five seconds of skew.
        for taken in [json!({ "exp": now + 60, "nbf": now, "iat": now }), json!({ "nbf": now - 9 })]
        {
            group.check(&taken.to_string(), &signer.signed(&json!({}), &taken), "200").await;
        }
        let claims = signer.claims().to_string();
        for text in ["1e400", "-1e400", "0x7fffffff", "01900000000", "Infinity"] {
            let payload = claims
                .replace(&format!("\"exp\":{}", signer.now + 600), &format!("\"exp\":{text}"));
            assert!(payload.contains(text), "{payload}");
            let token = signer.written(signer.header().to_string(), payload);
            group.refused(&format!("exp {text}"), &token).await;
        }
    }
    group.ends(70).await;
}

#[tokio::test]
async fn a_name_is_a_text() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "21, kinds of claims").await;
    for signer in &ground.signers {
        for name in ["sub", "client_id", "jti"] {
            for odd in [
                json!(["ann"]),
                json!({ "a": "ann" }),
                json!(1),
                json!(true),
                json!("ann\0"),
                json!("\0"),
                json!("ann\r\nx-user: root"),
                json!("\u{1b}[2J"),
                json!("a\u{85}b"),
            ] {
                let token = signer.signed(&json!({}), &json!({ name: odd }));
                group.refused(&format!("{name} {odd}"), &token).await;
            }
        }
        for scope in [json!(1), json!({ "a": 1 }), json!([1]), json!([["a"]]), json!(true)] {
            let token = signer.signed(&json!({}), &json!({ "scope": scope }));
            group.refused(&format!("scope {scope}"), &token).await;
        }
        for bound in [
            json!("x"),
            json!([]),
            json!({}),
            json!({ "jkt": 1 }),
            json!({ "jwk": {} }),
            json!({ "x5t#S256": "AAAA" }),
            json!({ "kid": "a" }),
            json!({ "jkt": "" }),
            json!(null),
        ] {
            let claims = signer.claims().to_string();
            let payload = format!("{},\"cnf\":{bound}}}", cut(&claims, 1));
            let token = signer.written(signer.header().to_string(), payload);
            group.refused(&format!("cnf {bound}"), &token).await;
        }
        // What a client says of itself elsewhere in the token is not who it is.
        let spoof = json!({ "claims": { "sub": "root" }, "km": { "sub": "root" }, "act": { "sub": "root" } });
        let token = signer.signed(&json!({}), &spoof);
        group.check("a subject inside other claims", &token, "200").await;
        let unknown = signer.signed(&json!({}), &json!({ "client_id": "liv" }));
        group.check("another client", &unknown, "403 900908").await;
    }
    group.ends(120).await;
}
