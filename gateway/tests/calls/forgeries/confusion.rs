//! Attacks 3, 4 and 15: a key for one algorithm, used for another.

use jose::Algorithm;
use serde_json::json;

use super::forge::spellings;
use super::ground::{Ground, Group};

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "3 and 4, RS, ES and EdDSA taken for HS").await;
    for signer in &ground.signers {
        for (spelling, secret) in spellings(&signer.key) {
            for name in ["HS256", "HS384", "HS512", signer.key.algorithm().name()] {
                let case = format!("{} with {spelling} as {name}", signer.key.algorithm());
                group.refused(&case, &signer.shared(&json!({ "alg": name }), &secret)).await;
            }
        }
    }
    group.ends(250).await;
}

#[tokio::test]
async fn a_key_serves_its_own_algorithm() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "15, algorithm and key do not fit").await;
    for signer in &ground.signers {
        for other in Algorithm::ALL {
            if other != signer.key.algorithm() {
                let token = signer.signed(&json!({ "alg": other.name() }), &json!({}));
                group.refused(&format!("{} as {other}", signer.key.algorithm()), &token).await;
            }
        }
        // The key of one issuer under the name of another's.
        for owner in &ground.signers {
            if owner.iss != signer.iss {
                let kid = json!({ "kid": owner.key.kid() });
                let token = signer.signed(&kid, &json!({ "iss": owner.iss }));
                group.refused("another issuer's name and kid", &token).await;
                let alg = json!({ "kid": owner.key.kid(), "alg": owner.key.algorithm().name() });
                let token = signer.signed(&alg, &json!({ "iss": owner.iss }));
                group.refused("another issuer's name, kid and algorithm", &token).await;
            }
        }
    }
    group.ends(40).await;
}
