//! Does an assertion prove its client, and nothing else its owner? (RFC 7523, KM-051, KM-052)
//!
//! The attacks are those of the list for client authentication and for signed texts; each is refused
//! with 401 `invalid_client`, or 400 where more than one method is shown.

use jose::{Algorithm, SigningKey};
use jsonwebtoken::{EncodingKey, Header};
use key_manager::client_auth::Settings;
use key_manager::domain::{AuthMethod, ClientId};
use key_manager::endpoint::Request;
use key_manager::registration::{Application, Registered};
use key_manager::store::Store as _;
use serde_json::{Value, json};

use crate::databases::{Scratch, each};
use crate::stand::{BEGIN, Dressed, Stand, config, post, said};

const ISSUER: &str = "https://127.0.0.1:9453/oauth2";
const TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
const REFUSED: &str = "401 invalid_client";

struct Client {
    registered: Registered,
    key: SigningKey,
}

impl Client {
    async fn on(stand: &Stand, algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm).expect("a key");
        let settings = Settings {
            method: "private_key_jwt".to_owned(),
            algorithm: algorithm.name().to_owned(),
            jwks: json!({ "keys": [key.public_jwk()] }).to_string(),
            ..Settings::default()
        };
        Self { registered: register(stand, settings).await, key }
    }

    fn id(&self) -> &str {
        self.registered.client.id.as_str()
    }

    /// With these claims instead of the right ones; `null` leaves one out.
    fn claims(&self, changes: &Value) -> Value {
        claims(self.id(), changes)
    }

    fn sign(&self, changes: &Value) -> String {
        self.key.sign("JWT", &self.claims(changes)).expect("signed")
    }

    /// Under another header, signed with `key`.
    fn sign_under(&self, key: &SigningKey, header: &Value) -> String {
        key.sign_under(&header.to_string(), &self.claims(&json!({}))).expect("signed")
    }
}

async fn register(stand: &Stand, settings: Settings) -> Registered {
    stand
        .register(Application { name: "orders app".to_owned(), settings, ..Application::default() })
        .await
}

fn claims(id: &str, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": id, "sub": id, "aud": ISSUER, "iat": BEGIN, "exp": BEGIN + 60,
        "jti": chassis::random::token(16),
    });
    for (name, value) in changes.as_object().expect("changes") {
        claims[name] = value.clone();
    }
    claims.as_object_mut().expect("claims").retain(|_, value| !value.is_null());
    claims
}

fn form(assertion: &str, more: &str) -> Request {
    let form = "grant_type=client_credentials&client_assertion_type=";
    post("/oauth2/token", &format!("{form}{TYPE}&client_assertion={assertion}{more}"))
}

async fn ask(stand: &Stand, assertion: &str) -> String {
    said(&stand.ask(&form(assertion, "")).await)
}

/// What a client that is right in everything else hears when its claims are changed so.
async fn check(stand: &Stand, client: &Client, changes: Value, answer: &str) {
    let assertion = client.sign(&changes);
    assert_eq!(ask(stand, &assertion).await, answer, "{changes}");
}

#[tokio::test]
async fn a_signed_assertion_proves_its_client() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        for algorithm in [Algorithm::ES256, Algorithm::PS256, Algorithm::EdDSA] {
            let client = Client::on(&stand, algorithm).await;
            assert!(client.registered.secret.is_empty());
            check(&stand, &client, json!({}), "200").await;
            let named = form(&client.sign(&json!({})), &format!("&client_id={}", client.id()));
            assert_eq!(said(&stand.ask(&named).await), "200");
        }
    })
    .await;
}

