//! Whose word about a person is taken, and for how much? (RFC 7523, KM-039)

use jose::{Algorithm, SigningKey};
use key_manager::config::TrustedConfig;
use key_manager::registration::{Application, Registered};
use serde_json::{Value, json};

use crate::browser::{Browser, CALLBACK, encode, wish};
use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Dressed, Stand, config, json as body, part, post, said, text};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ISSUER: &str = "https://127.0.0.1:9453/oauth2";
const TRUSTED: &str = "https://idp.example";

struct Word {
    stand: Stand,
    key: SigningKey,
    client: Registered,
}

/// A key manager that takes the word of one server, and one that is switched off.
async fn word(scratch: &Scratch, first_party: bool) -> Word {
    let key = SigningKey::generate(Algorithm::ES256).expect("a key");
    let file = scratch.folder.path().join("idp.json");
    std::fs::write(&file, json!({ "keys": [key.public_jwk()] }).to_string()).expect("a file");
    let trusted = |issuer: &str, enabled| TrustedConfig {
        issuer: issuer.to_owned(),
        jwks: file.clone(),
        jwks_uri: String::new(),
        algorithms: vec!["ES256".to_owned()],
        subject: "sub".to_owned(),
        longest: 300,
        enabled,
    };
    let mut config = config();
    config.assertions.trusted = vec![trusted(TRUSTED, true), trusted("https://off.example", false)];
    let stand = Stand::with(scratch, scratch.folder.path(), BEGIN, config).await;
    let client = stand
        .register(Application {
            name: "reports".to_owned(),
            grant_types: vec![GRANT.to_owned(), "authorization_code".to_owned()],
            redirect_uris: vec![CALLBACK.to_owned()],
            scopes: ["openid", "a", "b"].map(str::to_owned).to_vec(),
            first_party,
            ..Application::default()
        })
        .await;
    Word { stand, key, client }
}

impl Word {
    /// A good assertion about Ann, with `changes`; null leaves a claim out.
    fn says(&self, changes: &Value) -> String {
        let now = self.stand.authority.clock.unix_seconds();
        let mut claims = json!({
            "iss": TRUSTED, "sub": "Ann", "aud": ISSUER, "iat": now, "exp": now + 60,
            "jti": chassis::random::token(16),
        });
        for (name, value) in changes.as_object().expect("changes") {
            claims[name] = value.clone();
        }
        claims.as_object_mut().expect("claims").retain(|_, value| !value.is_null());
        self.key.sign("JWT", &claims).expect("signed")
    }

    async fn ask(&self, assertion: &str, more: &[(&str, &str)]) -> key_manager::endpoint::Reply {
        let mut pairs = vec![("grant_type", GRANT), ("assertion", assertion)];
        pairs.extend(more);
        let request = post("/oauth2/token", &encode(&pairs));
        let id = self.client.client.id.as_str();
        self.stand.ask(&request.basic(id, &self.client.secret)).await
    }
}

#[tokio::test]
async fn a_person_of_another_server_is_spoken_for_as_far_as_they_agreed() {
    each(async |scratch| {
        let word = word(&scratch, false).await;
        let ann = word.stand.person().await;
        let unasked = word.ask(&word.says(&json!({})), &[]).await;
        assert_eq!(said(&unasked), "400 invalid_grant", "she has agreed to nothing yet");
        Browser::new(&word.stand).code(&wish(&word.client, &[("scope", "openid a")])).await;
        let assertion = word.says(&json!({}));
        let reply = word.ask(&assertion, &[]).await;
        assert_eq!(said(&reply), "200");
        let tokens = body(&reply);
        assert_eq!((&tokens["scope"], tokens.get("refresh_token")), (&json!("a"), None));
        assert_eq!(tokens.get("id_token"), None, "nobody logged in here");
        assert_eq!(part(&text(&tokens, "access_token"), 1)["sub"], ann.id.as_str());
        let again = word.ask(&assertion, &[]).await;
        assert_eq!(said(&again), "400 invalid_grant", "an assertion is good once");
        let assertion = word.says(&json!({}));
        let wider = word.ask(&assertion, &[("scope", "a b")]).await;
        assert_eq!(said(&wider), "400 invalid_scope");
        assert_eq!(said(&word.ask(&assertion, &[]).await), "200", "it was not used up");

        key_manager::accounts::disable(&word.stand.authority, &ann.id, true)
            .await
            .expect("disabled");
        let gone = word.ask(&word.says(&json!({})), &[]).await;
        assert_eq!(said(&gone), "400 invalid_grant");
    })
    .await;
}

#[tokio::test]
async fn no_other_word_counts() {
    let scratch = Scratch::sqlite();
    let word = word(&scratch, true).await;
    word.stand.person().await;
    let table = [
        (json!({}), "200"),
        (json!({ "aud": format!("{ISSUER}/token") }), "200"),
        (json!({ "iss": "https://idp.example/" }), "400 invalid_grant"),
        (json!({ "iss": "https://off.example" }), "400 invalid_grant"),
        (json!({ "iss": ISSUER }), "400 invalid_grant"),
        (json!({ "iss": null }), "400 invalid_grant"),
        (json!({ "aud": "https://other" }), "400 invalid_grant"),
        (json!({ "aud": null }), "400 invalid_grant"),
        (json!({ "sub": "nobody" }), "400 invalid_grant"),
        (json!({ "sub": null }), "400 invalid_grant"),
        (json!({ "sub": 7 }), "400 invalid_grant"),
        (json!({ "exp": BEGIN + 400 }), "400 invalid_grant"),
        (json!({ "exp": BEGIN - 60 }), "400 invalid_grant"),
        (json!({ "exp": null }), "400 invalid_grant"),
        (json!({ "nbf": BEGIN + 60 }), "400 invalid_grant"),
        (json!({ "jti": null }), "400 invalid_grant"),
        (json!({ "jti": "x".repeat(300) }), "400 invalid_grant"),
    ];
    for (changes, answer) in table {
        let reply = word.ask(&word.says(&changes), &[]).await;
        assert_eq!(said(&reply), answer, "{changes}");
    }
    let stranger = SigningKey::generate(Algorithm::ES256).expect("a key");
    let claims =
        json!({ "iss": TRUSTED, "sub": "ann", "aud": ISSUER, "exp": BEGIN + 60, "jti": "j" });
    let forged = stranger.sign("JWT", &claims).expect("signed");
    let typed = word.key.sign("at+jwt", &claims).expect("signed");
    let none = "eyJhbGciOiJub25lIn0.e30.";
    for assertion in [forged.as_str(), typed.as_str(), none, "nonsense", &"x".repeat(20_000)] {
        assert_eq!(said(&word.ask(assertion, &[]).await), "400 invalid_grant");
    }
    assert_eq!(said(&word.ask("", &[]).await), "400 invalid_request");
}
