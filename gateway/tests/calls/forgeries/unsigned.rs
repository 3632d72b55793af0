//! Attacks 1 and 2: no algorithm, no signature.

use serde_json::json;

use super::forge::{b64, changed, with_signature};
use super::ground::{Ground, Group};

#[tokio::test]
async fn an_algorithm_is_named_and_is_none_of_nothing() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "1, alg none").await;
    for signer in &ground.signers {
        for none in ["none", "None", "nOnE", "NONE", "nonE", "", " ", "none ", "null"] {
            let signed = signer.signed(&json!({ "alg": none }), &json!({}));
            group.refused(&format!("alg {none:?}, signed"), &signed).await;
            let header = changed(signer.header(), &json!({ "alg": none })).to_string();
            let message = format!("{}.{}", b64(header), b64(signer.claims().to_string()));
            for end in ["", ".", "..", ".AA", ".e30"] {
                let case = format!("alg {none:?} and {end:?}");
                group.refused(&case, &format!("{message}{end}")).await;
            }
        }
        for (name, odd) in [
            ("missing", json!({ "alg": null, "x": 1 })),
            ("a list", json!({ "alg": ["none"] })),
            ("a number", json!({ "alg": 0 })),
            ("an object", json!({ "alg": { "none": true } })),
            ("false", json!({ "alg": false })),
        ] {
            group.refused(&format!("alg {name}"), &signer.signed(&odd, &json!({}))).await;
        }
    }
    group.ends(170).await;
}

#[tokio::test]
async fn a_signature_is_there_and_whole() {
    let ground = Ground::new().await;
    let mut group = Group::of(&ground, "2, signature stripped").await;
    for signer in &ground.signers {
        let good = signer.good();
        // It is known here from now on: what is left of it is not taken for it.
        group.check("the good one", &good, "200").await;
        let (message, signature) = good.rsplit_once('.').unwrap();
        let (header, payload) = message.split_once('.').unwrap();
        let raised = b64(changed(signer.claims(), &json!({ "sub": "root" })).to_string());
        for (case, token) in [
            ("no signature", format!("{message}.")),
            ("no third part", message.to_owned()),
            ("dots behind", format!("{message}..")),
            ("a dot behind a whole one", format!("{good}.")),
            ("a dot before", format!(".{good}")),
            ("null", format!("{message}.{}", b64("null"))),
            ("the word null", format!("{message}.null")),
            ("zeros", with_signature(&good, &[0; 64])),
            ("one zero", with_signature(&good, &[0])),
            ("half", format!("{message}.{}", signature.split_at(signature.len() / 2).0)),
            ("twice", format!("{good}{signature}")),
            ("another payload under it", format!("{header}.{raised}.{signature}")),
            ("another payload without it", format!("{header}.{raised}.")),
            ("no payload", format!("{header}..{signature}")),
            ("no header", format!(".{payload}.{signature}")),
            ("a known end on nothing", format!("..{signature}")),
        ] {
            group.refused(case, &token).await;
        }
    }
    group.ends(50).await;
}