#[tokio::test]
async fn what_an_assertion_says_is_what_was_agreed() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = Client::on(&stand, Algorithm::ES256).await;
    let other = Client::on(&stand, Algorithm::ES256).await;
    let table = [
        (json!({ "aud": format!("{ISSUER}/token") }), "200"),
        (json!({ "aud": [ISSUER] }), REFUSED),
        (json!({ "aud": [ISSUER, "https://other"] }), REFUSED),
        (json!({ "aud": format!("{ISSUER}/") }), REFUSED),
        (json!({ "aud": "https://other" }), REFUSED),
        (json!({ "aud": format!("{ISSUER}/revoke") }), REFUSED),
        (json!({ "aud": null }), REFUSED),
        (json!({ "aud": 1 }), REFUSED),
        (json!({ "exp": BEGIN - 9 }), "200"),
        (json!({ "exp": BEGIN - 10 }), REFUSED),
        (json!({ "exp": null }), REFUSED),
        (json!({ "exp": "tomorrow" }), REFUSED),
        (json!({ "exp": -1 }), REFUSED),
        (json!({ "exp": BEGIN + 300 }), "200"),
        (json!({ "exp": BEGIN + 301 }), REFUSED),
        (json!({ "exp": i64::MAX }), REFUSED),
        (json!({ "exp": 1e300 }), REFUSED),
        (json!({ "nbf": BEGIN + 10 }), "200"),
        (json!({ "nbf": BEGIN + 11 }), REFUSED),
        (json!({ "iat": BEGIN + 11 }), REFUSED),
        (json!({ "iat": null }), "200"),
        (json!({ "iss": other.id() }), REFUSED),
        (json!({ "iss": ISSUER }), REFUSED),
        (json!({ "iss": null }), REFUSED),
        (json!({ "sub": other.id() }), REFUSED),
        (json!({ "sub": null }), REFUSED),
        (json!({ "sub": [client.id()] }), REFUSED),
        (json!({ "jti": null }), REFUSED),
        (json!({ "jti": "" }), REFUSED),
        (json!({ "jti": 7 }), REFUSED),
        (json!({ "jti": "x".repeat(256) }), "200"),
        (json!({ "jti": "x".repeat(257) }), REFUSED),
    ];
    for (changes, answer) in table {
        check(&stand, &client, changes, answer).await;
    }
}

#[tokio::test]
async fn no_header_and_no_signature_but_the_right_one_counts() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = Client::on(&stand, Algorithm::ES256).await;
    let other = Client::on(&stand, Algorithm::ES256).await;
    let (own, thief) = (&client.key, &other.key);
    let kid = own.kid();
    let table = [
        ("the right one", own, json!({ "alg": "ES256" }), "200"),
        ("its new type", own, json!({ "alg": "ES256", "typ": "client-authentication+jwt" }), "200"),
        ("an access token", own, json!({ "alg": "ES256", "typ": "at+jwt" }), REFUSED),
        ("a proof", own, json!({ "alg": "ES256", "typ": "dpop+jwt" }), REFUSED),
        ("no alg", own, json!({}), REFUSED),
        ("none", own, json!({ "alg": "none" }), REFUSED),
        ("nOnE", own, json!({ "alg": "nOnE" }), REFUSED),
        ("NONE", own, json!({ "alg": "NONE" }), REFUSED),
        ("an empty alg", own, json!({ "alg": "" }), REFUSED),
        ("HMAC", own, json!({ "alg": "HS256" }), REFUSED),
        ("another algorithm", own, json!({ "alg": "RS256" }), REFUSED),
        ("crit", own, json!({ "alg": "ES256", "crit": ["exp"] }), REFUSED),
        ("b64", own, json!({ "alg": "ES256", "b64": false }), REFUSED),
        ("another client's key", thief, json!({ "alg": "ES256" }), REFUSED),
        ("its kid, another's key", thief, json!({ "alg": "ES256", "kid": kid }), REFUSED),
        ("jwk", thief, json!({ "alg": "ES256", "jwk": thief.public_jwk() }), REFUSED),
        ("jku", thief, json!({ "alg": "ES256", "jku": "https://evil/keys" }), REFUSED),
        ("x5u", thief, json!({ "alg": "ES256", "x5u": "https://evil/cert" }), REFUSED),
        ("x5c", thief, json!({ "alg": "ES256", "x5c": ["AAAA"] }), REFUSED),
        ("a kid that is a path", own, json!({ "alg": "ES256", "kid": "../../dev/null" }), REFUSED),
        ("a kid that is SQL", own, json!({ "alg": "ES256", "kid": "' OR 1=1 --" }), REFUSED),
        ("a kid that is a list", own, json!({ "alg": "ES256", "kid": [kid] }), REFUSED),
    ];
    for (name, key, header, answer) in table {
        assert_eq!(ask(&stand, &client.sign_under(key, &header)).await, answer, "{name}");
    }

    let good = || client.sign(&json!({}));
    let message = good().rsplit_once('.').expect("parts").0.to_owned();
    let zeros = "A".repeat(86);
    for forged in [
        message.clone(),
        format!("{message}."),
        format!("{message}.{zeros}"),
        format!("{}=", good()),
        format!("{}.{}", good(), "e30"),
        format!("%20{}", good()),
        "e30.e30.e30".to_owned(),
        "%7B%22payload%22%3A%22e30%22%7D".to_owned(),
        "x".repeat(40_000),
    ] {
        assert_eq!(ask(&stand, &forged).await, REFUSED, "{forged}");
    }
}

