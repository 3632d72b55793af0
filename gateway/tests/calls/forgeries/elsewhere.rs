//! Attacks 22 and 23: good tokens of somebody else, and of keys that are gone.

use jose::{Algorithm, SigningKey};
use serde_json::json;
use turnpike_proto::identity::v1::Revocation;
use turnpike_proto::identity::v1::revocation::What;

use super::forge::Signer;
use super::ground::{Ground, Group, REFUSED};

#[tokio::test]
async fn a_good_token_of_another_issuer_is_good_there_alone() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "22, tokens of others").await;
    let [own, others @ ..] = &ground.signers;
    group.check_at("/own/1.0/echo", "our own", &own.good(), "200").await;
    for signer in others {
        // Twice: the second time the token is known, and good at another API.
        let token = signer.good();
        group.check_at("/own/1.0/echo", "not trusted there", &token, REFUSED).await;
        group.check("trusted here", &token, "200").await;
        group.check_at("/own/1.0/echo", "known, and not trusted there", &token, REFUSED).await;
    }
    for signer in &ground.signers {
        for other in &ground.signers {
            if signer.iss == other.iss {
                continue;
            }
            let named = json!({ "iss": other.iss });
            for kid in [json!(signer.key.kid()), json!(other.key.kid()), json!(null)] {
                let token = signer.signed(&json!({ "kid": kid, "x": 1 }), &named);
                group.refused("under another issuer's name", &token).await;
            }
        }
        // The same client of another issuer that has no application here.
        let stranger = SigningKey::generate(signer.key.algorithm()).unwrap();
        let stranger =
            Signer { iss: "https://tenant.example".to_owned(), key: stranger, now: signer.now };
        group.refused("an issuer that nobody knows", &stranger.good()).await;
        let client = signer.signed(&json!({}), &json!({ "client_id": "other" }));
        group.check("a client of nobody here", &client, "403 900908").await;
    }
    group.ends(34).await;
}

#[tokio::test]
async fn a_key_that_is_gone_verifies_nothing_from_then_on() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "23, rotated and revoked").await;
    let [own, rs, ed] = &ground.signers;
    let next = Signer {
        iss: rs.iss.clone(),
        key: SigningKey::generate(Algorithm::RS256).unwrap(),
        now: rs.now,
    };
    let (known, unknown) = (rs.good(), rs.good());
    group.check("a token before", &known, "200").await;
    group.check("the next key before its time", &next.good(), REFUSED).await;
    ground.rotate(&[&rs.key, &next.key], &[&ed.key]);
    group.check("the old one while both stand there", &known, "200").await;
    group.check("the next one", &next.good(), "200").await;
    ground.rotate(&[&next.key], &[&ed.key]);
    group.check("a known token of a key that is gone", &known, REFUSED).await;
    group.check("an unknown token of a key that is gone", &unknown, REFUSED).await;
    let renamed = rs.signed(&json!({ "kid": next.key.kid() }), &json!({}));
    group.check("the old key under the next one's name", &renamed, REFUSED).await;
    let unnamed = rs.signed(&json!({ "kid": null }), &json!({}));
    group.check("the old key without a name", &unnamed, REFUSED).await;
    group.check("the next one alone", &next.good(), "200").await;
    ground.rotate(&[&rs.key], &[&ed.key]);
    group.check("the old key is back", &known, "200").await;

    let jti = |jti: &str| json!({ "jti": jti });
    let (one, other) = (own.signed(&json!({}), &jti("gone")), own.signed(&json!({}), &jti("here")));
    group.check("before its end", &one, "200").await;
    let what = Some(What::Jti("gone".to_owned()));
    let entry = Revocation { issuer: own.iss.clone(), what, ..Revocation::default() };
    ground.stand.revocations.apply(&[entry]);
    group.check("after its end", &one, REFUSED).await;
    group
        .check("written anew under its name", &own.signed(&json!({}), &jti("gone")), REFUSED)
        .await;
    group.check("another token", &other, "200").await;
    // The end of a token of one issuer is none of another's.
    group
        .check("the same name at another issuer", &rs.signed(&json!({}), &jti("gone")), "200")
        .await;
    group.ends(20).await;
}