#[tokio::test]
async fn an_assertion_of_somebody_else_proves_nobody() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let (ann, ben) =
        (Client::on(&stand, Algorithm::ES256).await, Client::on(&stand, Algorithm::ES256).await);
    let as_ben = form(&ann.sign(&json!({})), &format!("&client_id={}", ben.id()));
    assert_eq!(said(&stand.ask(&as_ben).await), REFUSED);
    let unknown = form(&ann.sign(&json!({})), "&client_id=nobody");
    assert_eq!(said(&stand.ask(&unknown).await), REFUSED);
    // Not even a token of this server.
    let secret = stand.client(&[]).await;
    assert_eq!(ask(&stand, &stand.token(&secret).await).await, REFUSED);
}

#[tokio::test]
async fn an_assertion_is_good_once_whichever_process_hears_it() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let client = Client::on(&stand, Algorithm::ES256).await;
        let assertion = client.sign(&json!({ "jti": "once" }));
        assert_eq!(ask(&stand, &assertion).await, "200");
        assert_eq!(ask(&stand, &assertion).await, REFUSED);
        let again = client.sign(&json!({ "jti": "once", "exp": BEGIN + 90 }));
        assert_eq!(ask(&stand, &again).await, REFUSED, "another assertion of the same name");
        let beside = Stand::on(&scratch).await;
        assert_eq!(ask(&beside, &assertion).await, REFUSED, "another process");
        let other = Client::on(&stand, Algorithm::ES256).await;
        let same = other.sign(&json!({ "jti": "once" }));
        assert_eq!(ask(&beside, &same).await, "200", "names belong to their client");
        // Refused assertions use nothing up.
        let wrong = client.sign(&json!({ "jti": "twice", "aud": "https://other" }));
        assert_eq!(ask(&stand, &wrong).await, REFUSED);
        assert_eq!(ask(&stand, &client.sign(&json!({ "jti": "twice" }))).await, "200");
    })
    .await;
}

#[tokio::test]
async fn of_fifty_that_come_at_once_one_is_good() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let client = Client::on(&stand, Algorithm::ES256).await;
        let assertion = client.sign(&json!({}));
        let asked = (0..50).map(|_| ask(&stand, &assertion));
        let good = futures_util::future::join_all(asked).await;
        assert_eq!(good.into_iter().filter(|answer| answer == "200").count(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_remembered_of_one_client_is_bounded_and_never_forgotten_early() {
    let scratch = Scratch::sqlite();
    let mut config = config();
    config.clients.remembered = 3;
    let stand = Stand::with(&scratch, scratch.folder.path(), BEGIN, config).await;
    let (ann, ben) =
        (Client::on(&stand, Algorithm::ES256).await, Client::on(&stand, Algorithm::ES256).await);
    let first = ann.sign(&json!({}));
    assert_eq!(ask(&stand, &first).await, "200");
    for _ in 0..2 {
        check(&stand, &ann, json!({}), "200").await;
    }
    let reply = stand.ask(&form(&ann.sign(&json!({})), "")).await;
    assert_eq!(said(&reply), "429 temporarily_unavailable");
    assert_eq!(reply.headers()["retry-after"], "1");
    assert_eq!(ask(&stand, &first).await, REFUSED, "forgotten to make room");
    check(&stand, &ben, json!({}), "200").await;
    stand.pass(71);
    check(&stand, &ann, json!({ "exp": BEGIN + 120 }), "200").await;
}

#[tokio::test]
async fn rs256_serves_only_those_who_registered_it() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let old = Client::on(&stand, Algorithm::RS256).await;
    check(&stand, &old, json!({}), "200").await;
    // The same key serves PS256 too; which of both it is was agreed.
    let mut jwk = old.key.public_jwk();
    jwk.as_object_mut().expect("a key").remove("alg");
    let settings = Settings {
        method: "private_key_jwt".to_owned(),
        algorithm: "PS256".to_owned(),
        jwks: json!({ "keys": [jwk] }).to_string(),
        ..Settings::default()
    };
    let modern = register(&stand, settings).await;
    let signed = old.key.sign("JWT", &claims(modern.client.id.as_str(), &json!({})));
    assert_eq!(ask(&stand, &signed.expect("signed")).await, REFUSED);
}

fn hs256(id: &str, secret: &[u8], algorithm: jsonwebtoken::Algorithm) -> String {
    let key = EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&Header::new(algorithm), &claims(id, &json!({})), &key).expect("made")
}

#[tokio::test]
async fn a_shared_secret_makes_assertions_without_being_sent() {
    use jsonwebtoken::Algorithm::{HS256, HS384, HS512};

    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let settings = Settings { method: "client_secret_jwt".to_owned(), ..Settings::default() };
        let client = register(&stand, settings).await;
        let (id, secret) = (client.client.id.as_str(), client.secret.as_bytes());
        assert!(secret.len() >= 32, "at least 256 bit");
        let good = hs256(id, secret, HS256);
        assert_eq!(ask(&stand, &good).await, "200");
        assert_eq!(ask(&stand, &good).await, REFUSED, "a replay");
        for guess in ["", "secret", "password", "changeme", id] {
            assert_eq!(ask(&stand, &hs256(id, guess.as_bytes(), HS256)).await, REFUSED, "{guess}");
        }
        assert_eq!(ask(&stand, &hs256(id, secret, HS384)).await, REFUSED);
        assert_eq!(ask(&stand, &hs256(id, secret, HS512)).await, REFUSED);
        let list = claims(id, &json!({ "aud": [ISSUER] }));
        let key = EncodingKey::from_secret(secret);
        let list = jsonwebtoken::encode(&Header::new(HS256), &list, &key).expect("made");
        assert_eq!(ask(&stand, &list).await, REFUSED);

        // It lies sealed in the store, and opens for nobody else.
        let stored = stand.store.client(&client.client.id).await.expect("read").expect("a client");
        assert!(!stored.secrets[0].sealed.contains(client.secret.as_str()));
        let mut moved = stored;
        moved.client.id = ClientId::parse("moved").expect("an id");
        stand.store.add_client(&moved).await.expect("added");
        assert_eq!(ask(&stand, &hs256("moved", secret, HS256)).await, REFUSED);
        let after = Stand::on(&scratch).await;
        assert_eq!(ask(&after, &hs256(id, secret, HS256)).await, "200", "another process");
    })
    .await;
}

/// Public keys are no secrets (RS to HS confusion).
#[tokio::test]
async fn a_public_key_as_a_secret_proves_nobody() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = Client::on(&stand, Algorithm::RS256).await;
    let jwk = client.key.public_jwk();
    let modulus = jwk["n"].as_str().expect("n").to_owned();
    let set = json!({ "keys": [jwk.clone()] }).to_string();
    for secret in [jwk.to_string(), modulus, set] {
        let forged = hs256(client.id(), secret.as_bytes(), jsonwebtoken::Algorithm::HS256);
        assert_eq!(ask(&stand, &forged).await, REFUSED);
    }
}

#[tokio::test]
async fn exactly_the_agreed_method_works_and_only_alone() {
    each(async |scratch| {
        let stand = Stand::on(&scratch).await;
        let signer = Client::on(&stand, Algorithm::ES256).await;
        let of = async |method: &str| {
            let settings = Settings { method: method.to_owned(), ..Settings::default() };
            register(&stand, settings).await
        };
        let (basic, post_only) = (of("client_secret_basic").await, of("client_secret_post").await);
        let maker = of("client_secret_jwt").await;
        let plain = "grant_type=client_credentials";
        let by_header = async |client: &Registered| {
            let id = client.client.id.as_str();
            said(&stand.ask(&post("/token", plain).basic(id, &client.secret)).await)
        };
        let by_form = async |client: &Registered| {
            let (id, secret) = (client.client.id.as_str(), client.secret.as_str());
            let form = format!("{plain}&client_id={id}&client_secret={secret}");
            said(&stand.ask(&post("/token", &form)).await)
        };
        let by_name = async |client: &Registered| {
            let form = format!("{plain}&client_id={}", client.client.id);
            said(&stand.ask(&post("/token", &form)).await)
        };
        assert_eq!(
            (by_header(&basic).await, by_form(&basic).await),
            ("200".into(), REFUSED.into())
        );
        let said_of_post = (by_header(&post_only).await, by_form(&post_only).await);
        assert_eq!(said_of_post, (REFUSED.into(), "200".into()));
        for client in [&maker, &signer.registered] {
            assert_eq!(by_header(client).await, REFUSED);
            assert_eq!(by_form(client).await, REFUSED);
        }
        for client in [&basic, &post_only, &maker, &signer.registered] {
            assert_eq!(by_name(client).await, REFUSED);
        }
        let id = basic.client.id.as_str();
        let made = hs256(id, basic.secret.as_bytes(), jsonwebtoken::Algorithm::HS256);
        assert_eq!(ask(&stand, &made).await, REFUSED, "a secret is no HMAC key unless agreed");

        let assertion = || signer.sign(&json!({}));
        let both = form(&assertion(), "").basic(id, &basic.secret);
        assert_eq!(said(&stand.ask(&both).await), "400 invalid_request");
        let both = form(&assertion(), "&client_secret=x");
        assert_eq!(said(&stand.ask(&both).await), "400 invalid_request");
        let twice = form(&assertion(), &format!("&client_assertion={}", assertion()));
        assert_eq!(said(&stand.ask(&twice).await), "400 invalid_request");
        let untyped = format!("{plain}&client_assertion={}", assertion());
        assert_eq!(said(&stand.ask(&post("/token", &untyped)).await), REFUSED);
        let saml = format!("{plain}&client_assertion_type=saml2-bearer&client_assertion=x");
        assert_eq!(said(&stand.ask(&post("/token", &saml)).await), REFUSED);
    })
    .await;
}

#[tokio::test]
async fn a_public_client_gets_nothing_for_itself() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let made = stand.client(&[]).await;
    let mut stored = stand.store.client(&made.client.id).await.expect("read").expect("a client");
    stored.client.id = ClientId::parse("public").expect("an id");
    stored.client.authentication.method = AuthMethod::None;
    stored.secrets.clear();
    stand.store.add_client(&stored).await.expect("added");
    let ask = async |path: &str, form: &str| {
        said(&stand.ask(&post(path, &format!("{form}&client_id=public"))).await)
    };
    let granted = ask("/token", "grant_type=client_credentials").await;
    assert_eq!(granted, "400 unauthorized_client");
    assert_eq!(ask("/introspect", "token=x").await, REFUSED);
    assert_eq!(ask("/revoke", "token=x").await, "200");
    let secret = ask("/token", "grant_type=client_credentials&client_secret=x").await;
    assert_eq!(secret, REFUSED);
}

#[tokio::test]
async fn an_assertion_opens_introspection_and_revocation_too() {
    let scratch = Scratch::sqlite();
    let stand = Stand::on(&scratch).await;
    let client = Client::on(&stand, Algorithm::ES256).await;
    for path in ["/introspect", "/revoke"] {
        let assertion = client.sign(&json!({}));
        let form = format!("token=x&client_assertion_type={TYPE}&client_assertion={assertion}");
        assert_eq!(said(&stand.ask(&post(path, &form)).await), "200");
        assert_eq!(said(&stand.ask(&post(path, &form)).await), REFUSED);
    }
}
